package cpu

import (
	"math"
	"unsafe"

	"quire/simd/dtype"
	"quire/simd/tensor"
)

// lossBytes bounds the logits of one chunk of tokens. Each chunk reads and writes all of DW, so chunks must not be small.
const lossBytes = 64 << 20

// lossChunk is the number of tokens whose logits are computed at a time.
func lossChunk(vocabulary int) int { return min(1024, max(64, lossBytes/4/max(1, vocabulary))) }

// HeadLoss goes through the tokens chunk by chunk.
func (b *Backend) HeadLoss(p tensor.HeadLoss) {
	p.Check()
	t, c, v := p.X.Dim(0), p.X.Dim(1), p.W.Dim(0)
	if t == 0 {
		return
	}
	chunk := lossChunk(v)
	buf := b.e.scratch.get(max(1, min(t, chunk)*v*4))
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
				b.lossRow(p, lo+i, f32s(at(buf.ptr(), i*v*4), v))
			}
		})
		if p.GradLoss.IsZero() || c == 0 {
			continue
		}
		slopes := logits
		if slopeType == dtype.BF16 {
			slopes = tensor.FromU16(dtype.BF16, b.narrow(buf.ptr(), n, v), n, v)
		}
		if !p.DX.IsZero() {
			b.MatMul(tensor.MatMul{Out: p.DX.Slice(0, lo, lo+n), A: slopes, B: p.W})
		}
		if !p.DW.IsZero() {
			b.MatMul(tensor.MatMul{Out: p.DW, A: slopes.T(), B: x, Residual: p.DW})
		}
	}
}

// narrow rounds rows of float32 to BF16 where they stand: row i is written over rows that have been read.
func (b *Backend) narrow(p unsafe.Pointer, rows, n int) []uint16 {
	for i := range rows {
		b.e.ks.toBF16(u16s(at(p, i*n*2), n), f32s(at(p, i*n*4), n))
	}
	return u16s(p, rows*n)
}

// lossRow writes the loss of token t and turns its logits into their gradients.
func (b *Backend) lossRow(p tensor.HeadLoss, t int, logits []float32) {
	ks, v := &b.e.ks, len(logits)
	y := p.Labels.I32()[t]
	lse := ks.fold(tensor.LogSumExp, logits)
	if !p.LSE.IsZero() {
		p.LSE.F32()[t] = lse
	}
	if y < 0 {
		p.Loss.F32()[t] = 0
		clear(logits)
		return
	}
	eps, z, l := float64(p.Smoothing), float64(p.ZLoss), float64(lse)
	mean := 0.0
	if eps != 0 {
		mean = float64(ks.sum(logits)) / float64(v)
	}
	loss := (1-eps)*(l-float64(logits[y])) + z*l*l
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
	} else {
		ks.expSum(logits, logits, lse)
	}
	ks.affine(logits, logits, float32(g*(1+2*z*l)), float32(-g*eps/float64(v)))
	logits[y] -= float32(g * (1 - eps))
}
