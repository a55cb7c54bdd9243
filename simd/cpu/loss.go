package cpu

import (
	"math"

	"quire/simd/dtype"
	"quire/simd/internal/check"
	"quire/simd/tensor"
)

// lossBytes bounds the logits of one chunk of tokens. Each chunk reads and writes all of DW, so chunks must not be small.
const lossBytes = 128 << 20

// lossChunk is the number of tokens, of t, whose logits are computed at a time: chunks of about equal size.
func lossChunk(t, vocabulary int) int {
	most := min(4096, max(64, lossBytes/4/max(1, vocabulary)))
	chunks := (t + most - 1) / most
	return (t + chunks - 1) / chunks
}

// HeadLoss goes through the tokens chunk by chunk.
func (b *Backend) HeadLoss(p tensor.HeadLoss) {
	check.HeadLoss(p)
	t, c, v := p.X.Dim(0), p.X.Dim(1), p.W.Dim(0)
	if t == 0 {
		return
	}
	chunk := lossChunk(t, v)
	buf := b.e.scratch.get(max(1, chunk*v*4))
	defer b.e.scratch.put(buf)
	slopeType := dtype.F32
	if p.W.DType() == dtype.BF16 && p.X.DType() == dtype.BF16 {
		slopeType = dtype.BF16
	}
	for lo := 0; lo < t; lo += chunk {
		n := min(chunk, t-lo)
		logits := tensor.FromF32(f32s(buf.ptr(), n*v), n, v)
		x := p.X.Slice(0, lo, lo+n)
		b.MatMul(tensor.MatMul{Out: logits, A: x, B: p.W.T()})
		b.e.pool.split(n, 1, 8*b.e.pool.threads(), func(i0, i1 int) {
			for i := i0; i < i1; i++ {
				row := f32s(at(buf.ptr(), i*v*4), v)
				b.lossRow(p, lo+i, row)
				if slopeType == dtype.BF16 {
					b.e.ks.toBF16(u16s(start(row), v), row) // where it stands: a half is written after it was read
				}
			}
		})
		if p.GradLoss.IsZero() || c == 0 {
			continue
		}
		slopes := logits
		if slopeType == dtype.BF16 {
			slopes = tensor.FromU16(dtype.BF16, u16s(buf.ptr(), n*2*v), n, 2*v).Slice(1, 0, v)
		}
		if !p.DX.IsZero() {
			b.MatMul(tensor.MatMul{Out: p.DX.Slice(0, lo, lo+n), A: slopes, B: p.W})
		}
		if !p.DW.IsZero() {
			b.MatMul(tensor.MatMul{Out: p.DW, A: slopes.T(), B: x, Residual: p.DW})
		}
	}
}

// lossRow writes the loss of token t and turns its logits into their gradients, or, where none are wanted, into anything.
func (b *Backend) lossRow(p tensor.HeadLoss, t int, logits []float32) {
	ks, v := &b.e.ks, len(logits)
	y := p.Labels.I32()[t]
	logit, mean, eps := 0.0, 0.0, float64(p.Smoothing)
	if y >= 0 {
		logit = float64(logits[y])
	}
	if eps != 0 {
		mean = float64(ks.sum(logits)) / float64(v)
	}
	lse := ks.max(logits)
	most, sum := lse, float32(1)
	if !math.IsInf(float64(most), -1) {
		sum = ks.expSum(logits, logits, most)
	}
	if !math.IsInf(float64(most), 0) {
		lse += float32(math.Log(float64(sum)))
	}
	if !p.LSE.IsZero() {
		p.LSE.F32()[t] = lse
	}
	if y < 0 {
		p.Loss.F32()[t] = 0
		clear(logits)
		return
	}
	z, l := float64(p.ZLoss), float64(lse)
	loss := (1-eps)*(l-logit) + z*l*l
	if eps != 0 {
		loss += eps * (l - mean)
	}
	p.Loss.F32()[t] = float32(loss)
	if p.GradLoss.IsZero() {
		return
	}
	g := float64(p.GradLoss.F32()[t])
	if math.IsInf(l, -1) {
		clear(logits)
	}
	ks.affine(logits, logits, float32(g*(1+2*z*l)/float64(sum)), float32(-g*eps/float64(v)))
	logits[y] -= float32(g * (1 - eps))
}
