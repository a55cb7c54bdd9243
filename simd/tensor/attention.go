package tensor

import (
	"fmt"

	"quire/simd/dtype"
)

// Attention is Out = softmax(Scale·Q·Kᵀ + mask)·V for a packed batch of sequences, without an S×S buffer.
//
//	Q, Out (T, H, D) float    K, V (S, Hkv, D) float, or KV paged    LSE (T, H) F32    H a multiple of Hkv
//
// Query head h reads key head h/(H/Hkv): grouped-query attention, Ainslie et al. 2023, arXiv:2305.13245 §2.2. Rows of Q, K, V, Out may be strided
// (slices of a fused projection); the last axis has stride 1. Sequence b has the query rows CuQ[b] to CuQ[b+1]−1 and
//   - dense: the key rows CuK[b] to CuK[b+1]−1 of K and V;
//   - paged: KeyLens[b] keys, key j in slot Pages[b][j/P]·P + j%P of KV, P its page size. The keys of these queries are already written.
//
// Queries are the last of their sequence: query i of Tq sees key j of Sk if j ≤ i + Sk − Tq (Causal), and if i + Sk − Tq − j < Window (Window > 0; Window needs Causal).
// A query that sees no key gets Out = 0 and LSE = −Inf. LSE is log Σ e^(Scale·q·k), needed by AttentionGrad. Dao 2023, arXiv:2307.08691.
//
// Sums are F32; the probabilities may be rounded to the type of V before the second product. With a cache of blocks, queries, keys, values and probabilities may be rounded to BF16. F32 operands are computed in F32 throughout. A query's bits depend on its own
// row and keys alone: equal for prefill in one piece, in chunks, and for decoding one by one. Out may be Q (in place); nothing else overlaps.
type Attention struct {
	Out, Q  Tensor
	K, V    Tensor
	KV      KV      // instead of K and V
	LSE     Tensor  // none: zero Tensor
	CuQ     []int32 // length B+1, from 0 to T; nil: one sequence
	CuK     []int32 // dense: length B+1, from 0 to S; nil: one sequence, or CuQ where that is given
	Pages   [][]int32
	KeyLens []int32
	Causal  bool
	Window  int     // 0: no limit
	Scale   float32 // 0 means 1/√D
}

// AttentionGrad writes the gradients of dense Attention: DQ, DK and DV are overwritten. Out and LSE are what the forward pass wrote.
//
//	DOut, DQ as Q    DK, DV as K    any float types
type AttentionGrad struct {
	Attention  // dense; Out and LSE are read
	DOut       Tensor
	DQ, DK, DV Tensor
}

// KVConfig is the shape of one layer's paged key-value cache.
type KVConfig struct {
	Pages, PageSize  int // PageSize a power of two
	KVHeads, HeadDim int
	DType            dtype.Type // F32, F16, BF16, Q8_0 or Q4_0; for block formats HeadDim is a multiple of 32
	Bits             int        // 8 or 4: every head of a token is kept as asymmetric codes of so many bits (dtype.QuantizeAsymmetric), and DType is F32; 0: off
}

// RowBytes is the storage of one key or value of one head.
func (c KVConfig) RowBytes() int {
	if c.Bits > 0 {
		return dtype.AsymmetricBytes(c.Bits, c.HeadDim)
	}
	return c.DType.Bytes(c.HeadDim)
}

// KV is one layer's key-value cache, in a layout that only the Backend knows which made it. Slot page·PageSize+i holds token i of a page. Who owns which page is the
// engine's business. Writing to slots while they are read is a race; anything else may run at once.
type KV interface {
	Config() KVConfig
	Bytes() int // memory held
	// Write stores the keys and values of T tokens, rounded or quantised by dtype's rules along D.
	//
	//	k, v (T, Hkv, D) float, last stride 1    slots (T) I32, all different
	Write(k, v, slots Tensor)
	// Read is the inverse of Write, for tests, swapping out and moving to another backend.
	Read(k, v, slots Tensor)
	// CopyPages copies whole pages: page src[i] to dst[i], as copy-on-write needs. No page is both.
	CopyPages(dst, src []int32)
}

// Seqs is the number of sequences.
func (p Attention) Seqs() int { return len(p.CuQ) - 1 }

// Validate reports what is wrong with c.
func (c KVConfig) Validate() error {
	switch {
	case c.Pages < 0 || c.PageSize < 1 || c.PageSize&(c.PageSize-1) != 0:
		return fmt.Errorf("tensor: KVConfig: %d pages of %d: the page size must be a power of two", c.Pages, c.PageSize)
	case c.KVHeads < 1 || c.HeadDim < 1:
		return fmt.Errorf("tensor: KVConfig: %d heads of %d: both must be positive", c.KVHeads, c.HeadDim)
	case !c.DType.IsFloat() && c.DType != dtype.Q8_0 && c.DType != dtype.Q4_0:
		return fmt.Errorf("tensor: KVConfig: type %v: want F32, F16, BF16, Q8_0 or Q4_0", c.DType)
	case c.Bits != 0 && (c.Bits != 8 && c.Bits != 4 || c.DType != dtype.F32 || c.HeadDim%2 != 0):
		return fmt.Errorf("tensor: KVConfig: %d bits of %v in heads of %d: want 8 or 4 bits, F32, and an even number", c.Bits, c.DType, c.HeadDim)
	case c.HeadDim%c.DType.Block() != 0:
		return fmt.Errorf("tensor: KVConfig: head dim %d: %v needs a multiple of %d", c.HeadDim, c.DType, c.DType.Block())
	}
	return nil
}
