package dtype

import (
	"math"
	"math/big"
	"slices"
	"testing"
)

// Every F16 and BF16 number widens to the value that its bits define, and narrows back to the same bits; NaN becomes quiet.
func TestEvery16BitValue(t *testing.T) {
	for i := range 1 << 16 {
		h := uint16(i)
		if got, want := F16ToF32(h), valueOf(h, 10, 15); !same(got, want) {
			t.Fatalf("F16 %#04x is %v, want %v", h, got, want)
		}
		if got, want := BF16ToF32(h), valueOf(h, 7, 127); !same(got, want) {
			t.Fatalf("BF16 %#04x is %v, want %v", h, got, want)
		}
		if got, want := F32ToF16(F16ToF32(h)), quiet(h, 10); got != want {
			t.Fatalf("F16 %#04x comes back as %#04x, want %#04x", h, got, want)
		}
		if got, want := F32ToBF16(BF16ToF32(h)), quiet(h, 7); got != want {
			t.Fatalf("BF16 %#04x comes back as %#04x, want %#04x", h, got, want)
		}
	}
}

// valueOf is the definition of a 16-bit IEEE number with that many fraction bits, in float64.
func valueOf(h uint16, fraction, bias int) float64 {
	exp, frac := int(h&0x7fff)>>fraction, float64(h&(1<<fraction-1))
	sign := 1.0
	if h>>15 == 1 {
		sign = -1
	}
	switch {
	case exp == 1<<(15-fraction)-1 && frac != 0:
		return math.NaN()
	case exp == 1<<(15-fraction)-1:
		return math.Inf(int(sign))
	case exp == 0:
		return sign * math.Ldexp(frac, 1-bias-fraction)
	}
	return sign * math.Ldexp(1+math.Ldexp(frac, -fraction), exp-bias)
}

func same(got float32, want float64) bool {
	return float64(got) == want && math.Signbit(float64(got)) == math.Signbit(want) || got != got && want != want
}

// quiet sets the quiet bit of NaN.
func quiet(h uint16, fraction int) uint16 {
	inf := uint16(0x7fff) >> fraction << fraction
	if h&0x7fff > inf {
		return h | 1<<(fraction-1)
	}
	return h
}

// Between any two neighbours the halfway point goes to the even one, and its float32 neighbours to the nearer.
func TestRoundingBoundaries(t *testing.T) {
	for _, f := range []struct {
		name   string
		widen  func(uint16) float32
		narrow func(float32) uint16
		inf    uint16
	}{{"F16", F16ToF32, F32ToF16, 0x7c00}, {"BF16", BF16ToF32, F32ToBF16, 0x7f80}} {
		for h := range f.inf {
			low, high := f.widen(h), f.widen(h+1)
			half := float32((float64(low) + float64(high)) / 2)
			if math.IsInf(float64(high), 0) { // the step beyond the largest number has the size of the one before it
				half = low + float32((float64(low)-float64(f.widen(h-1)))/2)
			}
			even := h + h&1
			for _, sign := range []uint16{0, 0x8000} {
				s := float32(1)
				if sign != 0 {
					s = -1
				}
				below, above := math.Nextafter32(half, 0), math.Nextafter32(half, float32(math.Inf(1)))
				for _, c := range []struct {
					x    float32
					want uint16
				}{{half, even}, {below, h}, {above, h + 1}} {
					if got := f.narrow(s * c.x); got != c.want|sign {
						t.Fatalf("%s: %v rounds to %#04x, want %#04x", f.name, s*c.x, got, c.want|sign)
					}
				}
			}
		}
	}
}

// Every variant gives the bits of the definition: all 65,536 widenings, and a sweep of float32 with all exponents, signs, NaN payloads and rounding boundaries.
func TestVariantsAgree(t *testing.T) {
	all := make([]uint16, 1<<16)
	for i := range all {
		all[i] = uint16(i)
	}
	var sweep []float32
	for high := range uint32(1 << 16) {
		for _, low := range []uint32{0, 1, 0x0fff, 0x1000, 0x1001, 0x7fff, 0x8000, 0x8001, 0xffff} {
			sweep = append(sweep, math.Float32frombits(high<<16|low))
		}
	}
	for _, v := range variants {
		wide, narrow := make([]float32, len(all)), make([]uint16, len(sweep))
		for _, c := range []struct {
			name string
			fast func([]float32, []uint16) int
			one  func(uint16) float32
		}{{"widen F16", v.widenF16, F16ToF32}, {"widen BF16", v.widenBF16, BF16ToF32}} {
			for i := range wide[:c.fast(wide, all)] {
				if got, want := math.Float32bits(wide[i]), math.Float32bits(c.one(all[i])); got != want {
					t.Fatalf("%s %s: %#04x gives %#08x, want %#08x", v.name, c.name, all[i], got, want)
				}
			}
		}
		for _, c := range []struct {
			name string
			fast func([]uint16, []float32) int
			one  func(float32) uint16
		}{{"narrow F16", v.narrowF16, F32ToF16}, {"narrow BF16", v.narrowBF16, F32ToBF16}} {
			for i := range narrow[:c.fast(narrow, sweep)] {
				if want := c.one(sweep[i]); narrow[i] != want {
					t.Fatalf("%s %s: %#08x gives %#04x, want %#04x", v.name, c.name, math.Float32bits(sweep[i]), narrow[i], want)
				}
			}
		}
	}
}

// Lengths around the vector width: nothing outside is written.
func TestConversionLengths(t *testing.T) {
	for n := range 70 {
		src, dst := make([]float32, n), make([]uint16, n+2)
		for i := range src {
			src[i] = float32(i) + 0.3
		}
		NarrowBF16(dst[1:n+1], src)
		back := make([]float32, n)
		WidenBF16(back, dst[1:n+1])
		for i, v := range back {
			if v != BF16ToF32(F32ToBF16(src[i])) {
				t.Fatalf("length %d: element %d is %v", n, i, v)
			}
		}
		if dst[0] != 0 || dst[n+1] != 0 {
			t.Fatalf("length %d: wrote outside", n)
		}
	}
}

func TestRoundIntegers(t *testing.T) {
	in := []float32{0.5, 1.5, -0.5, -2.5, 126.5, 127.5, 300, -300, float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1)), 1e20}
	var i8s []int8
	var u8s []uint8
	var i32s []int32
	for _, f := range in {
		i8s, u8s, i32s = append(i8s, RoundI8(f)), append(u8s, RoundU8(f)), append(i32s, RoundI32(f))
	}
	if want := []int8{0, 2, 0, -2, 126, 127, 127, -128, 0, 127, -128, 127}; !slices.Equal(i8s, want) {
		t.Errorf("I8 %v, want %v", i8s, want)
	}
	if want := []uint8{0, 2, 0, 0, 126, 128, 255, 0, 0, 255, 0, 255}; !slices.Equal(u8s, want) {
		t.Errorf("U8 %v, want %v", u8s, want)
	}
	if want := []int32{0, 2, 0, -2, 126, 128, 300, -300, 0, math.MaxInt32, math.MinInt32, math.MaxInt32}; !slices.Equal(i32s, want) {
		t.Errorf("I32 %v, want %v", i32s, want)
	}
}

// The halves of a block of AWQ come back exactly through AutoAWQ's three tensors, in AutoAWQ's order of nibbles.
func TestAWQPacking(t *testing.T) {
	const n, k = 16, 256
	x := make([]float32, n*k)
	for i := range x {
		x[i] = float32(math.Sin(float64(i))) * float32(1+i%5)
	}
	rows := make([]byte, AWQ4.Bytes(n*k))
	Quantize(rows, AWQ4, x)
	a, err := AWQFromRows(rows, n, k)
	if err != nil {
		t.Fatal(err)
	}
	back, err := a.Rows()
	if err != nil || !slices.Equal(back, rows) {
		t.Fatalf("rows differ after packing and unpacking (%v)", err)
	}
	// AutoAWQ: word = Σ code[order[i]] << 4i with order 0 2 4 6 1 3 5 7, along the output columns.
	for i, column := range []int{0, 2, 4, 6, 1, 3, 5, 7} {
		code := rows[column*2*AWQ4.BlockBytes()+4] & 15 // k = 0 of row column
		if got := byte(uint32(a.QWeight[0])>>(4*i)) & 15; got != code {
			t.Errorf("nibble %d of word 0 is %d, want column %d's code %d", i, got, column, code)
		}
	}
	if _, err := (AWQ{K: 128, N: 8}).Rows(); err == nil {
		t.Error("an AWQ without tensors is accepted")
	}
}

// The table is the quantiles that bitsandbytes documents, its codes round to the nearest entry, and the second level errs by at most half a step of the dynamic code.
func TestNF4(t *testing.T) {
	if !slices.IsSorted(NF4Table[:]) || !slices.IsSorted(DynamicTable[:]) || DynamicTable[255] != 1 || DynamicTable[254] != 0.99296875 || DynamicTable[127] != 0 {
		t.Error("tables are not those of bitsandbytes")
	}
	x := make([]float32, 300*64)
	for i := range x {
		x[i] = float32(math.Sin(float64(i)*1.7)) * float32(1+i/64%7)
	}
	blocks := make([]byte, NF4.Bytes(len(x)))
	Quantize(blocks, NF4, x)
	y := make([]float32, len(x))
	Dequantize(y, NF4, blocks)
	for i, v := range x {
		scale := y[i]
		for c := range NF4Table {
			block := blocks[i/64*36:]
			absmax := math.Float32frombits(uint32(block[0]) | uint32(block[1])<<8 | uint32(block[2])<<16 | uint32(block[3])<<24)
			if d := abs(NF4Table[c]*absmax - v); d < abs(scale-v)*(1-1e-5) {
				t.Fatalf("%v became %v, entry %d is nearer", v, scale, c)
			}
		}
	}
	q, err := Compress(blocks)
	if err != nil {
		t.Fatal(err)
	}
	double, err := q.Blocks()
	if err != nil {
		t.Fatal(err)
	}
	z := make([]float32, len(x))
	Dequantize(z, NF4, double)
	for i := range y {
		if d := abs(z[i] - y[i]); d > 0.08 {
			t.Fatalf("double quantisation moves %v to %v", y[i], z[i])
		}
	}
	if bits := 8 * float64(len(q.Codes)+len(q.AbsMax)+4*len(q.AbsMax2)) / float64(len(x)); bits > 4.13 {
		t.Errorf("%.3f bits a weight, want 4.127", bits)
	}
}

// big.Float agrees with the rounding of F16 over a sweep: an independent definition of nearest even.
func TestF16AgainstBigFloat(t *testing.T) {
	for i := uint32(0x38800000); i < 0x477ff000; i += 0x3571 {
		f := math.Float32frombits(i)
		want, _ := new(big.Float).SetPrec(11).SetMode(big.ToNearestEven).SetFloat64(float64(f)).Float32()
		if got := F16ToF32(F32ToF16(f)); got != want {
			t.Fatalf("%v rounds to %v, want %v", f, got, want)
		}
	}
}
