package complete

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"slices"
	"strings"
	"testing"

	"quire/kernel/cell"
)

func TestAt(t *testing.T) {
	for _, c := range []struct {
		code, prefix, text string
		selector, imports  bool
	}{
		{"fmt.Pri", "Pri", "fmt." + Hole, true, false},
		{"x", "x", Hole, false, false},
		{"", "", Hole, false, false},
		{"if a { b(c.", "", "if a { b(c." + Hole + ")\n}", true, false},
		{"[]int{1, 2}[ä", "ä", "[]int{1, 2}[" + Hole + "]", false, false},
		{"f(xs...", "", "", false, false},
		{"import \"enc", "enc", "", false, true},
		{"import (\n\t\"fmt\"\n\t\"os/", "os/", "", false, true},
		{"s := \"import", "import", "", false, false},
	} {
		got := At(c.code)
		if got.Prefix != c.prefix || got.Selector != c.selector || got.Import != c.imports || c.text != "" && got.Text != c.text {
			t.Errorf("%q: %+v", c.code, got)
		}
	}
}

// FuzzAt checks that what At makes of any text can be taken apart, and that the prefix ends the text.
func FuzzAt(f *testing.F) {
	for _, s := range []string{"fmt.Pri", "if a { b(c.", "import \"x", "`", "/*", "))", "a.b(\"", "é.", "x..."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, code string) {
		c := At(code)
		if !strings.HasSuffix(code, c.Prefix) || c.Start != len(code)-len(c.Prefix) {
			t.Fatalf("%q: prefix %q at %d", code, c.Prefix, c.Start)
		}
		if chunks, err := cell.Chunks(c.Text, 1); err == nil {
			parser.ParseFile(token.NewFileSet(), "", cell.Source("p", "c", chunks).Text, 0)
		}
	})
}

const source = `package p
type Base struct{ ID int; hidden bool }
func (b *Base) Save() {}
type Item struct { *Base; Name string }
func (Item) String() string { return "" }
type Saver interface { Save(); Close() error }
var item Item
var saver Saver
func f(arg int) { local := arg; _ = local; { inner := 1; _ = inner } }
`

func checked(t *testing.T) (*types.Package, *ast.File) {
	t.Helper()
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "", source, 0)
	if err != nil {
		t.Fatal(err)
	}
	pkg, err := new(types.Config).Check("p", fset, []*ast.File{file}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return pkg, file
}

func names(list []types.Object) string {
	var s []string
	for _, o := range list {
		s = append(s, o.Name())
	}
	return strings.Join(s, " ")
}

func TestMembers(t *testing.T) {
	pkg, _ := checked(t)
	other := types.NewPackage("other", "other")
	for _, c := range []struct {
		name, prefix string
		from         *types.Package
		want         string
	}{
		{"item", "", pkg, "Base ID Name Save String hidden"},
		{"item", "", other, "Base ID Name Save String"},
		{"item", "sa", other, "Save"},
		{"item", "SA", other, ""},
		{"saver", "", other, "Close Save"},
	} {
		got := names(Members(pkg.Scope().Lookup(c.name).Type(), c.from, c.prefix))
		if got != c.want {
			t.Errorf("%s.%s from %s: %s, want %s", c.name, c.prefix, c.from.Path(), got, c.want)
		}
	}
	if got := names(Fields(pkg.Scope().Lookup("Item").Type(), other, "")); got != "Base Name" {
		t.Errorf("fields %s", got)
	}
}

func TestScope(t *testing.T) {
	pkg, _ := checked(t)
	base := pkg.Scope().Lookup("Base").Pos() // the offset of the file in its set
	at := func(mark string) token.Pos {
		return base + token.Pos(strings.Index(source, mark)-strings.Index(source, "Base"))
	}
	if got := Scope(pkg, at("_ = inner"), "in"); names(got) != "inner int int16 int32 int64 int8" {
		t.Errorf("inside: %s", names(got))
	}
	if got := Scope(pkg, at("local := arg"), "loc"); len(got) != 0 {
		t.Errorf("before its declaration: %s", names(got))
	}
	if got := Scope(pkg, at("_ = local"), ""); !slices.Contains(strings.Fields(names(got)), "arg") {
		t.Error("a parameter is not visible")
	}
}

func TestDocs(t *testing.T) {
	if goroot() == "" {
		t.Skip("no Go toolchain with sources found")
	}
	d := NewDocs(nil)
	pkg := types.NewPackage("strings", "strings")
	e := d.Wait(types.NewFunc(token.NoPos, pkg, "Repeat", types.NewSignatureType(nil, nil, nil, nil, nil, false)))
	if e == nil || e.signature != "func(s string, count int) string" || !strings.HasPrefix(e.text, "Repeat returns") {
		t.Errorf("strings.Repeat: %+v", e)
	}
	if !strings.Contains(d.PackageText("strings"), "UTF-8") {
		t.Errorf("package strings: %q", d.PackageText("strings"))
	}
	if e := d.Wait(types.NewVar(token.NoPos, types.NewPackage("no/such", "such"), "X", types.Typ[types.Int])); e != nil {
		t.Errorf("a package without source has documentation: %+v", e)
	}
}
