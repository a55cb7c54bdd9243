// Package check holds the argument checks that every Backend makes, so that a caller's bug panics with the same line everywhere: "tensor: MatMul: …".
//
// There is one function for each operation, named like it; those that take the operation's struct return it with its defaults made explicit, where it has any.
//
// **Invariant:** what passes cannot make a backend touch memory outside of its operands: ids, labels, positions and slots are checked, not only shapes.
//
// Deliberately absent: which types a backend has code for. It panics with tensor.Unsupported itself.
package check

import (
	"fmt"

	"quire/simd/dtype"
	"quire/simd/tensor"
)

// noOverlap panics if out shares storage with any of in.
func noOverlap(op string, out tensor.Tensor, in ...tensor.Tensor) {
	if out.IsZero() {
		return
	}
	for _, t := range in {
		if !t.IsZero() && out.Overlaps(t) {
			fail(op, "%v and %v overlap", out, t)
		}
	}
}

// inPlace panics if out overlaps t without being the same view, apart from interleaved views of one storage.
func inPlace(op string, out, t tensor.Tensor) {
	if out.IsContiguous() && t.IsContiguous() && !out.IsSame(t) {
		noOverlap(op, out, t)
	}
}

func sameFloat(op string, ts ...tensor.Tensor) {
	for _, t := range ts {
		if !t.SameShape(ts[0]) || !t.DType().IsFloat() || t.Rank() == 0 || !unitLast(t) {
			fail(op, "%v and %v: want float, equal shape, last stride 1", ts[0], t)
		}
	}
}

func rowVector(op, name string, v, x tensor.Tensor) {
	if x.Rank() != 2 || v.Rank() != 1 || v.Dim(0) != x.Dim(1) || !v.DType().IsFloat() || !unitLast(v) {
		fail(op, "x %v, %s %v: want (M, C) and (C)", x, name, v)
	}
}

func rowStat(op, name string, v, x tensor.Tensor) { vector(op, name, v, dtype.F32, x.Dim(0)) }

func vector(op, name string, v tensor.Tensor, dt dtype.Type, n int) {
	if v.Rank() != 1 || v.Dim(0) != n || v.DType() != dt || !v.IsContiguous() {
		fail(op, "%s %v: want contiguous %v [%d]", name, v, dt, n)
	}
}

func wantType(op string, t tensor.Tensor, dt dtype.Type) {
	if t.DType() != dt {
		fail(op, "%v: want %v", t, dt)
	}
}

func checkRange(op, name string, ids tensor.Tensor, limit int) {
	for _, id := range ids.I32() {
		if id < 0 || int(id) >= limit {
			fail(op, "%s %d: want 0 to %d", name, id, limit-1)
		}
	}
}

func checkCu(op, name string, cu []int32, n int) {
	ok := len(cu) >= 1 && cu[0] == 0 && int(cu[len(cu)-1]) == n
	for i := 1; ok && i < len(cu); i++ {
		ok = cu[i-1] <= cu[i]
	}
	if !ok {
		fail(op, "%s %v: want ascending from 0 to %d", name, cu, n)
	}
}

// unitLast reports whether the last axis is walked with stride 1.
func unitLast(t tensor.Tensor) bool { return t.Rank() > 0 && (t.Dim(-1) <= 1 || t.Stride(-1) == 1) }

// unitInner reports whether one of the last two axes has stride 1 or length ≤ 1.
func unitInner(t tensor.Tensor) bool { return unitLast(t) || t.Dim(-2) <= 1 || t.Stride(-2) == 1 }

func divides(a, b int) bool { return a > 0 && b%a == 0 }

// fail panics with the package's one-line message.
func fail(op, format string, args ...any) {
	panic("tensor: " + op + ": " + fmt.Sprintf(format, args...))
}
