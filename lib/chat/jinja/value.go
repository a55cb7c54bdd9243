package jinja

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"quire/lib/chat/taint"
)

// BigInt is a whole number outside int64, kept in the digits it was written in. It prints and compares for equality; no more.
type BigInt string

// Tuple is a sequence that prints with parentheses.
type Tuple []any

// Dict is an ordered map. Keys are values that Python could hash. The zero value is empty and ready; the caller must not write
// to a Dict that a running template reads.
type Dict struct {
	keys, values []any
	index        map[any]int
}

// Set writes the value of a text key that the caller names, such as "content": the key counts as the template's own text.
func (d *Dict) Set(key string, value any) { d.set(taint.Literal(key), value) }

// Get is the value of a text key.
func (d *Dict) Get(key string) (value any, ok bool) { return d.get(taint.Literal(key)) }

// Len is the number of keys.
func (d *Dict) Len() int { return len(d.keys) }

func (d *Dict) set(key, value any) {
	k := hashKey(key)
	if i, ok := d.index[k]; ok {
		d.values[i] = value
		return
	}
	if d.index == nil {
		d.index = map[any]int{}
	}
	d.index[k] = len(d.keys)
	d.keys, d.values = append(d.keys, key), append(d.values, value)
}

func (d *Dict) get(key any) (any, bool) {
	if !hashable(key) {
		return nil, false
	}
	i, ok := d.index[hashKey(key)]
	if !ok {
		return nil, false
	}
	return d.values[i], true
}

func hashable(v any) bool {
	switch v.(type) {
	case nil, bool, int64, float64, BigInt, taint.String:
		return true
	}
	return false
}

// hashKey makes keys that Python holds equal equal: 1, 1.0 and True are one key.
func hashKey(v any) any {
	switch v := v.(type) {
	case taint.String:
		return v.Text
	case bool:
		return boolInt(v)
	case float64:
		if i := int64(v); float64(i) == v {
			return i
		}
	}
	return v
}

func boolInt(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// undefined is what a missing variable or attribute gives: it prints as nothing and fails when it is looked into.
type undefined struct{ what string }

// namespace is the one value that a template may write to.
type namespace struct{ vars map[string]any }

// function is a macro, a method or a global.
type function struct {
	name string
	call func(st *state, a *args) any
}

// args are the evaluated arguments of a call, filter or test.
type args struct {
	line int
	name string // of what is called, for errors
	pos  []any
	kw   []namedValue
}

type namedValue struct {
	name  string
	value any
}

// get is the argument at position i or by name; ok is false when it was not given.
func (a *args) get(i int, name string) (v any, ok bool) {
	if i < len(a.pos) {
		return a.pos[i], true
	}
	for _, k := range a.kw {
		if k.name == name {
			return k.value, true
		}
	}
	return nil, false
}

func (a *args) or(i int, name string, fallback any) any {
	if v, ok := a.get(i, name); ok {
		return v
	}
	return fallback
}

func (a *args) require(st *state, i int, name string) any {
	v, ok := a.get(i, name)
	if !ok {
		st.fail(a.line, "%s: argument %q is missing", a.name, name)
	}
	return v
}

func (a *args) text(st *state, i int, name string) taint.String {
	v := a.require(st, i, name)
	s, ok := v.(taint.String)
	if !ok {
		st.fail(a.line, "%s: argument %q is %s, want str", a.name, name, typeName(v))
	}
	return s
}

func (a *args) int(st *state, i int, name string, fallback int64) int64 {
	v := a.or(i, name, fallback)
	if b, ok := v.(bool); ok {
		v = boolInt(b)
	}
	n, ok := v.(int64)
	if !ok {
		st.fail(a.line, "%s: argument %q is %s, want int", a.name, name, typeName(v))
	}
	return n
}

// Value turns plain Go data (nil, bool, integers, floats, string, []any, []string, map[string]any in key order, and values of
// this package) into a template's values. Every text in it gets the given source.
func Value(v any, source int) (any, error) {
	switch v := v.(type) {
	case nil, bool, int64, float64, BigInt, taint.String, Tuple, *Dict:
		return v, nil
	case string:
		return taint.Data(v, source), nil
	case int:
		return int64(v), nil
	case float32:
		return float64(v), nil
	case []string:
		out := make([]any, len(v))
		for i, s := range v {
			out[i] = taint.Data(s, source)
		}
		return out, nil
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			var err error
			if out[i], err = Value(e, source); err != nil {
				return nil, err
			}
		}
		return out, nil
	case map[string]any:
		d := &Dict{}
		for _, k := range slices.Sorted(maps.Keys(v)) {
			e, err := Value(v[k], source)
			if err != nil {
				return nil, err
			}
			d.set(taint.Data(k, source), e)
		}
		return d, nil
	}
	return nil, fmt.Errorf("jinja: a template has no use for a value of type %T: give nil, bool, int, float64, string, []any or map[string]any", v)
}

func typeName(v any) string {
	switch v.(type) {
	case nil:
		return "None"
	case bool:
		return "bool"
	case int64, BigInt:
		return "int"
	case float64:
		return "float"
	case taint.String:
		return "str"
	case []any:
		return "list"
	case Tuple:
		return "tuple"
	case *Dict:
		return "dict"
	case undefined:
		return "undefined"
	case *namespace:
		return "namespace"
	case *loopInfo:
		return "loop"
	}
	return "function"
}

func truthy(v any) bool {
	switch v := v.(type) {
	case nil, undefined:
		return false
	case bool:
		return v
	case int64:
		return v != 0
	case float64:
		return v != 0
	case taint.String:
		return v.Text != ""
	case []any:
		return len(v) > 0
	case Tuple:
		return len(v) > 0
	case *Dict:
		return v.Len() > 0
	}
	return true
}

// number gives v as a float64 when it is a number; bool counts, as in Python.
func number(v any) (f float64, ok bool) {
	switch v := v.(type) {
	case bool:
		return float64(boolInt(v)), true
	case int64:
		return float64(v), true
	case float64:
		return v, true
	case BigInt:
		f, _ = strconv.ParseFloat(string(v), 64)
		return f, true
	}
	return 0, false
}

func integer(v any) (int64, bool) {
	switch v := v.(type) {
	case bool:
		return boolInt(v), true
	case int64:
		return v, true
	}
	return 0, false
}

// sequence gives the items of a list or tuple.
func sequence(v any) ([]any, bool) {
	switch v := v.(type) {
	case []any:
		return v, true
	case Tuple:
		return v, true
	}
	return nil, false
}

// equal is Python's ==.
func (st *state) equal(line int, a, b any) bool {
	st.step(line)
	defer st.deeper(line)()
	if x, ok := integer(a); ok {
		if y, ok := integer(b); ok {
			return x == y
		}
	}
	if x, ok := number(a); ok {
		y, ok := number(b)
		return ok && x == y
	}
	switch a := a.(type) {
	case nil:
		return b == nil
	case undefined:
		_, ok := b.(undefined)
		return ok
	case taint.String:
		b, ok := b.(taint.String)
		return ok && a.Text == b.Text
	case []any:
		b, ok := b.([]any)
		return ok && st.equalItems(line, a, b)
	case Tuple:
		b, ok := b.(Tuple)
		return ok && st.equalItems(line, a, b)
	case *Dict:
		b, ok := b.(*Dict)
		return ok && st.equalDicts(line, a, b)
	}
	return a == b
}

func (st *state) equalItems(line int, a, b []any) bool {
	return slices.EqualFunc(a, b, func(x, y any) bool { return st.equal(line, x, y) })
}

func (st *state) equalDicts(line int, a, b *Dict) bool {
	if a.Len() != b.Len() {
		return false
	}
	for i, k := range a.keys {
		if v, ok := b.get(k); !ok || !st.equal(line, a.values[i], v) {
			return false
		}
	}
	return true
}

// order is Python's <, 0 or > between two values that have an order.
func (st *state) order(line int, a, b any) int {
	st.step(line)
	defer st.deeper(line)()
	if x, ok := integer(a); ok {
		if y, ok := integer(b); ok {
			return cmp.Compare(x, y)
		}
	}
	if x, ok := number(a); ok {
		if y, ok := number(b); ok {
			return cmp.Compare(x, y)
		}
	}
	if x, ok := a.(taint.String); ok {
		if y, ok := b.(taint.String); ok {
			return strings.Compare(x.Text, y.Text)
		}
	}
	if x, ok := sequence(a); ok && typeName(a) == typeName(b) {
		y, _ := sequence(b)
		return slices.CompareFunc(x, y, func(p, q any) int { return st.order(line, p, q) })
	}
	st.fail(line, "cannot compare %s with %s", describe(a), describe(b))
	return 0
}

// describe names a value for an error: an undefined one by how it was reached.
func describe(v any) string {
	if u, ok := v.(undefined); ok {
		return u.what + ", which is undefined,"
	}
	return typeName(v)
}

// formatFloat prints as Python's repr: the shortest digits that read back equal.
func formatFloat(f float64) string {
	switch {
	case math.IsNaN(f):
		return "nan"
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	}
	s := strconv.FormatFloat(f, 'e', -1, 64)
	exp, _ := strconv.Atoi(s[strings.IndexByte(s, 'e')+1:])
	if exp < -4 || exp >= 16 {
		return s
	}
	s = strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}
