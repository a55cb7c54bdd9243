package jinja

import (
	"math"
	"strings"

	"quire/lib/chat/taint"
)

type expr interface {
	eval(st *state, sc *scope) any
}

// capturedName is the variable that holds a captured body while filters run over it; no template can write this name.
const capturedName = "{captured}"

type (
	constExpr struct{ value any }
	nameExpr  struct {
		line int
		name string
	}
	capturedExpr struct{}
	listExpr     struct{ items []expr }
	tupleExpr    struct{ items []expr }
	dictExpr     struct {
		line         int
		keys, values []expr
	}
	condExpr struct {
		line                  int
		then, cond, otherwise expr
	}
	logicExpr struct {
		line        int
		or          bool
		left, right expr
	}
	notExpr struct {
		line  int
		value expr
	}
	negExpr struct {
		line   int
		value  expr
		negate bool
	}
	compareLink struct {
		op    string
		value expr
	}
	compareExpr struct {
		line  int
		first expr
		links []compareLink
	}
	binaryExpr struct {
		line        int
		op          string
		left, right expr
	}
	attrExpr struct {
		line  int
		value expr
		name  string
	}
	itemExpr struct {
		line       int
		value, key expr
	}
	sliceExpr struct {
		line  int
		value expr
		parts [3]expr
	}
	callExpr struct {
		line   int
		fn     expr
		args   []expr
		kwargs []param
	}
	filterExpr struct {
		line   int
		name   string
		run    filterFunc
		value  expr
		args   []expr
		kwargs []param
	}
	testExpr struct {
		line  int
		name  string
		run   testFunc
		value expr
		args  []expr
	}
)

func evalAll(st *state, sc *scope, list []expr) []any {
	out := make([]any, len(list))
	for i, e := range list {
		out[i] = e.eval(st, sc)
	}
	return out
}

func (e *constExpr) eval(*state, *scope) any { return e.value }

func (e *nameExpr) eval(st *state, sc *scope) any {
	st.step(e.line)
	if v, ok := sc.lookup(e.name); ok {
		return v
	}
	if f, ok := globals[e.name]; ok {
		return f
	}
	return undefined{e.name}
}

func (*capturedExpr) eval(_ *state, sc *scope) any {
	v, _ := sc.lookup(capturedName)
	return v
}

func (e *listExpr) eval(st *state, sc *scope) any  { return evalAll(st, sc, e.items) }
func (e *tupleExpr) eval(st *state, sc *scope) any { return Tuple(evalAll(st, sc, e.items)) }

func (e *dictExpr) eval(st *state, sc *scope) any {
	d := &Dict{}
	for i, k := range e.keys {
		key := k.eval(st, sc)
		if !hashable(key) {
			st.fail(e.line, "%s cannot be a key of a dict", describe(key))
		}
		d.set(key, e.values[i].eval(st, sc))
	}
	return d
}

func (e *condExpr) eval(st *state, sc *scope) any {
	st.step(e.line)
	switch {
	case truthy(e.cond.eval(st, sc)):
		return e.then.eval(st, sc)
	case e.otherwise != nil:
		return e.otherwise.eval(st, sc)
	}
	return undefined{"the missing else of an if expression"}
}

func (e *logicExpr) eval(st *state, sc *scope) any {
	st.step(e.line)
	if left := e.left.eval(st, sc); truthy(left) == e.or {
		return left
	}
	return e.right.eval(st, sc)
}

func (e *notExpr) eval(st *state, sc *scope) any { return !truthy(e.value.eval(st, sc)) }

func (e *negExpr) eval(st *state, sc *scope) any {
	v := e.value.eval(st, sc)
	if n, ok := integer(v); ok && n != math.MinInt64 {
		if e.negate {
			return -n
		}
		return n
	}
	f, ok := number(v)
	if !ok {
		st.fail(e.line, "%s has no sign", describe(v))
	}
	if e.negate {
		return -f
	}
	return f
}

func (e *compareExpr) eval(st *state, sc *scope) any {
	left := e.first.eval(st, sc)
	for _, link := range e.links {
		right := link.value.eval(st, sc)
		if !st.compare(e.line, link.op, left, right) {
			return false
		}
		left = right
	}
	return true
}

func (st *state) compare(line int, op string, a, b any) bool {
	switch op {
	case "==":
		return st.equal(line, a, b)
	case "!=":
		return !st.equal(line, a, b)
	case "in":
		return st.contains(line, b, a)
	case "not in":
		return !st.contains(line, b, a)
	case "<":
		return st.order(line, a, b) < 0
	case "<=":
		return st.order(line, a, b) <= 0
	case ">":
		return st.order(line, a, b) > 0
	}
	return st.order(line, a, b) >= 0
}

func (st *state) contains(line int, in, v any) bool {
	if items, ok := sequence(in); ok {
		for _, item := range items {
			if st.equal(line, item, v) {
				return true
			}
		}
		return false
	}
	switch in := in.(type) {
	case *Dict:
		_, ok := in.get(v)
		return ok
	case undefined:
		return false
	case taint.String:
		s, ok := v.(taint.String)
		if !ok {
			st.fail(line, "\"in\" a str needs a str, not %s", describe(v))
		}
		st.charge(line, len(in.Text))
		return strings.Contains(in.Text, s.Text)
	}
	st.fail(line, "cannot look into %s by \"in\"", describe(in))
	return false
}

func (e *binaryExpr) eval(st *state, sc *scope) any {
	st.step(e.line)
	a, b := e.left.eval(st, sc), e.right.eval(st, sc)
	if e.op == "~" {
		return st.concat(e.line, st.str(e.line, a), st.str(e.line, b))
	}
	if v, ok := st.sequenceOp(e.line, e.op, a, b); ok {
		return v
	}
	if x, ok := integer(a); ok {
		if y, ok := integer(b); ok {
			return st.intOp(e.line, e.op, x, y)
		}
	}
	x, okX := number(a)
	y, okY := number(b)
	if !okX || !okY {
		st.fail(e.line, "cannot compute %s %s %s", describe(a), e.op, describe(b))
	}
	return st.floatOp(e.line, e.op, x, y)
}

func (e *attrExpr) eval(st *state, sc *scope) any {
	st.step(e.line)
	v := e.value.eval(st, sc)
	switch v := v.(type) {
	case undefined:
		st.fail(e.line, "%s is undefined, so it has no attribute %q", v.what, e.name)
	case *Dict:
		if m := dictMethod(v, e.name); m != nil {
			return m
		}
		if item, ok := v.Get(e.name); ok {
			return item
		}
	case taint.String:
		if m := textMethod(v, e.name); m != nil {
			return m
		}
	case *namespace:
		if item, ok := v.vars[e.name]; ok {
			return item
		}
	case *loopInfo:
		return v.attr(e.name)
	default:
		if items, ok := sequence(v); ok {
			if m := listMethod(items, e.name); m != nil {
				return m
			}
		}
	}
	return undefined{"attribute " + e.name}
}

func (e *itemExpr) eval(st *state, sc *scope) any {
	st.step(e.line)
	return st.item(e.line, e.value.eval(st, sc), e.key.eval(st, sc))
}

// item is v[key]; what is not there is undefined.
func (st *state) item(line int, v, key any) any {
	switch c := v.(type) {
	case undefined:
		st.fail(line, "%s is undefined, so it has no item", c.what)
	case *Dict:
		if item, ok := c.get(key); ok {
			return item
		}
	case taint.String:
		if i, ok := integer(key); ok {
			n := int64(textLen(c.Text))
			if i < 0 {
				i += n
			}
			if i >= 0 && i < n {
				st.charge(line, len(c.Text))
				return sliceText(c, int(i), int(i)+1)
			}
		}
	default:
		items, isList := sequence(v)
		if i, ok := integer(key); ok && isList {
			if i < 0 {
				i += int64(len(items))
			}
			if i >= 0 && i < int64(len(items)) {
				return items[i]
			}
		}
	}
	if name, ok := key.(taint.String); ok {
		return (&attrExpr{line, &constExpr{v}, name.Text}).eval(st, nil)
	}
	return undefined{"item " + st.repr(line, key).Text}
}

func (e *sliceExpr) eval(st *state, sc *scope) any {
	st.step(e.line)
	v := e.value.eval(st, sc)
	var bounds [3]*int64
	for i, part := range e.parts {
		if part == nil {
			continue
		}
		p := part.eval(st, sc)
		if p == nil {
			continue
		}
		n, ok := integer(p)
		if !ok {
			st.fail(e.line, "slice bound is %s, want int", describe(p))
		}
		bounds[i] = &n
	}
	if bounds[2] != nil && *bounds[2] == 0 {
		st.fail(e.line, "slice step is zero")
	}
	switch c := v.(type) {
	case taint.String:
		st.charge(e.line, len(c.Text))
		return stepText(c, bounds)
	case []any:
		st.charge(e.line, itemCost*len(c))
		return stepList(c, bounds)
	case Tuple:
		st.charge(e.line, itemCost*len(c))
		return Tuple(stepList(c, bounds))
	}
	st.fail(e.line, "cannot slice %s", describe(v))
	return nil
}

// indices are the positions that Python's slice(bounds) takes out of n items.
func indices(n int, bounds [3]*int64) (start, stop, step int64) {
	step = 1
	if bounds[2] != nil {
		step = min(max(*bounds[2], -int64(n)-1), int64(n)+1)
	}
	low, high := int64(0), int64(n)
	start, stop = low, high
	if step < 0 {
		low, high = -1, int64(n)-1
		start, stop = high, low
	}
	clamp := func(b *int64, otherwise int64) int64 {
		if b == nil {
			return otherwise
		}
		v := *b
		if v < 0 {
			v += int64(n)
		}
		return min(max(v, low), high)
	}
	return clamp(bounds[0], start), clamp(bounds[1], stop), step
}

func stepList(items []any, bounds [3]*int64) []any {
	start, stop, step := indices(len(items), bounds)
	out := []any{}
	for i := start; step > 0 && i < stop || step < 0 && i > stop; i += step {
		out = append(out, items[i])
	}
	return out
}

func (e *callExpr) eval(st *state, sc *scope) any {
	fn, a := e.prepare(st, sc)
	return fn.call(st, a)
}

func (e *callExpr) prepare(st *state, sc *scope) (*function, *args) {
	st.step(e.line)
	v := e.fn.eval(st, sc)
	fn, ok := v.(*function)
	if !ok {
		st.fail(e.line, "%s cannot be called", describe(v))
	}
	a := &args{line: e.line, name: fn.name, pos: evalAll(st, sc, e.args)}
	for _, k := range e.kwargs {
		a.kw = append(a.kw, namedValue{k.name, k.value.eval(st, sc)})
	}
	return fn, a
}

func (e *filterExpr) eval(st *state, sc *scope) any {
	st.step(e.line)
	v := e.value.eval(st, sc)
	a := &args{line: e.line, name: "filter " + e.name, pos: evalAll(st, sc, e.args)}
	for _, k := range e.kwargs {
		a.kw = append(a.kw, namedValue{k.name, k.value.eval(st, sc)})
	}
	return e.run(st, v, a)
}

func (e *testExpr) eval(st *state, sc *scope) any {
	st.step(e.line)
	v := e.value.eval(st, sc)
	return e.run(st, v, &args{line: e.line, name: "test " + e.name, pos: evalAll(st, sc, e.args)})
}
