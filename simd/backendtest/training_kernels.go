package backendtest

import (
	"fmt"

	"quire/simd/dtype"
	"quire/simd/tensor"
)

// trainingKernels are the products and the attention of one training step in BF16: the 10.8 M parameter model of reference/performance.md (384 wide, 16 sequences of 256) and
// the 124 M one (768 wide, 4 sequences of 256). Weights change every step, so that packing them counts.
func trainingKernels() []Kernel {
	var all []Kernel
	for _, s := range [][3]int{{4096, 1152, 384}, {4096, 1536, 384}, {4096, 384, 1536}, {1024, 3072, 768}, {1024, 768, 3072}} {
		all = append(all, trainingProducts(s[0], s[1], s[2])...)
	}
	for _, s := range []attentionTraining{{16, 256, 6}, {4, 256, 12}} {
		all = append(all, s.kernel(false), s.kernel(true))
	}
	return append(all, headLossKernel(1024, 768, 16384))
}

// headLossKernel is the head of t tokens with its loss and both gradients: three products.
func headLossKernel(t, c, v int) Kernel {
	return Kernel{Name: fmt.Sprintf("train BF16 head loss t=%d c=%d v=%d", t, c, v), Limit: tensor.PeakBF16, Work: 6 * float64(t) * float64(c) * float64(v),
		Bars: []Bar{{Ratio: 0.75}}, Make: func(b tensor.Backend) func() {
			labels, ones := make([]int32, t), make([]float32, t)
			for i := range labels {
				labels[i], ones[i] = int32(i%v), 1
			}
			p := tensor.HeadLoss{X: filled(dtype.BF16, t, c), W: filled(dtype.BF16, v, c), Labels: tensor.FromI32(labels, t), Loss: tensor.New(dtype.F32, t), LSE: tensor.New(dtype.F32, t),
				GradLoss: tensor.FromF32(ones, t), DX: tensor.New(dtype.BF16, t, c), DW: tensor.New(dtype.F32, v, c)}
			return func() { b.HeadLoss(p) }
		}}
}

// trainingProducts are y = x·Wᵀ (NT), dx = dy·W (NN) and dW += dyᵀ·x (TN) of a layer with t tokens, n outputs and k inputs.
func trainingProducts(t, n, k int) []Kernel {
	product := func(name string, call func() tensor.MatMul) Kernel {
		return Kernel{Name: fmt.Sprintf("train BF16 %s t=%d n=%d k=%d", name, t, n, k), Limit: tensor.PeakBF16, Work: 2 * float64(t) * float64(n) * float64(k),
			Bars: []Bar{{Ratio: 0.80}}, Make: func(b tensor.Backend) func() {
				p := call()
				return func() { b.MatMul(p) }
			}}
	}
	const dt = dtype.BF16
	return []Kernel{
		product("y=x·Wᵀ", func() tensor.MatMul {
			return tensor.MatMul{Out: tensor.New(dt, t, n), A: filled(dt, t, k), B: filled(dt, n, k).T()}
		}),
		product("dx=dy·W", func() tensor.MatMul {
			return tensor.MatMul{Out: tensor.New(dt, t, k), A: filled(dt, t, n), B: filled(dt, n, k)}
		}),
		product("dW+=dyᵀ·x", func() tensor.MatMul {
			dw := tensor.New(dtype.F32, n, k)
			return tensor.MatMul{Out: dw, A: filled(dt, t, n).T(), B: filled(dt, t, k), Residual: dw}
		}),
	}
}

// attentionTraining is causal attention of seqs packed sequences of tokens each, heads of 64.
type attentionTraining struct{ seqs, tokens, heads int }

// kernel counts the operations of the half that the mask leaves: two products forward, five backward.
func (s attentionTraining) kernel(grad bool) Kernel {
	const d = 64
	half := float64(s.seqs) * float64(s.heads) * float64(s.tokens) * float64(s.tokens+1) / 2 * d * 2
	k := Kernel{Name: fmt.Sprintf("attention train BF16 b=%d t=%d h=%d d=%d", s.seqs, s.tokens, s.heads, d), Limit: tensor.PeakBF16, Work: 2 * half}
	if grad {
		k.Name, k.Work = k.Name+" backward", 5*half
	}
	k.Make = func(b tensor.Backend) func() {
		rows := s.seqs * s.tokens
		qkv := filled(dtype.BF16, rows, 3*s.heads, d)
		part := func(i int) tensor.Tensor { return qkv.Slice(1, i*s.heads, (i+1)*s.heads) }
		p := tensor.Attention{Q: part(0), K: part(1), V: part(2), Out: tensor.New(dtype.BF16, rows, s.heads, d), LSE: tensor.New(dtype.F32, rows, s.heads), Causal: true}
		for i := range s.seqs + 1 {
			p.CuQ = append(p.CuQ, int32(i*s.tokens))
		}
		if !grad {
			return func() { b.Attention(p) }
		}
		b.Attention(p)
		dqkv := tensor.New(dtype.BF16, rows, 3*s.heads, d)
		to := func(i int) tensor.Tensor { return dqkv.Slice(1, i*s.heads, (i+1)*s.heads) }
		g := tensor.AttentionGrad{Attention: p, DOut: filled(dtype.BF16, rows, s.heads, d), DQ: to(0), DK: to(1), DV: to(2)}
		return func() { b.AttentionGrad(g) }
	}
	return k
}
