package jinja

import "quire/lib/chat/taint"

type testFunc func(st *state, v any, a *args) bool

var tests = map[string]testFunc{
	"defined":   func(_ *state, v any, _ *args) bool { return !isUndefined(v) },
	"undefined": func(_ *state, v any, _ *args) bool { return isUndefined(v) },
	"none":      func(_ *state, v any, _ *args) bool { return v == nil },
	"string":    func(_ *state, v any, _ *args) bool { return typeName(v) == "str" },
	"number":    func(_ *state, v any, _ *args) bool { _, ok := number(v); return ok },
	"integer":   func(_ *state, v any, _ *args) bool { return typeName(v) == "int" },
	"float":     func(_ *state, v any, _ *args) bool { return typeName(v) == "float" },
	"boolean":   func(_ *state, v any, _ *args) bool { return typeName(v) == "bool" },
	"true":      func(_ *state, v any, _ *args) bool { return v == true },
	"false":     func(_ *state, v any, _ *args) bool { return v == false },
	"mapping":   func(_ *state, v any, _ *args) bool { return typeName(v) == "dict" },
	"callable":  func(_ *state, v any, _ *args) bool { _, ok := v.(*function); return ok },
	"iterable":  func(_ *state, v any, _ *args) bool { return isIterable(v) || isUndefined(v) },
	"sequence":  func(_ *state, v any, _ *args) bool { return isIterable(v) || isUndefined(v) },
	"odd":       func(st *state, v any, a *args) bool { return remainder(st, v, a, 2) == 1 },
	"even":      func(st *state, v any, a *args) bool { return remainder(st, v, a, 2) == 0 },
	"divisibleby": func(st *state, v any, a *args) bool {
		return remainder(st, v, a, a.int(st, 0, "num", 0)) == 0
	},
	"upper": func(st *state, v any, a *args) bool { return truthy(textMethods["isupper"](st, st.str(a.line, v), a)) },
	"lower": func(st *state, v any, a *args) bool { return truthy(textMethods["islower"](st, st.str(a.line, v), a)) },
	"in":    func(st *state, v any, a *args) bool { return st.contains(a.line, a.require(st, 0, "seq"), v) },
	"sameas": func(st *state, v any, a *args) bool {
		other := a.require(st, 0, "other")
		return typeName(v) == typeName(other) && st.equal(a.line, v, other)
	},
	"filter": func(st *state, v any, a *args) bool { return filters[st.str(a.line, v).Text] != nil },
	"eq":     comparing("=="), "equalto": comparing("=="), "==": comparing("=="), "ne": comparing("!="), "!=": comparing("!="),
	"lt": comparing("<"), "lessthan": comparing("<"), "<": comparing("<"), "le": comparing("<="), "<=": comparing("<="),
	"gt": comparing(">"), "greaterthan": comparing(">"), ">": comparing(">"), "ge": comparing(">="), ">=": comparing(">="),
}

func isUndefined(v any) bool { _, ok := v.(undefined); return ok }

func isIterable(v any) bool {
	switch v.(type) {
	case []any, Tuple, *Dict, taint.String:
		return true
	}
	return false
}

func comparing(op string) testFunc {
	return func(st *state, v any, a *args) bool { return st.compare(a.line, op, v, a.require(st, 0, "other")) }
}

func remainder(st *state, v any, a *args, by int64) int64 {
	n, ok := integer(v)
	if !ok || by == 0 {
		st.fail(a.line, "%s of %s", a.name, describe(v))
	}
	return ((n % by) + by) % by
}
