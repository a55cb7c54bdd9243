package dtype

import (
	"encoding/binary"
	"fmt"
)

// awqGroup is the group size of AWQ4.
const awqGroup = 128

// awqOrder is where AutoAWQ and LMDeploy keep output column i of eight in a 32-bit word: nibble n holds column awqOrder[n].
var awqOrder = [8]int{0, 2, 4, 6, 1, 3, 5, 7}

// AWQ is a weight as AutoAWQ and LMDeploy store it, for y = x·W with W (K, N): eight output columns a word.
type AWQ struct {
	K, N    int
	QWeight []int32  // (K, N/8)
	QZeros  []int32  // (K/128, N/8)
	Scales  []uint16 // (K/128, N) F16
}

// Rows returns the weight as AWQ4 rows, (N, K), exactly.
func (a AWQ) Rows() ([]byte, error) {
	if err := a.validate(); err != nil {
		return nil, err
	}
	words, groups := a.N/8, a.K/awqGroup
	out := make([]byte, AWQ4.Bytes(a.N*a.K))
	for n := range a.N {
		word, shift := n/8, awqShift(n%8)
		for g := range groups {
			b := out[(n*groups+g)*layouts[AWQ4].bytes:]
			binary.LittleEndian.PutUint16(b, a.Scales[g*a.N+n])
			b[2] = byte(uint32(a.QZeros[g*words+word])>>shift) & 15
			for k := range awqGroup {
				q := byte(uint32(a.QWeight[(g*awqGroup+k)*words+word])>>shift) & 15
				b[4+k%64] |= q << (k / 64 * 4)
			}
		}
	}
	return out, nil
}

// AWQFromRows is the inverse of Rows.
func AWQFromRows(rows []byte, n, k int) (AWQ, error) {
	a := AWQ{K: k, N: n}
	if n < 0 || k < 0 || n%8 != 0 || k%awqGroup != 0 || len(rows) != AWQ4.Bytes(n*k) {
		return a, fmt.Errorf("dtype: AWQ: %d bytes for (%d, %d): want N a multiple of 8, K of %d", len(rows), n, k, awqGroup)
	}
	words, groups := n/8, k/awqGroup
	a.QWeight, a.QZeros, a.Scales = make([]int32, k*words), make([]int32, groups*words), make([]uint16, groups*n)
	for n := range a.N {
		word, shift := n/8, awqShift(n%8)
		for g := range groups {
			b := rows[(n*groups+g)*layouts[AWQ4].bytes:]
			a.Scales[g*a.N+n] = binary.LittleEndian.Uint16(b)
			a.QZeros[g*words+word] |= int32(uint32(b[2]&15) << shift)
			for k := range awqGroup {
				q := b[4+k%64] >> (k / 64 * 4) & 15
				a.QWeight[(g*awqGroup+k)*words+word] |= int32(uint32(q) << shift)
			}
		}
	}
	return a, nil
}

func (a AWQ) validate() error {
	if a.K < 0 || a.N < 0 || a.K%awqGroup != 0 || a.N%8 != 0 || len(a.QWeight) != a.K*(a.N/8) || len(a.QZeros) != a.K/awqGroup*(a.N/8) || len(a.Scales) != a.K/awqGroup*a.N {
		return fmt.Errorf("dtype: AWQ: (%d, %d) with %d weight words, %d zero words, %d scales: want groups of %d and words of 8 columns",
			a.K, a.N, len(a.QWeight), len(a.QZeros), len(a.Scales), awqGroup)
	}
	return nil
}

// awqShift is the bit position of column c of eight.
func awqShift(c int) int {
	for n, column := range awqOrder {
		if column == c {
			return 4 * n
		}
	}
	panic("dtype: AWQ column outside 0 to 7")
}

func dequantAWQ4(dst []float32, b []byte) {
	scale, zero := f16At(b), float32(b[2]&15)
	for i := range dst {
		dst[i] = scale * (float32(b[4+i%64]>>(i/64*4)&15) - zero)
	}
}

// quantAWQ4 is AutoAWQ's pseudo_quantize: scale = (max−min)/15 over the group, zero = −round(min/scale). The code is computed with the stored F16 scale.
func quantAWQ4(b []byte, x []float32) {
	clear(b)
	low, high := x[0], x[0]
	for _, v := range x {
		low, high = min(low, v), max(high, v)
	}
	putF16(b, max(high-low, 1e-5)/15)
	scale := f16At(b)
	zero := min(max(-nearest(low/scale), 0), 15)
	b[2] = byte(zero)
	for i, v := range x {
		b[4+i%64] |= byte(min(max(nearest(v/scale)+zero, 0), 15)) << (i / 64 * 4)
	}
}
