package session

import (
	"context"
	"strings"
	"testing"
	"time"

	"quire/kernel/link"
)

// complete returns the matches at the mark | in code.
func (n *notebook) complete(code string) (link.Completion, map[string]link.Match) {
	at := strings.Index(code, "|")
	c := n.s.Complete(context.Background(), link.Position{Code: code[:at] + code[at+1:], Cursor: len([]rune(code[:at]))})
	m := map[string]link.Match{}
	for _, x := range c.Matches {
		m[x.Text] = x
	}
	return c, m
}

func TestComplete(t *testing.T) {
	n := newNotebook(t)
	n.run("type Point struct{ X, Y int; label string }\nfunc (p *Point) Norm() int { return p.X }\nfunc Area(w, h int) int { return w * h }\nconst Pi2 = 6\npt := Point{1, 2, \"a\"}\nnames := []string{\"q\"}\nimport str \"strings\"")
	n.s.docs.PackageText("strings")
	for _, c := range []struct{ code, want, not string }{
		{"strings.Rep|", "Replace ReplaceAll Repeat", "Index"},
		{"fmt.|", "Println Stringer Errorf", "newPrinter"},
		{"str.ToU|", "ToUpper", ""},
		{"pt.|", "X Y label Norm", "Z"},
		{"pt.N|", "Norm", "X"},
		{"x := pt\nx.|", "X Norm", ""},
		{"q := 1; for _, nam := range names { na| }", "names nam", ""},
		{"for _, s := range names { s.| ", "", "X"},
		{"strings.NewReader(\"\").|", "ReadByte Len", ""},
		{"if time.Now().|", "Unix Add", ""},
		{"Point{X: 1, |}", "Y label", ""},
		{"Are|", "Area", ""},
		{"va|", "var", ""},
		{"stri|", "string strings", ""},
		{"Pi|", "Pi2", ""},
		{"mak|", "make", ""},
		{"import \"enc|", "encoding/json", ""},
		{"func() { local := 3; loc|", "local", ""},
		{"func g(argument int) { arg| }", "argument", ""},
		{"pt.Norm().|", "", "X"},
		{"é := pt; é.|", "X", ""},
		{"undefined.|", "", "X"},
		{"))).|", "", "X"},
	} {
		_, m := n.complete(c.code)
		for w := range strings.FieldsSeq(c.want) {
			if _, ok := m[w]; !ok {
				t.Errorf("%s: no match %s among %d", c.code, w, len(m))
			}
		}
		if _, ok := m[c.not]; ok {
			t.Errorf("%s: match %s", c.code, c.not)
		}
	}
	c, m := n.complete("é := 1\nstrings.Repe|")
	if c.Start != 15 || c.End != 19 {
		t.Errorf("offsets %d %d, want 15 19", c.Start, c.End)
	}
	if r := m["Repeat"]; r.Type != "function" || r.Sig != "func(s string, count int) string" || !strings.HasPrefix(r.Doc, "Repeat returns a new string") {
		t.Errorf("Repeat is %+v", r)
	}
	_, m = n.complete("pt|")
	if p := m["pt"]; p.Type != "variable" || p.Sig != "Point" {
		t.Errorf("pt is %+v", p)
	}
}

func TestInspect(t *testing.T) {
	n := newNotebook(t)
	n.run("// Area is width times height.\nfunc Area(w, h int) int { return w * h }\nsize := []int{3, 4}\ntext := \"abc\"\ntype P struct{ N int }\n// Get gets.\nfunc (p P) Get() int { return p.N }")
	for _, c := range []struct {
		code string
		want []string
	}{
		{"Are|a(1, 2)", []string{"func Area(w int, h int) int", "Area is width times height"}},
		{"Area(1, |", []string{"func Area(w int, h int) int"}},
		{"siz|e", []string{"var size []int", "size = [3 4]"}},
		{"tex|t", []string{"var text string", `text = "abc"`}},
		{"strings.Repea|t", []string{"func Repeat(s string, count int) string", "Repeat returns a new string consisting of count copies"}},
		{"fmt|.Println", []string{`package fmt // import "fmt"`, "formatted I/O"}},
		{"x := P{1}; x.Ge|t()", []string{"func (P).Get() int"}},
		{"time.Durat|ion(3)", []string{"type Duration int64", "elapsed time"}},
		{"P|{3}", []string{"type P struct{N int}"}},
	} {
		at := strings.Index(c.code, "|")
		in := n.s.Inspect(context.Background(), link.Position{Code: c.code[:at] + c.code[at+1:], Cursor: at})
		text, _ := in.Bundle.Data["text/plain"].(string)
		if !in.Found {
			t.Errorf("%s: nothing found", c.code)
		}
		for _, w := range c.want {
			if !strings.Contains(text, w) {
				t.Errorf("%s: %q lacks %q", c.code, text, w)
			}
		}
	}
	if in := n.s.Inspect(context.Background(), link.Position{Code: "nothing here", Cursor: 3}); in.Found {
		t.Error("an unknown name was found")
	}
	r := n.exec("?Area")
	if r.Err != nil || len(r.Pages) != 1 || !strings.Contains(r.Pages[0].Data["text/plain"].(string), "func Area") {
		t.Errorf("?Area: %+v", r)
	}
}

// TestAnswersWhileRunning completes and inspects while a cell runs.
func TestAnswersWhileRunning(t *testing.T) {
	n := newNotebook(t)
	n.run("x := 1\nm := map[int]int{}")
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan bool)
	go func() {
		n.execCtx(ctx, "fmt.Println(\"up\")\nfor { x++; m[x%1000] = x }")
		done <- true
	}()
	n.out.waitFor(t, "up\n")
	for range 20 {
		if _, m := n.complete("fmt.Pri|"); len(m) == 0 {
			t.Fatal("no completion")
		}
		for _, name := range []string{"x", "m"} {
			if in := n.s.Inspect(context.Background(), link.Position{Code: name, Cursor: 1}); !in.Found {
				t.Fatal("no inspection")
			}
		}
	}
	cancel()
	<-done
}

func BenchmarkComplete(b *testing.B) {
	n := newNotebook(b)
	n.run("type Point struct{ X, Y int }\npt := Point{1, 2}\ncount := 0")
	n.complete("strings.|")
	time.Sleep(200 * time.Millisecond)
	for _, bm := range []struct {
		name, code string
		busy       bool
	}{{"member", "pt.|", false}, {"package", "strings.|", false}, {"name", "co|", false}, {"busy", "strings.|", true}} {
		b.Run(bm.name, func(b *testing.B) {
			ctx, cancel := context.WithCancel(context.Background())
			done := make(chan bool, 1)
			if bm.busy {
				go func() { n.execCtx(ctx, "for { count++ }"); done <- true }()
				time.Sleep(10 * time.Millisecond)
			} else {
				done <- true
			}
			for b.Loop() {
				n.complete(bm.code)
			}
			b.ReportMetric(b.Elapsed().Seconds()*1000/float64(b.N), "ms/answer")
			cancel()
			<-done
		})
	}
}

func BenchmarkInspect(b *testing.B) {
	n := newNotebook(b)
	n.run("x := []int{1, 2, 3}")
	for b.Loop() {
		n.s.Inspect(context.Background(), link.Position{Code: "strings.Repeat(x)", Cursor: 12})
	}
	b.ReportMetric(b.Elapsed().Seconds()*1000/float64(b.N), "ms/answer")
}
