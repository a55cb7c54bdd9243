package ref

import (
	"math"

	"quire/simd/internal/check"
	"quire/simd/tensor"
)

// RMSNorm divides each row by the root of its mean square.
func (Backend) RMSNorm(p tensor.RMSNorm) {
	check.RMSNorm(p)
	x, w := p.X.Floats(), p.W.Floats()
	rstd := make([]float32, p.X.Dim(0))
	for i := range rstd {
		row := x[i*len(w) : (i+1)*len(w)]
		var sum float64
		for _, v := range row {
			sum += float64(v) * float64(v)
		}
		r := 1 / math.Sqrt(sum/float64(len(w))+float64(p.Eps))
		rstd[i] = float32(r)
		for j, v := range row {
			row[j] = float32(float64(v) * r * float64(w[j]))
		}
	}
	p.Out.SetFloats(x)
	store(p.RStd, rstd)
}

// RMSNormGrad follows the formula of the struct.
func (Backend) RMSNormGrad(p tensor.RMSNormGrad) {
	check.RMSNormGrad(p)
	x, w, dy, rstd, residual := p.X.Floats(), p.W.Floats(), p.DY.Floats(), p.RStd.Floats(), floats(p.Residual)
	dx, dw := make([]float32, len(x)), make([]float64, len(w))
	for i := range rstd {
		at, r := i*len(w), float64(rstd[i])
		var dot float64
		for j, v := range w {
			dot += float64(v) * float64(dy[at+j]) * float64(x[at+j])
		}
		for j, v := range w {
			g := float64(v)*float64(dy[at+j])*r - float64(x[at+j])*r*r*r/float64(len(w))*dot
			if residual != nil {
				g += float64(residual[at+j])
			}
			dx[at+j] = float32(g)
			dw[j] += float64(dy[at+j]) * float64(x[at+j]) * r
		}
	}
	p.DX.SetFloats(dx)
	accumulate(p.DW, dw)
}

// accumulate adds sums to a weight gradient, if there is one.
func accumulate(t tensor.Tensor, sums []float64) {
	if t.IsZero() {
		return
	}
	old := t.Floats()
	for i, v := range sums {
		old[i] = float32(float64(old[i]) + v)
	}
	t.SetFloats(old)
}

// RoPE rotates pair i of a head at position p by the angle of table entry (p, i).
func (Backend) RoPE(out, x, pos tensor.Tensor, r tensor.Rotary, inverse bool) {
	check.RoPE(out, x, pos, r)
	xs, cos, sin := x.Floats(), r.Cos.Floats(), r.Sin.Floats()
	h, d, half := x.Dim(1), x.Dim(2), r.Dim/2
	for t, p := range ids(pos) {
		for head := range h {
			v := xs[(t*h+head)*d:]
			for i := range half {
				a, b := i, i+half
				if r.Interleaved {
					a, b = 2*i, 2*i+1
				}
				c, s := float64(cos[int(p)*half+i]), float64(sin[int(p)*half+i])
				if inverse {
					s = -s
				}
				va, vb := float64(v[a]), float64(v[b])
				v[a], v[b] = float32(va*c-vb*s), float32(va*s+vb*c)
			}
		}
	}
	out.SetFloats(xs)
}

// SwiGLU is silu(gate)·up.
func (Backend) SwiGLU(out, gate, up tensor.Tensor) {
	check.Rows("SwiGLU", out, gate, up)
	g, u := gate.Floats(), up.Floats()
	for i := range g {
		g[i] = float32(silu(float64(g[i])) * float64(u[i]))
	}
	out.SetFloats(g)
}

// SwiGLUGrad is its two derivatives.
func (Backend) SwiGLUGrad(dgate, dup, dout, gate, up tensor.Tensor) {
	check.Rows("SwiGLUGrad", dgate, dout, gate, up)
	check.Rows("SwiGLUGrad", dup, dout, gate, up)
	g, u, do := gate.Floats(), up.Floats(), dout.Floats()
	for i := range g {
		x, d := float64(g[i]), float64(do[i])
		g[i], u[i] = float32(d*float64(u[i])*siluSlope(x)), float32(d*silu(x))
	}
	dgate.SetFloats(g)
	dup.SetFloats(u)
}

// Softmax divides e^(x−max) by its sum.
func (Backend) Softmax(out, x tensor.Tensor) {
	check.Rows("Softmax", out, x)
	xs, n := x.Floats(), x.Dim(-1)
	for at := 0; at < len(xs); at += n {
		row := xs[at : at+n]
		lse := logSumExp(row)
		if math.IsInf(lse, 1) {
			lse = math.NaN()
		}
		for j, v := range row {
			row[j] = float32(prob(float64(v), lse))
		}
	}
	out.SetFloats(xs)
}

// logSumExp is −Inf for nothing, and for a row of only −Inf.
func logSumExp(row []float32) float64 {
	most, sum := math.Inf(-1), 0.0
	for _, v := range row {
		most = math.Max(most, float64(v))
	}
	if math.IsInf(most, 0) {
		return most
	}
	for _, v := range row {
		sum += math.Exp(float64(v) - most)
	}
	return most + math.Log(sum)
}

// SoftmaxGrad is y·(dy − Σ y·dy).
func (Backend) SoftmaxGrad(dx, dy, y tensor.Tensor) {
	check.Rows("SoftmaxGrad", dx, dy, y)
	ys, dys, n := y.Floats(), dy.Floats(), y.Dim(-1)
	for at := 0; at < len(ys); at += n {
		var dot float64
		for j := at; j < at+n; j++ {
			dot += float64(ys[j]) * float64(dys[j])
		}
		for j := at; j < at+n; j++ {
			ys[j] = float32(float64(ys[j]) * (float64(dys[j]) - dot))
		}
	}
	dx.SetFloats(ys)
}

// Embedding copies rows.
func (Backend) Embedding(out, w, tokens tensor.Tensor) {
	check.Embedding("Embedding", out, w, tokens)
	for t, id := range ids(tokens) {
		out.Index(t).SetFloats(w.Index(int(id)).Floats())
	}
}

// EmbeddingGrad adds rows in the order of tokens, in F32: the order is part of the definition.
func (Backend) EmbeddingGrad(dw, dout, tokens tensor.Tensor) {
	check.Embedding("EmbeddingGrad", dout, dw, tokens)
	for t, id := range ids(tokens) {
		row := dw.Index(int(id))
		sum := row.Floats()
		for j, v := range dout.Index(t).Floats() {
			sum[j] += v
		}
		row.SetFloats(sum)
	}
}

// HeadLoss forms the logits of one token after the other.
func (Backend) HeadLoss(p tensor.HeadLoss) {
	check.HeadLoss(p)
	x, w, labels, gradLoss := p.X.Floats(), p.W.Floats(), ids(p.Labels), floats(p.GradLoss)
	c, v := p.X.Dim(1), p.W.Dim(0)
	losses, lses := make([]float32, len(labels)), make([]float32, len(labels))
	dx, dw := make([]float32, len(x)), make([]float64, len(w))
	for t, y := range labels {
		logits, lse := scores(x[t*c:t*c+c], w, 0, v, c, 1)
		lses[t] = float32(lse)
		if y < 0 {
			continue
		}
		var mean float64
		for _, l := range logits {
			mean += l / float64(v)
		}
		eps, z := float64(p.Smoothing), float64(p.ZLoss)
		losses[t] = float32((1-eps)*(lse-logits[y]) + eps*(lse-mean) + z*lse*lse)
		if gradLoss == nil {
			continue
		}
		sum := make([]float64, c)
		for j, l := range logits {
			g := prob(l, lse)*(1+2*z*lse) - eps/float64(v)
			if j == int(y) {
				g -= 1 - eps
			}
			g *= float64(gradLoss[t])
			for e := range c {
				sum[e] += g * float64(w[j*c+e])
				dw[j*c+e] += g * float64(x[t*c+e])
			}
		}
		copy(dx[t*c:], narrow(sum))
	}
	p.Loss.SetFloats(losses)
	store(p.LSE, lses)
	store(p.DX, dx)
	accumulate(p.DW, dw)
}

// AdamW follows the formula of the struct.
func (Backend) AdamW(p tensor.AdamW) {
	p = check.AdamW(p)
	w, g, m, v := p.W.Floats(), p.G.Floats(), p.M.Floats(), p.V.Floats()
	b1, b2 := float64(p.Beta1), float64(p.Beta2)
	fix1, fix2 := 1-math.Pow(b1, float64(p.Step)), 1-math.Pow(b2, float64(p.Step))
	for i := range w {
		gi := float64(p.GradScale) * float64(g[i])
		mi := b1*float64(m[i]) + (1-b1)*gi
		vi := b2*float64(v[i]) + (1-b2)*gi*gi
		wi := float64(w[i])*(1-float64(p.LR)*float64(p.WeightDecay)) - float64(p.LR)*mi/fix1/(math.Sqrt(vi/fix2)+float64(p.Eps))
		w[i], m[i], v[i] = float32(wi), float32(mi), float32(vi)
	}
	p.W.SetFloats(w)
	p.M.SetFloats(m)
	p.V.SetFloats(v)
	store(p.Out, w)
}
