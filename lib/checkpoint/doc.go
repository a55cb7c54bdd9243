// Package checkpoint owns how weights lie in files: it reads what others wrote, writes what others read, and keeps the state of a training run.
//
// # How bytes flow
//
// Load is the one door for models. It tells formats by their content: a Hugging Face folder (config.json, safetensors in one file or in
// shards; plain, AWQ or GPTQ), a GGUF file, a llama2.c .bin. Each format is a table of named tensors over a mapped file: Safetensors
// (safetensors.go), GGUF (gguf.go), the fixed order of llama2.c (llama2c.go). layout.go turns the file's names into those of
// model.Weights, and its rows into half-split rotary order and query, key, value apart. SaveHF and SaveGGUF go the same
// way back: every tensor of a file is a list of row views, converted and written piece by piece (write.go), never the whole model at once.
//
// State (state.go) is a step of a training run: named tensors and a JSON document in one safetensors file, which any tool can open.
// A Saver copies the tensors and lets training go on while it writes.
//
// # Rules
//
// **Invariant:** opening maps. Tensors are views of the file unless their layout must change (interleaved rotary rows, InternLM2's grouped
// wqkv, words of AWQ and GPTQ, tensors that the file misaligns): then they are copied, once, in the type that they have.
//
// **Invariant:** files are hostile. Nothing is allocated by a number that a file gives before that number is checked against the bytes
// that are there; a malformed file is an error that names the tensor, the byte, what is there and what was wanted; nothing panics.
//
// **Invariant:** a file appears under its name whole or not at all: it is written beside, synced and renamed.
//
// Deliberately absent: PyTorch's pickles (they run code when read: convert them to safetensors), downloading, and quantisation by anything
// but rounding (lib/quant).
//
// Formats: github.com/huggingface/safetensors, README; github.com/ggml-org/ggml, docs/gguf.md; github.com/karpathy/llama2.c, export.py;
// AutoAWQ (Lin et al. 2023, arXiv:2306.00978) and AutoGPTQ (Frantar et al. 2022, arXiv:2210.17323) as they pack words.
package checkpoint
