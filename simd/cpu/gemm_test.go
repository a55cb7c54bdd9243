package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"unsafe"

	"quire/simd/dtype"
)

// random returns n numbers of a type with their values.
func random(r *rand.Rand, dt dtype.Type, n int) (bits []byte, values []float32) {
	values = make([]float32, n)
	for i := range values {
		values[i] = float32(r.NormFloat64())
	}
	bits = make([]byte, dt.Bytes(n))
	dtype.Quantize(bits, dt, values)
	dtype.Dequantize(values, dt, bits)
	return bits, values
}

func asLines(bits []byte, dt dtype.Type, lines, k int, byK bool) matrix {
	m := matrix{p: unsafe.Pointer(unsafe.SliceData(bits)), dt: dt, lines: lines, k: k, lineStr: k, kStr: 1}
	if byK {
		m.lineStr, m.kStr = 1, lines
	}
	return m
}

func eachLevel(t *testing.T, do func(t *testing.T, ks kernels)) {
	for _, level := range Levels() {
		ks, _ := kernelsOf(level)
		t.Run(string(level), func(t *testing.T) { do(t, ks) })
	}
}

func TestGEMM(t *testing.T) {
	eachLevel(t, func(t *testing.T, ks kernels) {
		for _, threads := range []int{1, 3} {
			e := newEngine(ks, threads)
			defer e.pool.close()
			for _, types := range [][2]dtype.Type{{dtype.F32, dtype.F32}, {dtype.BF16, dtype.BF16}, {dtype.F32, dtype.BF16}, {dtype.F32, dtype.F16}} {
				for _, s := range [][3]int{{1, 1, 1}, {1, 33, 7}, {3, 64, 33}, {17, 31, 16}, {29, 130, 65}, {14, 32, 1100}, {70, 100, 50}} {
					for layout := range 8 {
						checkGEMM(t, e, types[0], types[1], s[0], s[1], s[2], layout)
					}
				}
			}
		}
	})
}

func checkGEMM(t *testing.T, e *engine, at, bt dtype.Type, m, n, k, layout int) {
	t.Helper()
	r := rand.New(rand.NewPCG(uint64(m), uint64(n*k)))
	aBits, av := random(r, at, m*k)
	bBits, bv := random(r, bt, n*k)
	a, b := asLines(aBits, at, m, k, layout&1 != 0), asLines(bBits, bt, n, k, layout&2 != 0)
	out := make([]float32, m*n)
	tl, aw, bw := e.choose(at, bt, layout&4 != 0)
	p := product{a: a, b: b, m: m, n: n, k: k, out: output{view: view{unsafe.Pointer(&out[0]), dtype.F32, n, 1}, alpha: 1}}
	if layout&4 != 0 {
		p.w = e.packB(tl, bw, b)
	}
	e.gemm(tl, aw, bw, p)
	for i := range m {
		for j := range n {
			sum, abs := 0.0, 0.0
			for l := range k {
				x := float64(av[i*a.lineStr+l*a.kStr]) * float64(bv[j*b.lineStr+l*b.kStr])
				sum, abs = sum+x, abs+math.Abs(x)
			}
			if d := math.Abs(sum - float64(out[i*n+j])); !(d <= float64(k+2)*0x1p-23*abs+1e-30) {
				t.Fatalf("%v×%v m %d n %d k %d layout %d: out[%d,%d] = %v, want %v", at, bt, m, n, k, layout, i, j, out[i*n+j], sum)
			}
		}
	}
}

func BenchmarkGEMM(b *testing.B) {
	for _, s := range [][3]int{{1024, 1024, 1024}, {512, 5632, 2048}, {64, 5632, 2048}, {8, 5632, 2048}} {
		for _, dt := range []dtype.Type{dtype.F32, dtype.BF16} {
			for _, prepacked := range []bool{false, true} {
				for _, threads := range []int{1, 2} {
					name := fmt.Sprintf("type=%v/m=%d/n=%d/k=%d/packed=%v/threads=%d", dt, s[0], s[1], s[2], prepacked, threads)
					b.Run(name, func(b *testing.B) { benchGEMM(b, dt, s[0], s[1], s[2], prepacked, threads) })
				}
			}
		}
	}
}

func benchGEMM(b *testing.B, dt dtype.Type, m, n, k int, prepacked bool, threads int) {
	ks, _ := kernelsOf(Levels()[0])
	e := newEngine(ks, threads)
	defer e.pool.close()
	r := rand.New(rand.NewPCG(1, 2))
	aBits, _ := random(r, dt, m*k)
	bBits, _ := random(r, dt, n*k)
	out := make([]float32, m*n)
	tl, aw, bw := e.choose(dt, dt, prepacked)
	p := product{a: asLines(aBits, dt, m, k, false), b: asLines(bBits, dt, n, k, false), m: m, n: n, k: k, out: output{view: view{unsafe.Pointer(&out[0]), dtype.F32, n, 1}, alpha: 1}}
	if prepacked {
		p.w = e.packB(tl, bw, p.b)
	}
	for b.Loop() {
		e.gemm(tl, aw, bw, p)
	}
	b.ReportMetric(2*float64(m)*float64(n)*float64(k)*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "GFLOP/s")
	b.ReportMetric(float64(n*k*dt.BlockBytes())*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "GB/s")
}
