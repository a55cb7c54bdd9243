package dtype

import (
	"bytes"
	"math"
	"math/rand/v2"
	"os"
	"testing"
)

// ggml.golden holds 2,048 numbers and, for each format, the blocks that quantize_row_*_ref of llama.cpp (libggml-base of npm node-llama-cpp 3.22.1) makes of
// them and the numbers that its dequantize_row_* reads back: weights, one-sided groups, outliers, zeros, integers, a wide range.
func TestBlocksEqualGGML(t *testing.T) {
	golden, err := os.ReadFile("testdata/ggml.golden")
	if err != nil {
		t.Fatal(err)
	}
	const n = 2048
	next := func(size int) []byte { b := golden[:size]; golden = golden[size:]; return b }
	x := make([]float32, n)
	Dequantize(x, F32, next(4*n))
	for _, dt := range []Type{Q4_K, Q5_K, Q6_K, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1} {
		want, values := next(dt.Bytes(n)), next(4*n)
		got := make([]byte, len(want))
		Quantize(got, dt, x)
		for b := range len(got) / dt.BlockBytes() {
			at := b * dt.BlockBytes()
			if i := firstDifference(got[at:at+dt.BlockBytes()], want[at:at+dt.BlockBytes()]); i >= 0 {
				t.Errorf("%v block %d byte %d: %#x, ggml has %#x", dt, b, i, got[at+i], want[at+i])
			}
		}
		back, backBytes := make([]float32, n), make([]byte, 4*n)
		Dequantize(back, dt, want)
		Quantize(backBytes, F32, back)
		if !bytes.Equal(backBytes, values) {
			t.Errorf("%v: dequantised numbers differ from ggml's at %d", dt, firstDifference(backBytes, values)/4)
		}
	}
	if len(golden) != 0 {
		t.Errorf("%d bytes of the golden file were not used", len(golden))
	}
}

// Every format reproduces a normal row within half a step of its widest block.
func TestQuantizeIsClose(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	x := make([]float32, 1024)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	for dt, limit := range map[Type]float64{Q8_0: 0.006, Q4_0: 0.09, Q4_1: 0.08, Q5_0: 0.045, Q5_1: 0.04, Q4_K: 0.075, Q5_K: 0.04, Q6_K: 0.025, AWQ4: 0.12, NF4: 0.1} {
		b, y := make([]byte, dt.Bytes(len(x))), make([]float32, len(x))
		Quantize(b, dt, x)
		Dequantize(y, dt, b)
		var sum float64
		for i := range x {
			sum += math.Pow(float64(x[i]-y[i]), 2)
		}
		if rms := math.Sqrt(sum / float64(len(x))); rms > limit || rms < limit/5 {
			t.Errorf("%v: root mean square error %.4f of a normal row, want about %.3f", dt, rms, limit)
		}
	}
}

func TestQuantizeNeverPanics(t *testing.T) {
	odd := []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1)), math.MaxFloat32, -math.MaxFloat32, math.SmallestNonzeroFloat32, 0}
	rng := rand.New(rand.NewPCG(3, 4))
	for _, dt := range All() {
		for range 50 {
			x := make([]float32, 256)
			for i := range x {
				if x[i] = float32(rng.NormFloat64()); rng.IntN(3) == 0 {
					x[i] = odd[rng.IntN(len(odd))]
				}
			}
			b := make([]byte, dt.Bytes(len(x)))
			Quantize(b, dt, x)
			Dequantize(x, dt, b)
			for i := range b { // any bytes are blocks
				b[i] = byte(rng.Uint32())
			}
			Dequantize(x, dt, b)
		}
	}
}

func TestParse(t *testing.T) {
	for _, dt := range All() {
		if got, err := Parse(dt.String()); got != dt || err != nil {
			t.Errorf("Parse(%q) = %v, %v", dt.String(), got, err)
		}
	}
	if _, err := Parse("Q9_9"); err == nil {
		t.Error("Parse accepts Q9_9")
	}
}
