package main

// benchCmd groups the benchmarks that come with the program: each measures its peer in the same run.
type benchCmd struct {
	Kernel benchKernelCmd `cmd:"" help:"The kernel beside ipykernel, in turns."`
	Token  benchTokenCmd  `cmd:"" help:"Tokenizers beside sentencepiece and tiktoken."`
	Infer  benchInferCmd  `cmd:"" help:"The inference engine beside llama.cpp on random weights of TinyLlama's shape."`
	Tensor benchTensorCmd `cmd:"" help:"Tensor kernels beside the limits of this machine and, with --vs, beside OpenBLAS or PyTorch."`
	Train  benchTrainCmd  `cmd:"" help:"Training steps beside this machine's peak and, with --vs torch, beside PyTorch on the same model, weights and data."`
}
