package cpu

import (
	"quire/simd/dtype"
	"quire/simd/internal/check"
	"quire/simd/tensor"
)

// activate applies the activation in place.
func (ks *kernels) activate(act tensor.Activation, x []float32) {
	switch act {
	case tensor.ActSiLU:
		ks.unary[tensor.SiLU](x, x)
	case tensor.ActGELU:
		ks.unary[tensor.GELU](x, x)
	case tensor.ActGELUTanh:
		ks.unary[tensor.GELUTanh](x, x)
	case tensor.ActReLU:
		ks.unary[tensor.ReLU](x, x)
	}
}

// map1 runs f over x into out.
func (b *Backend) map1(out, x tensor.Tensor, f func(dst, x []float32)) {
	ks := &b.e.ks
	b.e.each(func(t temps, l []run, lo, hi int) {
		dst := target(t[0], l[0], lo, hi)
		f(dst, ks.load(t[1], l[1], lo, hi))
		ks.store(l[0], lo, dst)
	}, out, x)
}

// map2 runs f over x and y into out.
func (b *Backend) map2(out, x, y tensor.Tensor, f func(dst, x, y []float32)) {
	ks := &b.e.ks
	b.e.each(func(t temps, l []run, lo, hi int) {
		dst := target(t[0], l[0], lo, hi)
		f(dst, ks.load(t[1], l[1], lo, hi), ks.load(t[2], l[2], lo, hi))
		ks.store(l[0], lo, dst)
	}, out, x, y)
}

// Unary writes op(x).
func (b *Backend) Unary(op tensor.UnaryOp, out, x tensor.Tensor) {
	check.Same("Unary", out, x)
	b.map1(out, x, b.e.ks.unary[op])
}

// Binary writes op(x, y).
func (b *Backend) Binary(op tensor.BinaryOp, out, x, y tensor.Tensor) {
	check.Same("Binary", out, x, y)
	b.map2(out, x, y, b.e.ks.binary[op])
}

// Affine writes scale·x + shift.
func (b *Backend) Affine(out, x tensor.Tensor, scale, shift float32) {
	check.Same("Affine", out, x)
	b.map1(out, x, func(dst, x []float32) { b.e.ks.affine(dst, x, scale, shift) })
}

// SwiGLU writes silu(gate)·up.
func (b *Backend) SwiGLU(out, gate, up tensor.Tensor) {
	check.Rows("SwiGLU", out, gate, up)
	b.map2(out, gate, up, b.e.ks.swiGLU)
}

// SwiGLUGrad writes the gradients of SwiGLU.
func (b *Backend) SwiGLUGrad(dgate, dup, dout, gate, up tensor.Tensor) {
	check.Rows("SwiGLUGrad", dgate, dout, gate, up)
	check.Rows("SwiGLUGrad", dup, dout, gate, up)
	ks := &b.e.ks
	b.e.each(func(t temps, l []run, lo, hi int) {
		dg, du := target(t[0], l[0], lo, hi), target(t[1], l[1], lo, hi)
		ks.swiGLUGrad(dg, du, ks.load(t[2], l[2], lo, hi), ks.load(t[3], l[3], lo, hi), ks.load(t[4], l[4], lo, hi))
		ks.store(l[0], lo, dg)
		ks.store(l[1], lo, du)
	}, dgate, dup, dout, gate, up)
}

// Dropout keeps what tensor.DropoutKeeps says.
func (b *Backend) Dropout(out, x tensor.Tensor, p float32, seed uint64) {
	check.Dropout(out, x, p)
	if out.Len() == 0 {
		return
	}
	scale := float32(1 / (1 - float64(p)))
	n := 1
	if out.Rank() > 0 {
		n = out.Dim(-1)
	}
	ks := &b.e.ks
	b.e.pool.split(out.Len()/n, 1, min(8*b.e.pool.threads(), 1+out.Len()/taskLen), func(i0, i1 int) {
		t, free := b.e.temps(chunkLen)
		defer free()
		for i := i0; i < i1; i++ {
			o, s := lineOf(out, i), lineOf(x, i)
			for lo := 0; lo < n; lo += chunkLen {
				hi := min(n, lo+chunkLen)
				dst, v := target(t[0], o, lo, hi), ks.load(t[1], s, lo, hi)
				for k, f := range v {
					dst[k] = 0
					if tensor.DropoutKeeps(seed, i*n+lo+k, p) {
						dst[k] = f * scale
					}
				}
				ks.store(o, lo, dst)
			}
		}
	})
}

// AdamW takes one step.
func (b *Backend) AdamW(p tensor.AdamW) {
	p = check.AdamW(p)
	ks, c := &b.e.ks, adamConstants(p)
	ts := []tensor.Tensor{p.W, p.G, p.M, p.V}
	if !p.Out.IsZero() {
		ts = append(ts, p.Out)
	}
	b.e.each(func(t temps, l []run, lo, hi int) {
		w := f32s(l[0].ptr(lo), hi-lo)
		ks.adam(w, ks.load(t[0], l[1], lo, hi), f32s(l[2].ptr(lo), hi-lo), f32s(l[3].ptr(lo), hi-lo), &c)
		if len(l) > 4 {
			ks.fromF32(l[4].ptr(lo), l[4].dt, w)
		}
	}, ts...)
}

// Embedding copies rows of a table.
func (b *Backend) Embedding(out, w, ids tensor.Tensor) {
	check.Embedding("Embedding", out, w, ids)
	tokens, c := ids.I32(), out.Dim(1)
	b.e.pool.split(out.Dim(0), 1, min(8*b.e.pool.threads(), 1+out.Len()/taskLen), func(lo, hi int) {
		t, free := b.e.temps(c)
		defer free()
		for i := lo; i < hi; i++ {
			row := lineOf(w, int(tokens[i]))
			x := t[0]
			if row.dt.IsBlock() {
				dtype.Dequantize(x, row.dt, bytesAt(row.p, row.dt.Bytes(c)))
			} else {
				x = b.e.ks.load(x, row, 0, c)
			}
			b.e.ks.scatterLine(lineOf(out, i), x)
		}
	})
}

// EmbeddingGrad adds rows in the order of tokens; the threads share the columns.
func (b *Backend) EmbeddingGrad(dw, dout, ids tensor.Tensor) {
	check.Embedding("EmbeddingGrad", dout, dw, ids)
	tokens := ids.I32()
	b.e.pool.split(dw.Dim(1), 64, min(b.e.pool.threads(), 1+dout.Len()/taskLen), func(lo, hi int) {
		t, free := b.e.temps(hi - lo)
		defer free()
		for i, id := range tokens[:dout.Dim(0)] {
			row := lineOf(dw, int(id))
			sum := target(t[0], row, lo, hi)
			b.e.ks.add(sum, b.e.ks.load(t[0], row, lo, hi), b.e.ks.load(t[1], lineOf(dout, i), lo, hi))
			b.e.ks.store(row, lo, sum)
		}
	})
}
