package whole

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func names(t *testing.T, dir string) (out []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func TestFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a")
	plain, err := os.Create(filepath.Join(dir, "plain"))
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	f, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	f.WriteString("0123456789")
	if err := f.Patch([]byte("ab"), 1); err != nil {
		t.Fatal(err)
	}
	f.WriteString("end")
	if slices.Contains(names(t, dir), "a") {
		t.Error("the file is there before Commit")
	}
	if err := f.Commit(); err != nil {
		t.Fatal(err)
	}
	f.Abort() // as a deferred one does
	if b, err := os.ReadFile(path); err != nil || string(b) != "0ab3456789end" {
		t.Errorf("%q, error %v", b, err)
	}
	got, _ := os.Stat(path)
	want, _ := plain.Stat()
	if got.Mode() != want.Mode() {
		t.Errorf("mode %v, want that of new files, %v", got.Mode(), want.Mode())
	}
	if got := names(t, dir); !slices.Equal(got, []string{"a", "plain"}) {
		t.Errorf("left in the folder: %v", got)
	}
}

func TestFailedCommit(t *testing.T) {
	dir := t.TempDir()
	f, err := Create(filepath.Join(dir, "a"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "a"), 0o755); err != nil { // in the way
		t.Fatal(err)
	}
	f.WriteString("x")
	if err := f.Commit(); err == nil {
		t.Error("a file was moved over a folder")
	}
	if got := names(t, dir); len(got) != 1 {
		t.Errorf("left in the folder: %v", got)
	}
	if _, err := Create(filepath.Join(dir, "no", "such", "folder")); err == nil {
		t.Error("a file in no folder")
	}
}

func TestSweep(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a.part-1", "b.arrow.part-4294967295", "c.part-x", "d.part-1.txt", "e"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := Sweep(dir); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(names(t, dir), " "); got != "c.part-x d.part-1.txt e" {
		t.Errorf("left: %s", got)
	}
}
