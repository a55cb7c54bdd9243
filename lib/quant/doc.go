// Package quant makes the matrices of a model smaller: 4 or 8 bits a weight, by rounding, by AWQ or by GPTQ.
//
// # How numbers flow
//
// Quantize takes a model layer by layer. A layer's matrices become F32 (layer.go); AWQ (awq.go) scales their columns and folds the inverse
// into the norm or the matrix before; then each matrix is written in the target type, by rounding to nearest (what dtype.Quantize does) or by GPTQ
// (gptq.go over triangle.go), which rounds column by column and lets the columns that follow make up for the error. What a matrix meets comes from
// calibration texts (calibrate.go): the model runs over them, and its trace hook gives the input rows of every Linear. The Report (report.go)
// says how far what each matrix is there for (effect.go) moved on those rows, beside what plain rounding does to it, and what became of the perplexity.
//
// The result is model.Weights again: lib/checkpoint writes it as GGUF (Q8_0, Q4_0, Q4_K) or, AWQ4, as the safetensors folder that LMDeploy reads.
//
// # Rules
//
// **Invariant:** the model that was given is not changed. Norms that take up scales are fresh.
// **Invariant:** before rounding, AWQ leaves every function that the model computes as it was, up to F32 rounding.
// **Invariant:** AWQ is never worse than rounding in what it measures: no scaling is one of its choices. (Perplexity can still be, where channels are all of a size and differences are noise.)
// **Invariant:** the same model, texts and configuration give the same bits.
//
// Deliberately absent: clipping of weights (LMDeploy's AWQ has none), quantised activations, mixed precision by search, and formats of 2 and 3 bits.
//
// Theory: Lin et al. 2023, arXiv:2306.00978 (AWQ), with LMDeploy's formula of scales (lmdeploy/lite/quantization/awq.py); Frantar et al. 2022,
// arXiv:2210.17323 (GPTQ).
package quant
