//go:build goexperiment.simd

package dedup

import "simd/archsimd"

func init() {
	if archsimd.X86.AVX512() {
		minHashes = minHashesAVX512
	}
}

// minHashesAVX512 computes sixteen hashes of a shingle at once: two vectors, whose constants and minima stay in registers.
func minHashesAVX512(minima, a, b, shingles []uint64) {
	p := archsimd.BroadcastUint64x8(mersenne)
	for k := 0; k+lanes <= len(minima); k += lanes {
		a0, a1 := archsimd.LoadUint64x8Slice(a[k:]), archsimd.LoadUint64x8Slice(a[k+8:])
		b0, b1 := archsimd.LoadUint64x8Slice(b[k:]), archsimd.LoadUint64x8Slice(b[k+8:])
		m0, m1 := archsimd.LoadUint64x8Slice(minima[k:]), archsimd.LoadUint64x8Slice(minima[k+8:])
		for _, s := range shingles {
			v := archsimd.BroadcastUint64x8(s)
			x0, x1 := v.Mul(a0).Add(b0), v.Mul(a1).Add(b1)
			x0, x1 = x0.And(p).Add(x0.ShiftAllRight(61)), x1.And(p).Add(x1.ShiftAllRight(61))
			m0, m1 = m0.Min(x0).Min(x0.Sub(p)), m1.Min(x1).Min(x1.Sub(p))
		}
		m0.StoreSlice(minima[k:])
		m1.StoreSlice(minima[k+8:])
	}
	archsimd.ClearAVXUpperBits()
}
