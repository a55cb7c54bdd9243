package dtype

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestAsymmetric: codes stay within half a step of the numbers, whatever their offset, and rows of one value, of NaN and of infinities give finite numbers.
func TestAsymmetric(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, bits := range []int{8, 4} {
		for _, n := range []int{2, 64, 128} {
			for _, offset := range []float32{0, 3, -40} {
				x, y := make([]float32, n), make([]float32, n)
				for i := range x {
					x[i] = offset + float32(rng.NormFloat64())
				}
				codes := make([]byte, AsymmetricBytes(bits, n))
				QuantizeAsymmetric(codes, bits, x)
				DequantizeAsymmetric(y, bits, codes)
				least, most := float64(x[0]), float64(x[0])
				for _, v := range x {
					least, most = min(least, float64(v)), max(most, float64(v))
				}
				bound := (most-least)/float64(int(1)<<bits-1)/2*1.001 + math.Abs(least)/2048 + (most-least)/2048
				for i := range x {
					if d := math.Abs(float64(x[i] - y[i])); d > bound {
						t.Fatalf("%d bits, %d numbers around %v: %v became %v, more than %v away", bits, n, offset, x[i], y[i], bound)
					}
				}
			}
		}
		nan, inf := float32(math.NaN()), float32(math.Inf(1))
		for _, x := range [][]float32{{5, 5, 5, 5}, {nan, nan, nan, nan}, {1, nan, 2, 3}, {inf, 1, -inf, 2}, {1e30, -1e30, 0, 0}} {
			codes, y := make([]byte, AsymmetricBytes(bits, 4)), make([]float32, 4)
			QuantizeAsymmetric(codes, bits, x)
			DequantizeAsymmetric(y, bits, codes)
			for i, v := range y {
				if v != v || math.IsInf(float64(v), 0) || x[i] == 5 && v != 5 {
					t.Errorf("%d bits: %v became %v", bits, x, y)
				}
			}
		}
	}
}
