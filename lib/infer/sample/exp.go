package sample

import "math"

// The passes over a whole vocabulary. Vector versions do the same operations in the same order, products rounded before they are added (the conversions forbid fusing): the same bits on every
// machine, held by a test.
var (
	expBlock = expBlockGo
	largest  = largestGo
	next     = nextGo
)

const (
	block = 512 // values of which one sum is kept
	lanes = 8   // sums that a block is added up in: value i belongs to sum i modulo lanes
)

// Constants of e^x = 2ⁿ·e^r, a polynomial of r: relative error below 2⁻²¹.
const (
	log2e    = 1.44269504
	ln2Hi    = 0.693359375 // few bits: its product with n is exact
	ln2Lo    = -2.12194440e-4
	toInt    = 3 << 22 // adding it leaves a rounded integer in the low bits
	exponent = 127
	lowest   = -87 // below, float32 ends and e^x is 0
)

var series = [6]float32{1.0 / 720, 1.0 / 120, 1.0 / 24, 1.0 / 6, 0.5, 1}

// exp is e^x for x ≤ 0, and 0 for NaN.
func exp(x float32) float32 {
	if !(x > lowest) {
		return 0
	}
	t := float32(x*log2e) + toInt
	n := t - toInt
	r := x - float32(n*ln2Hi)
	r -= float32(n * ln2Lo)
	p := series[0]
	for _, c := range series[1:] {
		p = float32(p*r) + c
	}
	p = float32(p*r) + 1
	return p * math.Float32frombits(uint32(int32(n)+exponent)<<23)
}

// tempered is (v−top)·inv, 0 at the top even where inv is infinite.
func tempered(v, top, inv float32) float32 {
	if v >= top {
		return 0
	}
	return (v - top) * inv
}

// expBlockGo writes e^((v−top)·inv) for at most a block of values to dst, which may be x, and returns the sum.
func expBlockGo(dst, x []float32, top, inv float32) float64 {
	var sums [lanes]float64
	for i, v := range x {
		w := exp(tempered(v, top, inv))
		dst[i] = w
		sums[i%lanes] += float64(w)
	}
	return fold(&sums)
}

func fold(sums *[lanes]float64) (sum float64) {
	for _, s := range sums {
		sum += s
	}
	return sum
}

// largestGo is the largest value that is not NaN, −∞ if there is none.
func largestGo(x []float32) float32 {
	top := never
	for _, v := range x {
		if v > top {
			top = v
		}
	}
	return top
}

// nextGo is the first index from i on whose value is at least floor, len(x) if there is none.
func nextGo(x []float32, i int, floor float32) int {
	for ; i < len(x); i++ {
		if x[i] >= floor {
			return i
		}
	}
	return len(x)
}

// logSumExp returns ln Σ eˡ over the values that are not NaN.
func (w *workspace) logSumExp(l []float32) float64 {
	top := largest(l)
	if math.IsInf(float64(top), 0) {
		return float64(top)
	}
	sum := 0.0
	for lo := 0; lo < len(l); lo += block {
		x := l[lo:min(lo+block, len(l))]
		sum += expBlock(w.part[:len(x)], x, top, 1)
	}
	return float64(top) + math.Log(sum)
}
