package cpu

import (
	"unsafe"

	"quire/simd/dtype"
	"quire/simd/tensor"
)

// Level is an instruction level with its own kernels.
type Level string

// The levels, best first. A level that the machine lacks cannot be chosen.
const (
	AVX512   Level = "avx512-bf16-vnni"
	AVX2     Level = "avx2"
	NEON     Level = "neon"
	Portable Level = "portable"
)

// Levels lists what this machine can run, best first. Portable is always there.
func Levels() []Level {
	var all []Level
	for _, k := range available() {
		all = append(all, k.level)
	}
	return append(all, Portable)
}

// microKernel computes C (mr rows of ldc bytes) = or, if add is not zero, += A·B over k steps of a packed panel of each.
type microKernel = func(k int, a, b, c unsafe.Pointer, ldc, add int)

// tile describes the packed products of one pair of operand types: a panel of A has rows of mr, a panel of B rows of nr numbers.
type tile struct {
	rows   []microKernel // by row count, from 1 to mr
	nr     int
	kStep  int                                                               // elements of k in a step: 2 for pairs of BF16
	aBytes int                                                               // bytes of A a row and step
	bBytes int                                                               // bytes of B a column and step
	narrow func(k int, a, b, c unsafe.Pointer, ldc int, sums unsafe.Pointer) // of mr rows, C in BF16 = A·B + sums, a tile of float32; nil: none
}

func (t *tile) mr() int { return len(t.rows) - 1 }

// steps is the number of steps that k elements take; the last is filled with zeros.
func (t *tile) steps(k int) int { return (k + t.kStep - 1) / t.kStep }

// panel is the size of a packed panel of B with that many steps.
func (t *tile) panel(steps int) int { return steps * t.nr * t.bBytes }

// kernels is everything that differs between levels.
type kernels struct {
	level Level
	// The products: both float32, both BF16, and float32 times a B that is kept as BF16 or F16.
	f32, bf16, mixedBF16, mixedF16 tile
	packTranspose                  func(dst, src unsafe.Pointer, k, ld, ds, rows int)
	packRows32, packRows16         func(dst, src unsafe.Pointer, k, ld, ds, n, w int)
	fromBF16, fromF16              func(dst []float32, src []uint16)
	toBF16, toF16                  func(dst []uint16, src []float32)
	unary                          [len(unaryGo)]func(dst, x []float32)
	binary                         [len(binaryGo)]func(dst, x, y []float32)
	affine                         func(dst, x []float32, scale, shift float32) // scale·x + shift
	scale                          func(x []float32, s float32)
	add                            func(dst, x, y []float32)
	fma                            func(dst, x, y []float32)            // dst += x·y
	addScaled                      func(dst, x []float32, s float32)    // dst += s·x
	scaleMul                       func(dst, x, y []float32, s float32) // s·x·y
	swiGLU                         func(dst, gate, up []float32)
	swiGLUGrad                     func(dgate, dup, dout, gate, up []float32)
	adam                           func(w, g, m, v []float32, c *adam)
	rotate                         func(a, b, cos, sin []float32)
	maxOrdered                     func(x []float32) float32 // max where a NaN may count as anything
	sum, squares, max              func(x []float32) float32
	dot                            func(x, y []float32) float32
	expSum                         func(dst, x []float32, shift float32) float32
	weights                        func(n int, out unsafe.Pointer, dt dtype.Type, x unsafe.Pointer, c *softArgs) // of attention: e^(x·scale − shift), as dt, and c.sum
	slopes                         func(n int, s, dp unsafe.Pointer, c *softArgs)                                // of attention's gradient: weights, and scale·weight·(dp − delta), in place

	peak   map[tensor.Limit]func() float64 // runs for about 100 µs and returns the operations done
	blocks blockSet
	attn   *attentionKernels // nil: none
	read   func(p unsafe.Pointer, n int)
}

func kernelsOf(level Level) (kernels, bool) {
	if level == Portable {
		return portable(), true
	}
	for _, k := range available() {
		if k.level == level {
			return k, true
		}
	}
	return kernels{}, false
}
