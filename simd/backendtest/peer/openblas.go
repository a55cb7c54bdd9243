// Package peer measures other people's libraries beside ours: OpenBLAS and llama.cpp's ggml inside this process, PyTorch (oneDNN) in a Python process
// that answers questions.
//
// They are looked for when they are asked for; absence is an error that says what to install, never a failed run.
//
// Invariant: a peer computes the same product on the same number of threads, and is asked in the same rounds as the kernel that it is compared with.
package peer

import (
	"fmt"
	"maps"
	"slices"
	"time"
	"unsafe"

	"github.com/ebitengine/purego"
	"golang.org/x/sys/cpu"

	"quire/simd/backendtest"
	"quire/simd/dtype"
	"quire/simd/tensor"
)

// openBLASNames are what distributions call the library, the best first.
var openBLASNames = []string{"libopenblas.so.0", "libopenblas.so", "libopenblas.dylib"}

// Row-major and transposition codes of CBLAS.
const (
	rowMajor = 101
	noTrans  = 111
	trans    = 112
)

// settle is how long OpenBLAS threads may spin after a call: 2²⁶ cycles by default. Whatever is measured next waits for them.
const settle = 40 * time.Millisecond

// OpenBLAS is the library, loaded.
type OpenBLAS struct {
	sgemm      func(order, ta, tb, m, n, k int32, alpha float32, a unsafe.Pointer, lda int32, b unsafe.Pointer, ldb int32, beta float32, c unsafe.Pointer, ldc int32)
	setThreads func(n int32)
	core       func() string
}

// LoadOpenBLAS opens the library. On a processor with AVX-512 it asks for the SkylakeX kernels, which old releases do not choose by themselves on newer processors.
func LoadOpenBLAS() (*OpenBLAS, error) {
	if cpu.X86.HasAVX512F && cpu.X86.HasAVX512BW && cpu.X86.HasAVX512VL {
		if err := setenv("OPENBLAS_CORETYPE", "SkylakeX"); err != nil {
			return nil, err
		}
	}
	for _, name := range openBLASNames {
		lib, err := purego.Dlopen(name, purego.RTLD_NOW|purego.RTLD_LOCAL)
		if err != nil {
			continue
		}
		o := &OpenBLAS{}
		if err := register(lib, "OpenBLAS: "+name, map[string]any{"cblas_sgemm": &o.sgemm, "openblas_set_num_threads": &o.setThreads, "openblas_get_corename": &o.core}); err != nil {
			return nil, err
		}
		return o, nil
	}
	return nil, fmt.Errorf("peer: OpenBLAS not found as %v: install it (Debian: libopenblas0-pthread)", openBLASNames)
}

// register finds functions in a library; an error names the first that it lacks.
func register(lib uintptr, library string, functions map[string]any) error {
	for _, name := range slices.Sorted(maps.Keys(functions)) {
		address, err := purego.Dlsym(lib, name)
		if err != nil || address == 0 {
			return fmt.Errorf("peer: %s has no %s: another version is needed", library, name)
		}
		purego.RegisterFunc(functions[name], address)
	}
	return nil
}

// setenv sets a variable that C libraries see: Go's own os.Setenv does not reach them in a program without cgo.
func setenv(key, value string) error {
	libc, err := purego.Dlopen("libc.so.6", purego.RTLD_NOW|purego.RTLD_GLOBAL)
	if err != nil {
		return fmt.Errorf("peer: %v", err)
	}
	var set func(key, value string, overwrite int32) int32
	purego.RegisterLibFunc(&set, libc, "setenv")
	if set(key, value, 1) != 0 {
		return fmt.Errorf("peer: setenv %s failed", key)
	}
	return nil
}

// Core is the kernel set that OpenBLAS chose.
func (o *OpenBLAS) Core() string { return o.core() }

// Product returns a function that multiplies p on that many threads and returns the seconds of a call.
func (o *OpenBLAS) Product(p backendtest.Product, threads int) func() float64 {
	a, c := tensor.New(dtype.F32, p.M, p.K), tensor.New(dtype.F32, p.M, p.N)
	b := tensor.New(dtype.F32, p.K, p.N)
	for _, t := range []tensor.Tensor{a, b} {
		for i := range t.F32() {
			t.F32()[i] = float32(i%7) * 0.1
		}
	}
	tb, ldb := int32(trans), p.K
	if p.Plain {
		tb, ldb = noTrans, p.N
	}
	pa, pb, pc := pointer(a), pointer(b), pointer(c)
	return func() float64 {
		o.setThreads(int32(threads))
		s := backendtest.Seconds(func() {
			o.sgemm(rowMajor, noTrans, tb, int32(p.M), int32(p.N), int32(p.K), 1, pa, int32(p.K), pb, int32(ldb), 0, pc, int32(p.N))
		})
		time.Sleep(settle)
		return s
	}
}

func pointer(t tensor.Tensor) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(t.F32())) }
