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
