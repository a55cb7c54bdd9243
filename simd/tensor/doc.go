// Package tensor owns the shape of numbers in memory and the contract of everything that computes with them.
//
// A Tensor is a small value: type, shape, strides and a slice of storage. Storage comes from the heap (New), from an Arena (a step's activations,
// freed at once, with a reported peak), from a file (Map: a checkpoint is never copied to be used), or from a slice of the caller's (FromF32 …).
// A Backend computes: ref is the definition, cpu is fast. Code above this package holds a Backend and never names one.
//
// # Layout
//
// Row-major; strides count elements, so every view (Slice, T, Index, Reshape, Broadcast) is free. A stride is never negative; 0 is a broadcast and such a
// tensor is only read. Block formats (dtype.Q8_0 …) have their blocks along the axis of stride 1, whose length is a multiple of the block: a weight
// (N, K) is blocked along K, and its view w.T() still is.
//
// # Letters
//
// B sequences, T query tokens of all sequences together, S keys, C hidden, F intermediate, H query heads, Hkv key heads, D head dim, V vocabulary; M, N, K as in BLAS.
//
// # Rules for every operation
//
// Float operands are F32, F16 or BF16, each for itself: they are widened to F32, computed in F32, and rounded once when they are stored (dtype's rules). Sums
// are F32 of unspecified order, with the error bounds of backendtest; ref sums in float64. Statistics (RStd, LSE, losses, optimiser moments) are F32.
// NaN in an operand reaches every result that depends on it, unless an operation says otherwise; F16 and BF16 operands of a product may count denormals as zero.
//
// Memory: the caller gives every out tensor; a Backend may keep scratch between calls but holds no results. An out tensor may be the same view as an operand
// (same first element, shape, strides, type) where the operation says "in place"; any other overlap of out with an operand is a bug that is not always detected.
// Gradients of activations overwrite (D… = …), gradients of weights accumulate (D… += …), as a micro-batch needs.
//
// Errors: a wrong shape, type or stride is the caller's bug and panics with one line ("tensor: MatMul: a [2 3] and b [4 5]"); every Backend makes the checks of
// package simd/internal/check, so that the text is the same. A combination of types that a Backend has no code for panics with Unsupported. Numbers never panic; a token id, label, position or slot out of range does, because it would reach foreign memory.
//
// Invariant: the bits of a result row depend on the rows that define it, never on how many other rows the call has, nor on the number of threads. So one sequence decodes
// to the same logits alone, in a batch, or in a longer prefill chunk with the same key lengths — per Backend, per variant of the machine.
// Invariant: a Backend is stateless but for its thread pool and scratch; goroutines may share it.
package tensor
