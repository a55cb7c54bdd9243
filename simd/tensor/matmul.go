package tensor

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
