package model

import (
	"math/rand/v2"
	"slices"
	"testing"

	"quire/simd"
	"quire/simd/dtype"
	"quire/simd/ref"
	"quire/simd/tensor"
)

func backend(testing.TB) tensor.Backend { return simd.Default() }

// cache is a paged cache for some sequences: pages are given out as they come.
type cache struct {
	kv    []tensor.KV
	size  int
	lens  []int
	pages [][]int32
	used  int32
}

func newCache(m *Model, dt dtype.Type, pages, size int) *cache {
	c := &cache{size: size}
	for range m.c.NumLayers {
		c.kv = append(c.kv, m.b.NewKV(tensor.KVConfig{Pages: pages, PageSize: size, KVHeads: m.c.NumKVHeads, HeadDim: m.c.HeadDim, DType: dt}))
	}
	return c
}

// batch appends tokens to the sequences, one list each.
func (c *cache) batch(steps ...[]int32) Batch {
	for len(c.lens) < len(steps) {
		c.lens, c.pages = append(c.lens, 0), append(c.pages, nil)
	}
	var ids, pos, slots []int32
	b := Batch{KV: c.kv, Cu: []int32{0}}
	for s, step := range steps {
		for _, id := range step {
			at := c.lens[s]
			if at%c.size == 0 {
				c.pages[s] = append(c.pages[s], c.used)
				c.used++
			}
			ids, pos, slots = append(ids, id), append(pos, int32(at)), append(slots, c.pages[s][at/c.size]*int32(c.size)+int32(at%c.size))
			c.lens[s]++
		}
		b.Cu, b.KeyLens, b.Pages = append(b.Cu, int32(len(ids))), append(b.KeyLens, int32(c.lens[s])), append(b.Pages, slices.Clone(c.pages[s]))
	}
	n := len(ids)
	b.IDs, b.Pos, b.Slots = tensor.FromI32(ids, n), tensor.FromI32(pos, n), tensor.FromI32(slots, n)
	return b
}

// logitsOf runs a batch and returns the logits of all its rows.
func logitsOf(m *Model, b Batch) [][]float32 {
	h := m.Forward(b)
	out := tensor.New(dtype.F32, h.Dim(0), m.c.VocabSize)
	m.Logits(out, h)
	var rows [][]float32
	for i := range h.Dim(0) {
		rows = append(rows, out.Index(i).F32())
	}
	return rows
}

// TestForward compares dense and paged forward passes with the reference for every flag, with weights in one piece and in pieces of several types.
func TestForward(t *testing.T) {
	for name, c := range smallConfigs() {
		t.Run(name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(20261123, 1))
			w := smallWeights(c, rng)
			docs := randomDocs(c, rng, 17, 1, 30)
			r := newReference(c, w)
			var want [][]float64
			for _, d := range docs {
				want = append(want, r.logits(d)...)
			}
			for _, b := range []tensor.Backend{backend(t), ref.Backend{}} {
				for _, w := range []*Weights{w, inPieces(c, w)} {
					m, err := New(b, c, w)
					if err != nil {
						t.Fatal(err)
					}
					closeTo(t, b.Info().Name+", dense", logitsOf(m, sequences(docs...)), want)
					closeTo(t, b.Info().Name+", paged", logitsOf(m, newCache(m, dtype.F32, 64, 8).batch(docs...)), want)
				}
			}
		})
	}
}

func closeTo(t *testing.T, what string, got [][]float32, want [][]float64) {
	t.Helper()
	for i := range want {
		row := make([]float32, len(want[i]))
		for j, v := range want[i] {
			row[j] = float32(v)
		}
		if d := distance(got[i], row); !(d <= 2e-5) {
			t.Errorf("%s: row %d differs from the reference by %.2g", what, i, d)
			return
		}
	}
}

// inPieces splits the fused matrices as files have them.
func inPieces(c Config, w *Weights) *Weights {
	out := *w
	out.Layers = slices.Clone(w.Layers)
	q, kv := c.NumHeads*c.HeadDim, c.NumKVHeads*c.HeadDim
	for i := range out.Layers {
		l := &out.Layers[i]
		m := l.QKV.Parts[0]
		l.QKV.Parts = []tensor.Tensor{m.Slice(0, 0, q), m.Slice(0, q, q+kv), m.Slice(0, q+kv, q+2*kv)}
		m = l.GateUp.Parts[0]
		l.GateUp.Parts = []tensor.Tensor{m.Slice(0, 0, c.IntermediateSize), m.Slice(0, c.IntermediateSize, 2*c.IntermediateSize)}
	}
	return &out
}

// TestBatchesAreInvariant runs a sequence alone, in a batch, in chunks and token by token: the same bits.
func TestBatchesAreInvariant(t *testing.T) {
	for _, dt := range []dtype.Type{dtype.F32, dtype.BF16, dtype.Q8_0} {
		c := smallConfigs()["plain"]
		c.HiddenSize, c.IntermediateSize, c.HeadDim = 64, 96, 32
		rng := rand.New(rand.NewPCG(7, 7))
		w := smallWeights(c, rng)
		if dt != dtype.F32 {
			var err error
			if w, err = c.Fuse(backend(t), w, dt); err != nil {
				t.Fatal(err)
			}
		}
		m, err := New(backend(t), c, w)
		if err != nil {
			t.Fatal(err)
		}
		kv := dt
		docs := randomDocs(c, rng, 23, 40, 5)
		alone := logitsOf(m, newCache(m, kv, 32, 8).batch(docs[0]))
		same := func(what string, got [][]float32) {
			t.Helper()
			for i := range alone {
				if !slices.Equal(alone[i], got[i]) {
					t.Errorf("%v: %s: row %d is not the same to the bit", dt, what, i)
					return
				}
			}
		}
		same("in a batch", logitsOf(m, newCache(m, kv, 32, 8).batch(docs...)))
		chunked := newCache(m, kv, 32, 8)
		rows := logitsOf(m, chunked.batch(docs[0][:9], docs[2]))[:9]
		same("in chunks", append(rows, logitsOf(m, chunked.batch(docs[0][9:], nil))...))
		single := newCache(m, kv, 32, 8)
		rows = nil
		for _, id := range docs[0] {
			rows = append(rows, logitsOf(m, single.batch([]int32{id}))...)
		}
		same("token by token", rows)
		dense := logitsOf(m, sequences(docs[0]))
		if packed := logitsOf(m, sequences(docs[1], docs[0]))[40:]; !slices.EqualFunc(dense, packed, slices.Equal) {
			t.Errorf("%v: dense: a document beside another one is not the same to the bit", dt)
		}
		fork := m.Fork()
		m.Forward(sequences(docs[1]))
		if !slices.EqualFunc(dense, logitsOf(fork, sequences(docs[0])), slices.Equal) {
			t.Errorf("%v: a fork computes something else", dt)
		}
	}
}

// TestDynamicNTK extends a model beyond its trained length.
func TestDynamicNTK(t *testing.T) {
	c := smallConfigs()["plain"]
	c.MaxSeqLen, c.RopeScaling = 16, RopeScaling{Type: "dynamic", Factor: 2}
	rng := rand.New(rand.NewPCG(3, 3))
	w := smallWeights(c, rng)
	m, err := New(backend(t), c, w)
	if err != nil {
		t.Fatal(err)
	}
	doc := randomDocs(c, rng, 40)[0]
	closeTo(t, "within the trained length", logitsOf(m, sequences(doc[:16])), newReference(c, w).logits(doc[:16]))
	func() {
		defer func() {
			if recover() == nil {
				t.Error("a position beyond MaxPositions does not panic")
			}
		}()
		m.Forward(sequences(doc))
	}()
	m.SetMaxPositions(40)
	closeTo(t, "beyond it", logitsOf(m, sequences(doc)), newReference(c, w).logits(doc))
}
