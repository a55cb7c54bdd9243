package jinja

import (
	"fmt"
	"time"

	"quire/lib/chat/taint"
)

// Config bounds a rendering. Zero fields take the defaults.
type Config struct {
	MaxSteps int              // evaluation steps; default 2,000,000
	MaxBytes int              // bytes of the output and of any one text inside; default 64 MiB
	Now      func() time.Time // the clock of strftime_now; default time.Now
}

const (
	defaultSteps = 2_000_000
	defaultBytes = 64 << 20
	maxDepth     = 150     // macro calls inside each other, and values inside values
	maxRange     = 100_000 // items of range(), as in Jinja2's sandbox
	itemCost     = 64      // bytes that an item of a list counts for
)

// Range is bytes Start to End of the output.
type Range struct{ Start, End int }

// Output is a rendered text, the origin of its bytes, and what {% generation %} blocks enclose, in order.
type Output struct {
	taint.String
	Generation []Range
}

// Render runs the template with the given variables. Text in vars should come from Value or FromJSON (data), or be a
// taint.Literal for the tokenizer's own tokens.
func (t *Template) Render(vars *Dict, cfg Config) (out Output, err error) {
	if cfg.MaxSteps == 0 {
		cfg.MaxSteps = defaultSteps
	}
	if cfg.MaxBytes == 0 {
		cfg.MaxBytes = defaultBytes
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	defer recoverError(&err)
	root := &taint.Builder{}
	st := &state{tmpl: t, cfg: cfg, out: root, root: root}
	top := &scope{}
	for i, k := range vars.keys {
		if name, ok := k.(taint.String); ok {
			top.set(name.Text, vars.values[i])
		}
	}
	st.run(t.body, &scope{parent: top})
	return Output{root.String(), st.generation}, nil
}

// state is one rendering.
type state struct {
	tmpl       *Template
	cfg        Config
	out, root  *taint.Builder
	generation []Range
	steps      int
	depth      int
}

func (st *state) fail(line int, format string, a ...any) {
	panic(&Error{st.tmpl.name, line, fmt.Sprintf(format, a...)})
}

func (st *state) step(line int) { st.steps++; st.limit(line) }

func (st *state) limit(line int) {
	if st.steps > st.cfg.MaxSteps {
		st.fail(line, "rendering takes more than %d steps", st.cfg.MaxSteps)
	}
}

// charge counts the work of handling n bytes or items and bounds n itself.
func (st *state) charge(line, n int) {
	if n > st.cfg.MaxBytes {
		st.fail(line, "a text or list of more than %d bytes", st.cfg.MaxBytes)
	}
	st.steps += 1 + n/256
	st.limit(line)
}

func (st *state) deeper(line int) func() {
	if st.depth++; st.depth > maxDepth {
		st.fail(line, "more than %d calls or values inside each other", maxDepth)
	}
	return func() { st.depth-- }
}

// write puts text into the output at hand.
func (st *state) write(line int, s taint.String) {
	st.charge(line, len(s.Text))
	if st.out.Len()+len(s.Text) > st.cfg.MaxBytes {
		st.fail(line, "output of more than %d bytes", st.cfg.MaxBytes)
	}
	st.out.Write(s)
}

// capture runs body and returns what it writes.
func (st *state) capture(body []stmt, sc *scope) taint.String {
	saved := st.out
	st.out = &taint.Builder{}
	st.run(body, sc)
	s := st.out.String()
	st.out = saved
	return s
}

// scope holds the variables of one block; inner scopes see outer ones and never write to them. Blocks have few variables, so that
// a list is faster than a map.
type scope struct {
	vars   []namedValue
	parent *scope
}

func (sc *scope) find(name string) *namedValue {
	for i := range sc.vars {
		if sc.vars[i].name == name {
			return &sc.vars[i]
		}
	}
	return nil
}

func (sc *scope) lookup(name string) (any, bool) {
	for ; sc != nil; sc = sc.parent {
		if v := sc.find(name); v != nil {
			return v.value, true
		}
	}
	return nil, false
}

func (sc *scope) set(name string, v any) {
	if old := sc.find(name); old != nil {
		old.value = v
		return
	}
	sc.vars = append(sc.vars, namedValue{name, v})
}
