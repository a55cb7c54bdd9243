package check

import (
	"quire/simd/dtype"
	"quire/simd/tensor"
)

// Same panics unless all tensors are float and have one shape; out comes first and may be the same view as an operand, or apart from it.
func Same(op string, out tensor.Tensor, in ...tensor.Tensor) {
	for _, t := range in {
		if !t.SameShape(out) || !t.DType().IsFloat() || !out.DType().IsFloat() {
			fail(op, "out %v, operand %v: want float, equal shape", out, t)
		}
		inPlace(op, out, t)
	}
	for i := range out.Rank() {
		if out.Stride(i) == 0 && out.Dim(i) > 1 {
			fail(op, "out %v is a broadcast", out)
		}
	}
}

// Copy panics unless x can be copied to out.
func Copy(out, x tensor.Tensor) {
	ok := out.SameShape(x) && !(out.DType().IsBlock() && x.DType().IsBlock() && out.DType() != x.DType())
	for _, t := range []tensor.Tensor{out, x} {
		ok = ok && (!t.DType().IsBlock() || unitLast(t))
	}
	if !ok || (out.DType().IsBlock() || x.DType().IsBlock()) && !(out.DType().IsFloat() || x.DType().IsFloat() || out.DType() == x.DType()) {
		fail("Copy", "%v to %v", x, out)
	}
	inPlace("Copy", out, x)
}

// RoPE panics unless the operands of RoPE fit, positions included.
func RoPE(out, x, pos tensor.Tensor, r tensor.Rotary) {
	const op = "RoPE"
	sameFloat(op, out, x)
	if x.Rank() != 3 || r.Dim > x.Dim(2) {
		fail(op, "x %v, rotary dim %d: want (T, H, D), dim ≤ D", x, r.Dim)
	}
	vector(op, "pos", pos, dtype.I32, x.Dim(0))
	checkRange(op, "position", pos, r.Len())
	inPlace(op, out, x)
}

// Rows panics unless all tensors are float, have one shape, and rows of stride 1: SwiGLU, Softmax and their gradients.
func Rows(op string, out tensor.Tensor, in ...tensor.Tensor) {
	for _, t := range in {
		sameFloat(op, out, t)
		inPlace(op, out, t)
	}
}

// Embedding panics unless the operands of Embedding or EmbeddingGrad fit, ids included.
func Embedding(op string, rows, w, ids tensor.Tensor) {
	if rows.Rank() != 2 || w.Rank() != 2 || rows.Dim(1) != w.Dim(1) || !rows.DType().IsFloat() || !(w.DType().IsFloat() || w.DType().IsBlock()) || !unitLast(rows) || !unitLast(w) {
		fail(op, "rows %v, table %v: want (T, C) float and (V, C)", rows, w)
	}
	vector(op, "ids", ids, dtype.I32, rows.Dim(0))
	checkRange(op, "id", ids, w.Dim(0))
	noOverlap(op, rows, w, ids)
}

// Reduce panics unless the operands of Reduce fit.
func Reduce(op tensor.ReduceOp, out, x tensor.Tensor) {
	want := dtype.F32
	if op == tensor.ArgMax {
		want = dtype.I32
	}
	if op > tensor.ArgMax || x.Rank() < 1 || !x.DType().IsFloat() || out.DType() != want || out.Rank() != x.Rank()-1 || !out.IsContiguous() {
		fail("Reduce", "out %v, x %v: want contiguous %v, one axis less", out, x, want)
	}
	for i := range out.Rank() {
		if out.Dim(i) != x.Dim(i) {
			fail("Reduce", "out %v, x %v", out, x)
		}
	}
	if op == tensor.ArgMax && x.Dim(-1) == 0 && out.Len() > 0 {
		fail("Reduce", "ArgMax of an empty row: %v", x)
	}
	noOverlap("Reduce", out, x)
}

// TopK panics unless the operands of TopK fit.
func TopK(values, indices, x tensor.Tensor) {
	if x.Rank() != 2 || !x.DType().IsFloat() || !unitLast(x) || values.Rank() != 2 || values.DType() != dtype.F32 || indices.DType() != dtype.I32 || !indices.SameShape(values) ||
		values.Dim(0) != x.Dim(0) || values.Dim(1) > x.Dim(1) || !values.IsContiguous() || !indices.IsContiguous() {
		fail("TopK", "values %v, indices %v, x %v", values, indices, x)
	}
	noOverlap("TopK", values, x)
	noOverlap("TopK", indices, x)
}

// Pack panics unless b can be the right operand of a product.
func Pack(b tensor.Tensor) {
	if b.Rank() != 2 || !(b.DType().IsFloat() || b.DType().IsBlock() || b.DType() == dtype.I8) || !unitInner(b) {
		fail("Pack", "b %v: want float, I8 or block (K, N), one stride 1", b)
	}
}

// KV panics unless k, v and slots fit a cache, slots included.
func KV(c tensor.KVConfig, k, v, slots tensor.Tensor) {
	for _, t := range []tensor.Tensor{k, v} {
		if t.Rank() != 3 || t.Dim(1) != c.KVHeads || t.Dim(2) != c.HeadDim || !t.DType().IsFloat() || !unitLast(t) {
			fail("KV", "%v: want float (T, %d, %d)", t, c.KVHeads, c.HeadDim)
		}
		vector("KV", "slots", slots, dtype.I32, t.Dim(0))
	}
	checkRange("KV", "slot", slots, c.Pages*c.PageSize)
}

// Pages panics unless the pages of CopyPages exist and pair up.
func Pages(c tensor.KVConfig, dst, src []int32) {
	if len(dst) != len(src) {
		fail("CopyPages", "%d pages to %d", len(src), len(dst))
	}
	for i := range dst {
		for _, page := range []int32{dst[i], src[i]} {
			if page < 0 || int(page) >= c.Pages {
				fail("CopyPages", "page %d of %d", page, c.Pages)
			}
		}
	}
}

// Sample panics unless the operands of Sample fit.
func Sample(ids, logits tensor.Tensor, rows []tensor.SampleRow) {
	if logits.Rank() != 2 || !logits.DType().IsFloat() || !unitLast(logits) || logits.Dim(0) != len(rows) {
		fail("Sample", "logits %v, %d rows", logits, len(rows))
	}
	vector("Sample", "ids", ids, dtype.I32, len(rows))
	for i, r := range rows {
		if r.Allow != nil && len(r.Allow) < (logits.Dim(1)+63)/64 {
			fail("Sample", "row %d: Allow has %d words for %d tokens", i, len(r.Allow), logits.Dim(1))
		}
		if !(r.U >= 0 && r.U < 1) || !(r.Temperature >= 0) {
			fail("Sample", "row %d: U %v, temperature %v", i, r.U, r.Temperature)
		}
	}
}

// Dropout panics unless 0 ≤ p < 1 and the shapes fit.
func Dropout(out, x tensor.Tensor, p float32) {
	Same("Dropout", out, x)
	if !(p >= 0 && p < 1) {
		fail("Dropout", "p = %v: want 0 ≤ p < 1", p)
	}
}
