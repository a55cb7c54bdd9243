package main

// benchCmd groups the benchmarks that come with the program: each measures its peer in the same run.
type benchCmd struct {
	Tensor benchTensorCmd `cmd:"" help:"Tensor kernels beside the limits of this machine and, with --vs, beside OpenBLAS or PyTorch."`
}
