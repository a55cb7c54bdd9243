package cpu

import (
	"fmt"
	"slices"
	"testing"
	"time"
	"unsafe"

	"quire/simd/dtype"
	"quire/simd/tensor"
)

// benchPacked times products with a packed weight, and beside each a read of the same number of bytes from memory that has as little left in the caches.
func benchPacked(b *testing.B, dt dtype.Type, m, n, k, threads int) {
	base := New()
	defer base.Close()
	back, err := base.With("", threads)
	if err != nil {
		b.Fatal(err)
	}
	defer back.Close()
	e := back.(*Backend).e
	w := tensor.New(dt, n, k)
	row := make([]float32, k)
	for i := range row {
		row[i] = float32(i%13) - 6
	}
	for i := range n {
		w.Index(i).SetFloats(row)
	}
	packed := back.Pack(w.T())
	at := dtype.F32
	if dt == dtype.BF16 {
		at = dt
	}
	a, out := tensor.New(at, m, k), tensor.New(dtype.F32, m, n)
	bytes := packed.Bytes()
	var kernel, read []time.Duration
	buf := newBuffer(bytes &^ 511)
	for i := range f32s(buf.ptr(), len(buf.data)/4) {
		f32s(buf.ptr(), len(buf.data)/4)[i] = 1
	}
	for b.Loop() {
		start := time.Now()
		back.MatMul(tensor.MatMul{Out: out, A: a, W: packed})
		kernel = append(kernel, time.Since(start))
		start = time.Now()
		e.pool.split(len(buf.data)/512, 1, 4*threads, func(lo, hi int) { e.ks.read(unsafe.Add(buf.ptr(), lo*512), (hi-lo)*512) })
		read = append(read, time.Since(start))
	}
	slices.Sort(kernel)
	slices.Sort(read)
	t, r := kernel[len(kernel)/2], read[len(read)/2]
	b.ReportMetric(float64(bytes)/float64(t.Nanoseconds()), "GB/s")
	b.ReportMetric(100*float64(r)/float64(t), "%read")
	b.ReportMetric(2*float64(m)*float64(n)*float64(k)/float64(t.Nanoseconds()), "GOP/s")
	if limit := back.(*Backend).Probe(tensor.PeakInt8, threads); m > 16 && dt.IsBlock() {
		b.ReportMetric(100*2*float64(m)*float64(n)*float64(k)/float64(t.Nanoseconds())/(limit/1e9), "%peak")
	}
}

func BenchmarkGEMV(b *testing.B) {
	for _, dt := range []dtype.Type{dtype.F32, dtype.BF16} {
		for _, threads := range []int{1, 2} {
			b.Run(fmt.Sprintf("type=%v/m=1/n=32000/k=2048/threads=%d", dt, threads), func(b *testing.B) { benchPacked(b, dt, 1, 32000, 2048, threads) })
		}
	}
}

func BenchmarkBlocks(b *testing.B) {
	for _, dt := range []dtype.Type{dtype.Q8_0, dtype.Q4_0, dtype.Q4_K, dtype.Q6_K} {
		for _, s := range [][2]int{{1, 64000}, {4, 64000}, {8, 5632}, {32, 5632}, {512, 5632}} {
			for _, threads := range []int{1, 2} {
				b.Run(fmt.Sprintf("type=%v/m=%d/n=%d/k=2048/threads=%d", dt, s[0], s[1], threads), func(b *testing.B) { benchPacked(b, dt, s[0], s[1], 2048, threads) })
			}
		}
	}
}

func BenchmarkAttention(b *testing.B) {
	for _, threads := range []int{1, 2} {
		b.Run(fmt.Sprintf("prefill/q=512/kv=2048/d=64/group=8/threads=%d", threads), func(b *testing.B) { benchAttention(b, 512, 2048, 1, threads, false) })
		b.Run(fmt.Sprintf("decode/kv=8192/d=64/group=8/layers=22/threads=%d", threads), func(b *testing.B) { benchAttention(b, 1, 8192, 22, threads, false) })
		b.Run(fmt.Sprintf("grad/q=1024/kv=1024/d=64/group=1/causal/threads=%d", threads), func(b *testing.B) { benchAttention(b, 1024, 1024, 1, threads, true) })
	}
}

// benchAttention times attention over a paged cache, or its gradient over dense keys.
func benchAttention(b *testing.B, q, kv, layers, threads int, grad bool) {
	base := New()
	defer base.Close()
	back, err := base.With("", threads)
	if err != nil {
		b.Fatal(err)
	}
	defer back.Close()
	const heads, d, page = 32, 64, 64
	hkv := 4
	if grad {
		hkv = heads
	}
	k, v := tensor.New(dtype.BF16, kv, hkv, d), tensor.New(dtype.BF16, kv, hkv, d)
	x := make([]float32, k.Len())
	for i := range x {
		x[i] = float32(i%17)/8 - 1
	}
	k.SetFloats(x)
	v.SetFloats(x)
	query, out := tensor.New(dtype.BF16, q, heads, d), tensor.New(dtype.BF16, q, heads, d)
	query.SetFloats(make([]float32, query.Len()))
	p := tensor.Attention{Out: out, Q: query, K: k, V: v, Causal: grad}
	flops := 4 * float64(q) * float64(kv) * heads * d * float64(layers)
	if grad {
		p.LSE = tensor.New(dtype.F32, q, heads)
		back.Attention(p)
		g := tensor.AttentionGrad{Attention: p, DOut: query, DQ: tensor.New(dtype.BF16, q, heads, d), DK: tensor.New(dtype.BF16, kv, hkv, d), DV: tensor.New(dtype.BF16, kv, hkv, d)}
		for b.Loop() {
			back.AttentionGrad(g)
		}
		b.ReportMetric(2.5/2*flops*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "GFLOP/s")
		return
	}
	var caches []tensor.KV
	pages, slots := make([]int32, kv/page), make([]int32, kv)
	for i := range pages {
		pages[i] = int32(i)
	}
	for i := range slots {
		slots[i] = int32(i)
	}
	for range layers {
		c := back.NewKV(tensor.KVConfig{Pages: kv / page, PageSize: page, KVHeads: hkv, HeadDim: d, DType: dtype.BF16})
		c.Write(k, v, tensor.FromI32(slots, kv))
		caches = append(caches, c)
	}
	p.K, p.V = tensor.Tensor{}, tensor.Tensor{}
	p.Pages, p.KeyLens = [][]int32{pages}, []int32{int32(kv)}
	for b.Loop() {
		for _, c := range caches {
			p.KV = c
			back.Attention(p)
		}
	}
	b.ReportMetric(flops*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "GFLOP/s")
	b.ReportMetric(float64(layers*caches[0].Bytes())*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "GB/s")
}

// BenchmarkPoolWake is the cost of handing work to the pool, with its workers still looking for work and after they have parked.
func BenchmarkPoolWake(b *testing.B) {
	p := newPool(2)
	defer p.close()
	for _, pause := range []time.Duration{0, 200 * time.Microsecond} {
		b.Run(fmt.Sprintf("pause=%v", pause), func(b *testing.B) {
			var spent time.Duration
			for b.Loop() {
				for start := time.Now(); time.Since(start) < pause; {
				}
				start := time.Now()
				p.run(2, func(int) {})
				spent += time.Since(start)
			}
			b.ReportMetric(float64(spent.Nanoseconds())/float64(b.N), "ns/run")
		})
	}
}
