package jinja

import (
	"fmt"

	"quire/lib/chat/taint"
)

type jump uint8

const (
	jumpNone jump = iota
	jumpBreak
	jumpContinue
)

type stmt interface {
	exec(st *state, sc *scope) jump
}

type (
	textStmt  struct{ text string }
	printStmt struct {
		line  int
		value expr
	}
	ifArm struct {
		line int
		cond expr
		body []stmt
	}
	ifStmt struct {
		arms      []ifArm
		otherwise []stmt
	}
	forStmt struct {
		line            int
		names           []string
		over, cond      expr
		body, otherwise []stmt
	}
	setStmt struct {
		line     int
		names    []string
		attr     string // of the namespace names[0]
		value    expr
		captured bool // {% set x %}body{% endset %}; value is capturedExpr, perhaps with filters
		body     []stmt
	}
	param struct {
		name  string
		value expr
	}
	macroStmt struct {
		line   int
		name   string
		params []param
		body   []stmt
	}
	callStmt struct {
		line   int
		params []param
		call   *callExpr
		body   []stmt
	}
	filterStmt struct {
		line  int
		chain expr
		body  []stmt
	}
	withStmt struct {
		names  []string
		values []expr
		body   []stmt
	}
	generationStmt struct {
		line int
		body []stmt
	}
	jumpStmt struct{ jump jump }
)

func (st *state) run(body []stmt, sc *scope) jump {
	for _, s := range body {
		if j := s.exec(st, sc); j != jumpNone {
			return j
		}
	}
	return jumpNone
}

func (s *textStmt) exec(st *state, _ *scope) jump {
	st.write(0, taint.Literal(s.text))
	return jumpNone
}

func (s *printStmt) exec(st *state, sc *scope) jump {
	st.write(s.line, st.str(s.line, s.value.eval(st, sc)))
	return jumpNone
}

func (s *ifStmt) exec(st *state, sc *scope) jump {
	for _, arm := range s.arms {
		st.step(arm.line)
		if truthy(arm.cond.eval(st, sc)) {
			return st.run(arm.body, sc)
		}
	}
	return st.run(s.otherwise, sc)
}

func (s *forStmt) exec(st *state, sc *scope) jump {
	items := st.iterate(s.line, s.over.eval(st, sc))
	if s.cond != nil {
		var kept []any
		for _, item := range items {
			inner := &scope{parent: sc}
			st.bind(s.line, inner, s.names, item)
			if truthy(s.cond.eval(st, inner)) {
				kept = append(kept, item)
			}
		}
		items = kept
	}
	var changed []any
	for i, item := range items {
		st.step(s.line)
		inner := &scope{parent: sc}
		st.bind(s.line, inner, s.names, item)
		inner.set("loop", &loopInfo{items, i, &changed})
		if st.run(s.body, inner) == jumpBreak {
			break
		}
	}
	if len(items) == 0 {
		return st.run(s.otherwise, &scope{parent: sc})
	}
	return jumpNone
}

// bind gives one name the value, or several names the items of the value.
func (st *state) bind(line int, sc *scope, names []string, v any) {
	if len(names) == 1 {
		sc.set(names[0], v)
		return
	}
	items := st.iterate(line, v)
	if len(items) != len(names) {
		st.fail(line, "cannot unpack %d values into %d names", len(items), len(names))
	}
	for i, name := range names {
		sc.set(name, items[i])
	}
}

// iterate lists what a for loop over v visits.
func (st *state) iterate(line int, v any) []any {
	switch v := v.(type) {
	case []any:
		st.charge(line, len(v))
		return v
	case Tuple:
		st.charge(line, len(v))
		return v
	case *Dict:
		st.charge(line, v.Len())
		return v.keys
	case undefined:
		return nil
	case taint.String:
		st.charge(line, itemCost*len(v.Text))
		var out []any
		for i, r := range v.Text {
			out = append(out, v.Slice(i, i+runeWidth(v.Text[i:], r)))
		}
		return out
	}
	st.fail(line, "cannot loop over %s", describe(v))
	return nil
}

func (s *setStmt) exec(st *state, sc *scope) jump {
	st.step(s.line)
	var v any
	if s.captured {
		inner := &scope{parent: sc}
		inner.set(capturedName, st.capture(s.body, inner))
		v = s.value.eval(st, inner)
	} else {
		v = s.value.eval(st, sc)
	}
	if s.attr == "" {
		st.bind(s.line, sc, s.names, v)
		return jumpNone
	}
	target, _ := sc.lookup(s.names[0])
	ns, ok := target.(*namespace)
	if !ok {
		st.fail(s.line, "cannot set %s.%s: %s is no namespace", s.names[0], s.attr, s.names[0])
	}
	ns.vars[s.attr] = v
	return jumpNone
}

func (s *macroStmt) exec(st *state, sc *scope) jump {
	sc.set(s.name, st.macro(s.name, s.params, s.body, sc))
	return jumpNone
}

// macro makes a function of a body; it sees the variables of the place where it is defined.
func (st *state) macro(name string, params []param, body []stmt, sc *scope) *function {
	return &function{name, func(st *state, a *args) any {
		defer st.deeper(a.line)()
		inner := &scope{parent: sc}
		if len(a.pos) > len(params) {
			st.fail(a.line, "macro %s takes %d arguments, %d are given", name, len(params), len(a.pos))
		}
		for i, p := range params {
			v, ok := a.get(i, p.name)
			switch {
			case ok:
			case p.value != nil:
				v = p.value.eval(st, inner)
			default:
				v = undefined{fmt.Sprintf("parameter %q of macro %s", p.name, name)}
			}
			inner.set(p.name, v)
		}
		for _, k := range a.kw {
			switch {
			case inner.find(k.name) != nil:
			case k.name == "caller":
				inner.set("caller", k.value)
			default:
				st.fail(a.line, "macro %s has no parameter %q", name, k.name)
			}
		}
		return st.capture(body, inner)
	}}
}

func (s *callStmt) exec(st *state, sc *scope) jump {
	fn, a := s.call.prepare(st, sc)
	a.kw = append(a.kw, namedValue{"caller", st.macro("caller", s.params, s.body, sc)})
	st.write(s.line, st.str(s.line, fn.call(st, a)))
	return jumpNone
}

func (s *filterStmt) exec(st *state, sc *scope) jump {
	inner := &scope{parent: sc}
	inner.set(capturedName, st.capture(s.body, inner))
	st.write(s.line, st.str(s.line, s.chain.eval(st, inner)))
	return jumpNone
}

func (s *withStmt) exec(st *state, sc *scope) jump {
	inner := &scope{parent: sc}
	for i, name := range s.names {
		inner.set(name, s.values[i].eval(st, sc))
	}
	return st.run(s.body, inner)
}

func (s *generationStmt) exec(st *state, sc *scope) jump {
	if st.out != st.root {
		st.fail(s.line, "generation inside a macro, set or filter block: its place in the output is not known there")
	}
	start := st.out.Len()
	j := st.run(s.body, &scope{parent: sc})
	if end := st.out.Len(); end > start {
		st.generation = append(st.generation, Range{start, end})
	}
	return j
}

func (s *jumpStmt) exec(*state, *scope) jump { return s.jump }

// loopInfo is the variable "loop" of one iteration.
type loopInfo struct {
	items   []any
	i       int
	changed *[]any // last arguments of loop.changed, shared by the iterations
}

func (l *loopInfo) attr(name string) any {
	n := len(l.items)
	neighbour := func(i int) any {
		if i < 0 || i >= n {
			return undefined{"loop." + name}
		}
		return l.items[i]
	}
	switch name {
	case "index":
		return int64(l.i + 1)
	case "index0":
		return int64(l.i)
	case "revindex":
		return int64(n - l.i)
	case "revindex0":
		return int64(n - l.i - 1)
	case "first":
		return l.i == 0
	case "last":
		return l.i == n-1
	case "length":
		return int64(n)
	case "depth":
		return int64(1) // only a recursive loop would be deeper
	case "depth0":
		return int64(0)
	case "previtem":
		return neighbour(l.i - 1)
	case "nextitem":
		return neighbour(l.i + 1)
	case "cycle":
		return &function{"cycle", func(st *state, a *args) any {
			if len(a.pos) == 0 {
				st.fail(a.line, "loop.cycle needs items")
			}
			return a.pos[l.i%len(a.pos)]
		}}
	case "changed":
		return &function{"changed", func(st *state, a *args) any {
			same := *l.changed != nil && st.equalItems(a.line, *l.changed, a.pos)
			*l.changed = append([]any{}, a.pos...)
			return !same
		}}
	}
	return undefined{"loop." + name}
}
