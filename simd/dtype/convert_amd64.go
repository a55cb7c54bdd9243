package dtype

import "golang.org/x/sys/cpu"

//go:noescape
func widenF16AVX2(dst *float32, src *uint16, n int)

//go:noescape
func narrowF16AVX2(dst *uint16, src *float32, n int)

//go:noescape
func widenBF16AVX2(dst *float32, src *uint16, n int)

//go:noescape
func narrowBF16AVX2(dst *uint16, src *float32, n int)

// Every processor with AVX2 has F16C: Intel since Haswell, AMD since Excavator.
func init() {
	if cpu.X86.HasAVX2 {
		variants = append(variants, converter{"avx2", widening(widenF16AVX2), narrowing(narrowF16AVX2), widening(widenBF16AVX2), narrowing(narrowBF16AVX2)})
		active = variants[len(variants)-1]
	}
}

// vectorLen is what the assembly handles at once; the rest is plain Go.
const vectorLen = 16

func widening(f func(*float32, *uint16, int)) func([]float32, []uint16) int {
	return func(dst []float32, src []uint16) int {
		n := len(dst) &^ (vectorLen - 1)
		if n > 0 {
			f(&dst[0], &src[0], n)
		}
		return n
	}
}

func narrowing(f func(*uint16, *float32, int)) func([]uint16, []float32) int {
	return func(dst []uint16, src []float32) int {
		n := len(dst) &^ (vectorLen - 1)
		if n > 0 {
			f(&dst[0], &src[0], n)
		}
		return n
	}
}
