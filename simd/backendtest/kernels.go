package backendtest

import (
	"fmt"
	"math"

	"quire/simd/dtype"
	"quire/simd/tensor"
)

// Kernel is one shared benchmark: an operation at a size that matters, and the limit of the machine that it meets.
type Kernel struct {
	Name  string
	Limit tensor.Limit // PeakF32, PeakBF16 or PeakInt8: Work is operations; ReadBytes: Work is bytes
	Work  float64      // of one call
	Bars  []Bar
	// Make allocates operands on b and returns the call.
	Make func(b tensor.Backend) func()
	// Product or Attention is the size for peers; both nil: no peer does this.
	Product   *Product
	Attention *AttentionSize
}

// AttentionSize is attention of Queries to Keys without a mask, over so many layers with keys of their own.
type AttentionSize struct{ Queries, Keys, Heads, KVHeads, HeadDim, Layers int }

// Product is x·Wᵀ with x (M, K) and W (N, K), or x·B with B (K, N) if Plain.
type Product struct {
	M, N, K int
	DType   dtype.Type
	Plain   bool
}

// Bar is what a kernel must reach.
type Bar struct {
	Peer  string  // "" is the limit itself
	Ratio float64 // least quotient of the kernel's rate and the peer's
	// Quoted rates of the peer, where it is not measured, operations a second on 1 and 2 threads: reference/performance.md, on another machine of this kind.
	Quoted [2]float64
}

// Peers that bars name.
const (
	OpenBLAS = "openblas"
	OneDNN   = "torch"
	GGML     = "ggml"
)

// Kernels lists the benchmarks, in the order of the bars.
func Kernels() []Kernel {
	var all []Kernel
	all = append(all, productKernels()...)
	all = append(all, matvecKernels()...)
	all = append(all, attentionKernels()...)
	all = append(all, trainingKernels()...)
	return append(all, streamKernels()...)
}

// filled is a heap tensor of small numbers without pattern.
func filled(dt dtype.Type, shape ...int) tensor.Tensor {
	t := tensor.New(dt, shape...)
	row := make([]float32, shape[len(shape)-1])
	state := uint32(1)
	for i := range t.Len() / len(row) {
		if i < 64 {
			for j := range row {
				state = state*1664525 + 1013904223
				row[j] = float32(int32(state)) / (1 << 32)
			}
		}
		t.Reshape(-1, len(row)).Index(i).SetFloats(row)
		row = append(row[1:], row[0])
	}
	return t
}

// constant is a heap tensor of one value.
func constant(v float32, shape ...int) tensor.Tensor {
	t := tensor.New(dtype.F32, shape...)
	x := t.F32()
	for i := range x {
		x[i] = v
	}
	return t
}

func productKernels() []Kernel {
	f32 := func(m, n, k int, plain, packed bool, bars ...Bar) Kernel {
		return productKernel("gemm F32", &Product{m, n, k, dtype.F32, plain}, tensor.PeakF32, dtype.F32, packed, bars)
	}
	low := func(weights dtype.Type, m int, limit tensor.Limit, packed bool, bars ...Bar) Kernel {
		return productKernel("gemm "+weights.String(), &Product{m, 5632, 2048, weights, false}, limit, dtype.BF16, packed, bars)
	}
	return []Kernel{
		f32(1024, 1024, 1024, true, false, Bar{Peer: OpenBLAS, Ratio: 0.97}),
		f32(512, 5632, 2048, false, false, Bar{Peer: OpenBLAS, Ratio: 0.97}),
		f32(64, 5632, 2048, false, true, Bar{Peer: OpenBLAS, Ratio: 1.2}),
		f32(8, 5632, 2048, false, true, Bar{Peer: OpenBLAS, Ratio: 2}),
		low(dtype.BF16, 512, tensor.PeakBF16, true, Bar{Peer: OneDNN, Ratio: 0.95}, Bar{Ratio: 0.80}),
		low(dtype.BF16, 64, tensor.PeakBF16, true, Bar{Peer: OneDNN, Ratio: 0.9}),
		low(dtype.BF16, 8, tensor.PeakBF16, true),
		low(dtype.Q8_0, 512, tensor.PeakInt8, true, Bar{Ratio: 0.45}),
		low(dtype.Q4_0, 512, tensor.PeakInt8, true, Bar{Ratio: 0.45}),
		low(dtype.Q4_K, 512, tensor.PeakInt8, true),
	}
}

// productKernel multiplies M×N×K; packed says that the weights are packed beforehand.
func productKernel(name string, p *Product, limit tensor.Limit, act dtype.Type, packed bool, bars []Bar) Kernel {
	k := Kernel{Name: fmt.Sprintf("%s m=%d n=%d k=%d", name, p.M, p.N, p.K), Limit: limit, Work: 2 * float64(p.M) * float64(p.N) * float64(p.K), Bars: bars, Product: p}
	if packed {
		k.Name += " packed"
	}
	k.Make = func(b tensor.Backend) func() {
		mm := tensor.MatMul{Out: tensor.New(act, p.M, p.N), A: filled(act, p.M, p.K)}
		if p.Plain {
			mm.B = filled(p.DType, p.K, p.N)
		} else {
			mm.B = filled(p.DType, p.N, p.K).T()
		}
		if packed {
			mm.W, mm.B = b.Pack(mm.B), tensor.Tensor{}
		}
		return func() { b.MatMul(mm) }
	}
	return k
}

// matvecKernels read weights larger than any cache once a call.
func matvecKernels() []Kernel {
	var all []Kernel
	for _, c := range []struct {
		dt    dtype.Type
		n     int
		ratio float64
	}{{dtype.F32, 32000, 0.95}, {dtype.BF16, 32000, 0.95}, {dtype.Q8_0, 64000, 0.92}, {dtype.Q4_0, 64000, 0.85}, {dtype.Q4_K, 64000, 0.75}} {
		act := dtype.F32
		if c.dt == dtype.BF16 {
			act = dtype.BF16
		}
		k := productKernel("gemv "+c.dt.String(), &Product{1, c.n, 2048, c.dt, false}, tensor.ReadBytes, act, true, []Bar{{Ratio: c.ratio}})
		k.Work = float64(c.dt.Bytes(c.n * 2048))
		all = append(all, k)
	}
	return all
}

// The model shape of the attention bars: 32 query heads read 4 key heads of 64; 22 layers are more than any cache holds at 8192 tokens.
const (
	attnHeads, attnKVHeads, attnDim, attnLayers = 32, 4, 64, 22
	prefillKeys, prefillQueries, decodeKeys     = 2048, 512, 8192
)

func attentionKernels() []Kernel {
	// ggml's flash attention with 512 queries, head 64; decoding at 8192 keys, F16.
	prefill := Kernel{Name: "attention prefill BF16 q=512 kv=2048 gqa=8 d=64", Limit: tensor.PeakBF16, Work: 4 * attnHeads * attnDim * prefillQueries * prefillKeys,
		Bars: []Bar{{Peer: GGML, Ratio: 2, Quoted: [2]float64{89e9, 174e9}}}}
	prefill.Attention = &AttentionSize{prefillQueries, prefillKeys, attnHeads, attnKVHeads, attnDim, 1}
	prefill.Make = func(b tensor.Backend) func() {
		p := tensor.Attention{Q: filled(dtype.BF16, prefillQueries, attnHeads, attnDim), Out: tensor.New(dtype.BF16, prefillQueries, attnHeads, attnDim),
			K: filled(dtype.BF16, prefillKeys, attnKVHeads, attnDim), V: filled(dtype.BF16, prefillKeys, attnKVHeads, attnDim)}
		return func() { b.Attention(p) }
	}
	decode := Kernel{Name: "attention decode BF16 kv=8192 gqa=8 d=64 layers=22", Limit: tensor.ReadBytes, Work: attnLayers * 2 * 2 * decodeKeys * attnKVHeads * attnDim}
	flops := 4.0 * attnLayers * attnHeads * attnDim * decodeKeys
	quoted := decode.Work / flops // bytes an operation: the quoted rates as bytes a second
	decode.Bars = []Bar{{Peer: GGML, Ratio: 3, Quoted: [2]float64{21e9 * quoted, 41e9 * quoted}}, {Ratio: 0.60}}
	decode.Attention = &AttentionSize{1, decodeKeys, attnHeads, attnKVHeads, attnDim, attnLayers}
	decode.Make = makeDecode
	return []Kernel{prefill, decode}
}

// makeDecode fills one cache a layer and decodes one token through all of them.
func makeDecode(b tensor.Backend) func() {
	const pageSize = 64
	config := tensor.KVConfig{Pages: decodeKeys / pageSize, PageSize: pageSize, KVHeads: attnKVHeads, HeadDim: attnDim, DType: dtype.BF16}
	slots, table := make([]int32, decodeKeys), make([]int32, config.Pages)
	for i := range slots {
		slots[i] = int32(i)
	}
	for i := range table {
		table[i] = int32(i)
	}
	key := filled(dtype.BF16, decodeKeys, attnKVHeads, attnDim)
	calls := make([]tensor.Attention, attnLayers)
	for i := range calls {
		kv := b.NewKV(config)
		kv.Write(key, key, tensor.FromI32(slots, len(slots)))
		calls[i] = tensor.Attention{Q: filled(dtype.BF16, 1, attnHeads, attnDim), Out: tensor.New(dtype.BF16, 1, attnHeads, attnDim),
			KV: kv, Pages: [][]int32{table}, KeyLens: []int32{decodeKeys}, Causal: true}
	}
	return func() {
		for _, p := range calls {
			b.Attention(p)
		}
	}
}

// streamKernels walk 128 MiB or more in place; their work is what they read and write. Their results stay normal numbers, however often they are called.
func streamKernels() []Kernel {
	const m, c = 8192, 4096
	bar := []Bar{{Ratio: 0.85}}
	stream := func(name string, accesses float64, f func(b tensor.Backend) func()) Kernel {
		return Kernel{Name: name, Limit: tensor.ReadBytes, Work: accesses * 4 * m * c, Bars: bar, Make: f}
	}
	return []Kernel{
		stream("rmsnorm F32 8192x4096", 2, func(b tensor.Backend) func() {
			x, w := filled(dtype.F32, m, c), constant(1, c)
			return func() { b.RMSNorm(tensor.RMSNorm{Out: x, X: x, W: w, Eps: 1e-5}) }
		}),
		stream("rope F32 8192x32x128", 2, func(b tensor.Backend) func() {
			x, pos := filled(dtype.F32, m, c/128, 128), make([]int32, m)
			for i := range pos {
				pos[i] = int32(i)
			}
			r := tensor.NewRotary(tensor.RotaryConfig{Dim: 128, Theta: 1e6}.Frequencies(m), m, false)
			return func() { b.RoPE(x, x, tensor.FromI32(pos, m), r, false) }
		}),
		stream("softmax F32 8192x4096", 2, func(b tensor.Backend) func() {
			x := filled(dtype.F32, m, c)
			return func() { b.Softmax(x, x) }
		}),
		stream("swiglu F32 8192x4096", 3, func(b tensor.Backend) func() {
			const fixed = 1.2784645 // silu is 1
			gate, up := constant(fixed, m, c), filled(dtype.F32, m, c)
			return func() { b.SwiGLU(up, gate, up) }
		}),
		stream("adamw F32 33554432", 7, func(b tensor.Backend) func() {
			p := tensor.AdamW{W: filled(dtype.F32, m, c), G: filled(dtype.F32, m, c), M: tensor.New(dtype.F32, m, c), V: tensor.New(dtype.F32, m, c),
				LR: 1e-4, Beta1: 0.9, Beta2: 0.95, Eps: 1e-8, WeightDecay: 0.1}
			return func() { p.Step++; b.AdamW(p) }
		}),
	}
}

// Rate formats a rate in the unit of its limit.
func Rate(l tensor.Limit, perSecond float64) string {
	unit := "GFLOP/s"
	switch l {
	case tensor.ReadBytes:
		unit = "GB/s"
	case tensor.PeakInt8:
		unit = "GOP/s"
	}
	digits := max(0, min(2, 2-int(math.Log10(max(perSecond/1e9, 1)))))
	return fmt.Sprintf("%.*f %s", digits, perSecond/1e9, unit)
}
