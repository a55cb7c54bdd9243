package cell

import (
	"fmt"
	"go/parser"
	"go/token"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// show writes parts on one line each.
func show(parts []Part) string {
	var b strings.Builder
	for _, p := range parts {
		switch p.Kind {
		case Go:
			fmt.Fprintf(&b, "%d go %q\n", p.Line, p.Text)
		case Line:
			fmt.Fprintf(&b, "%d line %s(%s)\n", p.Line, p.Name, p.Args)
		case Whole:
			fmt.Fprintf(&b, "%d whole %s(%s) %q\n", p.Line, p.Name, p.Args, p.Body)
		}
	}
	return b.String()
}

func TestSplit(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"empty", "", ""},
		{"go", "x := 1\nx", "1 go \"x := 1\\nx\"\n"},
		{"magic between", "x := 1\n%time f(x)\ny := 2", "1 go \"x := 1\\n\"\n2 line time(f(x))\n3 go \"y := 2\"\n"},
		{"indented magic", "  %who  ", "1 line who()\n"},
		{"shell", "!ls -l | wc\n!!pwd", "1 line !(ls -l | wc)\n2 line !!(pwd)\n"},
		{"shell with quotes open", "!echo \"it's\nx := 1", "1 line !(echo \"it's)\n2 go \"x := 1\"\n"},
		{"whole", "\n%%bash -e\necho 1\n", "2 whole bash(-e) \"echo 1\\n\"\n"},
		{"whole without name", "%%\nfunc main() {}", "1 whole () \"func main() {}\"\n"},
		{"remainder is go", "x := 7 %\n3", "1 go \"x := 7 %\\n3\"\n"},
		{"not after operator", "ok := a &&\n!b", "1 go \"ok := a &&\\n!b\"\n"},
		{"in brackets", "f(\n%x\n)", "1 go \"f(\\n%x\\n)\"\n"},
		{"in raw string", "s := `\n%time\n!ls`", "1 go \"s := `\\n%time\\n!ls`\"\n"},
		{"in comment", "/*\n%time\n*/\n// x\n%who", "1 go \"/*\\n%time\\n*/\\n// x\\n\"\n5 line who()\n"},
		{"after a block", "func f() {\n}\n%who", "1 go \"func f() {\\n}\\n\"\n3 line who()\n"},
		{"not equal is no shell", "a := 1\n_ = a != 2", "1 go \"a := 1\\n_ = a != 2\"\n"},
		{"question", "?fmt.Println", "1 line ?(fmt.Println)\n"},
		{"question after", "x?", "1 line ?(x)\n"},
		{"carriage returns", "%who\r\nx := 1\r\n", "1 line who()\n2 go \"x := 1\\r\\n\"\n"},
	} {
		if d := cmp.Diff(c.want, show(Split(c.text))); d != "" {
			t.Errorf("%s:\n%s", c.name, d)
		}
	}
}

func TestChunks(t *testing.T) {
	src := `import "fmt"
// F doubles.
// It is pure.
func F(n int) int {
	return 2 * n
}
func (t T) M() {}; type T struct{}
func() { fmt.Println() }()
var a, b = 1, 2; x := []int{
	1,
}
F(3)`
	var got []string
	chunks, err := Chunks(src, 5)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range chunks {
		first, _, _ := strings.Cut(c.Text, "\n")
		got = append(got, fmt.Sprintf("%d:%d class %d %s doc %q", c.Line, c.Col, c.Class, first, c.Doc))
	}
	want := []string{
		`5:1 class 0 import "fmt" doc ""`,
		`8:1 class 1 func F(n int) int { doc "// F doubles.\n// It is pure."`,
		`11:1 class 1 func (t T) M() {} doc ""`,
		`11:20 class 2 type T struct{} doc ""`,
		`12:1 class 4 func() { fmt.Println() }() doc ""`,
		`13:1 class 3 var a, b = 1, 2 doc ""`,
		`13:18 class 4 x := []int{ doc ""`,
		`16:1 class 4 F(3) doc ""`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// TestSourcePositions checks that code keeps its place when it is put into a file.
func TestSourcePositions(t *testing.T) {
	chunks, err := Chunks("a := 1; bad(\n  worse)", 7)
	if err != nil {
		t.Fatal(err)
	}
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, "", Source("p", "cell[3]", chunks).Text, 0)
	if err != nil {
		t.Fatal(err)
	}
	places := map[string]string{}
	for _, id := range f.Unresolved {
		places[id.Name] = fset.Position(id.Pos()).String()
	}
	if places["bad"] != "cell[3]:7:9" || places["worse"] != "cell[3]:8:3" {
		t.Errorf("places are %v", places)
	}
}

func TestIsComplete(t *testing.T) {
	for _, c := range []struct {
		text   string
		status Status
		indent string
	}{
		{"", Complete, ""},
		{"x := 1", Complete, ""},
		{"func f() {", Incomplete, "\t"},
		{"if x {\n\tfor {", Incomplete, "\t\t"},
		{"f(1,", Incomplete, "\t"},
		{"x := 1 +", Incomplete, "\t"},
		{"s := `abc", Incomplete, ""},
		{"/* abc", Incomplete, ""},
		{"x := )", Invalid, ""},
		{"x := 1 2", Invalid, ""},
		{"%time f()", Complete, ""},
		{"%%bash\nls", Incomplete, ""},
		{"%%bash\nls\n\n", Complete, ""},
		{"!ls", Complete, ""},
		{"func f() {\n}\n", Complete, ""},
	} {
		status, indent := IsComplete(c.text)
		if status != c.status || indent != c.indent {
			t.Errorf("%q: %s %q, want %s %q", c.text, status, indent, c.status, c.indent)
		}
	}
}

// FuzzSplit checks that the pieces of a cell are the cell: no line is lost or doubled, and nothing panics.
func FuzzSplit(f *testing.F) {
	for _, s := range []string{"x := 1\n%time x\n!ls\ny", "%%bash\na", "s := `\n%x`\n%y", "?x", "x?", "func f() {\n%q\n}", "/*\n", "a\r\n%b", "!\"\n`", "\x00%a\n!b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		parts := Split(text)
		last := 0
		for _, p := range parts {
			if p.Line <= last {
				t.Fatalf("part at line %d after line %d in %q", p.Line, last, text)
			}
			last = p.Line
			if p.Kind != Go {
				continue
			}
			lines := strings.SplitAfter(text, "\n")
			if !strings.HasPrefix(strings.Join(lines[p.Line-1:], ""), p.Text) {
				t.Fatalf("Go part at line %d of %q is %q", p.Line, text, p.Text)
			}
			chunks, err := Chunks(p.Text, p.Line)
			if err == nil {
				Source("p", "cell[1]", chunks)
			}
		}
		if status, indent := IsComplete(text); status != Incomplete && indent != "" {
			t.Fatalf("%q is %s with indent %q", text, status, indent)
		}
	})
}
