package sealed

import (
	"bufio"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestSealed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	words, longs := []uint32{1, 1 << 31, 0}, []uint64{1 << 63, 7}
	err := Write(path, func(w *bufio.Writer) error {
		Put(w, words)
		Put(w, longs)
		w.WriteString("end")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	data, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	p := Parts{Rest: data}
	if got := Take[uint32](&p, 3); !slices.Equal(got, words) {
		t.Errorf("have %v", got)
	}
	if got := Take[uint64](&p, 2); !slices.Equal(got, longs) {
		t.Errorf("have %v", got)
	}
	if string(p.Rest) != "end" || p.Err != nil {
		t.Errorf("rest %q, %v", p.Rest, p.Err)
	}
	if Take[uint64](&p, 1<<60); p.Err == nil {
		t.Error("more values than there are")
	}
	if p = (Parts{Rest: data}); p.Bytes(-1) != nil || p.Err == nil {
		t.Error("a negative length")
	}

	// a file that is damaged or cut is refused, and a write that fails leaves the old file
	if err := Write(path, func(w *bufio.Writer) error { return errors.New("no") }); err == nil {
		t.Error("a failed write succeeds")
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for n := range whole {
		if os.WriteFile(path, whole[:n], 0o644); n < len(whole) {
			if _, err := Read(path); err == nil {
				t.Errorf("%d of %d bytes are read", n, len(whole))
			}
		}
		changed := slices.Clone(whole)
		changed[n] ^= 4
		os.WriteFile(path, changed, 0o644)
		if _, err := Read(path); err == nil {
			t.Errorf("damage at byte %d is not seen", n)
		}
	}
	if names, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*")); len(names) != 1 {
		t.Errorf("left behind: %v", names)
	}
}
