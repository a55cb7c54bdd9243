package session

import "testing"

// TestSameType declares types again: word for word, they stay the same type, and anything else makes another.
func TestSameType(t *testing.T) {
	const decl = "type T struct{ n int }\nfunc (t T) Get() int { return t.n + one() + len(name) }\nfunc one() int { return 1 }\n"
	for _, c := range []struct {
		name, before, first, then, again string
		same                             bool
	}{
		{"word for word", "name := \"\"", decl, "", decl, true},
		{"a new function body", "name := \"\"", decl, "", "type T struct{ n int }\nfunc (t T) Get() int { return t.n + one() + len(name) }\nfunc one() int { return 11 }\n", true},
		{"a new function type", "name := \"\"", decl, "", "type T struct{ n int }\nfunc (t T) Get() int { return t.n + one() + len(name) }\nfunc one() (n int) { return 1 }\n", false},
		{"a new method body", "name := \"\"", decl, "", "type T struct{ n int }\nfunc (t T) Get() int { return t.n * one() + len(name) }\nfunc one() int { return 1 }\n", false},
		{"one more method", "name := \"\"", decl, "", decl + "func (t *T) Set() { t.n = 9 }\n", false},
		{"a new value of a variable", "name := \"\"", decl, "name = \"ab\"", decl, true},
		{"a variable declared again", "name := \"\"", decl, "name := \"ab\"", decl, true},
		{"a variable of another type", "name := \"\"", decl, "name := []int{1}", decl, false},
		{"a variable of the same cell", "", "type T struct{ n int }\nfunc (t T) Get() int { return t.n + int(k) }\nvar k = 1\n", "", "type T struct{ n int }\nfunc (t T) Get() int { return t.n + int(k) }\nvar k = int8(1)\n", false},
		{"a type that it holds", "", "type U int\ntype T struct{ n int; u U }\nfunc (t T) Get() int { return t.n + int(t.u) }\n", "", "type U int8\ntype T struct{ n int; u U }\nfunc (t T) Get() int { return t.n + int(t.u) }\n", false},
		{"an earlier type that it holds", "type U int", "type T struct{ n int; u U }\nfunc (t T) Get() int { return t.n + int(t.u) }\n", "type U int8", "type T struct{ n int; u U }\nfunc (t T) Get() int { return t.n + int(t.u) }\n", false},
		{"the same types together", "", "type (\nU int\nT struct{ n int; u *U; next *T }\n)\nfunc (t T) Get() int { return t.n }\n", "", "type (\nU int\nT struct{ n int; u *U; next *T }\n)\nfunc (t T) Get() int { return t.n }\n", true},
		{"its constants", "", "type T struct{ n int }\nconst (\nRed = iota + 1\nBlue\n)\nfunc (t T) Get() int { return t.n + Blue }\n", "", "type T struct{ n int }\nconst (\nRed = iota + 1\nBlue\n)\nfunc (t T) Get() int { return t.n + Blue }\n", true},
		{"other constants", "", "type T struct{ n int }\nconst c = 1\nfunc (t T) Get() int { return t.n + c }\n", "", "type T struct{ n int }\nconst c = 2\nfunc (t T) Get() int { return t.n + c }\n", false},
		{"an import", "", "import \"math\"\ntype T struct{ n int }\nfunc (t T) Get() int { return t.n + int(math.Floor(1.5)) }\n", "", "import \"math\"\ntype T struct{ n int }\nfunc (t T) Get() int { return t.n + int(math.Floor(1.5)) }\n", true},
		{"a name of the language", "", "type T struct{ n int }\nfunc (t T) Get() int { return t.n + len(\"a\") }\n", "func len(s string) int { return 7 }", "type T struct{ n int }\nfunc (t T) Get() int { return t.n + len(\"a\") }\n", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newNotebook(t)
			if c.before != "" {
				n.run(c.before)
			}
			n.run(c.first + "x := T{n: 1}\nvar get interface{ Get() int } = x")
			if c.then != "" {
				n.run(c.then)
			}
			if r := n.exec(c.again); r.Err != nil {
				t.Fatal(r.Err)
			}
			n.out.take()
			if got := n.run("_, same := any(x).(T); same"); got != map[bool]string{true: "=true", false: "=false"}[c.same] {
				t.Errorf("the same type: %s, want %v", got, c.same)
			}
			if got, want := n.run("T{n: 1}.Get() == get.Get()"), "=true"; c.same && got != want {
				t.Errorf("the methods of both differ: %s", got)
			}
		})
	}
}

// TestSameTypeName keeps a type's number of the newest cell and its comment.
func TestSameTypeName(t *testing.T) {
	n := newNotebook(t)
	n.run("// T counts.\ntype T int\nfunc (t T) Double() T { return 2 * t }\nx := T(4)")
	n.run("// T is a count.\ntype T int\nfunc (t T) Double() T { return 2 * t }\nx = x.Double()")
	for _, name := range n.s.Names() {
		if name.Name == "T" && (name.Cell != 2 || name.Code != "// T is a count.\ntype T int") {
			t.Errorf("T is of cell %d: %q", name.Cell, name.Code)
		}
	}
	if got := n.run("x"); got != "=8" {
		t.Errorf("x is %s", got)
	}
}
