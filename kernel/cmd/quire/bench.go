package main

// benchCmd measures this build beside its peers.
type benchCmd struct {
	All    benchAllCmd    `cmd:"" help:"All of these in a short setting, beside the peers that are there: one Markdown table."`
	Kernel benchKernelCmd `cmd:"" help:"The kernel beside ipykernel, in turns."`
	Corpus benchCorpusCmd `cmd:"" help:"Corpora: opening, reading, cleaning, deduplication, what-if, on the Go source tree."`
	Token  benchTokenCmd  `cmd:"" help:"Tokenizers beside sentencepiece and tiktoken."`
	Tensor benchTensorCmd `cmd:"" help:"Tensor kernels beside the limits of this machine and, with --vs, beside OpenBLAS or PyTorch."`
	Train  benchTrainCmd  `cmd:"" help:"Training steps beside this machine's peak and, with --vs torch, beside PyTorch on the same model, weights and data."`
	Infer  benchInferCmd  `cmd:"" help:"The inference engine beside llama.cpp on random weights of TinyLlama's shape."`
}
