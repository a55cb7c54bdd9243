package cpu

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"quire/simd/dtype"
	"quire/simd/tensor"
)

// TestRestore: an operand that was packed, kept as bytes and restored multiplies to the same bits as the first, at every level of this machine.
func TestRestore(t *testing.T) {
	base := New()
	defer base.Close()
	const n, k = 70, 512
	w, a := tensor.New(dtype.F32, n, k), tensor.New(dtype.F32, 3, k)
	rng := rand.New(rand.NewPCG(1, 2))
	for _, x := range [][]float32{w.F32(), a.F32()} {
		for i := range x {
			x[i] = float32(rng.NormFloat64())
		}
	}
	for _, level := range base.Variants() {
		other, err := base.With(level, 2)
		if err != nil {
			t.Fatal(err)
		}
		b := other.(*Backend)
		restored := 0
		for _, dt := range dtype.All() {
			if dt == dtype.I32 || dt == dtype.I8 || dt == dtype.U8 {
				continue
			}
			x := tensor.New(dt, n, k)
			b.Copy(x, w)
			p := b.Pack(x.T())
			data := b.PackedBytes(p)
			if data == nil {
				continue
			}
			kept := newBuffer(len(data))
			copy(kept.data, data)
			q, err := b.Restore(dt, k, n, kept.data)
			if err != nil {
				t.Fatalf("%s %v: %v", level, dt, err)
			}
			want, got := tensor.New(dtype.F32, 3, n), tensor.New(dtype.F32, 3, n)
			b.MatMul(tensor.MatMul{Out: want, A: a, W: p})
			b.MatMul(tensor.MatMul{Out: got, A: a, W: q})
			if !bytes.Equal(want.Bytes(), got.Bytes()) {
				t.Errorf("%s %v: a restored operand multiplies differently", level, dt)
			}
			if _, err := b.Restore(dt, k, n, kept.data[:len(data)-64]); err == nil {
				t.Errorf("%s %v: short bytes were taken", level, dt)
			}
			restored++
		}
		if restored < 3 {
			t.Errorf("%s: only %d types can be restored", level, restored)
		}
		b.Close()
	}
}

func BenchmarkPackBlocks(b *testing.B) {
	back := New()
	defer back.Close()
	for _, dt := range []dtype.Type{dtype.Q8_0, dtype.Q4_0, dtype.Q5_0, dtype.Q4_K, dtype.Q5_K, dtype.Q6_K, dtype.AWQ4, dtype.BF16} {
		w := tensor.New(dt, 5632, 2048)
		b.Run("type="+dt.String(), func(b *testing.B) {
			b.SetBytes(int64(w.NumBytes()))
			for b.Loop() {
				back.Pack(w.T())
			}
		})
	}
}
