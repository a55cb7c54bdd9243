package model

import (
	"fmt"
	"math"
	"slices"

	"quire/simd/dtype"
	"quire/simd/tensor"
)

// pass is what a forward pass needs besides activations: a configuration, weights and a Backend.
type pass struct {
	b         tensor.Backend
	c         Config
	w         *Weights // norms, embedding table
	act       dtype.Type
	layers    []layer
	rotary    tensor.Rotary // grows with the positions met
	positions int
}

// layer is a Layer whose matrices are ready for products.
type layer struct {
	attnNorm, mlpNorm      tensor.Tensor
	qkv, out, gateUp, down linear
}

// linear is a Linear ready for products.
type linear struct {
	parts []operand
	bias  tensor.Tensor
}

// operand is rows of a weight as the right side of a product: packed, or a view (N, K).
type operand struct {
	packed tensor.Packed
	w      tensor.Tensor
	n      int
}

func newPass(b tensor.Backend, c Config, w *Weights, act dtype.Type) pass {
	return pass{b: b, c: c, w: w, act: act, layers: make([]layer, c.NumLayers), positions: c.MaxSeqLen}
}

func prepareLayer(l *Layer, prepare func(parts []tensor.Tensor) []operand) layer {
	linearOf := func(l Linear) linear { return linear{prepare(l.Parts), l.Bias} }
	return layer{l.AttnNorm, l.MLPNorm, linearOf(l.QKV), linearOf(l.Out), linearOf(l.GateUp), linearOf(l.Down)}
}

// rows are the activations of one layer for T rows. In a forward pass without a backward pass all layers share them, and x, mid and next are one stream.
type rows struct {
	x, mid, next tensor.Tensor // (T, C) F32: the stream before, between and after the two halves of the layer
	h1, h2       tensor.Tensor // (T, C): normalised
	rstd1, rstd2 tensor.Tensor // (T) F32; none: zero Tensor
	qkv          tensor.Tensor // (T, QKVRows), rotated
	attn, heads  tensor.Tensor // (T, H·D), and the same as (T, H, D)
	lse          tensor.Tensor // (T, H) F32; none: zero Tensor
	gateUp       tensor.Tensor // (T, 2·F)
	mlp          tensor.Tensor // (T, F)
}

// newRows lays out what a forward pass without gradients needs for one layer at a time.
func (p *pass) newRows(a tensor.Allocator, t int) *rows {
	c := p.c
	s := &rows{
		h1:     tensor.NewIn(a, p.act, t, c.HiddenSize),
		qkv:    tensor.NewIn(a, p.act, t, c.QKVRows()),
		attn:   tensor.NewIn(a, p.act, t, c.NumHeads*c.HeadDim),
		gateUp: tensor.NewIn(a, p.act, t, 2*c.IntermediateSize),
	}
	s.h2 = s.h1
	s.heads = c.split(s.attn)
	s.mlp = s.gateUp.Slice(1, 0, c.IntermediateSize) // over the gate
	return s
}

// forwardLayer computes layer i from s.x to s.next; where next is none it stops before the last product.
func (p *pass) forwardLayer(i int, s *rows, b Batch) {
	l, eps := &p.layers[i], float32(p.c.RMSNormEps)
	p.b.RMSNorm(tensor.RMSNorm{Out: s.h1, X: s.x, W: l.attnNorm, RStd: s.rstd1, Eps: eps})
	b.trace(i, RoleQKV, s.h1)
	p.apply(l.qkv, s.qkv, s.h1, tensor.Tensor{})
	p.attention(i, s, b)
	b.trace(i, RoleOut, s.attn)
	p.apply(l.out, s.mid, s.attn, s.x)
	p.b.RMSNorm(tensor.RMSNorm{Out: s.h2, X: s.mid, W: l.mlpNorm, RStd: s.rstd2, Eps: eps})
	b.trace(i, RoleGateUp, s.h2)
	p.apply(l.gateUp, s.gateUp, s.h2, tensor.Tensor{})
	p.b.SwiGLU(s.mlp, s.gate(), s.up())
	if s.next.IsZero() {
		return
	}
	b.trace(i, RoleDown, s.mlp)
	p.apply(l.down, s.next, s.mlp, s.mid)
}

func (b Batch) trace(layer int, role Role, x tensor.Tensor) {
	if b.Trace != nil {
		b.Trace(layer, role, x)
	}
}

// attention rotates queries and keys in place and attends.
func (p *pass) attention(i int, s *rows, b Batch) {
	q, k, v := p.c.heads(s.qkv)
	qk := p.c.rotated(s.qkv)
	p.b.RoPE(qk, qk, b.Pos, p.rotary, false)
	a := tensor.Attention{Out: s.heads, Q: q, K: k, V: v, LSE: s.lse, CuQ: b.Cu, Causal: true, Window: p.c.SlidingWindow}
	if b.KV != nil {
		b.KV[i].Write(k, v, b.Slots)
		a.K, a.V = tensor.Tensor{}, tensor.Tensor{}
		a.KV, a.Pages, a.KeyLens = b.KV[i], b.Pages, b.KeyLens
	}
	p.b.Attention(a)
}

// split views rows (T, N·D) as (T, N, D).
func (c Config) split(x tensor.Tensor) tensor.Tensor {
	return x.Reshape(x.Dim(0), x.Dim(1)/c.HeadDim, c.HeadDim)
}

// heads views fused rows as queries (T, H, D), keys and values (T, Hkv, D).
func (c Config) heads(qkv tensor.Tensor) (q, k, v tensor.Tensor) {
	all, h, kv := c.split(qkv), c.NumHeads, c.NumKVHeads
	return all.Slice(1, 0, h), all.Slice(1, h, h+kv), all.Slice(1, h+kv, h+2*kv)
}

// rotated views queries and keys together: what RoPE turns.
func (c Config) rotated(qkv tensor.Tensor) tensor.Tensor {
	return c.split(qkv).Slice(1, 0, c.NumHeads+c.NumKVHeads)
}

func (s *rows) gate() tensor.Tensor { return s.gateUp.Slice(1, 0, s.gateUp.Dim(1)/2) }
func (s *rows) up() tensor.Tensor   { return s.gateUp.Slice(1, s.gateUp.Dim(1)/2, s.gateUp.Dim(1)) }

// apply writes x·Wᵀ + bias + residual to out; residual may be out or none. Every part fills its columns.
func (p *pass) apply(l linear, out, x, residual tensor.Tensor) {
	lo := 0
	for _, part := range l.parts {
		hi := lo + part.n
		m := tensor.MatMul{Out: out.Slice(1, lo, hi), A: x, W: part.packed}
		if part.packed == nil {
			m.B = part.w.T()
		}
		if !l.bias.IsZero() {
			m.Bias = l.bias.Slice(0, lo, hi)
		}
		if !residual.IsZero() {
			m.Residual = residual.Slice(1, lo, hi)
		}
		p.b.MatMul(m)
		lo = hi
	}
}

// reach makes the rotary table long enough for these positions: it doubles, up to positions.
func (p *pass) reach(pos tensor.Tensor) {
	if pos.Len() == 0 && !p.rotary.Cos.IsZero() {
		return
	}
	need := 1
	if pos.Len() > 0 {
		need = int(slices.Max(pos.I32())) + 1
	}
	if need > p.positions {
		panic(fmt.Sprintf("model: position %d: the model takes %d; SetMaxPositions raises it", need-1, p.positions))
	}
	if !p.rotary.Cos.IsZero() && p.rotary.Len() >= need {
		return
	}
	n := 1024
	for n < need {
		n *= 2
	}
	p.rotary = tensor.NewRotary(p.c.frequencies(p.positions), min(n, p.positions), p.c.RopeInterleaved)
}

// normalizeHead writes the rows of w divided by their length, as an RMS norm with weight 1/√C; rstd is kept for the gradient if given.
func normalizeHead(b tensor.Backend, out, w, rstd tensor.Tensor) {
	b.RMSNorm(tensor.RMSNorm{Out: out, X: w, W: headScale(w.Dim(1)), RStd: rstd, Eps: headEps})
}

// headEps keeps a row of zeros finite.
const headEps = 1e-24

// headScale is the weight of the norm that divides a row by its length.
func headScale(n int) tensor.Tensor {
	t := tensor.New(dtype.F32, n)
	for i := range t.F32() {
		t.F32()[i] = float32(1 / math.Sqrt(float64(n)))
	}
	return t
}
