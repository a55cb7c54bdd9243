package dedup

import (
	"slices"
	"strings"
	"testing"
)

func TestShingles(t *testing.T) {
	equal := func(x, y string) {
		t.Helper()
		if !slices.Equal(Shingles(nil, x, 5), Shingles(nil, y, 5)) {
			t.Errorf("%q and %q have different shingles", x, y)
		}
	}
	differ := func(x, y string) {
		t.Helper()
		if slices.Equal(Shingles(nil, x, 5), Shingles(nil, y, 5)) {
			t.Errorf("%q and %q have equal shingles", x, y)
		}
	}
	equal("The quick, brown fox -- jumps over!", "the QUICK brown\nfox jumps over")
	equal("ÉTÉ straße ДОМ one two", "été straße дом ONE two?")
	equal("你好，世界！今天天气很好。", "你好世界今天天气很好")
	differ("one two three four five", "one two three four fife")
	differ("ab c d e f", "a bc d e f")
	differ("incomprehensibilities a b c d", "incomprehensibilitier a b c d")
	differ("café", "cafe")
	differ("1 2 3 4 5", "1 2 3 4 6")
	differ("a0 b c d e", "aP b c d e") // differ in bit 0x20 alone
	for _, c := range []struct {
		text string
		n    int
	}{
		{"", 0}, {" .,!", 0}, {"one", 1}, {"a b c d e", 1}, {"a b c d e f", 2}, {strings.Repeat("w ", 100), 96},
		{"一二三四五六七", 1}, {"一二三四五六七八", 1}, {"一二三四五六七八九", 2}, // eight characters are a shingle
		{"กขคงจฉชซฌ", 2},                        // so in Thai
		{"a b c d 一二", 1},                       // four words and two characters
		{"a b c d 一二三", 1}, {"a b c d 一二三四", 2}, // the second is b c d 一二三四
		{"\xff\xfe a\x80b c d e f", 2}, // broken bytes part words
	} {
		if got := len(Shingles(nil, c.text, 5)); got != c.n {
			t.Errorf("%q has %d shingles, want %d", c.text, got, c.n)
		}
	}
	// a word is the same word wherever it stands: at the end of the text, too
	x, y := Shingles(nil, "a b c d final", 5), Shingles(nil, "a b c d final and more words here", 5)
	if x[0] != y[0] {
		t.Error("a word at the end of a text has another hash")
	}
	if got := Shingles([]uint64{7}, "a b c d e", 5); len(got) != 2 || got[0] != 7 {
		t.Errorf("appended to %v", got)
	}
}

func TestLength(t *testing.T) {
	for text, want := range map[string]float64{"": 0, "one, two": 2, "一二三四五六七八": 5, "a 一": 1.625} {
		if got := Length(text); got != want {
			t.Errorf("%q has %v words, want %v", text, got, want)
		}
	}
}

func FuzzShingles(f *testing.F) {
	f.Add("Hello, 世界 1234 straße\n", 5)
	f.Add("\xe4\xb8", 1)
	f.Fuzz(func(t *testing.T, text string, n int) {
		n = 1 + (n&0xff)%MaxShingle
		got := Shingles(nil, text, n)
		if !slices.Equal(got, Shingles(nil, strings.Clone(text)+" ", n)) {
			t.Errorf("a space behind %q changes its shingles", text)
		}
		if len(got) > len(text) {
			t.Errorf("%q has %d shingles", text, len(got))
		}
	})
}
