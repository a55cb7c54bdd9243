// Package dtype owns the bits: element types, block formats, their layout in memory and how numbers are rounded into them.
//
// Data flows through two pairs of functions. Dequantize turns any type into float32, Quantize turns float32 into any type; the 16-bit
// conversions (F32ToBF16 …) are the vectorised middle of both. Everything works on plain slices: tensors are a floor above.
//
// The block formats F32 … Q6_K are byte for byte those of GGUF (ggml-common.h of llama.cpp, 2026): little-endian, nibble j of the low half is
// weight j, nibble j of the high half weight j+16 (32-blocks). Quantize equals ggml's reference quantisers, the public algorithm of quantize_row_*_ref.
// AWQ4 holds what AutoAWQ and LMDeploy store in three tensors (Lin et al. 2023, arXiv:2306.00978), row by row; AWQ reads and writes their packing.
// NF4 is the 4-bit NormalFloat of QLoRA (Dettmers et al. 2023, arXiv:2305.14314 §3) with bitsandbytes' table; DoubleQuant is its second level.
//
// # Rounding, NaN and infinity
//
// Float to F16 or BF16 rounds to nearest, ties to even; beyond the largest finite number it gives infinity of that sign; below half the
// smallest denormal it gives zero of that sign. Denormals are kept in both directions. NaN stays NaN: the upper payload bits and the sign are kept, the quiet bit is
// set. F16 to float32 is exact and sets the quiet bit; BF16 to float32 is a shift, and keeps every bit. Float to I8, U8 and I32 rounds to nearest even and saturates; NaN becomes 0.
// A block that holds NaN or infinity is a caller's bug with a defined result: finite members may become NaN, nothing panics.
//
// Invariant: every conversion has one plain Go definition, and every fast variant gives the same bits for every input (tests run all of them).
// Invariant: nothing here allocates, except where a slice is returned.
package dtype
