package history

import (
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func sources(t *testing.T) func([]Entry, error) []string {
	return func(entries []Entry, err error) []string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		var s []string
		for _, e := range entries {
			s = append(s, e.Source)
		}
		return s
	}
}

func TestAcrossSessions(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deep", "h.sqlite")
	first := Open(path, slog.Default())
	first.Add(1, "x := 1", "")
	first.Add(2, "x + 1", "2")
	first.Close()

	l := Open(path, slog.Default())
	defer l.Close()
	l.Add(1, "y := 2", "")
	l.Add(2, "x + 1", "2")
	get := sources(t)
	for name, c := range map[string]struct{ got, want []string }{
		"tail":           {get(l.Tail(3)), []string{"x + 1", "y := 2", "x + 1"}},
		"this session":   {get(l.Range(0, 1, 0)), []string{"y := 2", "x + 1"}},
		"session before": {get(l.Range(-1, 1, 2)), []string{"x := 1"}},
		"by number":      {get(l.Range(1, 2, 3)), []string{"x + 1"}},
		"search":         {get(l.Search("x*", 0, false)), []string{"x := 1", "x + 1", "x + 1"}},
		"search unique":  {get(l.Search("x*", 0, true)), []string{"x := 1", "x + 1"}},
		"search last":    {get(l.Search("?*", 2, false)), []string{"y := 2", "x + 1"}},
		"search nothing": {get(l.Search("zebra", 2, false)), nil},
	} {
		if diff := cmp.Diff(c.want, c.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if entries, _ := l.Tail(1); entries[0].Output != "2" || entries[0].Session != 2 || entries[0].Line != 2 {
		t.Errorf("last entry %+v", entries[0])
	}
}

// Two kernels write to one file.
func TestShared(t *testing.T) {
	path := filepath.Join(t.TempDir(), "h.sqlite")
	a, b := Open(path, slog.Default()), Open(path, slog.Default())
	for i := range 20 {
		a.Add(i+1, "a", "")
		b.Add(i+1, "b", "")
	}
	a.Close()
	defer b.Close()
	if got := sources(t)(b.Tail(100)); len(got) != 40 {
		t.Errorf("%d cells of 40", len(got))
	}
}

func TestUnusableFile(t *testing.T) {
	l := Open("/proc/nowhere/h.sqlite", slog.New(slog.DiscardHandler))
	defer l.Close()
	l.Add(1, "kept", "")
	if got := sources(t)(l.Tail(5)); len(got) != 1 {
		t.Errorf("got %q", got)
	}
}

// A cell may end after the kernel was asked to shut down.
func TestClosed(t *testing.T) {
	l := Open("", slog.Default())
	l.Close()
	l.Add(1, "late", "")
	if entries, err := l.Tail(1); err == nil || len(entries) != 0 {
		t.Errorf("a closed log gives %v, %v", entries, err)
	}
	l.Close()
}
