package complete

import (
	"go/ast"
	"go/build/constraint"
	"go/doc"
	"go/parser"
	"go/printer"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
)

// Docs reads documentation from the source of packages, each package once, when it is first asked for.
type Docs struct {
	source func(path string) string

	mu    sync.Mutex
	pkgs  map[string]map[string]*entry // path → name or Type.member → entry; nil while it is being read
	ready map[string]bool
}

// entry is the documentation of one name.
type entry struct {
	synopsis  string
	text      string
	signature string // of functions and methods: func(s string, n int) (int, error)
	decl      string // as the source declares it, without bodies
}

// NewDocs reads packages from the directories that source names, and from GOROOT where it names none.
func NewDocs(source func(path string) string) *Docs {
	return &Docs{source: source, pkgs: map[string]map[string]*entry{}, ready: map[string]bool{}}
}

// find returns what is known of an object, nil for nothing. It does not wait for a package that is read for the first time: reading
// goes on, and the next question finds it.
func (d *Docs) find(obj types.Object) *entry { return d.lookup(obj, false) }

// Wait is find that waits, for inspection.
func (d *Docs) Wait(obj types.Object) *entry { return d.lookup(obj, true) }

func (d *Docs) lookup(obj types.Object, wait bool) *entry {
	if d == nil || obj.Pkg() == nil {
		return nil
	}
	path := obj.Pkg().Path()
	if wait {
		d.read(path)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.ready[path] {
		if _, begun := d.pkgs[path]; !begun {
			d.pkgs[path] = nil
			go d.read(path)
		}
		return nil
	}
	return d.pkgs[path][key(obj)]
}

// key is Name, or Type.Name for methods. Fields have none: they are documented with their type.
func key(obj types.Object) string {
	f, ok := obj.(*types.Func)
	if !ok || f.Signature().Recv() == nil {
		return obj.Name()
	}
	t := types.Unalias(f.Signature().Recv().Type())
	if p, ok := t.(*types.Pointer); ok {
		t = types.Unalias(p.Elem())
	}
	if n, ok := t.(*types.Named); ok {
		return n.Obj().Name() + "." + f.Name()
	}
	return f.Name()
}

// Synopsis is the first sentence of a package's documentation, if it has been read.
func (d *Docs) Synopsis(path string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if e := d.pkgs[path][""]; e != nil {
		return e.synopsis
	}
	return ""
}

// PackageText is a package's documentation.
func (d *Docs) PackageText(path string) string {
	d.read(path)
	d.mu.Lock()
	defer d.mu.Unlock()
	if e := d.pkgs[path][""]; e != nil {
		return e.text
	}
	return ""
}

func (d *Docs) read(path string) {
	d.mu.Lock()
	done := d.ready[path]
	d.mu.Unlock()
	if done {
		return
	}
	entries := d.parse(path)
	d.mu.Lock()
	d.pkgs[path], d.ready[path] = entries, true
	d.mu.Unlock()
}

func (d *Docs) parse(path string) map[string]*entry {
	dir := ""
	if d.source != nil {
		dir = d.source(path)
	}
	if dir == "" {
		dir = filepath.Join(goroot(), "src", filepath.FromSlash(path))
	}
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil
	}
	fset := token.NewFileSet()
	var files []*ast.File
	for _, n := range names {
		if strings.HasSuffix(n, "_test.go") || !matches(n) {
			continue
		}
		if f, err := parser.ParseFile(fset, n, nil, parser.ParseComments|parser.SkipObjectResolution); err == nil && f.Name.Name != "main" {
			files = append(files, f)
		}
	}
	if len(files) == 0 {
		return nil
	}
	p, err := doc.NewFromFiles(fset, files, path)
	if err != nil {
		return nil
	}
	return entries(fset, p)
}

func entries(fset *token.FileSet, p *doc.Package) map[string]*entry {
	m := map[string]*entry{"": {synopsis: p.Synopsis(p.Doc), text: p.Doc}}
	values := func(list []*doc.Value) {
		for _, v := range list {
			for _, n := range v.Names {
				m[n] = &entry{synopsis: p.Synopsis(v.Doc), text: v.Doc}
			}
		}
	}
	funcs := func(list []*doc.Func, prefix string) {
		for _, f := range list {
			m[prefix+f.Name] = &entry{p.Synopsis(f.Doc), f.Doc, render(fset, f.Decl.Type), render(fset, f.Decl)}
		}
	}
	values(p.Consts)
	values(p.Vars)
	funcs(p.Funcs, "")
	for _, t := range p.Types {
		m[t.Name] = &entry{synopsis: p.Synopsis(t.Doc), text: t.Doc, decl: render(fset, t.Decl)}
		values(t.Consts)
		values(t.Vars)
		funcs(t.Funcs, "")
		funcs(t.Methods, t.Name+".")
	}
	return m
}

func render(fset *token.FileSet, n ast.Node) string {
	if f, ok := n.(*ast.FuncDecl); ok {
		c := *f
		c.Doc, c.Body = nil, nil
		n = &c
	}
	var b strings.Builder
	if printer.Fprint(&b, fset, n) != nil {
		return ""
	}
	return b.String()
}

// matches reports whether a file's name and build constraint let it be part of this program.
func matches(file string) bool {
	base := strings.TrimSuffix(filepath.Base(file), ".go")
	parts := strings.Split(base, "_")
	for _, p := range parts[1:] {
		if knownOS[p] && p != runtime.GOOS || knownArch[p] && p != runtime.GOARCH {
			return false
		}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "package ") {
			break
		}
		if x, err := constraint.Parse(strings.TrimSpace(line)); err == nil {
			return x.Eval(func(tag string) bool {
				return tag == runtime.GOOS || tag == runtime.GOARCH || tag == "unix" || tag == "gc" || strings.HasPrefix(tag, "go1.")
			})
		}
	}
	return true
}

var knownOS = map[string]bool{"aix": true, "android": true, "darwin": true, "dragonfly": true, "freebsd": true, "illumos": true, "ios": true,
	"js": true, "linux": true, "netbsd": true, "openbsd": true, "plan9": true, "solaris": true, "wasip1": true, "windows": true}

var knownArch = map[string]bool{"386": true, "amd64": true, "arm": true, "arm64": true, "loong64": true, "mips": true, "mips64": true,
	"mips64le": true, "mipsle": true, "ppc64": true, "ppc64le": true, "riscv64": true, "s390x": true, "wasm": true}

// goroot is where the toolchain lies: the environment says, or the program that the go command is.
var goroot = sync.OnceValue(func() string {
	if r := os.Getenv("GOROOT"); r != "" {
		return r
	}
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		if real, err := filepath.EvalSymlinks(filepath.Join(dir, "go")); err == nil {
			if r := filepath.Dir(filepath.Dir(real)); isDir(filepath.Join(r, "src", "fmt")) {
				return r
			}
		}
	}
	for _, r := range []string{"/usr/local/go", "/usr/lib/go"} {
		if isDir(filepath.Join(r, "src", "fmt")) {
			return r
		}
	}
	return ""
})

func isDir(p string) bool {
	st, err := os.Stat(p)
	return err == nil && st.IsDir()
}
