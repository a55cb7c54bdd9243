package dtype

import "unsafe"

// converter is one variant of the four 16-bit conversions; each function converts a first part and returns its length.
type converter struct {
	name       string
	widenF16   func([]float32, []uint16) int
	narrowF16  func([]uint16, []float32) int
	widenBF16  func([]float32, []uint16) int
	narrowBF16 func([]uint16, []float32) int
}

// plainGo converts nothing: the loops behind it are the definition.
var plainGo = converter{"go", noWiden, noNarrow, noWiden, noNarrow}

func noWiden([]float32, []uint16) int  { return 0 }
func noNarrow([]uint16, []float32) int { return 0 }

// variants are all that this machine can run; active is the best of them.
var (
	variants = []converter{plainGo}
	active   = plainGo
)

// WidenF16 writes src, the bits of F16 numbers, to dst. The lengths must be equal, or it panics.
func WidenF16(dst []float32, src []uint16) { widen(dst, src, active.widenF16, F16ToF32) }

// WidenBF16 writes src, the bits of BF16 numbers, to dst. The lengths must be equal, or it panics.
func WidenBF16(dst []float32, src []uint16) { widen(dst, src, active.widenBF16, BF16ToF32) }

// NarrowF16 rounds src to F16. The lengths must be equal, or it panics.
func NarrowF16(dst []uint16, src []float32) { narrow(dst, src, active.narrowF16, F32ToF16) }

// NarrowBF16 rounds src to BF16. The lengths must be equal, or it panics.
func NarrowBF16(dst []uint16, src []float32) { narrow(dst, src, active.narrowBF16, F32ToBF16) }

func widen(dst []float32, src []uint16, fast func([]float32, []uint16) int, one func(uint16) float32) {
	mustEqual(len(dst), len(src))
	for i := fast(dst, src); i < len(dst); i++ {
		dst[i] = one(src[i])
	}
}

func narrow(dst []uint16, src []float32, fast func([]uint16, []float32) int, one func(float32) uint16) {
	mustEqual(len(dst), len(src))
	for i := fast(dst, src); i < len(dst); i++ {
		dst[i] = one(src[i])
	}
}

func mustEqual(dst, src int) {
	if dst != src {
		panic("dtype: lengths of a conversion differ")
	}
}

// words views bytes as 16-bit words, in the byte order of the machine; any alignment will do.
func words(b []byte) []uint16 {
	return unsafe.Slice((*uint16)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/2)
}
