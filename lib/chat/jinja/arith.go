package jinja

import (
	"math"
	"math/bits"

	"quire/lib/chat/taint"
)

func (st *state) concat(line int, a, b taint.String) taint.String {
	st.charge(line, len(a.Text)+len(b.Text))
	return a.Concat(b)
}

// sequenceOp is + of two texts, lists or tuples, and * of one with a number.
func (st *state) sequenceOp(line int, op string, a, b any) (any, bool) {
	if op == "*" {
		if n, ok := integer(a); ok {
			return st.repeat(line, b, n)
		}
		if n, ok := integer(b); ok {
			return st.repeat(line, a, n)
		}
	}
	if op != "+" {
		return nil, false
	}
	switch x := a.(type) {
	case taint.String:
		if y, ok := b.(taint.String); ok {
			return st.concat(line, x, y), true
		}
	case []any:
		if y, ok := b.([]any); ok {
			st.charge(line, itemCost*(len(x)+len(y)))
			return append(append(make([]any, 0, len(x)+len(y)), x...), y...), true
		}
	case Tuple:
		if y, ok := b.(Tuple); ok {
			st.charge(line, itemCost*(len(x)+len(y)))
			return append(append(make(Tuple, 0, len(x)+len(y)), x...), y...), true
		}
	}
	return nil, false
}

func (st *state) repeat(line int, v any, n int64) (any, bool) {
	n = max(n, 0)
	bound := func(size int) {
		high, low := bits.Mul64(uint64(size), uint64(n))
		if high > 0 || low > uint64(st.cfg.MaxBytes) {
			st.fail(line, "a text or list of more than %d bytes", st.cfg.MaxBytes)
		}
		st.charge(line, int(low))
	}
	switch v := v.(type) {
	case taint.String:
		bound(len(v.Text))
		var b taint.Builder
		for ; n > 0 && v.Text != ""; n-- {
			b.Write(v)
		}
		return b.String(), true
	case []any:
		bound(itemCost * len(v))
		out := []any{}
		for ; n > 0 && len(v) > 0; n-- {
			out = append(out, v...)
		}
		return out, true
	}
	return nil, false
}

func (st *state) intOp(line int, op string, x, y int64) any {
	overflow := false
	var out int64
	switch op {
	case "+":
		out = x + y
		overflow = (out > x) != (y > 0) && y != 0
	case "-":
		out = x - y
		overflow = (out < x) != (y > 0) && y != 0
	case "*":
		out = x * y
		overflow = x != 0 && (out/x != y || x == -1 && y == math.MinInt64)
	case "//", "%":
		if y == 0 {
			st.fail(line, "division by zero")
		}
		q, r := x/y, x%y
		if r != 0 && (r < 0) != (y < 0) {
			q, r = q-1, r+y
		}
		if op == "%" {
			return r
		}
		out, overflow = q, x == math.MinInt64 && y == -1
	case "**":
		if y < 0 {
			return st.floatOp(line, op, float64(x), float64(y))
		}
		out = 1
		for ; y > 0 && !overflow; y-- {
			if x == 0 || x == 1 {
				return x
			}
			if x == -1 {
				return 1 - 2*(y&1)
			}
			overflow = (out*x)/x != out
			out *= x
		}
	default:
		return st.floatOp(line, op, float64(x), float64(y))
	}
	if overflow {
		st.fail(line, "whole number outside 64 bits")
	}
	return out
}

func (st *state) floatOp(line int, op string, x, y float64) any {
	if y == 0 && (op == "/" || op == "//" || op == "%") {
		st.fail(line, "division by zero")
	}
	switch op {
	case "+":
		return x + y
	case "-":
		return x - y
	case "*":
		return x * y
	case "/":
		return x / y
	case "//":
		return math.Floor(x / y)
	case "%":
		r := math.Mod(x, y)
		if r != 0 && (r < 0) != (y < 0) {
			r += y
		}
		return r
	}
	return math.Pow(x, y)
}
