package dtype

import (
	"encoding/binary"
	"math"
)

// dequantizeBlocks dispatches one row of blocks; lengths are checked.
func dequantizeBlocks(dst []float32, t Type, src []byte) {
	var f func(dst []float32, b []byte)
	switch t {
	case Q8_0:
		f = dequantQ8_0
	case Q4_0, Q5_0:
		f = dequantSymmetric
	case Q4_1, Q5_1:
		f = dequantAffine
	case Q4_K, Q5_K:
		f = dequantQ45K
	case Q6_K:
		f = dequantQ6K
	case AWQ4:
		f = dequantAWQ4
	case NF4:
		f = dequantNF4
	default:
		panic("dtype: no type " + t.String())
	}
	n, size := t.Block(), t.BlockBytes()
	for ; len(dst) > 0; dst, src = dst[n:], src[size:] {
		f(dst[:n], src[:size])
	}
}

// quantizeBlocks dispatches one row of blocks; lengths are checked.
func quantizeBlocks(dst []byte, t Type, src []float32) {
	var f func(b []byte, x []float32)
	switch t {
	case Q8_0:
		f = quantQ8_0
	case Q4_0, Q5_0:
		f = quantSymmetric
	case Q4_1, Q5_1:
		f = quantAffine
	case Q4_K, Q5_K:
		f = quantQ45K
	case Q6_K:
		f = quantQ6K
	case AWQ4:
		f = quantAWQ4
	case NF4:
		f = quantNF4
	default:
		panic("dtype: no type " + t.String())
	}
	n, size := t.Block(), t.BlockBytes()
	for ; len(src) > 0; dst, src = dst[size:], src[n:] {
		f(dst[:size], src[:n])
	}
}

func f16At(b []byte) float32     { return F16ToF32(binary.LittleEndian.Uint16(b)) }
func putF16(b []byte, f float32) { binary.LittleEndian.PutUint16(b, F32ToF16(f)) }
func mul(a, b float32) float32   { return float32(a * b) } // the product rounded by itself on machines that would fuse it

// inverse is 1/d, 0 for 0: an all-zero block has zero codes.
func inverse(d float32) float32 {
	if d == 0 {
		return 0
	}
	return 1 / d
}

func dequantQ8_0(dst []float32, b []byte) {
	d := f16At(b)
	for i := range dst {
		dst[i] = d * float32(int8(b[2+i]))
	}
}

// quantQ8_0 scales the largest magnitude to 127 and rounds half away from zero, as C's roundf.
func quantQ8_0(b []byte, x []float32) {
	var most float32
	for _, v := range x {
		most = max(most, abs(v))
	}
	d := most / 127
	id := inverse(d)
	putF16(b, d)
	for i, v := range x {
		b[2+i] = byte(int8(math.Round(float64(v * id))))
	}
}

// codes unpacks 32 codes of 4 bits, and of 5 if high has their upper bits.
func codes(q *[32]uint8, nibbles []byte, high uint32) {
	for j := range 16 {
		q[j] = nibbles[j]&15 | uint8(high>>j&1)<<4
		q[j+16] = nibbles[j]>>4 | uint8(high>>(j+16)&1)<<4
	}
}

// putCodes is the inverse of codes; it returns the upper bits.
func putCodes(nibbles []byte, q *[32]uint8) (high uint32) {
	for j := range 16 {
		nibbles[j] = q[j]&15 | q[j+16]<<4
		high |= uint32(q[j]>>4&1)<<j | uint32(q[j+16]>>4&1)<<(j+16)
	}
	return high
}

// dequantSymmetric reads Q4_0 and Q5_0, told apart by their size.
func dequantSymmetric(dst []float32, b []byte) {
	var q [32]uint8
	d, zero := f16At(b), float32(8)
	if len(b) == layouts[Q5_0].bytes {
		zero = 16
		codes(&q, b[6:], binary.LittleEndian.Uint32(b[2:]))
	} else {
		codes(&q, b[2:], 0)
	}
	for i, c := range q {
		dst[i] = d * (float32(c) - zero)
	}
}

// quantSymmetric maps the number of largest magnitude to the lowest code, −8 or −16, so that all codes are used.
func quantSymmetric(b []byte, x []float32) {
	var most, extreme float32
	for _, v := range x {
		if most < abs(v) {
			most, extreme = abs(v), v
		}
	}
	five := len(b) == layouts[Q5_0].bytes
	zero := float32(8)
	if five {
		zero = 16
	}
	d := extreme / -zero
	id := inverse(d)
	var q [32]uint8
	for i, v := range x {
		q[i] = uint8(min(2*zero-1, truncate(mul(v, id)+(zero+0.5))))
	}
	putF16(b, d)
	if five {
		binary.LittleEndian.PutUint32(b[2:], putCodes(b[6:], &q))
	} else {
		putCodes(b[2:], &q)
	}
}

// dequantAffine reads Q4_1 and Q5_1, told apart by their size.
func dequantAffine(dst []float32, b []byte) {
	var q [32]uint8
	d, m := f16At(b), f16At(b[2:])
	if len(b) == layouts[Q5_1].bytes {
		codes(&q, b[8:], binary.LittleEndian.Uint32(b[4:]))
	} else {
		codes(&q, b[4:], 0)
	}
	for i, c := range q {
		dst[i] = mul(d, float32(c)) + m
	}
}

// quantAffine maps the smallest number to code 0 and the largest to 15 or 31.
func quantAffine(b []byte, x []float32) {
	low, high := x[0], x[0]
	for _, v := range x {
		low, high = min(low, v), max(high, v)
	}
	five := len(b) == layouts[Q5_1].bytes
	top := float32(15)
	if five {
		top = 31
	}
	d := (high - low) / top
	id := inverse(d)
	var q [32]uint8
	for i, v := range x {
		q[i] = uint8(min(top, truncate(mul(v-low, id)+0.5)))
	}
	putF16(b, d)
	putF16(b[2:], low)
	if five {
		binary.LittleEndian.PutUint32(b[4:], putCodes(b[8:], &q))
	} else {
		putCodes(b[4:], &q)
	}
}

// truncate drops the fraction of a small non-negative number; NaN and what lies outside give 0 or the limit.
func truncate(f float32) float32 {
	if !(f > 0) {
		return 0
	}
	return float32(int32(min(f, 255)))
}

func abs(f float32) float32 { return math.Float32frombits(math.Float32bits(f) &^ (1 << 31)) }
