package backendtest

import (
	"bytes"
	"fmt"

	"quire/simd/dtype"
	"quire/simd/tensor"
)

// batchInvariance computes many rows at once, then the same rows in smaller calls, and wants the same bits.
func batchInvariance(k *kit) {
	if k.b == tensor.Backend(reference) {
		k.t.Skip("ref: one row after the other, in the order of the definition")
	}
	k.productRows()
	k.attentionRows()
	k.layerRows()
}

// splits are the sizes of calls that a batch is cut into; the last one repeats.
var splits = [][]int{{1}, {2}, {3, 5}, {8}, {13}, {16}, {17, 1}, {64, 1}}

// chunks calls f for the pieces of n rows.
func chunks(n int, split []int, f func(lo, hi int)) {
	for i, lo := 0, 0; lo < n; i++ {
		hi := min(n, lo+split[min(i, len(split)-1)])
		f(lo, hi)
		lo = hi
	}
}

// sameRows runs all over m rows at once and in pieces, and compares the bits of out.
func (k *kit) sameRows(name string, dt dtype.Type, shape []int, run func(out tensor.Tensor, lo, hi int)) {
	k.t.Helper()
	defer func() {
		if r, ok := recover().(tensor.Unsupported); ok {
			k.support.add(name, r.Types, false)
		}
	}()
	whole := tensor.New(dt, shape...)
	run(whole, 0, shape[0])
	for _, split := range splits {
		pieces := tensor.New(dt, shape...)
		chunks(shape[0], split, func(lo, hi int) { run(pieces.Slice(0, lo, hi), lo, hi) })
		if !bytes.Equal(whole.Bytes(), pieces.Bytes()) {
			k.t.Errorf("%s: %v rows at once and in pieces of %v: bits differ%s", name, shape, split, firstDifference(pieces, whole))
			return
		}
	}
}

func (k *kit) productRows() {
	types := [][3]dtype.Type{{dtype.F32, dtype.F32, dtype.F32}, {dtype.BF16, dtype.BF16, dtype.BF16}, {dtype.F32, dtype.F32, dtype.BF16}, {dtype.F16, dtype.F16, dtype.F16}}
	for _, dt := range blocks {
		types = append(types, [3]dtype.Type{dtype.F32, dtype.F32, dt}, [3]dtype.Type{dtype.BF16, dtype.BF16, dt})
	}
	const m, kk = 70, 256
	for i, ty := range types {
		n := []int{66, 515}[i%2]
		a := input(ty[1], plain, k.normal(ty[1], m*kk), m, kk)
		w := input(ty[2], plain, k.normal(dtype.F32, n*kk), n, kk)
		for _, packed := range []bool{false, true} {
			var pack tensor.Packed
			k.sameRows(fmt.Sprint("MatMul ", ty, " packed ", packed), ty[0], []int{m, n}, func(out tensor.Tensor, lo, hi int) {
				p := tensor.MatMul{Out: out, A: a.Slice(0, lo, hi), B: w.T(), Act: tensor.ActSiLU}
				if packed && pack == nil {
					pack = k.b.Pack(w.T())
				}
				if packed {
					p.B, p.W = tensor.Tensor{}, pack
				}
				k.b.MatMul(p)
			})
		}
	}
}

// attentionRows prefills a sequence in one piece and in chunks down to single tokens; dense and paged.
func (k *kit) attentionRows() {
	const t, h, hkv, d, past = 70, 8, 2, 64, 30
	for _, dt := range []dtype.Type{dtype.F32, dtype.F16, dtype.BF16, dtype.Q8_0, dtype.Q4_0} {
		for _, tq := range []dtype.Type{dtype.F32, dtype.BF16} {
			q := input(tq, plain, k.normal(tq, t*h*d), t, h, d)
			key := input(tq, plain, k.normal(tq, (t+past)*hkv*d), t+past, hkv, d)
			value := input(tq, plain, k.normal(tq, (t+past)*hkv*d), t+past, hkv, d)
			if dt == tq {
				k.sameRows(fmt.Sprint("Attention ", dt), tq, []int{t, h, d}, func(out tensor.Tensor, lo, hi int) {
					k.b.Attention(tensor.Attention{Out: out, Q: q.Slice(0, lo, hi), K: key.Slice(0, 0, past+hi), V: value.Slice(0, 0, past+hi), Causal: true})
				})
			}
			var cache tensor.KV
			table, slots := []int32{6, 0, 3, 1, 5, 2, 4}, make([]int32, t+past)
			for i := range slots {
				slots[i] = table[i/16]*16 + int32(i%16)
			}
			k.sameRows(fmt.Sprint("Attention paged ", tq, dt), tq, []int{t, h, d}, func(out tensor.Tensor, lo, hi int) {
				if cache == nil {
					cache = k.b.NewKV(tensor.KVConfig{Pages: 7, PageSize: 16, KVHeads: hkv, HeadDim: d, DType: dt})
					cache.Write(key, value, tensor.FromI32(slots, len(slots)))
				}
				k.b.Attention(tensor.Attention{Out: out, Q: q.Slice(0, lo, hi), KV: cache, Pages: [][]int32{table}, KeyLens: []int32{int32(past + hi)}, Causal: true})
			})
		}
	}
}

func (k *kit) layerRows() {
	const m, c, v = 70, 513, 300
	for _, dt := range floats {
		x, y, w := input(dt, plain, k.normal(dt, m*c), m, c), input(dt, plain, k.normal(dt, m*c), m, c), input(dt, plain, k.normal(dt, c), c)
		head, labels := input(dt, plain, k.normal(dt, v*c), v, c), make([]int32, m)
		b := k.b
		k.sameRows("RMSNorm", dt, []int{m, c}, func(out tensor.Tensor, lo, hi int) {
			b.RMSNorm(tensor.RMSNorm{Out: out, X: x.Slice(0, lo, hi), W: w, Eps: 1e-6})
		})
		k.sameRows("Softmax", dt, []int{m, c}, func(out tensor.Tensor, lo, hi int) { b.Softmax(out, x.Slice(0, lo, hi)) })
		k.sameRows("SwiGLU", dt, []int{m, c}, func(out tensor.Tensor, lo, hi int) { b.SwiGLU(out, x.Slice(0, lo, hi), y.Slice(0, lo, hi)) })
		k.sameRows("LogSumExp", dtype.F32, []int{m}, func(out tensor.Tensor, lo, hi int) { b.Reduce(tensor.LogSumExp, out, x.Slice(0, lo, hi)) })
		k.sameRows("Sum", dtype.F32, []int{m}, func(out tensor.Tensor, lo, hi int) { b.Reduce(tensor.Sum, out, x.Slice(0, lo, hi)) })
		k.sameRows("HeadLoss", dtype.F32, []int{m}, func(out tensor.Tensor, lo, hi int) {
			b.HeadLoss(tensor.HeadLoss{X: x.Slice(0, lo, hi), W: head, Labels: tensor.FromI32(labels[lo:hi], hi-lo), Loss: out})
		})
	}
}
