package native

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"quire/kernel/cell"
	"quire/kernel/link"
	"quire/kernel/session"
)

// natives remembers what earlier native cells declared, for later ones.
type natives struct {
	sync.Mutex
	methods map[string]string // source of methods by type name
}

func (t *Tools) native(c *session.Cell, args, body string) error {
	if args != "" {
		return fmt.Errorf("%%%%native takes no arguments: write %q on the next line", args)
	}
	if canOpen != nil {
		return canOpen
	}
	file := fmt.Sprintf("cell[%d]", c.Count())
	s := t.scopeOf(c.Session())
	u, source, err := translate(s, file, body, bodyLine(c.Code(), body))
	if err != nil {
		return compileError(err.Error(), err)
	}
	path, err := t.build(c.Context(), source)
	if err != nil {
		return err
	}
	o, err := open(path)
	if err != nil {
		return err
	}
	for name := range u.bound {
		p, ok := c.Session().Pointer(name)
		if !ok {
			return fmt.Errorf("%s was forgotten while the cell was compiled", name)
		}
		o.bind(name, p.UnsafePointer())
	}
	if err := t.declare(c, u, o); err != nil {
		return err
	}
	return t.start(c, file, o)
}

// bodyLine is the line of the cell on which a %%magic's body begins.
func bodyLine(code, body string) int {
	at := len(code) - len(body)
	return 1 + strings.Count(code[:max(at, 0)], "\n")
}

// scopeOf is the session as a native cell sees it.
func (t *Tools) scopeOf(s *session.Session) scope {
	sc := scope{home: cellPath, names: map[string]session.Name{}, auto: t.auto}
	for _, n := range s.Names() {
		sc.names[n.Name] = n
	}
	sc.methods = func(typeName string) string {
		t.natives.Lock()
		code, ok := t.natives.methods[typeName]
		t.natives.Unlock()
		if !ok {
			code = methodsIn(s.History(), sc.names[typeName].Cell, typeName)
		}
		return code
	}
	return sc
}

// methodsIn finds the methods of a type in the cell that declares it.
func methodsIn(history []session.Ran, count int, typeName string) string {
	var methods strings.Builder
	for _, ran := range slices.Backward(history) {
		if ran.Count != count || ran.Failed {
			continue
		}
		for _, part := range cell.Split(ran.Code) {
			if part.Kind != cell.Go {
				continue
			}
			chunks, _ := cell.Chunks(part.Text, part.Line)
			for _, c := range chunks {
				if c.Class == cell.Func && strings.HasPrefix(declKey(c), typeName+".") {
					methods.WriteString(c.Text + "\n")
				}
			}
		}
		break
	}
	return methods.String()
}

// plugins counts those of this process: it loads a path only once.
var plugins atomic.Int64

// build compiles and links a plugin.
func (t *Tools) build(ctx context.Context, source string) (string, error) {
	dir, err := t.space.open()
	if err != nil {
		return "", err
	}
	if _, err := exec.LookPath(cCompiler()); err != nil {
		return "", fmt.Errorf("a native cell needs the C compiler %s for linking: install it (Debian: apt install gcc) or use %%%%main", cCompiler())
	}
	file := filepath.Join(dir, fmt.Sprintf("cell%d.go", plugins.Add(1)))
	if err := os.WriteFile(file, []byte(source), 0o600); err != nil {
		return "", err
	}
	defer os.Remove(file)
	out := strings.TrimSuffix(file, ".go") + ".so"
	in, flags := t.space.build()
	args := slices.Concat([]string{"build", "-buildmode=plugin", "-ldflags=-s -w", "-o", out}, flags, []string{file})
	stderr, err := run(ctx, t.space.tool.command(ctx, in, args...), nil)
	if err != nil {
		return "", compileError(stderr, err)
	}
	return out, nil
}

func cCompiler() string { return cmp.Or(os.Getenv("CC"), "gcc") }

// place finds a message of the compiler that speaks of a cell.
var place = regexp.MustCompile(`(?m)^.*?(cell\[\d+\]:\d+(?::\d+)?: .*)$`)

// ownName is how the translation writes a session variable.
var ownName = regexp.MustCompile(`\(\*` + prefix + `(\w+)\)`)

// compileError makes the error of a failed build: the compiler's lines that name the cell, or all that it said.
func compileError(output string, err error) error {
	var exit *exec.ExitError
	if errors.Is(err, context.Canceled) || output == "" {
		return err
	}
	var lines []string
	for _, m := range place.FindAllStringSubmatch(output, -1) {
		lines = append(lines, ownName.ReplaceAllString(m[1], "$1"))
	}
	if lines == nil {
		if !errors.As(err, &exit) {
			return err
		}
		lines = strings.Split(strings.TrimSpace(output), "\n")
	}
	return &link.Error{Name: "CompileError", Value: lines[0], Traceback: lines}
}

// declare gives what the cell declares to the session.
func (t *Tools) declare(c *session.Cell, u *unit, o *opened) error {
	s := c.Session()
	var errs []error
	names := slices.Sorted(maps.Keys(o.table))
	for _, name := range names {
		if v := reflect.ValueOf(o.table[name]); v.IsNil() {
			errs = append(errs, s.DefineType(name, v.Type().Elem()))
		}
	}
	for _, name := range names {
		if v := reflect.ValueOf(o.table[name]); !v.IsNil() {
			errs = append(errs, s.Define(name, known(v)))
		}
	}
	t.natives.Lock()
	if t.natives.methods == nil {
		t.natives.methods = map[string]string{}
	}
	for name, kind := range u.declares {
		if kind == "type" {
			t.natives.methods[name] = u.own[name]
		}
	}
	t.natives.Unlock()
	for _, code := range u.sources {
		errs = append(errs, c.Run(code))
	}
	return errors.Join(errs...)
}

// start runs the cell's statements.
func (t *Tools) start(c *session.Cell, file string, o *opened) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = panicError(r, file, debug.Stack())
		}
	}()
	var failed error
	o.run(c.SetValue, func(name string, p any) {
		failed = errors.Join(failed, c.Session().Define(name, known(reflect.ValueOf(p))))
	})
	return failed
}

// panicError reports a panic of native code with the frames that lie in cells.
func panicError(r any, file string, stack []byte) error {
	e := &link.Error{Name: "Panic", Value: fmt.Sprint(r), Traceback: []string{"panic: " + fmt.Sprint(r)}}
	if re, ok := r.(runtime.Error); ok {
		e.Value = re.Error()
	}
	for line := range strings.Lines(string(stack)) {
		if i := strings.Index(line, "cell["); i >= 0 && strings.HasPrefix(line, "\t") {
			at, _, _ := strings.Cut(strings.TrimSpace(line[i:]), " ")
			e.Traceback = append(e.Traceback, "\t"+at)
		}
	}
	if len(e.Traceback) == 1 {
		e.Traceback = append(e.Traceback, "\t"+file)
	}
	return e
}
