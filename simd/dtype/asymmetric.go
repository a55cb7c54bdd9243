package dtype

import (
	"encoding/binary"
	"math"
)

// Asymmetric rows are how caches of keys and values are compressed: n numbers of one head of one token become codes of 8 or 4 bits between the least and the largest of them, after two F16: the
// scale and the least number. v ≈ least + scale·code. It is the scheme of LMDeploy (quant_policy 8 and 4), with the least number in place of its zero point, which overflows where all numbers
// are nearly equal; codes of 4 bits have the first half of the numbers in the low nibbles.

// AsymmetricBytes is the storage of a row of n numbers; bits is 8 or 4, and n is even.
func AsymmetricBytes(bits, n int) int { return 4 + n*bits/8 }

// QuantizeAsymmetric writes the codes of x to dst. An error of a number is at most half of (largest − least)/(2^bits − 1) and what F16 rounds off the least number. NaN becomes the least number, or 0 where there is no number.
func QuantizeAsymmetric(dst []byte, bits int, x []float32) {
	least, most := float32(math.Inf(1)), float32(math.Inf(-1))
	for _, v := range x {
		if v == v {
			least, most = min(least, v), max(most, v)
		}
	}
	if least > most { // only NaN
		least, most = 0, 0
	}
	levels := float32(int(1)<<bits - 1)
	low, scale := F32ToF16(max(-65504, min(65504, least))), F32ToF16(min(65504, (most-least)/levels))
	binary.LittleEndian.PutUint16(dst, scale)
	binary.LittleEndian.PutUint16(dst[2:], low)
	base, inverse := F16ToF32(low), float32(0)
	if s := F16ToF32(scale); s > 0 {
		inverse = 1 / s
	}
	code := func(v float32) byte {
		switch q := (v-base)*inverse + 0.5; {
		case q >= levels:
			return byte(levels)
		case q >= 0:
			return byte(q)
		}
		return 0
	}
	codes := dst[4:]
	if bits == 8 {
		for i, v := range x {
			codes[i] = code(v)
		}
		return
	}
	half := len(x) / 2
	for i := range half {
		codes[i] = code(x[i]) | code(x[half+i])<<4
	}
}

// DequantizeAsymmetric is the inverse.
func DequantizeAsymmetric(dst []float32, bits int, src []byte) {
	scale, least := F16ToF32(binary.LittleEndian.Uint16(src)), F16ToF32(binary.LittleEndian.Uint16(src[2:]))
	codes := src[4:]
	if bits == 8 {
		for i := range dst {
			dst[i] = least + scale*float32(codes[i])
		}
		return
	}
	half := len(dst) / 2
	for i := range half {
		dst[i] = least + scale*float32(codes[i]&15)
		dst[half+i] = least + scale*float32(codes[i]>>4)
	}
}
