package simd

import (
	"testing"

	"quire/simd/backendtest"
)

// BenchmarkKernels runs the shared kernels on this machine's backend; quire bench tensor shows the same beside their peers.
func BenchmarkKernels(b *testing.B) { backendtest.Benchmark(b, Default()) }
