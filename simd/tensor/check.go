package tensor

import (
	"fmt"

	"quire/simd/dtype"
)

// Error makes Unsupported an error value for whoever recovers it.
func (u Unsupported) Error() string {
	return fmt.Sprintf("%s: %s has no code for %v: convert with Copy first", u.Backend, u.Op, u.Types)
}

// CheckSame panics unless all tensors are float and have one shape; out comes first and may be the same view as an operand, or apart from it.
func CheckSame(op string, out Tensor, in ...Tensor) {
	for _, t := range in {
		if !t.SameShape(out) || !t.dt.IsFloat() || !out.dt.IsFloat() {
			fail(op, "out %v, operand %v: want float, equal shape", out, t)
		}
		inPlace(op, out, t)
	}
	for i := range int(out.rank) {
		if out.strides[i] == 0 && out.dims[i] > 1 {
			fail(op, "out %v is a broadcast", out)
		}
	}
}

// CheckCopy panics unless x can be copied to out.
func CheckCopy(out, x Tensor) {
	ok := out.SameShape(x) && !(out.dt.IsBlock() && x.dt.IsBlock() && out.dt != x.dt)
	for _, t := range []Tensor{out, x} {
		ok = ok && (!t.dt.IsBlock() || unitLast(t))
	}
	if !ok || (out.dt.IsBlock() || x.dt.IsBlock()) && !(out.dt.IsFloat() || x.dt.IsFloat() || out.dt == x.dt) {
		fail("Copy", "%v to %v", x, out)
	}
	inPlace("Copy", out, x)
}

// CheckRoPE panics unless the operands of RoPE fit, positions included.
func CheckRoPE(out, x, pos Tensor, r Rotary) {
	const op = "RoPE"
	sameFloat(op, out, x)
	if x.rank != 3 || r.Dim > x.Dim(2) {
		fail(op, "x %v, rotary dim %d: want (T, H, D), dim ≤ D", x, r.Dim)
	}
	vector(op, "pos", pos, dtype.I32, x.Dim(0))
	checkRange(op, "position", pos, r.Len())
	inPlace(op, out, x)
}

// CheckRows panics unless all tensors are float, have one shape, and rows of stride 1: SwiGLU, Softmax and their gradients.
func CheckRows(op string, out Tensor, in ...Tensor) {
	for _, t := range in {
		sameFloat(op, out, t)
		inPlace(op, out, t)
	}
}

// CheckEmbedding panics unless the operands of Embedding or EmbeddingGrad fit, ids included.
func CheckEmbedding(op string, rows, w, ids Tensor) {
	if rows.rank != 2 || w.rank != 2 || rows.Dim(1) != w.Dim(1) || !rows.dt.IsFloat() || !(w.dt.IsFloat() || w.dt.IsBlock()) || !unitLast(rows) || !unitLast(w) {
		fail(op, "rows %v, table %v: want (T, C) float and (V, C)", rows, w)
	}
	vector(op, "ids", ids, dtype.I32, rows.Dim(0))
	checkRange(op, "id", ids, w.Dim(0))
	noOverlap(op, rows, w, ids)
}

// CheckReduce panics unless the operands of Reduce fit.
func CheckReduce(op ReduceOp, out, x Tensor) {
	want := dtype.F32
	if op == ArgMax {
		want = dtype.I32
	}
	if op >= numReduce || x.rank < 1 || !x.dt.IsFloat() || out.dt != want || out.rank != x.rank-1 || !out.IsContiguous() {
		fail("Reduce", "out %v, x %v: want contiguous %v, one axis less", out, x, want)
	}
	for i := range int(out.rank) {
		if out.dims[i] != x.dims[i] {
			fail("Reduce", "out %v, x %v", out, x)
		}
	}
	if op == ArgMax && x.Dim(-1) == 0 && out.Len() > 0 {
		fail("Reduce", "ArgMax of an empty row: %v", x)
	}
	noOverlap("Reduce", out, x)
}

// CheckTopK panics unless the operands of TopK fit.
func CheckTopK(values, indices, x Tensor) {
	if x.rank != 2 || !x.dt.IsFloat() || !unitLast(x) || values.rank != 2 || values.dt != dtype.F32 || indices.dt != dtype.I32 || !indices.SameShape(values) ||
		values.Dim(0) != x.Dim(0) || values.Dim(1) > x.Dim(1) || !values.IsContiguous() || !indices.IsContiguous() {
		fail("TopK", "values %v, indices %v, x %v", values, indices, x)
	}
	noOverlap("TopK", values, x)
	noOverlap("TopK", indices, x)
}

// CheckPack panics unless b can be the right operand of a product.
func CheckPack(b Tensor) {
	if b.rank != 2 || !(b.dt.IsFloat() || b.dt.IsBlock() || b.dt == dtype.I8) || !unitInner(b) {
		fail("Pack", "b %v: want float, I8 or block (K, N), one stride 1", b)
	}
}

// CheckKV panics unless k, v and slots fit a cache, slots included.
func CheckKV(c KVConfig, k, v, slots Tensor) {
	for _, t := range []Tensor{k, v} {
		if t.rank != 3 || t.Dim(1) != c.KVHeads || t.Dim(2) != c.HeadDim || !t.dt.IsFloat() || !unitLast(t) {
			fail("KV", "%v: want float (T, %d, %d)", t, c.KVHeads, c.HeadDim)
		}
		vector("KV", "slots", slots, dtype.I32, t.Dim(0))
	}
	checkRange("KV", "slot", slots, c.Pages*c.PageSize)
}

// CheckPages panics unless the pages of CopyPages exist and pair up.
func CheckPages(c KVConfig, dst, src []int32) {
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

// CheckSample panics unless the operands of Sample fit.
func CheckSample(ids, logits Tensor, rows []SampleRow) {
	if logits.rank != 2 || !logits.dt.IsFloat() || !unitLast(logits) || logits.Dim(0) != len(rows) {
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

// CheckDropout panics unless 0 ≤ p < 1 and the shapes fit.
func CheckDropout(out, x Tensor, p float32) {
	CheckSame("Dropout", out, x)
	if !(p >= 0 && p < 1) {
		fail("Dropout", "p = %v: want 0 ≤ p < 1", p)
	}
}

// DropoutKeeps is the definition of Dropout's mask: the upper 24 bits of the splitmix64 output number i of the stream seed, as a fraction, are ≥ p.
func DropoutKeeps(seed uint64, i int, p float32) bool {
	z := seed + (uint64(i)+1)*0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return float32((z^z>>31)>>40)*(1.0/(1<<24)) >= p
}

// noOverlap panics if out shares storage with any of in.
func noOverlap(op string, out Tensor, in ...Tensor) {
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
func inPlace(op string, out, t Tensor) {
	if out.IsContiguous() && t.IsContiguous() && !out.IsSame(t) {
		noOverlap(op, out, t)
	}
}

func sameFloat(op string, ts ...Tensor) {
	for _, t := range ts {
		if !t.SameShape(ts[0]) || !t.dt.IsFloat() || t.rank == 0 || !unitLast(t) {
			fail(op, "%v and %v: want float, equal shape, last stride 1", ts[0], t)
		}
	}
}

func rowVector(op, name string, v, x Tensor) {
	if x.rank != 2 || v.rank != 1 || v.dims[0] != x.dims[1] || !v.dt.IsFloat() || !unitLast(v) {
		fail(op, "x %v, %s %v: want (M, C) and (C)", x, name, v)
	}
}

func rowStat(op, name string, v, x Tensor) { vector(op, name, v, dtype.F32, x.dims[0]) }

func vector(op, name string, v Tensor, dt dtype.Type, n int) {
	if v.rank != 1 || v.dims[0] != n || v.dt != dt || !v.IsContiguous() {
		fail(op, "%s %v: want contiguous %v [%d]", name, v, dt, n)
	}
}

func wantType(op string, t Tensor, dt dtype.Type) {
	if t.dt != dt {
		fail(op, "%v: want %v", t, dt)
	}
}

func checkRange(op, name string, ids Tensor, limit int) {
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

func isInt8(p MatMul) bool {
	bt := p.B.dt
	if p.W != nil {
		bt = p.W.DType()
	}
	return p.A.dt == dtype.I8 && bt == dtype.I8 && p.Out.dt == dtype.I32
}

// unitLast reports whether the last axis is walked with stride 1.
func unitLast(t Tensor) bool { return t.rank > 0 && (t.Dim(-1) <= 1 || t.Stride(-1) == 1) }

// unitInner reports whether one of the last two axes has stride 1 or length ≤ 1.
func unitInner(t Tensor) bool { return unitLast(t) || t.Dim(-2) <= 1 || t.Stride(-2) == 1 }

func divides(a, b int) bool { return a > 0 && b%a == 0 }
