//go:build goexperiment.simd

package sample

import (
	"math/bits"

	"simd/archsimd"
)

func init() {
	if archsimd.X86.AVX2() {
		expBlock, largest, next = expBlockAVX2, largestAVX2, nextAVX2
	}
}

func expBlockAVX2(dst, x []float32, top, inv float32) float64 {
	var sums [lanes]float64
	whole := len(x) &^ (lanes - 1)
	expLanes(dst[:whole], x[:whole], top, inv, &sums)
	for i := whole; i < len(x); i++ {
		w := exp(tempered(x[i], top, inv))
		dst[i] = w
		sums[i%lanes] += float64(w)
	}
	return fold(&sums)
}

// expLanes is expBlockGo for a multiple of lanes.
func expLanes(dst, x []float32, top, inv float32, sums *[lanes]float64) {
	var (
		tops, invs   = archsimd.BroadcastFloat32x8(top), archsimd.BroadcastFloat32x8(inv)
		least, shift = archsimd.BroadcastFloat32x8(lowest), archsimd.BroadcastFloat32x8(toInt)
		log2         = archsimd.BroadcastFloat32x8(log2e)
		hi, lo       = archsimd.BroadcastFloat32x8(ln2Hi), archsimd.BroadcastFloat32x8(ln2Lo)
		one, bias    = archsimd.BroadcastFloat32x8(1), archsimd.BroadcastInt32x8(exponent)
		c0, c1, c2   = archsimd.BroadcastFloat32x8(series[0]), archsimd.BroadcastFloat32x8(series[1]), archsimd.BroadcastFloat32x8(series[2])
		c3, c4       = archsimd.BroadcastFloat32x8(series[3]), archsimd.BroadcastFloat32x8(series[4])
		sum0, sum1   archsimd.Float64x4
	)
	for i := 0; i+lanes <= len(x); i += lanes {
		v := archsimd.LoadFloat32x8Slice(x[i:])
		d := v.Sub(tops).Mul(invs)
		d = d.Masked(v.GreaterEqual(tops).ToInt32x8().Not().ToMask())
		n := d.Mul(log2).Add(shift).Sub(shift)
		r := d.Sub(n.Mul(hi)).Sub(n.Mul(lo))
		p := c0.Mul(r).Add(c1).Mul(r).Add(c2).Mul(r).Add(c3).Mul(r).Add(c4).Mul(r).Add(one).Mul(r).Add(one)
		p = p.Mul(n.ConvertToInt32().Add(bias).ShiftAllLeft(23).AsFloat32x8()).Masked(d.Greater(least))
		p.StoreSlice(dst[i:])
		sum0, sum1 = sum0.Add(p.GetLo().ConvertToFloat64()), sum1.Add(p.GetHi().ConvertToFloat64())
	}
	sum0.StoreSlice(sums[:4])
	sum1.StoreSlice(sums[4:])
	archsimd.ClearAVXUpperBits()
}

func largestAVX2(x []float32) float32 {
	most := archsimd.BroadcastFloat32x8(never)
	a, b := most, most
	i := 0
	for ; i+2*lanes <= len(x); i += 2 * lanes {
		v, w := archsimd.LoadFloat32x8Slice(x[i:]), archsimd.LoadFloat32x8Slice(x[i+lanes:])
		a, b = v.Merge(a, v.Greater(a)), w.Merge(b, w.Greater(b))
	}
	var last [2 * lanes]float32
	a.StoreSlice(last[:lanes])
	b.StoreSlice(last[lanes:])
	archsimd.ClearAVXUpperBits()
	return max(largestGo(last[:]), largestGo(x[i:]))
}

func nextAVX2(x []float32, i int, floor float32) int {
	least := archsimd.BroadcastFloat32x8(floor)
	for ; i+lanes <= len(x); i += lanes {
		if m := archsimd.LoadFloat32x8Slice(x[i:]).GreaterEqual(least).ToBits(); m != 0 {
			i += bits.TrailingZeros8(m)
			archsimd.ClearAVXUpperBits()
			return i
		}
	}
	archsimd.ClearAVXUpperBits()
	return nextGo(x, i, floor)
}
