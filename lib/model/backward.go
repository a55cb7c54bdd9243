package model

import (
	"quire/simd/dtype"
	"quire/simd/tensor"
)

// headLoss describes the head's product and losses, without gradients.
func (t *Trainer) headLoss(e Examples, f *final) tensor.HeadLoss {
	p := tensor.HeadLoss{X: f.h, W: t.shadow.Head, Labels: e.Labels, Loss: f.loss, LSE: f.lse, ZLoss: e.ZLoss, Smoothing: e.Smoothing}
	if t.c.NormHead {
		normalizeHead(t.b, f.head, t.shadow.Head, f.headStd)
		p.W = f.head
	}
	return p
}

// headBackward computes the losses and the gradient of the stream before the final norm, and adds those of head and norm.
func (t *Trainer) headBackward(e Examples, s *saved) {
	f := &s.final
	p := t.headLoss(e, f)
	p.GradLoss = e.GradLoss
	if e.Weigh != nil {
		t.b.HeadLoss(t.headLoss(e, f))
		e.Weigh(f.loss.F32(), f.gradLoss.F32())
		p.GradLoss = f.gradLoss
	}
	p.DX, p.DW = s.dh, t.grads.Head
	if t.c.NormHead {
		clear(f.dHead.Bytes())
		p.DW = f.dHead
	}
	t.b.HeadLoss(p)
	if t.c.NormHead {
		t.b.RMSNormGrad(tensor.RMSNormGrad{DX: t.grads.Head, DY: f.dHead, X: t.shadow.Head, W: headScale(t.c.HiddenSize), RStd: f.headStd, Residual: t.grads.Head})
	}
	t.b.RMSNormGrad(tensor.RMSNormGrad{DX: s.dx, DW: t.grads.Norm, DY: s.dh, X: f.x, W: t.w.Norm, RStd: f.rstd})
}

// backwardLayer turns the gradient of the stream after layer i, in s.dx, into that before it, and adds the gradients of the layer's weights.
func (t *Trainer) backwardLayer(i int, s *saved, b Batch) {
	r, l, d := &s.layers[i], &t.layers[i], &t.grads.Layers[i]
	t.again(i, r, b)
	t.narrow(s)
	t.applyGrad(l.down, s.dmlp, s.dy)
	t.weightGrad(s, d.Down, s.dy, r.mlp)
	t.b.SwiGLUGrad(r.gate(), r.up(), s.dmlp, r.gate(), r.up())
	t.applyGrad(l.gateUp, s.dh, r.gateUp)
	t.weightGrad(s, d.GateUp, r.gateUp, r.h2)
	t.b.RMSNormGrad(tensor.RMSNormGrad{DX: s.dx, DW: d.MLPNorm, DY: s.dh, X: r.mid, W: l.mlpNorm, RStd: r.rstd2, Residual: s.dx})

	t.narrow(s)
	t.applyGrad(l.out, s.dAttn, s.dy)
	t.weightGrad(s, d.Out, s.dy, r.attn)
	t.attentionGrad(s, r, b)
	t.applyGrad(l.qkv, s.dh, s.dqkv)
	t.weightGrad(s, d.QKV, s.dqkv, r.h1)
	t.b.RMSNormGrad(tensor.RMSNormGrad{DX: s.dx, DW: d.AttnNorm, DY: s.dh, X: r.x, W: l.attnNorm, RStd: r.rstd1, Residual: s.dx})
}

// again computes what the options did not keep.
func (t *Trainer) again(i int, r *rows, b Batch) {
	switch t.o.Recompute {
	case RecomputeSelective:
		l, eps := &t.layers[i], float32(t.c.RMSNormEps)
		t.b.RMSNorm(tensor.RMSNorm{Out: r.h1, X: r.x, W: l.attnNorm, Eps: eps})
		t.b.RMSNorm(tensor.RMSNorm{Out: r.h2, X: r.mid, W: l.mlpNorm, Eps: eps})
		t.b.SwiGLU(r.mlp, r.gate(), r.up())
	case RecomputeFull:
		last := r.next
		r.next = tensor.Tensor{}
		t.forwardLayer(i, r, b)
		r.next = last
	}
}

// narrow rounds the gradient of the stream to the compute type.
func (t *Trainer) narrow(s *saved) {
	if t.act != dtype.F32 {
		t.b.Copy(s.dy, s.dx)
	}
}

// applyGrad writes dx = dy·W.
func (t *Trainer) applyGrad(l linear, dx, dy tensor.Tensor) {
	t.b.MatMul(tensor.MatMul{Out: dx, A: dy, B: l.parts[0].w})
}

// weightGrad adds dyᵀ·x to a weight's gradient, or writes it after ZeroGrads, and adds the column sums of dy to its bias's.
func (t *Trainer) weightGrad(s *saved, d Linear, dy, x tensor.Tensor) {
	p := tensor.MatMul{Out: d.Parts[0], A: dy.T(), B: x}
	if !t.fresh {
		p.Residual = p.Out
	}
	t.b.MatMul(p)
	if !d.Bias.IsZero() {
		sum := s.bias.Slice(0, 0, d.Bias.Dim(0))
		t.b.Reduce(tensor.Sum, sum, dy.T())
		t.b.Binary(tensor.Add, d.Bias, d.Bias, sum)
	}
}

// attentionGrad writes s.dqkv from s.dAttn, turned back by RoPE.
func (t *Trainer) attentionGrad(s *saved, r *rows, b Batch) {
	q, k, v := t.c.heads(r.qkv)
	dq, dk, dv := t.c.heads(s.dqkv)
	t.b.AttentionGrad(tensor.AttentionGrad{
		Attention: tensor.Attention{Out: r.heads, Q: q, K: k, V: v, LSE: r.lse, CuQ: b.Cu, Causal: true, Window: t.c.SlidingWindow},
		DOut:      t.c.split(s.dAttn), DQ: dq, DK: dk, DV: dv,
	})
	qk := t.c.rotated(s.dqkv)
	t.b.RoPE(qk, qk, b.Pos, t.rotary, true)
}
