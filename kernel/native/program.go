package native

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"quire/kernel/cell"
	"quire/kernel/session"
)

// family is the state that program cells share, as GoNB cells do: declarations, arguments, flags.
type family struct {
	sync.Mutex
	decls  map[string]string // key (see declKey) → placed source
	args   []string          // of programs
	flags  []string          // of go build
	ask    bool              // the next program asks for its input from the start
	built  int
	inputs bridges
}

func (t *Tools) programs() []session.Magic {
	return []session.Magic{
		{Name: "main", Body: t.main, Help: mainHelp},
		{Name: "", Body: t.main, Help: `%% is short for %%main.`},
		{Name: "test", Body: t.test, Help: `%%test [FLAGS] compiles the cell as a test and runs the tests and examples that it declares.

Declarations of earlier %%main and %%test cells can be used, and functions, types and constants of the session. FLAGS are those of go
test: -run, -v, -count, -race …; with -run all tests that match run, earlier cells' too.`},
		{Name: "bench", Body: t.bench, Help: `%%bench [FLAGS] compiles the cell as a test and runs the benchmarks that it declares, with allocations.

FLAGS are those of go test: -bench, -benchtime, -count, -cpu …`},
		{Name: "args", Line: t.setArgs, Help: `%args [ARG...] sets the command-line arguments of the programs that %%main runs; without ARG there are none.`},
		{Name: "goflags", Line: t.setFlags, Help: `%goflags [FLAG...] adds flags to go build for %%main, %%test and %%bench, such as -race or -tags=x; %goflags "" removes them.`},
		{Name: "with_inputs", Line: t.withInputs, Help: `%with_inputs makes the next program ask for its standard input from the start.

On Linux a program that reads its standard input asks without this; elsewhere the kernel can't see that it waits.`},
	}
}

const mainHelp = `%%main [ARG...] compiles the cell as a program of its own and runs it; %% is short for it.

Statements are the body of main; imports and functions, types and constants among them are declared outside it, and are kept for the
next program cells. With a func main of its own the cell is an ordinary Go file. Functions, types and constants of the session can be
used; its variables can't: a program is another process (%%native shares them). gonbui works as in GoNB.`

func (t *Tools) setArgs(c *session.Cell, args string) error {
	list, err := cell.Words(args)
	t.family.Lock()
	defer t.family.Unlock()
	if err == nil {
		t.family.args = list
	}
	return err
}

func (t *Tools) setFlags(c *session.Cell, args string) error {
	list, err := cell.Words(args)
	if err != nil {
		return err
	}
	t.family.Lock()
	defer t.family.Unlock()
	switch {
	case len(list) == 0:
		fmt.Fprintf(c.Stdout(), "go build flags: %s\n", strings.Join(t.family.flags, " "))
	case len(list) == 1 && list[0] == "":
		t.family.flags = nil
	default:
		for _, f := range list {
			if !strings.HasPrefix(f, "-") {
				return fmt.Errorf("%q is no flag: write %%goflags -name=value", f)
			}
		}
		t.family.flags = list
	}
	return nil
}

func (t *Tools) withInputs(c *session.Cell, args string) error {
	t.family.Lock()
	defer t.family.Unlock()
	t.family.ask = true
	return nil
}

func (t *Tools) main(c *session.Cell, args, body string) error {
	list, err := cell.Words(args)
	if err != nil {
		return err
	}
	p, err := t.compose(c, body)
	if err != nil {
		return err
	}
	if !p.hasMain && p.run.Len() == 0 {
		t.keep(p) // declarations alone: nothing to run
		return nil
	}
	bin, err := t.compile(c.Context(), p, "build")
	if err != nil {
		return err
	}
	defer os.Remove(bin)
	t.keep(p)
	if list == nil {
		t.family.Lock()
		list = t.family.args
		t.family.Unlock()
	}
	return t.execute(c, bin, list)
}

func (t *Tools) test(c *session.Cell, args, body string) error {
	return t.runTests(c, args, body, "-run", "Test", "Example", "Fuzz")
}

func (t *Tools) bench(c *session.Cell, args, body string) error {
	return t.runTests(c, args, body, "-bench", "Benchmark")
}

// runTests compiles a test binary and runs what the cell declares, or what the flags choose.
func (t *Tools) runTests(c *session.Cell, args, body, choice string, prefixes ...string) error {
	list, err := cell.Words(args)
	if err != nil {
		return err
	}
	p, err := t.compose(c, body)
	if err != nil {
		return err
	}
	p.test = true
	var own []string
	for _, name := range p.funcs {
		if slices.ContainsFunc(prefixes, func(pre string) bool { return strings.HasPrefix(name, pre) }) {
			own = append(own, name)
		}
	}
	chosen := slices.ContainsFunc(list, func(f string) bool {
		name, _, _ := strings.Cut(strings.TrimLeft(f, "-"), "=")
		return strings.HasPrefix(f, "-") && strings.TrimPrefix(name, "test.") == choice[1:]
	})
	if len(own) == 0 && !chosen {
		return fmt.Errorf("the cell declares no %s function: name one %sX, or choose earlier ones with %s", strings.ToLower(prefixes[0]), prefixes[0], choice)
	}
	bin, err := t.compile(c.Context(), p, "test")
	if err != nil {
		return err
	}
	defer os.Remove(bin)
	t.keep(p)
	flags := []string{"-test.v"}
	if choice == "-bench" {
		flags = []string{"-test.run=^$", "-test.benchmem"}
	}
	if !chosen {
		flags = append(flags, "-test."+choice[1:]+"=^("+strings.Join(own, "|")+")$")
	}
	for _, f := range list {
		flags = append(flags, testFlag(f))
	}
	return t.execute(c, bin, flags)
}

// testFlag writes a flag of go test as the test binary knows it: -run as -test.run.
func testFlag(f string) string {
	name := strings.TrimLeft(f, "-")
	if name == f || strings.HasPrefix(name, "test.") {
		return f
	}
	return "-test." + name
}

// program is a cell on its way to a binary.
type program struct {
	file    string
	decls   map[string]string // with those of earlier cells
	run     strings.Builder
	funcs   []string
	hasMain bool
	test    bool
	source  string
}

// compose puts the cell and what it needs of earlier ones together.
func (t *Tools) compose(c *session.Cell, body string) (*program, error) {
	p := &program{file: fmt.Sprintf("cell[%d]", c.Count())}
	line := bodyLine(c.Code(), body)
	chunks, err := cell.Chunks(body, line)
	if err != nil {
		err = fmt.Errorf("%s:%w", p.file, err)
		return nil, compileError(err.Error(), err)
	}
	t.family.Lock()
	p.decls = maps.Clone(t.family.decls)
	t.family.Unlock()
	if p.decls == nil {
		p.decls = map[string]string{}
	}
	p.hasMain = slices.ContainsFunc(chunks, func(c cell.Chunk) bool { return c.Class == cell.Func && declKey(c) == "main" })
	for _, c := range chunks {
		placed := fmt.Sprintf("/*line %s:%d:%d*/%s\n", p.file, c.Line, c.Col, c.Text)
		switch {
		case c.Class == cell.Stmt || c.Class == cell.Var && !p.hasMain:
			p.run.WriteString(placed)
		default:
			key := declKey(c)
			p.decls[key] = placed
			if c.Class == cell.Func && !strings.Contains(key, ".") {
				p.funcs = append(p.funcs, key)
			}
		}
	}
	if p.hasMain && p.run.Len() > 0 {
		err := fmt.Errorf("%s:%d: statements beside a func main: put them into it", p.file, line)
		return nil, compileError(err.Error(), err)
	}
	p.source, err = t.programSource(c.Session(), p)
	return p, err
}

// declKey names what a chunk declares, so that a later declaration replaces it: imports and methods have keys of their own.
func declKey(c cell.Chunk) string {
	text := c.Text
	if c.Class == cell.Import {
		return "import " + strings.TrimSpace(text)
	}
	f, err := parser.ParseFile(token.NewFileSet(), "", "package p\n"+text, parser.SkipObjectResolution)
	if err != nil || len(f.Decls) == 0 {
		return text
	}
	switch d := f.Decls[0].(type) {
	case *ast.FuncDecl:
		if d.Recv != nil {
			return receiverName(d) + "." + d.Name.Name
		}
		return d.Name.Name
	case *ast.GenDecl:
		var names []string
		for _, s := range d.Specs {
			switch s := s.(type) {
			case *ast.TypeSpec:
				names = append(names, s.Name.Name)
			case *ast.ValueSpec:
				for _, id := range s.Names {
					names = append(names, id.Name)
				}
			}
		}
		return strings.Join(names, ",")
	}
	return text
}

// keep makes the cell's declarations those of the family; main is no declaration to keep.
func (t *Tools) keep(p *program) {
	t.family.Lock()
	defer t.family.Unlock()
	delete(p.decls, "main")
	t.family.decls = p.decls
}

// programSource writes the file: what is declared, what the session adds, imports for what is free, main.
func (t *Tools) programSource(s *session.Session, p *program) (string, error) {
	sc := t.scopeOf(s)
	var extra []string
	for {
		text := p.text(extra)
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, p.file, text, 0)
		if err != nil {
			return "", compileError(err.Error(), err)
		}
		added := false
		imports := map[string]string{}
		for _, id := range f.Unresolved {
			n, ok := sc.names[id.Name]
			switch {
			case ok && n.Kind == "import":
				imports[id.Name] = n.Text
			case ok && n.Kind == "var":
				err := fmt.Errorf("%s: %s is a variable of the session, which a program can't see: use %%%%native", fset.Position(id.Pos()), id.Name)
				return "", compileError(err.Error(), err)
			case ok && n.Code != "" && !slices.Contains(extra, n.Code):
				extra, added = append(extra, n.Code), true
			case !ok && sc.auto[id.Name] != "":
				imports[id.Name] = sc.auto[id.Name]
			}
		}
		if !added {
			return finish(sc, f, text, imports), nil
		}
	}
}

// text writes the program without its automatic imports.
func (p *program) text(extra []string) string {
	var b strings.Builder
	b.WriteString("package main\n")
	keys := slices.Sorted(maps.Keys(p.decls))
	for _, imports := range []bool{true, false} {
		for _, key := range keys {
			if strings.HasPrefix(key, "import ") == imports {
				b.WriteString(p.decls[key])
			}
		}
	}
	for i, code := range extra {
		fmt.Fprintf(&b, "/*line session:%d:1*/%s\n", i+1, code)
	}
	if !p.hasMain {
		fmt.Fprintf(&b, "func main() {\n%s}\n", p.run.String())
	}
	return b.String()
}

// finish adds the automatic imports and blanks those that nothing uses.
func finish(sc scope, f *ast.File, text string, imports map[string]string) string {
	u := &unit{scope: sc, found: imports}
	own := importsOf(f)
	maps.DeleteFunc(imports, func(name, at string) bool { return own[name] || own[at] })
	return u.head() + strings.TrimPrefix(u.edited(f, text, nil), "package main\n")
}

// compile builds the program, as a test if mode is "test".
func (t *Tools) compile(ctx context.Context, p *program, mode string) (string, error) {
	dir, err := t.space.open()
	if err != nil {
		return "", err
	}
	t.family.Lock()
	t.family.built++
	base := filepath.Join(dir, fmt.Sprintf("program%d", t.family.built))
	extra := slices.Clone(t.family.flags)
	t.family.Unlock()
	name := base + ".go"
	if p.test {
		name = base + "_test.go"
	}
	if err := os.WriteFile(name, []byte(p.source), 0o600); err != nil {
		return "", err
	}
	defer os.Remove(name)
	in, flags := t.space.build()
	args := []string{mode, "-o", base}
	if mode == "test" {
		args = append(args, "-c", "-vet=off")
	}
	args = slices.Concat(args, flags, extra, []string{name})
	stderr, err := run(ctx, t.space.tool.command(ctx, in, args...), nil)
	if err != nil {
		return "", compileError(stderr, err)
	}
	return base, nil
}

// execute runs the binary with gonbui and standard input served.
func (t *Tools) execute(c *session.Cell, bin string, args []string) error {
	t.family.Lock()
	ask := t.family.ask
	t.family.ask = false
	t.family.Unlock()
	cmd := session.Grouped(exec.CommandContext(c.Context(), bin, args...))
	cmd.Stdout, cmd.Stderr = c.Stdout(), c.Stderr()
	err := session.Await(func() error { return t.family.inputs.serve(c, cmd, ask) })
	var exit *exec.ExitError
	switch {
	case c.Context().Err() != nil:
		return context.Cause(c.Context())
	case errors.As(err, &exit) && exit.Exited():
		return fmt.Errorf("exit status %d", exit.ExitCode())
	}
	return err
}
