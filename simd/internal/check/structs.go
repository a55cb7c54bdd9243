package check

import (
	"quire/simd/dtype"
	"quire/simd/tensor"
)

// MatMul panics if the shapes, strides or types do not fit. It returns p with Alpha made explicit, and the sizes.
func MatMul(p tensor.MatMul) (q tensor.MatMul, m, n, k int) {
	if p.Alpha == 0 {
		p.Alpha = 1
	}
	op := "MatMul"
	if p.A.Rank() < 2 || p.A.Rank() > 4 || p.A.Rank() != p.Out.Rank() {
		fail(op, "out %v and a %v: want equal rank, 2 to 4", p.Out, p.A)
	}
	m, k = p.A.Dim(-2), p.A.Dim(-1)
	n = p.Out.Dim(-1)
	if p.W != nil {
		packed(p, n, k)
	} else {
		right(p, n, k)
	}
	if p.Out.Dim(-2) != m {
		fail(op, "out %v, a %v: rows differ", p.Out, p.A)
	}
	for i := range p.A.Rank() - 2 {
		if p.Out.Dim(i) != p.A.Dim(i) || p.W == nil && p.B.Dim(i) != p.A.Dim(i) {
			fail(op, "out %v, a %v, b %v: batch axes differ", p.Out, p.A, p.B)
		}
	}
	types(op, p)
	if !p.Bias.IsZero() && (p.Bias.Rank() != 1 || p.Bias.Dim(0) != n || !p.Bias.DType().IsFloat()) {
		fail(op, "bias %v: want float [%d]", p.Bias, n)
	}
	if !p.Residual.IsZero() && (!p.Residual.SameShape(p.Out) || !p.Residual.DType().IsFloat()) {
		fail(op, "residual %v: want the shape of out %v", p.Residual, p.Out)
	}
	if p.Act > tensor.ActReLU {
		fail(op, "activation %d does not exist", p.Act)
	}
	noOverlap(op, p.Out, p.A, p.B, p.Bias)
	if !p.Residual.IsSame(p.Out) {
		noOverlap(op, p.Out, p.Residual)
	}
	return p, m, n, k
}

func packed(p tensor.MatMul, n, k int) {
	if !p.B.IsZero() {
		fail("MatMul", "both B and W are given")
	}
	if p.W.K() != k || p.W.N() != n {
		fail("MatMul", "out %v, a %v, packed w [%d %d]", p.Out, p.A, p.W.K(), p.W.N())
	}
}

func right(p tensor.MatMul, n, k int) {
	if p.B.Rank() != p.A.Rank() || p.B.Dim(-2) != k || p.B.Dim(-1) != n {
		fail("MatMul", "out %v, a %v, b %v", p.Out, p.A, p.B)
	}
}

func types(op string, p tensor.MatMul) {
	bt := p.B.DType()
	if p.W != nil {
		bt = p.W.DType()
	}
	switch {
	case p.A.DType().IsFloat() && p.Out.DType().IsFloat() && (bt.IsFloat() || bt.IsBlock()):
	case isInt8(p) && p.Bias.IsZero() && p.Residual.IsZero() && p.Act == tensor.Identity && p.Alpha == 1:
	default:
		fail(op, "out %v, a %v, b %v: types do not fit", p.Out.DType(), p.A.DType(), bt)
	}
	for _, t := range []tensor.Tensor{p.Out, p.A, p.B, p.Residual} {
		if !t.IsZero() && !unitInner(t) {
			fail(op, "%v: one of the last two strides must be 1", t)
		}
	}
}

func isInt8(p tensor.MatMul) bool {
	bt := p.B.DType()
	if p.W != nil {
		bt = p.W.DType()
	}
	return p.A.DType() == dtype.I8 && bt == dtype.I8 && p.Out.DType() == dtype.I32
}

// RMSNorm panics if anything does not fit.
func RMSNorm(p tensor.RMSNorm) {
	const op = "RMSNorm"
	sameFloat(op, p.Out, p.X)
	rowVector(op, "w", p.W, p.X)
	if !p.RStd.IsZero() {
		rowStat(op, "rstd", p.RStd, p.X)
	}
	inPlace(op, p.Out, p.X)
	noOverlap(op, p.Out, p.W, p.RStd)
}

// RMSNormGrad panics if anything does not fit.
func RMSNormGrad(p tensor.RMSNormGrad) {
	const op = "RMSNormGrad"
	sameFloat(op, p.DX, p.DY, p.X)
	rowVector(op, "w", p.W, p.X)
	rowStat(op, "rstd", p.RStd, p.X)
	if !p.DW.IsZero() {
		rowVector(op, "dw", p.DW, p.X)
		wantType(op, p.DW, dtype.F32)
	}
	if !p.Residual.IsZero() {
		sameFloat(op, p.DX, p.Residual)
		inPlace(op, p.DX, p.Residual)
	}
	inPlace(op, p.DX, p.DY)
	noOverlap(op, p.DX, p.X, p.W, p.RStd, p.DW)
}

// HeadLoss panics if anything does not fit, a label included.
func HeadLoss(p tensor.HeadLoss) {
	const op = "HeadLoss"
	if p.X.Rank() != 2 || p.W.Rank() != 2 || p.X.Dim(1) != p.W.Dim(1) || !p.X.DType().IsFloat() || !p.W.DType().IsFloat() || !unitLast(p.X) || !unitLast(p.W) {
		fail(op, "x %v, w %v: want float (T, C) and (V, C)", p.X, p.W)
	}
	t, v := p.X.Dim(0), p.W.Dim(0)
	vector(op, "labels", p.Labels, dtype.I32, t)
	vector(op, "loss", p.Loss, dtype.F32, t)
	for _, s := range []tensor.Tensor{p.LSE, p.GradLoss} {
		if !s.IsZero() {
			vector(op, "lse or gradLoss", s, dtype.F32, t)
		}
	}
	if p.GradLoss.IsZero() != (p.DX.IsZero() && p.DW.IsZero()) {
		fail(op, "gradients need GradLoss, and GradLoss needs DX or DW")
	}
	if !p.DX.IsZero() && (!p.DX.SameShape(p.X) || !p.DX.DType().IsFloat() || !unitLast(p.DX)) {
		fail(op, "dx %v, x %v", p.DX, p.X)
	}
	if !p.DW.IsZero() && (!p.DW.SameShape(p.W) || p.DW.DType() != dtype.F32 || !unitLast(p.DW)) {
		fail(op, "dw %v: want F32, shape of w %v", p.DW, p.W)
	}
	for _, y := range p.Labels.I32() {
		if int(y) >= v {
			fail(op, "label %d, vocabulary %d", y, v)
		}
	}
	for _, out := range []tensor.Tensor{p.DX, p.DW, p.Loss, p.LSE} {
		noOverlap(op, out, p.X, p.W, p.GradLoss)
	}
}

// AdamW panics if anything does not fit. It returns p with GradScale made explicit.
func AdamW(p tensor.AdamW) tensor.AdamW {
	const op = "AdamW"
	for _, t := range []tensor.Tensor{p.W, p.M, p.V} {
		wantType(op, t, dtype.F32)
	}
	all := []tensor.Tensor{p.W, p.G, p.M, p.V, p.Out}
	for _, t := range all[:4] {
		if !t.SameShape(p.W) || !t.IsContiguous() {
			fail(op, "%v: want contiguous, shape of w %v", t, p.W)
		}
	}
	if !p.G.DType().IsFloat() || !p.Out.IsZero() && (!p.Out.DType().IsFloat() || !p.Out.SameShape(p.W) || !p.Out.IsContiguous()) {
		fail(op, "g %v, out %v: want contiguous float", p.G, p.Out)
	}
	if p.Step < 1 {
		fail(op, "step %d: steps count from 1", p.Step)
	}
	for i, t := range all {
		noOverlap(op, t, all[i+1:]...)
	}
	if p.GradScale == 0 {
		p.GradScale = 1
	}
	return p
}
