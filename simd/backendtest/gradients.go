package backendtest

import (
	"math"

	"quire/simd/dtype"
	"quire/simd/ref"
	"quire/simd/tensor"
)

// reference is the definition.
var reference ref.Backend

// step is the distance of central differences: the error of F32 results, u/step, and the third derivative's, step², are of one size.
const step = 1.0 / 256

// gradients compares the backward operations of the backend with central differences of its own forward operations: L = Σ weight·out in float64.
func gradients(k *kit) {
	b := k.b
	normGradients(k, b)
	gluGradients(k, b)
	attentionGradients(k, b)
	headGradients(k, b)
	productGradients(k, b)
	k.unaryGradients(b)
}

// variable draws an F32 tensor.
func (k *kit) variable(shape ...int) tensor.Tensor {
	return tensor.FromF32(k.normal(dtype.F32, count(shape)), shape...)
}

// dot is Σ a·b in float64.
func dot(a, b tensor.Tensor) (sum float64) {
	for i, v := range a.F32() {
		sum += float64(v) * float64(b.F32()[i])
	}
	return sum
}

// differentiate checks grad against (L(x+h) − L(x−h))/2h for every element of x.
func (k *kit) differentiate(name string, x, grad tensor.Tensor, loss func() float64) {
	k.t.Helper()
	xs := x.F32()
	var size float64
	for _, g := range grad.F32() {
		size = max(size, abs(g))
	}
	for i, v := range xs {
		xs[i] = v + step
		up := loss()
		xs[i] = v - step
		down := loss()
		xs[i] = v
		want, got := (up-down)/(2*step), float64(grad.F32()[i])
		if limit := 2e-3 * (size + math.Abs(want)); !(math.Abs(got-want) <= limit) {
			k.t.Errorf("%s: gradient %d is %v, central difference %v ± %.2g", name, i, got, want, limit)
			return
		}
	}
}

func normGradients(k *kit, b tensor.Backend) {
	const m, c = 3, 19
	x, w, dy, res := k.variable(m, c), k.variable(c), k.variable(m, c), k.variable(m, c)
	out, rstd, dx, dw := tensor.New(dtype.F32, m, c), tensor.New(dtype.F32, m), tensor.New(dtype.F32, m, c), tensor.New(dtype.F32, c)
	norm := tensor.RMSNorm{Out: out, X: x, W: w, RStd: rstd, Eps: 1e-5}
	b.RMSNorm(norm)
	b.RMSNormGrad(tensor.RMSNormGrad{DX: dx, DW: dw, DY: dy, X: x, W: w, RStd: rstd, Residual: res})
	loss := func() float64 { b.RMSNorm(norm); return dot(out, dy) + dot(x, res) }
	k.differentiate("RMSNorm x", x, dx, loss)
	k.differentiate("RMSNorm w", w, dw, loss)
}

func gluGradients(k *kit, b tensor.Backend) {
	gate, up, dout := k.variable(2, 23), k.variable(2, 23), k.variable(2, 23)
	out, dgate, dup := tensor.New(dtype.F32, 2, 23), tensor.New(dtype.F32, 2, 23), tensor.New(dtype.F32, 2, 23)
	b.SwiGLUGrad(dgate, dup, dout, gate, up)
	loss := func() float64 { b.SwiGLU(out, gate, up); return dot(out, dout) }
	k.differentiate("SwiGLU gate", gate, dgate, loss)
	k.differentiate("SwiGLU up", up, dup, loss)

	y, dx := tensor.New(dtype.F32, 2, 23), tensor.New(dtype.F32, 2, 23)
	b.Softmax(y, gate)
	b.SoftmaxGrad(dx, dout, y)
	k.differentiate("Softmax", gate, dx, func() float64 { b.Softmax(out, gate); return dot(out, dout) })

	r := tensor.NewRotary(tensor.RotaryConfig{Dim: 8, Theta: 100}.Frequencies(9), 9, false)
	x, pos, dr := k.variable(2, 2, 10), tensor.FromI32([]int32{3, 8}, 2), k.variable(2, 2, 10)
	rotated, drx := tensor.New(dtype.F32, 2, 2, 10), tensor.New(dtype.F32, 2, 2, 10)
	b.RoPE(drx, dr, pos, r, true)
	k.differentiate("RoPE", x, drx, func() float64 { b.RoPE(rotated, x, pos, r, false); return dot(rotated, dr) })
}

func attentionGradients(k *kit, b tensor.Backend) {
	for _, window := range []int{0, 2} {
		q, key, value, dout := k.variable(7, 4, 6), k.variable(9, 2, 6), k.variable(9, 2, 6), k.variable(7, 4, 6)
		p := tensor.Attention{Q: q, K: key, V: value, Out: tensor.New(dtype.F32, 7, 4, 6), LSE: tensor.New(dtype.F32, 7, 4),
			CuQ: []int32{0, 3, 7}, CuK: []int32{0, 5, 9}, Causal: true, Window: window}
		b.Attention(p)
		dq, dk, dv := tensor.New(dtype.F32, 7, 4, 6), tensor.New(dtype.F32, 9, 2, 6), tensor.New(dtype.F32, 9, 2, 6)
		b.AttentionGrad(tensor.AttentionGrad{Attention: p, DOut: dout, DQ: dq, DK: dk, DV: dv})
		loss := func() float64 { b.Attention(p); return dot(p.Out, dout) }
		k.differentiate("Attention q", q, dq, loss)
		k.differentiate("Attention k", key, dk, loss)
		k.differentiate("Attention v", value, dv, loss)
	}
}

func headGradients(k *kit, b tensor.Backend) {
	x, w, gl := k.variable(4, 5), k.variable(11, 5), k.variable(4)
	p := tensor.HeadLoss{X: x, W: w, Labels: tensor.FromI32([]int32{3, -100, 0, 10}, 4), Loss: tensor.New(dtype.F32, 4), ZLoss: 0.05, Smoothing: 0.2}
	g := p
	g.GradLoss, g.DX, g.DW = gl, tensor.New(dtype.F32, 4, 5), tensor.New(dtype.F32, 11, 5)
	b.HeadLoss(g)
	loss := func() float64 { b.HeadLoss(p); return dot(p.Loss, gl) }
	k.differentiate("HeadLoss x", x, g.DX, loss)
	k.differentiate("HeadLoss w", w, g.DW, loss)
}

// productGradients is the way that layers go backward: dx = dy·W, dW += dyᵀ·x.
func productGradients(k *kit, b tensor.Backend) {
	x, w, dy, out := k.variable(5, 7), k.variable(6, 7), k.variable(5, 6), tensor.New(dtype.F32, 5, 6)
	dx, dw := tensor.New(dtype.F32, 5, 7), tensor.New(dtype.F32, 6, 7)
	b.MatMul(tensor.MatMul{Out: dx, A: dy, B: w})
	b.MatMul(tensor.MatMul{Out: dw, A: dy.T(), B: x, Residual: dw})
	loss := func() float64 { b.MatMul(tensor.MatMul{Out: out, A: x, B: w.T()}); return dot(out, dy) }
	k.differentiate("MatMul x", x, dx, loss)
	k.differentiate("MatMul w", w, dw, loss)

	table, ids, dout := k.variable(5, 3), tensor.FromI32([]int32{4, 0, 4}, 3), k.variable(3, 3)
	rowsOut, dt := tensor.New(dtype.F32, 3, 3), tensor.New(dtype.F32, 5, 3)
	b.EmbeddingGrad(dt, dout, ids)
	k.differentiate("Embedding", table, dt, func() float64 { b.Embedding(rowsOut, table, ids); return dot(rowsOut, dout) })
}

func (k *kit) unaryGradients(b tensor.Backend) {
	for f, g := range map[tensor.UnaryOp]tensor.BinaryOp{tensor.SiLU: tensor.SiLUGrad, tensor.GELU: tensor.GELUGrad, tensor.GELUTanh: tensor.GELUTanhGrad, tensor.ReLU: tensor.ReLUGrad} {
		x, dy, out, dx := k.variable(40), k.variable(40), tensor.New(dtype.F32, 40), tensor.New(dtype.F32, 40)
		for i, v := range x.F32() {
			if math.Abs(float64(v)) < 2*step {
				x.F32()[i] = 0.5 // away from the corner of ReLU
			}
		}
		b.Binary(g, dx, dy, x)
		k.differentiate(unaryNames[f], x, dx, func() float64 { b.Unary(f, out, x); return dot(out, dy) })
	}
}
