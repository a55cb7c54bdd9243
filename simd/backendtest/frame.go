package backendtest

import (
	"bytes"
	"math"

	"quire/simd/dtype"
	"quire/simd/ref"
	"quire/simd/tensor"
)

// layout is how a tensor lies in its storage.
type layout uint8

const (
	plain  layout = iota // aligned, contiguous
	offset               // contiguous, one element behind an aligned address
	rows                 // gaps between rows, unaligned
	cols                 // the last two axes exchanged; for vectors, stride 3
	numLayouts
)

func (l layout) String() string { return [...]string{"plain", "offset", "rows", "cols"}[l] }

const (
	guard     = 64
	guardByte = 0xa5
)

// frame is a tensor amid guard bytes.
type frame struct {
	view   tensor.Tensor
	store  []byte
	saved  []byte
	dt     dtype.Type
	layout layout
	shape  []int
}

func newFrame(dt dtype.Type, l layout, shape []int) frame {
	f := frame{dt: dt, layout: l, shape: shape}
	n := max(f.dt.Block(), count(f.outer()))
	f.store = tensor.Heap.Alloc(2*guard + dt.Bytes(n) + dt.BlockBytes())
	for i := range f.store {
		f.store[i] = guardByte
	}
	f.view = f.lay(f.store)
	f.saved = bytes.Clone(f.store)
	return f
}

// outer is the shape of the tensor that the view is cut from, its last axis counted in elements.
func (f frame) outer() []int {
	s := append([]int(nil), f.shape...)
	if len(s) == 0 {
		return s
	}
	if f.layout == cols && len(s) == 1 {
		return []int{s[0], 3}
	}
	if f.layout == cols {
		s[len(s)-1], s[len(s)-2] = s[len(s)-2], s[len(s)-1]
	}
	if f.layout == rows || f.layout == cols {
		s[len(s)-1] += f.pad()
	}
	return s
}

// pad is the gap between rows: whole blocks, so that every view is legal.
func (f frame) pad() int {
	if f.dt.IsBlock() {
		return f.dt.Block()
	}
	return 5
}

// lay cuts the view out of store.
func (f frame) lay(store []byte) tensor.Tensor {
	at := guard
	if f.layout != plain {
		at += f.dt.BlockBytes()
	}
	t := tensor.FromBytes(f.dt, store[at:], f.outer()...)
	if len(f.shape) == 0 || f.layout == plain || f.layout == offset {
		return t
	}
	if f.layout == cols && len(f.shape) == 1 {
		return t.Slice(1, 1, 2).T().Index(0)
	}
	last := len(f.shape) - 1
	lo := f.pad()
	if !f.dt.IsBlock() {
		lo = 3
	}
	t = t.Slice(last, lo, lo+f.outer()[last]-f.pad())
	if f.layout == cols {
		t = t.T()
	}
	return t
}

// init fills the view with x, or with bytes 0xff (NaN, −1) if x is nil, and remembers the whole storage.
func (f *frame) init(x []float32) {
	switch {
	case x == nil && !f.dt.IsBlock() && f.dt != dtype.I32:
		x = make([]float32, f.view.Len())
		for i := range x {
			x[i] = float32(math.NaN())
		}
		f.view.SetFloats(x)
	case x != nil:
		f.view.SetFloats(x)
	}
	f.saved = bytes.Clone(f.store)
}

// intact reports whether everything outside the view is as it was.
func (f frame) intact() bool {
	now := bytes.Clone(f.store)
	if f.view.Len() > 0 {
		ref.Backend{}.Copy(f.lay(now), f.lay(f.saved))
	}
	return bytes.Equal(now, f.saved)
}

// floats are the types that activations have.
var floats = []dtype.Type{dtype.F32, dtype.F16, dtype.BF16}

// blocks are the block formats.
var blocks = []dtype.Type{dtype.Q8_0, dtype.Q4_0, dtype.Q4_1, dtype.Q5_0, dtype.Q5_1, dtype.Q4_K, dtype.Q5_K, dtype.Q6_K, dtype.AWQ4, dtype.NF4}

// normal returns n standard normal numbers that dt holds exactly.
func (k *kit) normal(dt dtype.Type, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = round(dt, float32(k.rng.NormFloat64()))
	}
	return x
}

// special is normal with zeros of both signs, infinities, NaN, denormals and large numbers mixed in.
func (k *kit) special(dt dtype.Type, n int) []float32 {
	inf, x := math.Inf(1), k.normal(dt, n)
	odd := []float64{0, math.Copysign(0, -1), inf, -inf, math.NaN(), 1e-40, -3e-45, 6e-8, 1e4, -1e4, 88, -88, -104, 1}
	for i := range x {
		if i%2 == 0 {
			x[i] = round(dt, float32(odd[i/2%len(odd)]))
		}
	}
	return x
}

// input lays x out as dt.
func input(dt dtype.Type, l layout, x []float32, shape ...int) tensor.Tensor {
	f := newFrame(dt, l, shape)
	f.init(x)
	return f.view
}

// pick draws one of the choices: over the many calls of a group every combination comes up.
func pick[E any](k *kit, choices ...E) E { return choices[k.rng.IntN(len(choices))] }

func count(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}
