package cpu

import (
	"unsafe"

	"quire/simd/dtype"
)

// toF32 widens len(dst) numbers of a float type.
func (ks *kernels) toF32(dst []float32, dt dtype.Type, src unsafe.Pointer) {
	switch dt {
	case dtype.F32:
		copy(dst, f32s(src, len(dst)))
	case dtype.BF16:
		ks.fromBF16(dst, u16s(src, len(dst)))
	default:
		ks.fromF16(dst, u16s(src, len(dst)))
	}
}

// fromF32 rounds src to a float type.
func (ks *kernels) fromF32(dst unsafe.Pointer, dt dtype.Type, src []float32) {
	switch dt {
	case dtype.F32:
		copy(f32s(dst, len(src)), src)
	case dtype.BF16:
		ks.toBF16(u16s(dst, len(src)), src)
	default:
		ks.toF16(u16s(dst, len(src)), src)
	}
}

func fromBF16Go(dst []float32, src []uint16) {
	for i, h := range src {
		dst[i] = dtype.BF16ToF32(h)
	}
}

func fromF16Go(dst []float32, src []uint16) {
	for i, h := range src {
		dst[i] = dtype.F16ToF32(h)
	}
}

func toBF16Go(dst []uint16, src []float32) {
	for i, f := range src {
		dst[i] = dtype.F32ToBF16(f)
	}
}

func toF16Go(dst []uint16, src []float32) {
	for i, f := range src {
		dst[i] = dtype.F32ToF16(f)
	}
}
