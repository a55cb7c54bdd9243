package check

import (
	"math"

	"quire/simd/dtype"
	"quire/simd/tensor"
)

// Attention panics if anything does not fit. It returns p with the defaults made explicit: CuQ, CuK and Scale.
func Attention(p tensor.Attention) tensor.Attention {
	const op = "Attention"
	if p.Q.Rank() != 3 || !p.Q.DType().IsFloat() || !p.Out.SameShape(p.Q) || !p.Out.DType().IsFloat() {
		fail(op, "out %v, q %v: want equal (T, H, D) float", p.Out, p.Q)
	}
	d := p.Q.Dim(2)
	if p.Scale == 0 && d > 0 {
		p.Scale = float32(1 / math.Sqrt(float64(d)))
	}
	if p.Window < 0 || p.Window > 0 && !p.Causal {
		fail(op, "window %d: want ≥ 0, and Causal", p.Window)
	}
	if p.KV == nil {
		p = dense(p)
	} else {
		p = paged(p)
	}
	if !p.LSE.IsZero() && (p.LSE.DType() != dtype.F32 || p.LSE.Rank() != 2 || p.LSE.Dim(0) != p.Q.Dim(0) || p.LSE.Dim(1) != p.Q.Dim(1) || !p.LSE.IsContiguous()) {
		fail(op, "lse %v: want contiguous F32 [%d %d]", p.LSE, p.Q.Dim(0), p.Q.Dim(1))
	}
	for _, t := range []tensor.Tensor{p.Q, p.Out, p.K, p.V} {
		if !t.IsZero() && !unitLast(t) {
			fail(op, "%v: the last stride must be 1", t)
		}
	}
	noOverlap(op, p.Out, p.K, p.V, p.LSE)
	if !p.Out.IsSame(p.Q) {
		noOverlap(op, p.Out, p.Q)
	}
	return p
}

func dense(p tensor.Attention) tensor.Attention {
	const op = "Attention"
	h, d := p.Q.Dim(1), p.Q.Dim(2)
	if p.K.Rank() != 3 || !p.K.SameShape(p.V) || !p.K.DType().IsFloat() || !p.V.DType().IsFloat() || p.K.Dim(2) != d || !divides(p.K.Dim(1), h) {
		fail(op, "q %v, k %v, v %v: want (T, H, D) and equal (S, Hkv, D) float, Hkv dividing H", p.Q, p.K, p.V)
	}
	if p.CuK == nil && p.CuQ != nil {
		p.CuK = p.CuQ
	} else if p.CuK == nil {
		p.CuK = []int32{0, int32(p.K.Dim(0))}
	}
	if p.CuQ == nil {
		p.CuQ = []int32{0, int32(p.Q.Dim(0))}
	}
	checkCu(op, "CuQ", p.CuQ, p.Q.Dim(0))
	checkCu(op, "CuK", p.CuK, p.K.Dim(0))
	if len(p.CuQ) != len(p.CuK) {
		fail(op, "CuQ has %d sequences, CuK %d", len(p.CuQ)-1, len(p.CuK)-1)
	}
	return p
}

func paged(p tensor.Attention) tensor.Attention {
	const op = "Attention"
	c := p.KV.Config()
	if !p.K.IsZero() || !p.V.IsZero() || p.CuK != nil {
		fail(op, "both a KV cache and dense keys are given")
	}
	if c.HeadDim != p.Q.Dim(2) || !divides(c.KVHeads, p.Q.Dim(1)) {
		fail(op, "q %v, cache of %d heads of %d", p.Q, c.KVHeads, c.HeadDim)
	}
	if p.CuQ == nil {
		p.CuQ = []int32{0, int32(p.Q.Dim(0))}
	}
	checkCu(op, "CuQ", p.CuQ, p.Q.Dim(0))
	if len(p.KeyLens) != p.Seqs() || len(p.Pages) != p.Seqs() {
		fail(op, "%d sequences, %d key lengths, %d page tables", p.Seqs(), len(p.KeyLens), len(p.Pages))
	}
	for b, n := range p.KeyLens {
		need := (int(n) + c.PageSize - 1) / c.PageSize
		if n < 0 || len(p.Pages[b]) < need {
			fail(op, "sequence %d: %d keys, %d pages of %d", b, n, len(p.Pages[b]), c.PageSize)
		}
		for _, page := range p.Pages[b][:need] {
			if page < 0 || int(page) >= c.Pages {
				fail(op, "sequence %d: page %d of %d", b, page, c.Pages)
			}
		}
	}
	return p
}

// AttentionGrad panics if anything does not fit. It returns p with the defaults made explicit.
func AttentionGrad(p tensor.AttentionGrad) tensor.AttentionGrad {
	const op = "AttentionGrad"
	p.Attention = Attention(p.Attention)
	if p.KV != nil || p.LSE.IsZero() {
		fail(op, "want dense keys and the LSE of the forward pass")
	}
	for _, t := range []tensor.Tensor{p.DOut, p.DQ} {
		if !t.SameShape(p.Q) || !t.DType().IsFloat() || !unitLast(t) {
			fail(op, "%v: want the shape of q %v", t, p.Q)
		}
	}
	for _, t := range []tensor.Tensor{p.DK, p.DV} {
		if !t.SameShape(p.K) || !t.DType().IsFloat() || !unitLast(t) {
			fail(op, "%v: want the shape of k %v", t, p.K)
		}
	}
	for _, t := range []tensor.Tensor{p.DQ, p.DK, p.DV} {
		noOverlap(op, t, p.Q, p.K, p.V, p.Out, p.DOut, p.LSE)
	}
	return p
}
