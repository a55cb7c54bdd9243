// Package cpu is the fast backend: tensor.Backend on the processor at hand.
//
// # How numbers flow
//
// A product packs both operands into panels (pack.go) and runs a generated micro-kernel over them (gemm.go, zz_gemm_amd64.s). A panel of A interleaves the rows of one
// kernel call, a panel of B the columns of one tile, so that a step of k is one contiguous read of each and every lane is one output element. B is packed in
// a task's own scratch, or once by Pack. What follows a product (scale, bias, activation, residual, rounding) happens while a panel of rows is in L1 (output.go); where that is rounding to BF16 alone, the kernel does it.
//
// Block formats (quant.go, quant_layout.go) are repacked 32 columns side by side and multiplied by activations rounded to 8 bits per 32 elements with VPDPBUSD. One kernel
// call takes all rows, up to 32: it unpacks 32 elements of k of a panel to a tile in L1, multiplies group after group of rows by that, and goes on, so that a weight is read from memory once
// and at an even pace. One, two and four rows have kernels without the tile. AVX2 has VPMADDUBSW instead, and takes one row at a time.
//
// Attention (attention.go, kv.go) is made of the same tiles: for each block of 128 keys, a panel of rows is scored, turned into weights (running maximum and sum) and multiplied by the
// values, as far as its last row sees. With BF16 operands the weights are written as the next products read them, forward and backward (attention_panels.go), so that nothing is
// transposed on the way; other types go row by row. A cache of blocks becomes BF16 a block of keys at a time. Everything else goes row by row or piece by piece through
// float32 buffers in L1 (rows.go, elementwise.go, layers.go) and the vector functions of a level.
//
// A level (level.go) is a table of kernels: AVX-512 with BF16 and VNNI, AVX2 with FMA, NEON by way of go-highway, and plain Go, which is always there and defines the others. Every
// level that the machine can run can be chosen with Backend.With, and is tested. The assembly needs no GOEXPERIMENT: package internal/asmgen prints it (go generate).
//
// # Rules
//
// **Invariant:** an output element of a product is one lane of one accumulator: it adds its products in order of k, in chunks of a fixed number of steps, whatever the number of
// rows, the position of the row, the tile, or the threads. The kernel for one row and the kernel for fourteen give the same bits, and so do packed and unpacked operands.
//
// **Invariant:** blocks of keys lie at multiples of keyBlock from the start of a sequence, so a query's result does not depend on the queries beside it.
//
// **Invariant:** tails use the same instructions as whole vectors, under a mask: an element's bits do not depend on its place. Sums of rows depend on the length of the row alone.
//
// **Invariant:** the pool pins nothing, and its goroutines are parked when there is no work.
//
// # What is deliberately absent
//
// No graph, no autotuning at run time (thresholds are constants that name their benchmark), no threads of our own outside the pool, no C.
//
// The micro-kernel scheme is that of Goto & van de Geijn 2008 (Anatomy of High-Performance Matrix Multiplication, ACM TOMS 34) with one level of blocking less, because
// L2 feeds the kernels; attention is Dao 2023, arXiv:2307.08691.
package cpu

//go:generate go test ./internal/asmgen -update
