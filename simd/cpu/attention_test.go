package cpu

import (
	"fmt"
	"math"
	"testing"

	"quire/simd/dtype"
	"quire/simd/ref"
	"quire/simd/tensor"
)

// TestMaskedValuesDoNotTouchResults hides keys and values that are not finite behind the mask: dense and paged, on every level, queries that do not see them are as ref says, and the
// others are NaN.
func TestMaskedValuesDoNotTouchResults(t *testing.T) {
	const tokens, h, hkv, d, bad = 45, 4, 2, 64, 30
	eachLevel(t, func(t *testing.T, ks kernels) {
		b := &Backend{newEngine(ks, 2)}
		defer b.Close()
		for _, dt := range []dtype.Type{dtype.F32, dtype.BF16} {
			for _, v := range []float64{math.NaN(), math.Inf(1)} {
				for _, paged := range []bool{false, true} {
					t.Run(fmt.Sprint(dt, v, paged), func(t *testing.T) { checkMasked(t, b, dt, float32(v), paged, tokens, h, hkv, d, bad) })
				}
			}
		}
	})
}

// TestGradientOfTrainingAttention has everything in BF16, as training does, a sequence without tokens, and a whole block of keys and more.
func TestGradientOfTrainingAttention(t *testing.T) {
	const h, hkv, d = 4, 2, 64
	cu := []int32{0, 5, 5, 150}
	tokens := int(cu[len(cu)-1])
	fill := func(heads int, scale float32, step int) tensor.Tensor {
		x := tensor.New(dtype.BF16, tokens, heads, d)
		f := make([]float32, x.Len())
		for i := range f {
			f[i] = scale * float32((i*step+i/13)%29-14)
		}
		x.SetFloats(f)
		return x
	}
	q, k, v, dout := fill(h, 0.05, 7), fill(hkv, 0.06, 5), fill(hkv, 0.1, 3), fill(h, 0.02, 11)
	run := func(b tensor.Backend) [3][]float32 {
		p := tensor.Attention{Q: q, K: k, V: v, Out: tensor.New(dtype.BF16, tokens, h, d), LSE: tensor.New(dtype.F32, tokens, h), CuQ: cu, Causal: true}
		b.Attention(p)
		g := tensor.AttentionGrad{Attention: p, DOut: dout, DQ: tensor.New(dtype.BF16, tokens, h, d), DK: tensor.New(dtype.BF16, tokens, hkv, d), DV: tensor.New(dtype.BF16, tokens, hkv, d)}
		b.AttentionGrad(g)
		return [3][]float32{g.DQ.Floats(), g.DK.Floats(), g.DV.Floats()}
	}
	want := run(ref.Backend{})
	eachLevel(t, func(t *testing.T, ks kernels) {
		b := &Backend{newEngine(ks, 2)}
		defer b.Close()
		for i, got := range run(b) {
			var off, size float64
			for j, w := range want[i] {
				off, size = off+math.Pow(float64(got[j]-w), 2), size+float64(w)*float64(w)
			}
			if !(math.Sqrt(off) <= 0.01*math.Sqrt(size)) {
				t.Errorf("d%c is off by %.3g of its norm", "qkv"[i], math.Sqrt(off/size))
			}
		}
	})
}

func checkMasked(t *testing.T, b tensor.Backend, dt dtype.Type, v float32, paged bool, tokens, h, hkv, d, bad int) {
	fill := func(heads int, scale float32) tensor.Tensor {
		x := tensor.New(dt, tokens, heads, d)
		f := make([]float32, x.Len())
		for i := range f {
			f[i] = scale * float32((i*7+i/13)%29-14)
		}
		x.SetFloats(f)
		return x
	}
	q, k, val := fill(h, 0.05), fill(hkv, 0.06), fill(hkv, 0.1)
	line := make([]float32, hkv*d)
	for i := range line {
		line[i] = v
	}
	val.Index(bad).SetFloats(line)
	run := func(b tensor.Backend) []float32 {
		p := tensor.Attention{Q: q, K: k, V: val, Out: tensor.New(dt, tokens, h, d), Causal: true}
		if paged {
			table, slots := []int32{1, 0}, make([]int32, tokens)
			for i := range slots {
				slots[i] = table[i/32]*32 + int32(i%32)
			}
			p.KV, p.K, p.V = b.NewKV(tensor.KVConfig{Pages: 2, PageSize: 32, KVHeads: hkv, HeadDim: d, DType: dt}), tensor.Tensor{}, tensor.Tensor{}
			p.KV.Write(k, val, tensor.FromI32(slots, tokens))
			p.Pages, p.KeyLens = [][]int32{table}, []int32{int32(tokens)}
		}
		b.Attention(p)
		return p.Out.Floats()
	}
	got, want := run(b), run(ref.Backend{})
	for i, w := range want {
		g := got[i]
		if i/(h*d) < bad && !(math.Abs(float64(g-w)) <= 0.02*(1+math.Abs(float64(w)))) {
			t.Fatalf("token %d: %v, want %v", i/(h*d), g, w)
		}
		if i/(h*d) >= bad && !math.IsNaN(float64(g)) && !math.IsInf(float64(g), 0) {
			t.Fatalf("token %d sees %v and gives %v", i/(h*d), v, g)
		}
	}
}
