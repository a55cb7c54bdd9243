package session

import (
	"os"
	"path/filepath"
	"testing"
)

// TestInterpretedPackage imports a package from source: it is initialised once, and its variables are those of all cells.
func TestInterpretedPackage(t *testing.T) {
	dir := t.TempDir()
	src := `package counter

import "fmt"

var Count = start()
var table map[string]int

func start() int { fmt.Println("initialised"); return 10 }

func init() { table = map[string]int{"a": 1} }

// Up counts.
func Up() int { Count++; return Count + table["a"] }

type Box struct{ n int }

func (b *Box) String() string { return fmt.Sprint("box ", b.n) }

func (b *Box) Add(n int) int { b.n += n; return b.n }
`
	if err := os.WriteFile(filepath.Join(dir, "counter.go"), []byte(src), 0o644); err != nil {
		t.Fatal(err)
	}
	n := newNotebook(t)
	if err := n.s.AddSource("example.org/counter", dir); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ code, want string }{
		{"import \"example.org/counter\"\ncounter.Up()", "stdout@c1:initialised\n=12"},
		{"counter.Up()", "=13"},
		{"counter.Count = 100\ncounter.Up()", "=102"},
		{"counter.Count", "=101"},
		{"var b counter.Box\nb.Add(2)", "=2"},
		{"b.Add(3)", "=5"},
		{"var adder interface{ Add(int) int } = &b\nadder.Add(1)", "=6"},
		{"adder.Add(1)", "=7"},
		{"fmt.Sprint(&b)", "=box 7"},
	} {
		if out := n.run(c.code); out != c.want {
			t.Errorf("%s: %q, want %q", c.code, out, c.want)
		}
	}
}
