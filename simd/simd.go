// Package simd is the front door of the tensor house: it picks the backend of this machine, once.
//
// The rooms behind it, in the order in which numbers flow: dtype (bits), tensor (shape, storage and the contract of a Backend), ref (the definition),
// cpu (the fast backend), backendtest (what holds them together). Code that computes takes a tensor.Backend; programs get theirs here.
//
// Invariant: nothing outside this package decides which backend a program uses.
package simd

import (
	"fmt"
	"os"
	"sync"

	"quire/simd/cpu"
	"quire/simd/tensor"
)

// Default returns the backend of this machine: the same one at every call, never closed. If it runs scalar code it says so on standard error, once.
func Default() tensor.Backend { return pick() }

var pick = sync.OnceValue(func() tensor.Backend {
	b := cpu.New()
	if w := warning(b.Info()); w != "" {
		fmt.Fprintln(os.Stderr, "quire:", w)
	}
	return b
})

// Describe is the backend in one line, for version texts and doctors: "cpu avx512-bf16-vnni, 2 threads".
func Describe() string {
	info := Default().Info()
	text := fmt.Sprintf("%s %s, %d threads", info.Name, info.Variant, info.Threads)
	if w := warning(info); w != "" {
		text += ": " + w
	}
	return text
}

// warning is empty if vector code is in use.
func warning(info tensor.Info) string {
	if !info.Scalar {
		return ""
	}
	return "WARNING: tensors run as scalar code, 10 to 50 times slower than this program can: use a processor with AVX2, AVX-512 or NEON, or build with GOEXPERIMENT=simd"
}
