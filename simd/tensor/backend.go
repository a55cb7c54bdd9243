package tensor

import (
	"fmt"

	"quire/simd/dtype"
)

// Backend computes. The package comment has the rules that hold for every method; the comment of an operation's struct has its formula.
// Letters after a name are its shape; "float" stands for F32, F16 or BF16.
type Backend interface {
	// Info says what computes: for version lines, reports and the loud warning about scalar code.
	Info() Info

	// Copy writes x to out, converting the type: rounding, quantising or dequantising by dtype's rules.
	//
	//	out, x any equal shape
	//
	// Types: float to float; float to block (the blocked axis must be last) and block to float; I8, I32, U8 and float to one another. In place only if nothing changes.
	Copy(out, x Tensor)

	// MatMul multiplies matrices: see the struct.
	MatMul(p MatMul)

	// Pack copies the right operand of a product into this backend's own layout, for use as MatMul.W any number of times.
	//
	//	b (K, N) float, or a block format; w.T() for a weight w (N, K)
	//
	// It costs about one read and one write of b. b is not referenced afterwards.
	Pack(b Tensor) Packed

	// Attention and AttentionGrad: see the structs. NewKV makes a paged key-value cache for Attention.KV; it panics if c is not valid.
	Attention(p Attention)
	AttentionGrad(p AttentionGrad)
	NewKV(c KVConfig) KV

	// RMSNorm and its gradient: see the structs.
	RMSNorm(p RMSNorm)
	RMSNormGrad(p RMSNormGrad)

	// RoPE rotates pairs of the first r.Dim elements of every head and copies the rest; inverse rotates back, which is the gradient.
	//
	//	out, x (T, H, D) float    pos (T) I32, 0 ≤ pos < r.Len()    r.Dim ≤ D
	//
	// Su et al. 2021, arXiv:2104.09864 §3.4.2. In place allowed. It panics if a position is outside the table.
	RoPE(out, x, pos Tensor, r Rotary, inverse bool)

	// SwiGLU writes silu(gate)·up, silu(x) = x/(1+e⁻ˣ). Shazeer 2020, arXiv:2002.05202. In place on gate or up.
	//
	//	out, gate, up (M, F) float; rows may be strided: the halves of one (M, 2F) product
	SwiGLU(out, gate, up Tensor)
	// SwiGLUGrad writes the gradients of SwiGLU. dgate may be gate, dup may be up.
	SwiGLUGrad(dgate, dup, dout, gate, up Tensor)

	// Softmax normalises rows: e^(x−max)/Σ. A row of only −Inf becomes zeros; a row with +Inf or NaN becomes NaN. In place allowed.
	//
	//	out, x (…, N) float
	Softmax(out, x Tensor)
	// SoftmaxGrad writes y·(dy − Σ y·dy), given y = Softmax(x). dx may be dy.
	SoftmaxGrad(dx, dy, y Tensor)

	// HeadLoss is the cross-entropy of the language-model head with its gradients: see the struct.
	HeadLoss(p HeadLoss)

	// Embedding copies rows of a table.
	//
	//	out (T, C) float    w (V, C) float or block    ids (T) I32, 0 ≤ id < V, or it panics
	Embedding(out, w, ids Tensor)
	// EmbeddingGrad adds dout[t] to dw[ids[t]], in the order of t.
	//
	//	dw (V, C) F32    dout (T, C) float    ids (T) I32
	EmbeddingGrad(dw, dout, ids Tensor)

	// Unary writes op(x) element by element. In place allowed.
	//
	//	out, x float, equal shape, any strides
	Unary(op UnaryOp, out, x Tensor)
	// Binary writes op(a, b) element by element; Broadcast gives smaller operands the shape of out. In place on an operand that is not broadcast.
	//
	//	out, a, b float, equal shape, any strides
	Binary(op BinaryOp, out, a, b Tensor)
	// Affine writes scale·x + shift. In place allowed. shift 0 and scale 1 are exact.
	Affine(out, x Tensor, scale, shift float32)
	// Dropout zeroes elements with probability p and divides the rest by 1−p: element i, in row-major order, is kept if DropoutKeeps(seed, i, p).
	// Called again with the same seed on dy it is the gradient. In place allowed. 0 ≤ p < 1.
	Dropout(out, x Tensor, p float32, seed uint64)

	// Reduce folds the last axis; x.T() folds columns, Reshape(-1) everything.
	//
	//	x (…, N) float, any strides    out (…) F32, for ArgMax I32
	//
	// N = 0 gives the identity: 0 for sums, −Inf for Max and LogSumExp, +Inf for Min, NaN for Mean; ArgMax then panics. ArgMax takes the lowest index among equals and never NaN, unless all are NaN: then 0.
	Reduce(op ReduceOp, out, x Tensor)
	// TopK writes the k largest elements of each row and their indices, largest first, equals by lower index; NaN counts as −Inf.
	//
	//	values (M, k) F32    indices (M, k) I32    x (M, N) float    k ≤ N
	TopK(values, indices, x Tensor)
	// Sample draws one token a row: see SampleRow for how.
	//
	//	ids (M) I32    logits (M, V) float    len(rows) = M
	Sample(ids, logits Tensor, rows []SampleRow)

	// AdamW takes one optimiser step: see the struct. Muon is made of the other methods: see func Muon.
	AdamW(p AdamW)

	// Close stops the threads. A closed backend must not be used.
	Close() error
}

// Info describes a Backend.
type Info struct {
	Name    string // "cpu", "ref", "cuda"
	Variant string // instruction level in use: "avx512-bf16-vnni", "avx2", "neon", "scalar"
	Threads int
	Scalar  bool // no vector code is in use: say so loudly
}

// Unsupported is what a Backend panics with when it has no code for these types.
type Unsupported struct {
	Backend, Op string
	Types       []dtype.Type
}

// Error makes Unsupported an error value for whoever recovers it.
func (u Unsupported) Error() string {
	return fmt.Sprintf("%s: %s has no code for %v: convert with Copy first", u.Backend, u.Op, u.Types)
}

// Packed is the right operand of a product in a layout that only the Backend knows which made it. It is immutable; goroutines may share it.
type Packed interface {
	DType() dtype.Type // of the tensor that was packed
	K() int
	N() int
	Bytes() int // memory held
}

// UnaryOp is an element-wise function of one operand.
type UnaryOp uint8

const (
	Neg UnaryOp = iota
	Abs
	Square
	Sqrt
	Rsqrt // 1/√x
	Exp
	Log
	Tanh
	Sigmoid  // 1/(1+e⁻ˣ)
	SiLU     // x·Sigmoid(x)
	GELU     // x·Φ(x), with erf
	GELUTanh // x/2·(1+tanh(√(2/π)·(x+0.044715·x³)))
	ReLU
	LogSigmoid // −log(1+e⁻ˣ), without overflow
)

// BinaryOp is an element-wise function of two operands.
type BinaryOp uint8

const (
	Add BinaryOp = iota
	Sub
	Mul
	Div
	Max          // NaN if either is NaN
	Min          // NaN if either is NaN
	SiLUGrad     // a·silu′(b): a is the gradient of the output, b the input
	GELUGrad     // a·gelu′(b)
	GELUTanhGrad // a·geluTanh′(b)
	ReLUGrad     // a if b > 0, else 0
)

// ReduceOp folds a row to one number.
type ReduceOp uint8

const (
	Sum ReduceOp = iota
	Mean
	SumSquares
	MaxOf
	MinOf
	LogSumExp // log Σ eˣ, without overflow
	ArgMax    // I32
)

// Activation is the function at the end of a product.
type Activation uint8

const (
	Identity Activation = iota
	ActSiLU
	ActGELU
	ActGELUTanh
	ActReLU
)
