package dtype

import (
	"encoding/binary"
	"math"
)

// F16ToF32 is exact; NaN becomes quiet.
func F16ToF32(h uint16) float32 {
	sign, exp, frac := uint32(h>>15)<<31, uint32(h>>10)&31, uint32(h)&1023
	switch {
	case exp == 31 && frac != 0:
		return math.Float32frombits(sign | 0x7fc00000 | frac<<13)
	case exp == 31:
		return math.Float32frombits(sign | 0x7f800000)
	case exp == 0: // zero or denormal: frac·2⁻²⁴ is exact
		return math.Float32frombits(sign | math.Float32bits(float32(frac)*(1.0/(1<<24))))
	}
	return math.Float32frombits(sign | (exp+112)<<23 | frac<<13)
}

// F32ToF16 rounds to nearest even by the package's rules.
func F32ToF16(f float32) uint16 {
	bits := math.Float32bits(f)
	sign, abs := uint16(bits>>16)&0x8000, bits&0x7fffffff
	switch {
	case abs > 0x7f800000:
		return sign | 0x7e00 | uint16(abs>>13)&0x3ff
	case abs >= 0x477ff000: // 65520 and up round to infinity
		return sign | 0x7c00
	case abs >= 0x38800000: // normal: rebias, round the 13 bits that go
		return sign | uint16((abs-0x38000000+0xfff+abs>>13&1)>>13)
	}
	// Denormal: adding 0.5 leaves the number as a multiple of 2⁻²⁴ in the low bits, rounded by the addition.
	return sign | uint16(math.Float32bits(math.Float32frombits(abs)+0.5)-0x3f000000)
}

// BF16ToF32 is exact, bit by bit.
func BF16ToF32(h uint16) float32 { return math.Float32frombits(uint32(h) << 16) }

// F32ToBF16 rounds to nearest even by the package's rules.
func F32ToBF16(f float32) uint16 {
	bits := math.Float32bits(f)
	if bits&0x7fffffff > 0x7f800000 {
		return uint16(bits>>16) | 0x40
	}
	return uint16((bits + 0x7fff + bits>>16&1) >> 16)
}

// RoundI8 rounds to nearest even and saturates; NaN gives 0.
func RoundI8(f float32) int8 {
	if f != f {
		return 0
	}
	return int8(math.RoundToEven(float64(min(max(f, -128), 127))))
}

// RoundI32 rounds to nearest even and saturates; NaN gives 0.
func RoundI32(f float32) int32 {
	if f != f {
		return 0
	}
	return int32(math.RoundToEven(min(max(float64(f), math.MinInt32), math.MaxInt32)))
}

// RoundU8 rounds to nearest even and saturates; NaN gives 0.
func RoundU8(f float32) uint8 {
	if f != f {
		return 0
	}
	return uint8(math.RoundToEven(float64(min(max(f, 0), 255))))
}

// Dequantize writes len(dst) numbers of type t, stored in src, to dst. It panics if src is too short or len(dst) is no multiple of the block.
func Dequantize(dst []float32, t Type, src []byte) {
	src = src[:bytesFor(t, len(dst))]
	le := binary.LittleEndian
	switch t {
	case F32:
		for i := range dst {
			dst[i] = math.Float32frombits(le.Uint32(src[4*i:]))
		}
	case F16:
		WidenF16(dst, words(src))
	case BF16:
		WidenBF16(dst, words(src))
	case I8:
		for i := range dst {
			dst[i] = float32(int8(src[i]))
		}
	case I32:
		for i := range dst {
			dst[i] = float32(int32(le.Uint32(src[4*i:])))
		}
	case U8:
		for i := range dst {
			dst[i] = float32(src[i])
		}
	default:
		dequantizeBlocks(dst, t, src)
	}
}

// Quantize writes src to dst as type t. It panics if dst is too short or len(src) is no multiple of the block.
func Quantize(dst []byte, t Type, src []float32) {
	dst = dst[:bytesFor(t, len(src))]
	le := binary.LittleEndian
	switch t {
	case F32:
		for i, f := range src {
			le.PutUint32(dst[4*i:], math.Float32bits(f))
		}
	case F16:
		NarrowF16(words(dst), src)
	case BF16:
		NarrowBF16(words(dst), src)
	case I8:
		for i, f := range src {
			dst[i] = byte(RoundI8(f))
		}
	case I32:
		for i, f := range src {
			le.PutUint32(dst[4*i:], uint32(RoundI32(f)))
		}
	case U8:
		for i, f := range src {
			dst[i] = RoundU8(f)
		}
	default:
		quantizeBlocks(dst, t, src)
	}
}

func bytesFor(t Type, n int) int {
	if n%t.Block() != 0 {
		panic("dtype: " + t.String() + ": the length is not a multiple of the block")
	}
	return t.Bytes(n)
}
