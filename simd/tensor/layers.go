package tensor

// RMSNorm is Out = X·RStd·W with RStd = 1/√(mean(X²)+Eps), row by row. Zhang & Sennrich 2019, arXiv:1910.07467.
//
//	Out, X (M, C) float, last stride 1    W (C) float    RStd (M) F32
//
// The mean is summed in F32 and never overflows earlier than F32 does. Out may be X. RStd is written if given; RMSNormGrad needs it.
type RMSNorm struct {
	Out, X, W Tensor
	RStd      Tensor // none: zero Tensor
	Eps       float32
}

// RMSNormGrad writes DX = Residual + W·DY·RStd − X·RStd³/C·Σ W·DY·X and adds DY·X·RStd, summed over rows, to DW.
//
//	DX, DY, X, Residual (M, C) float    W (C) float    DW (C) F32    RStd (M) F32
//
// Residual is the gradient that comes past the norm on the residual stream. DX may be DY or Residual. DW may be none: the weight is frozen.
type RMSNormGrad struct {
	DX, DW, DY, X, W, RStd Tensor
	Residual               Tensor // none: zero Tensor
}

// HeadLoss is the cross-entropy of logits X·Wᵀ against Labels, with its gradients, in chunks: no (T, V) buffer. For each token t with label y ≥ 0
//
//	Loss[t] = (1−ε)·(LSE[t] − logit[y]) + ε·(LSE[t] − mean logit) + ZLoss·LSE[t]²       ε = Smoothing
//
// and Loss[t] = 0 for y < 0 (ignored; Hugging Face writes −100). With GradLoss the gradients of Σ GradLoss[t]·Loss[t] follow in the same pass.
//
//	X, DX (T, C) float    W (V, C) float    Labels (T) I32    Loss, LSE, GradLoss (T) F32    DW (V, C) F32
//
// LSE is written also for ignored tokens. DX is overwritten, with 0 for ignored tokens; DW is added to. Loss of a chunk does not depend on the chunk.
// z-loss: Chowdhery et al. 2022, arXiv:2204.02311 §5. Smoothing: Szegedy et al. 2015, arXiv:1512.00567 §7. A label ≥ V panics.
type HeadLoss struct {
	X, W, Labels Tensor
	Loss, LSE    Tensor // LSE none: zero Tensor
	GradLoss     Tensor // none: no gradients; 1/tokens for the mean
	DX, DW       Tensor // each may be none
	ZLoss        float32
	Smoothing    float32
}

// AdamW is one step of Loshchilov & Hutter 2017, arXiv:1711.05101, as PyTorch does it (the decay has LR in it):
//
//	g = GradScale·G;  M = Beta1·M + (1−Beta1)·g;  V = Beta2·V + (1−Beta2)·g²
//	W = W·(1 − LR·WeightDecay) − LR·M/(1−Beta1^Step) / (√(V/(1−Beta2^Step)) + Eps)
//
//	W, M, V F32    G float    Out float: a rounded copy of W for the next forward pass    all contiguous, equal shape
//
// Out and M, V, W never overlap.
type AdamW struct {
	W, G, M, V  Tensor
	Out         Tensor // none: zero Tensor
	LR          float32
	Beta1       float32
	Beta2       float32
	Eps         float32
	WeightDecay float32
	GradScale   float32 // 0 means 1: clipping, loss scale, gradient accumulation
	Step        int     // from 1
}

// SampleRow is how one row is drawn, in this order: tokens outside Allow drop out; Temperature 0 takes the largest logit (lowest id among equals); otherwise
// logits are divided by Temperature; TopK keeps the k largest; TopP keeps the shortest descending prefix whose probability reaches TopP; MinP drops tokens
// below MinP times the largest probability; the rest is renormalised and the token drawn is the first, in descending order (equals by lower id), whose cumulated
// probability exceeds U. NaN counts as −Inf; if nothing is left the result is −1.
type SampleRow struct {
	Temperature float32
	TopK        int      // 0: off
	TopP        float32  // 0 or 1: off
	MinP        float32  // 0: off
	U           float64  // uniform in [0, 1), from the caller: drawing is reproducible
	Allow       []uint64 // bit v%64 of word v/64: token v may be drawn; nil: all
}

// DropoutKeeps is the definition of Dropout's mask: the upper 24 bits of the splitmix64 output number i of the stream seed, as a fraction, are ≥ p.
func DropoutKeeps(seed uint64, i int, p float32) bool {
	z := seed + (uint64(i)+1)*0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return float32((z^z>>31)>>40)*(1.0/(1<<24)) >= p
}
