package cpu

import (
	"math"

	"quire/simd/dtype"
	"quire/simd/internal/check"
	"quire/simd/tensor"
)

// adamConstants folds what a step has in common.
func adamConstants(p tensor.AdamW) adam {
	b1, b2, step := float64(p.Beta1), float64(p.Beta2), float64(p.Step)
	return adam{
		gradScale: p.GradScale,
		beta1:     p.Beta1, rest1: float32(1 - b1),
		beta2: p.Beta2, rest2: float32(1 - b2),
		decay: float32(1 - float64(p.LR)*float64(p.WeightDecay)),
		rate:  float32(float64(p.LR) / (1 - math.Pow(b1, step))),
		fix2:  float32(1 / (1 - math.Pow(b2, step))),
		eps:   p.Eps,
	}
}

// RMSNorm divides each row by the root of its mean square.
func (b *Backend) RMSNorm(p tensor.RMSNorm) {
	check.RMSNorm(p)
	ks, rows, n := &b.e.ks, p.X.Dim(0), p.X.Dim(1)
	w := ks.load(make([]float32, n), lineOf(p.W, 0), 0, n)
	var rstd []float32
	if !p.RStd.IsZero() {
		rstd = p.RStd.F32()
	}
	b.e.eachRow(rows, n, func(t temps, i int) {
		out := lineOf(p.Out, i)
		x, dst := ks.load(t[0], lineOf(p.X, i), 0, n), target(t[1], out, 0, n)
		r := float32(1 / math.Sqrt(float64(ks.squares(x))/float64(n)+float64(p.Eps)))
		if rstd != nil {
			rstd[i] = r
		}
		ks.scaleMul(dst, x, w, r)
		ks.store(out, 0, dst)
	})
}

// normGradRows is how many rows add up their part of DW before it goes to DW: part of the result's bits.
const normGradRows = 64

// RMSNormGrad follows the formula of the struct. Blocks of normGradRows rows add up DW apart, and the blocks are added in order.
func (b *Backend) RMSNormGrad(p tensor.RMSNormGrad) {
	check.RMSNormGrad(p)
	ks, rows, n := &b.e.ks, p.X.Dim(0), p.X.Dim(1)
	w, rstd := ks.load(make([]float32, n), lineOf(p.W, 0), 0, n), p.RStd.F32()
	blocks := (rows + normGradRows - 1) / normGradRows
	buf := b.e.scratch.get(blocks * n * 4)
	defer b.e.scratch.put(buf)
	b.e.pool.run(blocks, func(block int) {
		t, free := b.e.temps(n)
		defer free()
		sum := f32s(at(buf.ptr(), block*n*4), n)
		clear(sum)
		for i := block * normGradRows; i < min(rows, (block+1)*normGradRows); i++ {
			out, r := lineOf(p.DX, i), rstd[i]
			x, dy := ks.load(t[0], lineOf(p.X, i), 0, n), ks.load(t[1], lineOf(p.DY, i), 0, n)
			wdy, xr := t[2], t[3]
			ks.binary[tensor.Mul](wdy, dy, w)
			dot := ks.dot(wdy, x)
			ks.affine(xr, x, r, 0)
			ks.fma(sum, dy, xr)
			ks.affine(wdy, wdy, r, 0)
			ks.addScaled(wdy, xr, -float32(float64(dot)*float64(r)*float64(r)/float64(n)))
			if !p.Residual.IsZero() {
				ks.add(wdy, wdy, ks.load(t[4], lineOf(p.Residual, i), 0, n))
			}
			ks.scatterLine(out, wdy)
		}
	})
	if !p.DW.IsZero() {
		dw := lineOf(p.DW, 0)
		total := ks.load(make([]float32, n), dw, 0, n)
		for block := range blocks {
			ks.add(total, total, f32s(at(buf.ptr(), block*n*4), n))
		}
		ks.store(dw, 0, total)
	}
}

// RoPE rotates pairs of each head.
func (b *Backend) RoPE(out, x, pos tensor.Tensor, r tensor.Rotary, inverse bool) {
	check.RoPE(out, x, pos, r)
	ks, heads, n, half := &b.e.ks, x.Dim(1), x.Dim(2), r.Dim/2
	if x.Len() == 0 {
		return
	}
	positions, cosines, sines := pos.I32(), r.Cos.F32(), r.Sin.F32()
	from, to := linesOf(x), linesOf(out)
	rowed := x.Stride(2) == 1 && out.Stride(2) == 1 && x.Stride(1) == n && out.Stride(1) == n // all heads of a token are one line
	b.e.eachRow(x.Dim(0), heads*n, func(t temps, i int) {
		p := int(positions[i]) * half
		cos, sin := cosines[p:p+half], sines[p:p+half]
		if inverse {
			ks.unary[tensor.Neg](t[0][:half], sin)
			sin = t[0][:half]
		}
		turn := func(src, dst run, heads int) {
			v := target(t[1], dst, 0, heads*n)
			if src.p != dst.p || src.dt != dtype.F32 {
				ks.toF32(v, src.dt, src.p)
			}
			for h := range heads {
				v := v[h*n : h*n+2*half]
				if r.Interleaved {
					rotatePairs(v, cos, sin)
				} else {
					ks.rotate(v[:half], v[half:], cos, sin)
				}
			}
			ks.store(dst, 0, v)
		}
		if rowed {
			turn(from.at(i*heads), to.at(i*heads), heads)
			return
		}
		for h := range heads {
			turn(from.at(i*heads+h), to.at(i*heads+h), 1)
		}
	})
}

// rotatePairs is rotate for neighbours.
func rotatePairs(v, cos, sin []float32) {
	for i, c := range cos {
		x, y, c, s := float64(v[2*i]), float64(v[2*i+1]), float64(c), float64(sin[i])
		v[2*i], v[2*i+1] = float32(x*c-y*s), float32(x*s+y*c)
	}
}

// Softmax normalises rows.
func (b *Backend) Softmax(out, x tensor.Tensor) {
	check.Rows("Softmax", out, x)
	if x.Len() == 0 {
		return
	}
	ks, n := &b.e.ks, x.Dim(-1)
	b.e.eachRow(x.Len()/n, n, func(t temps, i int) {
		to := lineOf(out, i)
		dst := target(t[1], to, 0, n)
		ks.softmax(dst, ks.load(t[0], lineOf(x, i), 0, n))
		ks.store(to, 0, dst)
	})
}

// softmax normalises one row.
func (ks *kernels) softmax(dst, x []float32) {
	most := ks.maxOrdered(x)
	if math.IsInf(float64(most), -1) {
		most = ks.max(x)
	}
	if math.IsInf(float64(most), -1) {
		clear(dst)
		return
	}
	sum := ks.expSum(dst, x, most)
	ks.scale(dst, 1/sum)
}

// SoftmaxGrad writes y·(dy − Σ y·dy).
func (b *Backend) SoftmaxGrad(dx, dy, y tensor.Tensor) {
	check.Rows("SoftmaxGrad", dx, dy, y)
	if y.Len() == 0 {
		return
	}
	ks, n := &b.e.ks, y.Dim(-1)
	b.e.eachRow(y.Len()/n, n, func(t temps, i int) {
		to := lineOf(dx, i)
		ys, dys := ks.load(t[0], lineOf(y, i), 0, n), ks.load(t[1], lineOf(dy, i), 0, n)
		dst := target(t[2], to, 0, n)
		ks.affine(t[3], dys, 1, -ks.dot(ys, dys))
		ks.binary[tensor.Mul](dst, ys, t[3][:n])
		ks.store(to, 0, dst)
	})
}
