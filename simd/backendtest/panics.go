package backendtest

import (
	"fmt"
	"strings"

	"quire/simd/dtype"
	"quire/simd/tensor"
)

// panics makes the mistakes that callers make and wants the one-line message that names the operation and both sides.
func panics(k *kit) {
	f := func(shape ...int) tensor.Tensor { return tensor.New(dtype.F32, shape...) }
	b, w := k.b, f(4, 5)
	ids := func(v ...int32) tensor.Tensor { return tensor.FromI32(v, len(v)) }
	r := tensor.NewRotary(tensor.RotaryConfig{Dim: 4, Theta: 10}.Frequencies(3), 3, false)
	for _, c := range []struct {
		name, want string
		do         func()
	}{
		{"inner sizes differ", "tensor: MatMul: out F32 [2 5], a F32 [2 3], b F32 [4 5]", func() { b.MatMul(tensor.MatMul{Out: f(2, 5), A: f(2, 3), B: w}) }},
		{"packed inner sizes differ", "tensor: MatMul: out F32 [2 5], a F32 [2 3], packed w [4 5]", func() { b.MatMul(tensor.MatMul{Out: f(2, 5), A: f(2, 3), W: b.Pack(w)}) }},
		{"overlap", "overlap", func() { x := f(4, 4); b.MatMul(tensor.MatMul{Out: x, A: x, B: f(4, 4)}) }},
		{"id outside the table", "tensor: Embedding: id 4: want 0 to 3", func() { b.Embedding(f(1, 5), w, ids(4)) }},
		{"negative id", "tensor: EmbeddingGrad: id -1: want 0 to 3", func() { b.EmbeddingGrad(w, f(1, 5), ids(-1)) }},
		{"position outside the table", "tensor: RoPE: position 3: want 0 to 2", func() { b.RoPE(f(1, 1, 4), f(1, 1, 4), ids(3), r, false) }},
		{"label outside the vocabulary", "tensor: HeadLoss: label 4, vocabulary 4", func() { b.HeadLoss(tensor.HeadLoss{X: f(1, 5), W: w, Labels: ids(4), Loss: f(1)}) }},
		{"heads do not divide", "tensor: Attention: q F32 [1 3 4]", func() { b.Attention(tensor.Attention{Out: f(1, 3, 4), Q: f(1, 3, 4), K: f(1, 2, 4), V: f(1, 2, 4)}) }},
		{"shapes differ", "tensor: Binary: out F32 [4 5], operand F32 [5]", func() { b.Binary(tensor.Add, w, w, f(5)) }},
		{"ArgMax of nothing", "tensor: Reduce: ArgMax of an empty row", func() { b.Reduce(tensor.ArgMax, ids(0), f(1, 0)) }},
		{"slot outside the cache", "tensor: KV: slot 16: want 0 to 15", func() {
			kv := b.NewKV(tensor.KVConfig{Pages: 2, PageSize: 8, KVHeads: 1, HeadDim: 4, DType: dtype.F32})
			kv.Write(f(1, 1, 4), f(1, 1, 4), ids(16))
		}},
		{"step 0", "tensor: AdamW: step 0", func() { b.AdamW(tensor.AdamW{W: f(1), G: f(1), M: f(1), V: f(1)}) }},
	} {
		got := panicText(c.do)
		if !strings.Contains(got, c.want) || strings.Contains(got, "\n") {
			k.t.Errorf("%s: panic %q, want %q", c.name, got, c.want)
		}
	}
}

func panicText(f func()) (text string) {
	defer func() {
		if r := recover(); r != nil {
			text = fmt.Sprint(r)
		}
	}()
	f()
	return "none"
}
