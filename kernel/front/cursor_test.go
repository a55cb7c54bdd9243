package front

import "testing"

// A position counts code points until the front end shows that it counts UTF-16 code units; anything out of range is clamped.
func TestPosition(t *testing.T) {
	const code = "a😀b" // 3 code points, 4 code units
	at := func(n int) positionRequest { return positionRequest{Code: code, Cursor: &n} }
	var o offsets
	for _, c := range []struct {
		session string
		cursor  int
		want    int
		back    int // of code point 2
	}{
		{"points", 2, 2, 2}, {"points", -5, 0, 2}, {"points", 99, 3, 2},
		{"units", 2, 2, 2}, {"units", 4, 3, 3}, {"units", 3, 2, 3}, {"units", 2, 1, 3},
		{"points", 3, 3, 2},
	} {
		p, back := o.position(c.session, at(c.cursor))
		if p.Cursor != c.want || back(2) != c.back {
			t.Errorf("%s %d: code point %d, back %d; want %d, %d", c.session, c.cursor, p.Cursor, back(2), c.want, c.back)
		}
	}
	if p, _ := o.position("new", positionRequest{Code: code}); p.Cursor != 3 {
		t.Errorf("without a cursor: %d, want the end", p.Cursor)
	}
}

func FuzzPosition(f *testing.F) {
	f.Add("a😀b", 4)
	f.Add("\xff\xfe", -1)
	f.Fuzz(func(t *testing.T, code string, cursor int) {
		var o offsets
		p, back := o.position("s", positionRequest{Code: code, Cursor: &cursor})
		if n := len([]rune(code)); p.Cursor < 0 || p.Cursor > n || back(p.Cursor) < 0 {
			t.Errorf("%q at %d: %d", code, cursor, p.Cursor)
		}
	})
}
