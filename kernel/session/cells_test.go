package session

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "rewrite the expected outputs in testdata")

// TestCells runs the notebooks of testdata/cells: files named "in" are cells, each followed by what it must output in a file "out".
func TestCells(t *testing.T) {
	files, err := filepath.Glob("testdata/cells/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("testdata/cells/*.txtar is missing")
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txtar"), func(t *testing.T) { runArchive(t, f) })
	}
}

func runArchive(t *testing.T, file string) {
	a, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	n := newNotebook(t)
	var got []txtar.File
	for i, f := range a.Files {
		if f.Name != "in" {
			continue
		}
		out := n.run(string(f.Data))
		if out != "" && !strings.HasSuffix(out, "\n") {
			out += "\n"
		}
		got = append(got, f, txtar.File{Name: "out", Data: []byte(out)})
		want := ""
		if i+1 < len(a.Files) && a.Files[i+1].Name == "out" {
			want = string(a.Files[i+1].Data)
		}
		if d := cmp.Diff(want, out); d != "" && !*update {
			t.Errorf("cell %d\n%s\n%s", n.count, f.Data, d)
		}
	}
	if *update {
		a.Files = got
		if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
