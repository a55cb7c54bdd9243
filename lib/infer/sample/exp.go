package sample

import "math"

// expAll replaces every x ≤ 0 by eˣ with a relative error below 2⁻²¹, and by 0 below −87, where float32 ends, and NaN.
// Products are rounded before they are added (the conversions forbid fusing), so that every machine gets the same bits.
func expAll(xs []float32) {
	const (
		log2e  = 1.44269504
		ln2Hi  = 0.693359375 // few bits: its product with n is exact
		ln2Lo  = -2.12194440e-4
		toInt  = 3 << 22 // adding it leaves a rounded integer in the low bits
		maxExp = 127
	)
	for i, x := range xs {
		if !(x > -87) {
			xs[i] = 0
			continue
		}
		t := float32(x*log2e) + toInt
		n := t - toInt
		r := x - float32(n*ln2Hi)
		r -= float32(n * ln2Lo)
		p := float32(1.0 / 720)
		p = float32(p*r) + 1.0/120
		p = float32(p*r) + 1.0/24
		p = float32(p*r) + 1.0/6
		p = float32(p*r) + 0.5
		p = float32(p*r) + 1
		p = float32(p*r) + 1
		xs[i] = p * math.Float32frombits(uint32(int32(n)+maxExp)<<23)
	}
}

// logSumExp returns ln Σ eˡ over the values that are not NaN.
func logSumExp(l []float32) float64 {
	top := float32(math.Inf(-1))
	for _, v := range l {
		if v > top {
			top = v
		}
	}
	if math.IsInf(float64(top), 0) {
		return float64(top)
	}
	sum := 0.0
	var part [512]float32
	for len(l) > 0 {
		n := copy(part[:], l)
		for i := range part[:n] {
			part[i] -= top
		}
		expAll(part[:n])
		for _, v := range part[:n] {
			sum += float64(v)
		}
		l = l[n:]
	}
	return float64(top) + math.Log(sum)
}
