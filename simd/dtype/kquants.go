package dtype

import "math"

// The K formats have superblocks of 256: Q4_K and Q5_K 8 groups of 32 with a 6-bit scale and a 6-bit minimum, Q6_K 16 groups of 16 with an
// 8-bit scale. Their quantisers search: they try several scales and keep the one with the least weighted squared error, as ggml's reference does.
const (
	superblock  = 256
	groupMaxEps = 1e-15 // a group below it is all zeros
)

// scaleMin reads the 6-bit scale and minimum of group j of a Q4_K or Q5_K block.
func scaleMin(s []byte, j int) (scale, low uint8) {
	if j < 4 {
		return s[j] & 63, s[j+4] & 63
	}
	return s[j+4]&15 | s[j-4]>>6<<4, s[j+4]>>4 | s[j]>>6<<4
}

// putScaleMin writes what scaleMin reads; s starts as zeros and j ascends.
func putScaleMin(s []byte, j int, scale, low uint8) {
	if j < 4 {
		s[j], s[j+4] = scale, low
		return
	}
	s[j+4] = scale&15 | low<<4
	s[j-4] |= scale >> 4 << 6
	s[j] |= low >> 4 << 6
}

// splitQ45K returns the parts of a block behind d and dmin; high is nil for Q4_K.
func splitQ45K(b []byte) (scales, high, low []byte) {
	if len(b) == layouts[Q5_K].bytes {
		return b[4:16], b[16:48], b[48:]
	}
	return b[4:16], nil, b[16:]
}

func dequantQ45K(dst []float32, b []byte) {
	d, dmin := f16At(b), f16At(b[2:])
	scales, high, low := splitQ45K(b)
	for j := range 8 {
		s, m := scaleMin(scales, j)
		ds, dm := d*float32(s), dmin*float32(m)
		for l := range 32 {
			q := low[j/2*32+l] >> (j % 2 * 4) & 15
			if high != nil {
				q |= high[l] >> j & 1 << 4
			}
			dst[32*j+l] = mul(ds, float32(q)) - dm
		}
	}
}

func quantQ45K(b []byte, x []float32) {
	clear(b)
	scales, high, low := splitQ45K(b)
	search := search{top: 15, first: -1, steps: 20}
	if high != nil {
		search.top, search.first, search.steps = 31, -0.5, 15
	}
	var scale, lows [8]float32
	var codes [superblock]uint8
	var maxScale, maxLow float32
	for j := range 8 {
		scale[j], lows[j] = search.affine(codes[32*j:32*j+32], x[32*j:32*j+32])
		maxScale, maxLow = max(maxScale, scale[j]), max(maxLow, lows[j])
	}
	var invScale, invLow float32
	if maxScale > 0 {
		invScale = 63 / maxScale
	}
	if maxLow > 0 {
		invLow = 63 / maxLow
	}
	for j := range 8 {
		putScaleMin(scales, j, uint8(min(63, nearest(invScale*scale[j]))), uint8(min(63, nearest(invLow*lows[j]))))
	}
	putF16(b, maxScale/63)
	putF16(b[2:], maxLow/63)
	d, dmin := f16At(b), f16At(b[2:])
	for j := range 8 {
		s, m := scaleMin(scales, j)
		ds, dm := d*float32(s), dmin*float32(m)
		for l := range 32 {
			q := codes[32*j+l]
			if ds != 0 {
				q = uint8(min(max(nearest((x[32*j+l]+dm)/ds), 0), int(search.top)))
			}
			low[j/2*32+l] |= q & 15 << (j % 2 * 4)
			if high != nil {
				high[l] |= q >> 4 << j
			}
		}
	}
}

// search is the grid of scales that affine tries: (top + first + 0.1·i)/(max−min) for i = 0 … steps.
type search struct {
	top, first float32
	steps      int
}

// affine finds codes and a scale and minimum such that scale·code − low is near x, weighted by √mean(x²) + |x|.
func (s search) affine(codes []uint8, x []float32) (scale, low float32) {
	var weights [32]float32
	var sumX2, sumW, sumX float32
	for _, v := range x {
		sumX2 += mul(v, v)
	}
	rms := float32(math.Sqrt(float64(sumX2 / 32)))
	least, most := x[0], x[0]
	for i, v := range x {
		w := rms + abs(v)
		weights[i] = w
		least, most = min(least, v), max(most, v)
		sumW += w
		sumX += mul(w, v)
	}
	least = min(least, 0)
	if most == least {
		clear(codes)
		return 0, -least
	}
	inv := s.top / (most - least)
	scale, low = 1/inv, least
	s.codes(codes, x, inv, least)
	best := weightedError(codes, x, &weights, scale, low)
	var trial [32]uint8
	for i := range s.steps + 1 {
		s.codes(trial[:], x, (s.first+mul(0.1, float32(i))+s.top)/(most-low), low) // from the best minimum so far
		var sumL, sumL2, sumXL float32
		for i, v := range x {
			w, l := weights[i], float32(trial[i])
			sumL += mul(w, l)
			sumL2 += mul(mul(w, l), l)
			sumXL += mul(mul(w, l), v)
		}
		det := mul(sumW, sumL2) - mul(sumL, sumL)
		if !(det > 0) {
			continue
		}
		a := (mul(sumW, sumXL) - mul(sumX, sumL)) / det
		m := (mul(sumL2, sumX) - mul(sumL, sumXL)) / det
		if m > 0 {
			a, m = sumXL/sumL2, 0
		}
		if e := weightedError(trial[:], x, &weights, a, m); e < best {
			copy(codes, trial[:])
			best, scale, low = e, a, m
		}
	}
	return scale, -low
}

func (s search) codes(codes []uint8, x []float32, inv, least float32) {
	for i, v := range x {
		codes[i] = uint8(min(max(nearest(inv*(v-least)), 0), int(s.top)))
	}
}

func weightedError(codes []uint8, x []float32, weights *[32]float32, scale, low float32) (e float32) {
	for i, v := range x {
		diff := mul(scale, float32(codes[i])) + low - v
		e += mul(weights[i], mul(diff, diff))
	}
	return e
}

func dequantQ6K(dst []float32, b []byte) {
	low, high, scales := b[:128], b[128:192], b[192:208]
	d := f16At(b[208:])
	for i := range dst {
		half, r := i/128, i%128 // four runs of 32 share a byte of high and two share a nibble pair
		q := low[half*64+r%64]>>(r/64*4)&15 | high[half*32+r%32]>>(r/32*2)&3<<4
		dst[i] = d * float32(int8(scales[i/16])) * float32(int(q)-32)
	}
}

func quantQ6K(b []byte, x []float32) {
	clear(b)
	var codes [superblock]int8
	var scale [16]float32
	var most, extreme float32
	for j := range scale {
		scale[j] = symmetric(codes[16*j:16*j+16], x[16*j:16*j+16], 32)
		if abs(scale[j]) > most {
			most, extreme = abs(scale[j]), scale[j]
		}
	}
	if most < groupMaxEps {
		return
	}
	low, high, scales := b[:128], b[128:192], b[192:208]
	inv := -128 / extreme
	putF16(b[208:], 1/inv)
	d := f16At(b[208:])
	for j := range scale {
		scales[j] = byte(int8(min(127, nearest(inv*scale[j]))))
	}
	for i, v := range x {
		q := int(codes[i])
		if ds := d * float32(int8(scales[i/16])); ds != 0 {
			q = min(max(nearest(v/ds), -32), 31)
		}
		half, r, c := i/128, i%128, uint8(q+32)
		low[half*64+r%64] |= c & 15 << (r / 64 * 4)
		high[half*32+r%32] |= c >> 4 << (r / 32 * 2)
	}
}

// symmetric finds codes in [−top, top) and a scale such that scale·code is near x, weighted by x²: 19 scales around −top/extreme.
func symmetric(codes []int8, x []float32, top float32) (scale float32) {
	var most, extreme float32
	for _, v := range x {
		if abs(v) > most {
			most, extreme = abs(v), v
		}
	}
	if most < groupMaxEps {
		for i := range codes {
			codes[i] = int8(-top)
		}
		return 0
	}
	code := func(v, inv float32) int8 { return int8(min(max(nearest(inv*v), -int(top)), int(top)-1)) }
	sums := func(inv float32) (lx, l2 float32) {
		for _, v := range x {
			l, w := float32(code(v, inv)), v*v
			lx += mul(mul(w, v), l)
			l2 += mul(mul(w, l), l)
		}
		return lx, l2
	}
	take := func(inv float32) {
		for i, v := range x {
			codes[i] = code(v, inv)
		}
	}
	inv := -top / extreme
	lx, l2 := sums(inv)
	take(inv)
	if l2 != 0 {
		scale = lx / l2
	}
	best := scale * lx
	for i := -9; i <= 9; i++ {
		if i == 0 {
			continue
		}
		inv := -(top + mul(0.1, float32(i))) / extreme
		if lx, l2 := sums(inv); l2 > 0 && mul(lx, lx) > mul(best, l2) {
			take(inv)
			scale = lx / l2
			best = scale * lx
		}
	}
	return scale
}

// nearest rounds to nearest even; NaN and what is outside int32 give a limit.
func nearest(f float32) int { return int(RoundI32(f)) }
