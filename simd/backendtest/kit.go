// Package backendtest is the conformance kit of tensor.Backend: one call checks a backend against ref, the definition.
//
// Run walks the operations. A group makes calls: inputs of every type, length (0, 1, around the vector width, odd, large) and layout (unaligned, rows with gaps,
// transposed), outs surrounded by guard bytes, and for each out a bound. A call runs on ref with F32 outs, on the backend, and — where the backend can change its number of threads — on one thread,
// whose bits must be equal. Bounds come from one table (bounds.go), times magnitudes that the group computes from the operands: never "1e-2 everywhere".
// Gradients are checked against central differences, invariance bit by bit, caller's bugs by the text of their panic.
//
// A combination that a backend refuses with tensor.Unsupported is no failure; it stands in the support table that Run logs, beside the variants that this machine can't run.
//
// Kernels are the shared benchmarks: the same list serves go test -bench and quire bench tensor, each beside the limit of the machine that it meets.
//
// Invariant: inputs are deterministic: the seed is the name of the call.
// Invariant: the kit never asks for more than tensor's comments promise.
package backendtest

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"testing"

	"quire/simd/dtype"
	"quire/simd/ref"
	"quire/simd/tensor"
)

// Run checks every operation of b and logs the support table.
func Run(t *testing.T, b tensor.Backend) {
	k := &kit{b: b, support: newSupport()}
	if v, ok := b.(tensor.Varianter); ok && b.Info().Threads > 1 {
		single, err := v.With("", 1)
		if err != nil {
			t.Fatalf("%s on one thread: %v", b.Info().Name, err)
		}
		defer single.Close()
		k.single = single
	}
	for _, g := range groups {
		t.Run(g.name, func(t *testing.T) {
			k.t = t
			k.rng = seeded(g.name)
			g.check(k)
		})
	}
	t.Log(k.support.table(b.Info()))
	if k.single == nil {
		t.Log("not checked: thread invariance (one thread, or no Varianter)")
	}
}

var groups = []struct {
	name  string
	check func(k *kit)
}{
	{"Copy", copies}, {"Unary", unaries}, {"Binary", binaries}, {"Affine", affines}, {"Dropout", dropouts}, {"Reduce", reductions},
	{"TopK", topKs}, {"Sample", samples}, {"MatMul", products}, {"MatMulBlock", blockProducts}, {"MatMulInt8", intProducts}, {"MatMulBatched", batchedProducts},
	{"RMSNorm", norms}, {"RoPE", ropes}, {"SwiGLU", swiglus}, {"Softmax", softmaxes}, {"Embedding", embeddings}, {"HeadLoss", headLosses}, {"AdamW", adams}, {"Muon", muons},
	{"Attention", attentions}, {"AttentionPaged", pagedAttentions}, {"AttentionGrad", attentionGrads}, {"KV", kvs},
	{"Gradients", gradients}, {"BatchInvariance", batchInvariance}, {"Panics", panics},
}

// kit is the state of one Run.
type kit struct {
	t       *testing.T
	b       tensor.Backend
	single  tensor.Backend // b on one thread; nil: not possible
	rng     *rand.Rand
	support *support
	calls   int
}

// call is one operation with its outs, to be run on any backend.
type call struct {
	op    string
	about string
	types []dtype.Type
	outs  []out
	do    func(b tensor.Backend, outs []tensor.Tensor)
}

// out is one result of a call.
type out struct {
	dt     dtype.Type
	shape  []int
	layout layout
	init   []float32                         // contents before the call; nil: NaN, which nobody may read
	bound  func(i int, want float64) float64 // largest error of element i before the rounding to dt; nil: none
}

// compare runs c on ref, on the backend and on one thread, and reports the first difference of each out.
func (k *kit) compare(c call) {
	k.t.Helper()
	k.calls++
	want := make([]tensor.Tensor, len(c.outs))
	for i, o := range c.outs {
		dt := dtype.F32
		if !o.dt.IsFloat() {
			dt = o.dt
		}
		f := newFrame(dt, plain, o.shape)
		f.init(o.init)
		want[i] = f.view
	}
	c.do(ref.Backend{}, want)
	got, ok := k.run(c, k.b)
	if !ok {
		return
	}
	for i, o := range c.outs {
		k.compareOut(c, i, o, got[i].view, want[i])
		if !got[i].intact() {
			k.t.Errorf("%s %s %v: out %d: wrote outside the tensor", c.op, c.about, c.types, i)
		}
	}
	if k.single == nil {
		return
	}
	if alone, ok := k.run(c, k.single); ok {
		for i := range alone {
			if !bytes.Equal(alone[i].store, got[i].store) {
				k.t.Errorf("%s %s %v: out %d: one thread gives other bits", c.op, c.about, c.types, i)
			}
		}
	}
}

// run makes guarded outs and runs c; false if b has no code for it.
func (k *kit) run(c call, b tensor.Backend) (frames []frame, ok bool) {
	views := make([]tensor.Tensor, len(c.outs))
	for i, o := range c.outs {
		f := newFrame(o.dt, o.layout, o.shape)
		f.init(o.init)
		frames, views[i] = append(frames, f), f.view
	}
	defer func() {
		switch r := recover().(type) {
		case nil:
			k.support.add(c.op, c.types, true)
		case tensor.Unsupported:
			k.support.add(c.op, c.types, false)
			ok = false
		default:
			panic(fmt.Sprintf("%s %s %v: %v", c.op, c.about, c.types, r))
		}
	}()
	c.do(b, views)
	return frames, true
}

func (k *kit) compareOut(c call, n int, o out, got, want tensor.Tensor) {
	k.t.Helper()
	if got.DType() == dtype.I32 {
		compareInts(k, c, n, got, want)
		return
	}
	g, w := got.Floats(), want.Floats()
	for i := range g {
		var bound float64
		if o.bound != nil {
			bound = o.bound(i, float64(w[i]))
		}
		if !near(o.dt, float64(g[i]), float64(w[i]), bound) {
			k.t.Errorf("%s %s %v: out %d[%d of %v] is %v, want %v ± %.3g", c.op, c.about, c.types, n, i, o.shape, g[i], w[i], bound)
			return
		}
	}
}

func compareInts(k *kit, c call, n int, got, want tensor.Tensor) {
	k.t.Helper()
	g, w := newFrame(dtype.I32, plain, got.Shape()).view, want
	ref.Backend{}.Copy(g, got)
	for i, v := range g.I32() {
		if v != w.I32()[i] {
			k.t.Errorf("%s %s %v: out %d[%d] is %d, want %d", c.op, c.about, c.types, n, i, v, w.I32()[i])
			return
		}
	}
}

// near reports whether got is want, up to bound and one rounding to dt. NaN and infinity must be the same.
func near(dt dtype.Type, got, want, bound float64) bool {
	rounded := float64(round(dt, float32(want)))
	if math.IsNaN(rounded) || math.IsInf(rounded, 0) || math.IsNaN(got) || math.IsInf(got, 0) {
		return got == rounded || math.IsNaN(got) && math.IsNaN(rounded)
	}
	if bound == 0 {
		return got == rounded
	}
	e := formats[dt]
	return math.Abs(got-want) <= bound*(1+e.unit)+e.unit*math.Abs(want)+e.tiny
}

// round returns x as dt stores it.
func round(dt dtype.Type, x float32) float32 {
	switch dt {
	case dtype.F32:
		return x
	case dtype.F16:
		return dtype.F16ToF32(dtype.F32ToF16(x))
	case dtype.BF16:
		return dtype.BF16ToF32(dtype.F32ToBF16(x))
	}
	var b [4]byte
	var y [1]float32
	dtype.Quantize(b[:], dt, []float32{x})
	dtype.Dequantize(y[:], dt, b[:])
	return y[0]
}

func seeded(name string) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(name))
	return rand.New(rand.NewPCG(h.Sum64(), 1))
}

// compareBits is compare for operations that are defined to the last bit: ref writes the same type, and all bytes must agree.
func (k *kit) compareBits(c call) {
	k.t.Helper()
	k.calls++
	want, _ := (&kit{support: newSupport()}).run(c, ref.Backend{})
	for _, b := range []tensor.Backend{k.b, k.single} {
		if b == nil {
			continue
		}
		got, ok := k.run(c, b)
		if !ok {
			return
		}
		for i := range got {
			if !bytes.Equal(got[i].store, want[i].store) {
				k.t.Errorf("%s %s %v: out %d: bits differ%s", c.op, c.about, c.types, i, firstDifference(got[i].view, want[i].view))
				return
			}
		}
	}
}

func firstDifference(got, want tensor.Tensor) string {
	g, w := got.Floats(), want.Floats()
	for i := range g {
		if math.Float32bits(g[i]) != math.Float32bits(w[i]) {
			return fmt.Sprintf(": [%d] is %v, want %v", i, g[i], w[i])
		}
	}
	return " outside the tensor"
}
