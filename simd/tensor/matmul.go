package tensor

import "fmt"

// MatMul is Out = Act(Alpha·A·B + Bias) + Residual.
//
//	Out, Residual (Z…, M, N) float    A (Z…, M, K) float    B (Z…, K, N) float or block, or W (K, N)    Bias (N) float
//
// Layouts are views: x·Wᵀ with a weight W (N, K) is B: w.T() (NT), dx = dy·W is B: w (NN), dW = dyᵀ·x is A: dy.T(), B: x (TN). One of the last two
// strides of every operand must be 1 (any, if its axis has length ≤ 1). A block format may be blocked along K (the fast way) or along N.
// With up to two leading axes Z the product is batched: B may be a stride-0 broadcast over them.
//
// Types: A and B float in any mix: both are widened to F32, products are exact and sums F32, but A and B both BF16 or both F16 may use dot-product
// instructions that count denormals as zero and round as they like within the bound of backendtest. B a block format: weights are the dequantised
// ones; A may be rounded to 8 bits per 32 consecutive elements of K (absmax/127), which the bound includes. A and B both I8 with Out I32 is exact; no Bias, Act,
// Residual or Alpha then. Out[m] depends on A[m] alone, with the same bits for every M, when A is not transposed.
//
// Residual may be Out itself (in place: accumulation, dW += …); nothing else overlaps. K = 0 gives Act(Bias) + Residual.
type MatMul struct {
	Out, A   Tensor
	B        Tensor // either B
	W        Packed // or W
	Bias     Tensor // none: zero Tensor
	Residual Tensor // none: zero Tensor
	Act      Activation
	Alpha    float32 // 0 means 1
}

// Check panics if the shapes, strides or types do not fit. It returns p with Alpha made explicit, and the sizes.
func (p MatMul) Check() (q MatMul, m, n, k int) {
	if p.Alpha == 0 {
		p.Alpha = 1
	}
	op := "MatMul"
	if p.A.rank < 2 || p.A.rank > 4 || p.A.rank != p.Out.rank {
		fail(op, "out %v and a %v: want equal rank, 2 to 4", p.Out, p.A)
	}
	m, k = p.A.Dim(-2), p.A.Dim(-1)
	n = p.Out.Dim(-1)
	if p.W != nil {
		p.checkPacked(n, k)
	} else {
		p.checkB(n, k)
	}
	if p.Out.Dim(-2) != m {
		fail(op, "out %v, a %v: rows differ", p.Out, p.A)
	}
	for i := range int(p.A.rank) - 2 {
		if p.Out.dims[i] != p.A.dims[i] || p.W == nil && p.B.dims[i] != p.A.dims[i] {
			fail(op, "out %v, a %v, b %v: batch axes differ", p.Out, p.A, p.B)
		}
	}
	p.checkTypes(op)
	if !p.Bias.IsZero() && (p.Bias.rank != 1 || p.Bias.dims[0] != n || !p.Bias.dt.IsFloat()) {
		fail(op, "bias %v: want float [%d]", p.Bias, n)
	}
	if !p.Residual.IsZero() && (!p.Residual.SameShape(p.Out) || !p.Residual.dt.IsFloat()) {
		fail(op, "residual %v: want the shape of out %v", p.Residual, p.Out)
	}
	if p.Act >= numActivations {
		fail(op, "activation %d does not exist", p.Act)
	}
	noOverlap(op, p.Out, p.A, p.B, p.Bias)
	if !p.Residual.IsSame(p.Out) {
		noOverlap(op, p.Out, p.Residual)
	}
	return p, m, n, k
}

func (p MatMul) checkPacked(n, k int) {
	if !p.B.IsZero() {
		fail("MatMul", "both B and W are given")
	}
	if p.W.K() != k || p.W.N() != n {
		fail("MatMul", "out %v, a %v, packed w [%d %d]", p.Out, p.A, p.W.K(), p.W.N())
	}
}

func (p MatMul) checkB(n, k int) {
	if p.B.rank != p.A.rank || p.B.Dim(-2) != k || p.B.Dim(-1) != n {
		fail("MatMul", "out %v, a %v, b %v", p.Out, p.A, p.B)
	}
}

func (p MatMul) checkTypes(op string) {
	bt := p.B.dt
	if p.W != nil {
		bt = p.W.DType()
	}
	switch {
	case p.A.dt.IsFloat() && p.Out.dt.IsFloat() && (bt.IsFloat() || bt.IsBlock()):
	case isInt8(p) && p.Bias.IsZero() && p.Residual.IsZero() && p.Act == Identity && p.Alpha == 1:
	default:
		fail(op, "out %v, a %v, b %v: types do not fit", p.Out.dt, p.A.dt, bt)
	}
	for _, t := range []Tensor{p.Out, p.A, p.B, p.Residual} {
		if !t.IsZero() && !unitInner(t) {
			fail(op, "%v: one of the last two strides must be 1", t)
		}
	}
}

// fail panics with the package's one-line message.
func fail(op, format string, args ...any) {
	panic("tensor: " + op + ": " + fmt.Sprintf(format, args...))
}
