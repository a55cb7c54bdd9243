package infer

import (
	"quire/lib/model"
	"quire/simd/tensor"
)

// runner is a model with its key-value caches: what computes a step. Buffers are kept from step to step.
type runner struct {
	b   tensor.Backend
	m   *model.Model
	c   model.Config
	kvs []tensor.KV

	ids, pos, slots, cu, keys []int32
	tables                    [][]int32
	lengths                   []int32 // nil unless positions are scaled dynamically
	rows                      []byte  // gathered hidden rows
	logits                    []float32
}

// newRunner makes one for texts of up to maxLen tokens. The model's own scratch is left alone.
func newRunner(b tensor.Backend, m *model.Model, maxLen, pages int, kv tensor.KVConfig) (*runner, error) {
	r := &runner{b: b, m: m.Fork(), c: m.Config()}
	if maxLen > r.m.MaxPositions() {
		r.m.SetMaxPositions(maxLen)
	}
	kv.Pages = pages
	if err := kv.Validate(); err != nil {
		return nil, err
	}
	for range r.c.NumLayers {
		r.kvs = append(r.kvs, b.NewKV(kv))
	}
	return r, nil
}

func (r *runner) copyPage(dst, src int32) {
	for _, kv := range r.kvs {
		kv.CopyPages([]int32{dst}, []int32{src})
	}
}

// begin starts a batch, add appends n tokens of s, of which those past its ids come from more.
func (r *runner) begin() {
	r.ids, r.pos, r.slots, r.keys, r.tables = r.ids[:0], r.pos[:0], r.slots[:0], r.keys[:0], r.tables[:0]
	r.cu, r.lengths = append(r.cu[:0], 0), r.lengths[:0]
}

func (r *runner) add(s *sequence, more []uint32, n int) {
	for i := s.done; i < s.done+n; i++ {
		id := uint32(0)
		if i < len(s.ids) {
			id = s.ids[i]
		} else {
			id = more[i-len(s.ids)]
		}
		r.ids = append(r.ids, int32(id))
		r.pos = append(r.pos, int32(i))
	}
	r.slots = s.slots(r.slots, s.done, n)
	r.keys = append(r.keys, int32(s.done+n))
	r.tables = append(r.tables, s.pages)
	r.cu = append(r.cu, int32(len(r.ids)))
	if r.dynamic() {
		r.lengths = append(r.lengths, int32(s.rope))
	}
}

// dynamic reports whether the rotation of keys depends on the length of the text.
func (r *runner) dynamic() bool {
	return r.c.RopeScaling.Type == "dynamic" && r.c.RopeScaling.Factor > 1
}

// ropeFor is the length whose frequencies a text of n tokens uses: the next power of two times the trained length, so that a growing text seldom has to be computed again.
func (r *runner) ropeFor(n int) int {
	if !r.dynamic() {
		return 0
	}
	length := r.c.MaxSeqLen
	for length < n {
		length *= 2
	}
	return length
}

// forward computes the batch and returns its hidden states (T, C), valid until the next call.
func (r *runner) forward() tensor.Tensor {
	t := len(r.ids)
	return r.m.Forward(model.Batch{
		IDs: tensor.FromI32(r.ids, t), Pos: tensor.FromI32(r.pos, t), Cu: r.cu,
		KV: r.kvs, Slots: tensor.FromI32(r.slots, t), Pages: r.tables, KeyLens: r.keys, Lengths: r.lengths,
	})
}

// rowRange is a range of rows of hidden states.
type rowRange struct{ lo, hi int }

// logitsOf computes the logits of some rows, valid until the next call.
func (r *runner) logitsOf(hidden tensor.Tensor, rows []rowRange) tensor.Tensor {
	n, c, v := 0, r.c.HiddenSize, r.c.VocabSize
	for _, g := range rows {
		n += g.hi - g.lo
	}
	in := hidden
	if len(rows) == 1 {
		in = hidden.Slice(0, rows[0].lo, rows[0].hi)
	} else {
		size := n * c * hidden.DType().BlockBytes()
		if cap(r.rows) < size {
			r.rows = tensor.Heap.Alloc(size)
		}
		in = tensor.FromBytes(hidden.DType(), r.rows[:size], n, c)
		at := 0
		for _, g := range rows {
			r.b.Copy(in.Slice(0, at, at+g.hi-g.lo), hidden.Slice(0, g.lo, g.hi))
			at += g.hi - g.lo
		}
	}
	if cap(r.logits) < n*v {
		r.logits = make([]float32, n*v)
	}
	out := tensor.FromF32(r.logits[:n*v], n, v)
	r.m.Logits(out, in)
	return out
}
