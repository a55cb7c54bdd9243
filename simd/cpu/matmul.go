package cpu

import (
	"runtime"
	"unsafe"

	"quire/simd/dtype"
	"quire/simd/internal/check"
	"quire/simd/tensor"
)

// MatMul runs each product of the batch through the packed kernels.
func (b *Backend) MatMul(p tensor.MatMul) {
	p, m, n, k := check.MatMul(p)
	if m*n == 0 {
		return
	}
	outer := p.Out.Rank() - 2
	for z := range p.Out.Len() / (m * n) {
		a, out := matrixAt(p.A, z, outer), viewAt(p.Out, z, outer)
		run := product{a: a, m: m, n: n, k: k, out: output{view: out, alpha: p.Alpha, act: p.Act}}
		if !p.Residual.IsZero() {
			run.out.residual = viewAt(p.Residual, z, outer)
		}
		if !p.Bias.IsZero() {
			run.out.bias = b.e.ks.load(make([]float32, n), lineOf(p.Bias, 0), 0, n)
		}
		if p.W != nil {
			w, ok := p.W.(*packed)
			if !ok {
				panic(tensor.Unsupported{Backend: "cpu", Op: "MatMul with a weight packed by another backend", Types: []dtype.Type{p.A.DType(), p.W.DType()}})
			}
			b.e.timesPacked(run, w)
			runtime.KeepAlive(w) // its memory may be a mapping, which pointers do not hold
			continue
		}
		run.b = matrixAt(p.B.T(), z, outer)
		b.e.times(run)
	}
}

// times multiplies by an operand that is not packed.
func (e *engine) times(p product) {
	if p.out.dt == dtype.I32 {
		e.timesInt8(p)
		return
	}
	t, at, bt := e.choose(p.a.dt, p.b.dt, false)
	e.gemm(t, at, bt, p)
}

// timesPacked multiplies by a packed operand.
func (e *engine) timesPacked(p product, w *packed) {
	p.w = w
	switch {
	case p.out.dt == dtype.I32:
		p.b, p.w = w.raw, nil
		e.timesInt8(p)
	case w.dt.IsBlock():
		e.timesBlocks(p, w)
	default:
		t, at, bt := e.choose(p.a.dt, w.dt, true)
		e.gemm(t, at, bt, p)
	}
}

// Pack copies b into panels.
func (b *Backend) Pack(t tensor.Tensor) tensor.Packed {
	check.Pack(t)
	m := matrixAt(t.T(), 0, 0)
	switch {
	case t.DType() == dtype.I8:
		return b.e.packInt8(m)
	case t.DType().IsBlock():
		return b.e.packBlocks(m)
	}
	tile, _, want := b.e.choose(t.DType(), t.DType(), true)
	return b.e.packB(tile, want, m)
}

// matrixAt views matrix z of a batch with lines as its rows.
func matrixAt(t tensor.Tensor, z, outer int) matrix {
	m := matrix{dt: t.DType(), lines: t.Dim(-2), k: t.Dim(-1), lineStr: t.Stride(-2), kStr: t.Stride(-1)}
	if m.k <= 1 && m.lineStr != 1 {
		m.kStr = 1
	}
	if m.lines <= 1 && m.kStr != 1 {
		m.lineStr = 1
	}
	m.p = at(unsafe.Pointer(unsafe.SliceData(t.Span())), m.dt.Bytes(batchOffset(t, z, outer)))
	return m
}

func viewAt(t tensor.Tensor, z, outer int) view {
	v := view{dt: t.DType(), ldRow: t.Stride(-2), ldCol: t.Stride(-1)}
	if t.Dim(-1) <= 1 {
		v.ldCol = 1
	}
	v.p = at(unsafe.Pointer(unsafe.SliceData(t.Span())), batchOffset(t, z, outer)*v.dt.BlockBytes())
	return v
}

// batchOffset is the element at which matrix z starts, matrices counted in row-major order of the leading axes.
func batchOffset(t tensor.Tensor, z, outer int) (off int) {
	for axis := outer - 1; axis >= 0; axis-- {
		off += z % t.Dim(axis) * t.Stride(axis)
		z /= t.Dim(axis)
	}
	return off
}
