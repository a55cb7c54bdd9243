package model

import (
	"fmt"
	"math"

	"quire/simd/dtype"
	"quire/simd/tensor"
)

// Model is weights packed for a Backend: what inference runs. It shares vectors and the embedding table with the Weights it was made of, which must live as long; packed matrices
// are its own. Forward and Logits share scratch, so a Model serves one goroutine at a time; Fork gives another one over the same weights.
type Model struct {
	pass
	head    linear
	arena   tensor.Arena
	lengths lengths
}

// Role names a Linear of a layer.
type Role uint8

const (
	RoleQKV Role = iota
	RoleOut
	RoleGateUp
	RoleDown
)

func (r Role) String() string { return [...]string{"qkv", "out", "gate_up", "down"}[r] }

// Batch is what Forward computes: B sequences packed row after row.
type Batch struct {
	IDs tensor.Tensor // (T) I32
	Pos tensor.Tensor // (T) I32, below MaxPositions
	Cu  []int32       // query offsets of the sequences, length B+1, from 0 to T; nil: one sequence

	// Paged inference: one cache a layer. Keys and values of the rows are written to Slots first; then sequence b sees KeyLens[b] keys in its Pages. With KV nil the rows of a
	// sequence see each other: dense causal attention.
	KV      []tensor.KV
	Slots   tensor.Tensor // (T) I32
	Pages   [][]int32
	KeyLens []int32

	// Lengths, where the configuration scales positions dynamically, are the text lengths whose frequencies the sequences use: beyond their positions, and the same for all steps over one
	// cache. nil: MaxPositions for all.
	Lengths []int32

	// Trace, if set, is called before each Linear with its input rows (T, K), valid during the call: calibration of quantisers.
	Trace func(layer int, role Role, x tensor.Tensor)
}

// New packs every Linear of w for b. Activations are F32 if all weights are F32 or F16, else BF16. w may have its matrices in pieces, of any types that b can multiply by.
func New(b tensor.Backend, c Config, w *Weights) (*Model, error) { return Restore(b, c, w, nil) }

// Restore is New with matrices that were packed before: next is asked for them in the order of Packed, with the type, the inputs k and the outputs n of each, and packing takes place where it returns nil.
func Restore(b tensor.Backend, c Config, w *Weights, next func(dt dtype.Type, k, n int) tensor.Packed) (*Model, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if err := c.Check(w); err != nil {
		return nil, err
	}
	m := &Model{pass: newPass(b, c, w, activationType(w))}
	p := packing{b: b, next: next}
	for i := range w.Layers {
		m.layers[i] = prepareLayer(&w.Layers[i], p.pack)
	}
	head := w.Head
	if c.NormHead {
		head = tensor.New(activationType(w), c.VocabSize, c.HiddenSize)
		normalizeHead(b, head, w.Head, tensor.Tensor{})
	}
	m.head = linear{parts: p.pack([]tensor.Tensor{head})}
	return m, nil
}

// activationType is F32 where all matrices are F32 or F16.
func activationType(w *Weights) dtype.Type {
	for _, t := range w.All() {
		if t.Rank() == 2 && t.DType() != dtype.F32 && t.DType() != dtype.F16 {
			return dtype.BF16
		}
	}
	return dtype.F32
}

// Fork returns a Model over the same packed weights with scratch of its own, for another goroutine.
func (m *Model) Fork() *Model { return &Model{pass: m.pass, head: m.head} }

// Packed lists the packed matrices: layer by layer, the head last.
func (m *Model) Packed() (all []tensor.Packed) {
	add := func(l linear) {
		for _, p := range l.parts {
			all = append(all, p.packed)
		}
	}
	for _, l := range m.layers {
		add(l.qkv)
		add(l.out)
		add(l.gateUp)
		add(l.down)
	}
	add(m.head)
	return all
}

// PackedBytes is the memory of the packed matrices.
func (m *Model) PackedBytes() (n int64) {
	for _, p := range m.Packed() {
		n += int64(p.Bytes())
	}
	return n
}

// Forward returns the hidden rows (T, C) after the final norm, in the activation type. They lie in m's scratch: valid until the next Forward of m.
// Shapes that do not fit, ids outside the vocabulary and positions from MaxPositions on are the caller's bug and panic.
func (m *Model) Forward(b Batch) tensor.Tensor {
	t := b.IDs.Dim(0)
	if b.KV != nil && len(b.KV) != m.c.NumLayers {
		panic(fmt.Sprintf("model: Forward: %d caches for %d layers", len(b.KV), m.c.NumLayers))
	}
	m.arena.Release(tensor.Mark{})
	if b.Lengths == nil {
		m.reach(b.Pos)
	} else {
		b.Pos = m.scaled(b)
		m.rotary = m.lengths.table
	}
	s := m.newRows(&m.arena, t)
	x := tensor.NewIn(&m.arena, dtype.F32, t, m.c.HiddenSize)
	m.b.Embedding(x, m.w.Embed, b.IDs)
	for i := range m.layers {
		s.x, s.next, s.mid = x, x, x
		m.forwardLayer(i, s, b)
	}
	m.b.RMSNorm(tensor.RMSNorm{Out: s.h1, X: x, W: m.w.Norm, Eps: float32(m.c.RMSNormEps)})
	return s.h1
}

// Logits writes the logits (R, V) F32 of hidden rows (R, C).
func (m *Model) Logits(out, hidden tensor.Tensor) {
	m.apply(m.head, out, hidden, tensor.Tensor{})
}

// Config describes the model.
func (m *Model) Config() Config { return m.c }

// DType is the type of activations, hidden states and, if nothing else is asked for, cached keys and values.
func (m *Model) DType() dtype.Type { return m.act }

// MaxPositions is the number of positions that Forward takes: MaxSeqLen, or what SetMaxPositions said.
func (m *Model) MaxPositions() int { return m.positions }

// SetMaxPositions lets sequences grow to n tokens. With dynamic NTK scaling the frequencies become those of length n for every sequence, so keys already in
// a cache are no longer valid; without scaling, positions beyond MaxSeqLen extrapolate.
func (m *Model) SetMaxPositions(n int) {
	m.positions = n
	m.rotary = tensor.Rotary{}
}

// Rotary is the table of rotations for texts of up to n positions.
func (c Config) Rotary(n int) tensor.Rotary {
	return tensor.NewRotary(c.frequencies(n), n, c.RopeInterleaved)
}

// frequencies are the inverse frequencies for sequences of up to n positions.
func (c Config) frequencies(n int) []float64 {
	r := tensor.RotaryConfig{Dim: c.HeadDim, Theta: c.RopeTheta, MaxPosition: c.MaxSeqLen, Interleaved: c.RopeInterleaved}
	switch s := c.RopeScaling; s.Type {
	case "linear":
		r.Linear = s.Factor
	case "dynamic":
		r.DynamicNTK = s.Factor
	case "llama3":
		return s.llama3(r.Frequencies(n))
	}
	return r.Frequencies(n)
}

// llama3 divides low frequencies by the factor, keeps high ones and blends between, by the wavelength: Grattafiori et al. 2024, arXiv:2407.21783 §3.2, as published with Llama 3.1.
func (s RopeScaling) llama3(freqs []float64) []float64 {
	length := float64(s.OriginalMaxSeqLen)
	for i, f := range freqs {
		turns := length * f / (2 * math.Pi)
		smooth := min(1, max(0, (turns-s.LowFreqFactor)/(s.HighFreqFactor-s.LowFreqFactor)))
		freqs[i] = (1-smooth)*f/s.Factor + smooth*f
	}
	return freqs
}
