package model

import (
	"fmt"
	"hash/fnv"
	"iter"
	"math"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"

	"quire/simd/dtype"
	"quire/simd/tensor"
)

// Weights are the tensors of a model by role. Gradients and optimiser moments are Weights too.
type Weights struct {
	Embed  tensor.Tensor // (V, C)
	Norm   tensor.Tensor // (C)
	Head   tensor.Tensor // (V, C); the same view as Embed where the configuration ties them
	Layers []Layer
}

// Layer holds one decoder layer.
type Layer struct {
	AttnNorm tensor.Tensor // (C)
	QKV      Linear        // ((H+2·Hkv)·D, C): all query heads, then all key heads, then all value heads
	Out      Linear        // (C, H·D)
	MLPNorm  tensor.Tensor // (C)
	GateUp   Linear        // (2·F, C): gate, then up
	Down     Linear        // (C, F)
}

// Linear is y = x·Wᵀ + Bias. Its rows come in one piece, as training has them, or in several, as a file has them: query, key and value apart, of types and
// block formats that may differ.
type Linear struct {
	Parts []tensor.Tensor // (Nᵢ, K), rows in order
	Bias  tensor.Tensor   // (ΣNᵢ); none: zero Tensor
}

// Rows is the number of outputs.
func (l Linear) Rows() (n int) {
	for _, p := range l.Parts {
		n += p.Dim(0)
	}
	return n
}

// NewWeights allocates fused weights of type dt in a; vectors, norms and biases, are always F32. Contents are what a gives: zeros from tensor.Heap.
func (c Config) NewWeights(a tensor.Allocator, dt dtype.Type) *Weights {
	vector := func(n int) tensor.Tensor { return tensor.NewIn(a, dtype.F32, n) }
	matrix := func(n, k int) tensor.Tensor { return tensor.NewIn(a, dt, n, k) }
	linear := func(n, k int, bias bool) Linear {
		l := Linear{Parts: []tensor.Tensor{matrix(n, k)}}
		if bias {
			l.Bias = vector(n)
		}
		return l
	}
	w := &Weights{Embed: matrix(c.VocabSize, c.HiddenSize), Layers: make([]Layer, c.NumLayers)}
	for i := range w.Layers {
		w.Layers[i] = Layer{
			AttnNorm: vector(c.HiddenSize),
			QKV:      linear(c.QKVRows(), c.HiddenSize, c.QKVBias),
			Out:      linear(c.HiddenSize, c.NumHeads*c.HeadDim, c.OutBias),
			MLPNorm:  vector(c.HiddenSize),
			GateUp:   linear(2*c.IntermediateSize, c.HiddenSize, c.MLPBias),
			Down:     linear(c.HiddenSize, c.IntermediateSize, c.MLPBias),
		}
	}
	w.Norm = vector(c.HiddenSize)
	if w.Head = w.Embed; !c.TieWordEmbeddings {
		w.Head = matrix(c.VocabSize, c.HiddenSize)
	}
	return w
}

// partNames are the names of the pieces of a fused matrix, by the number of pieces.
var partNames = map[string][][]string{
	"self_attn.qkv_proj": {{"self_attn.qkv_proj"}, nil, {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"}},
	"mlp.gate_up_proj":   {{"mlp.gate_up_proj"}, {"mlp.gate_proj", "mlp.up_proj"}},
	"self_attn.o_proj":   {{"self_attn.o_proj"}},
	"mlp.down_proj":      {{"mlp.down_proj"}},
}

// All yields every tensor once, in canonical order, with its name. Names are Hugging Face's of Llama:
//
//	model.embed_tokens.weight
//	model.layers.N.input_layernorm.weight
//	model.layers.N.self_attn.qkv_proj.weight, .bias     (in pieces: q_proj, k_proj, v_proj)
//	model.layers.N.self_attn.o_proj.weight, .bias
//	model.layers.N.post_attention_layernorm.weight
//	model.layers.N.mlp.gate_up_proj.weight, .bias       (in pieces: gate_proj, up_proj)
//	model.layers.N.mlp.down_proj.weight, .bias
//	model.norm.weight
//	lm_head.weight                                      (not if tied)
//
// The bias of a fused matrix is one tensor, whatever the pieces. Pieces of another number are called name.0.weight, name.1.weight …
func (w *Weights) All() iter.Seq2[string, *tensor.Tensor] {
	return func(yield func(string, *tensor.Tensor) bool) {
		ok := yield("model.embed_tokens.weight", &w.Embed)
		one := func(name string, t *tensor.Tensor) {
			ok = ok && (t.IsZero() || yield(name, t))
		}
		linear := func(layer, name string, l *Linear) {
			for i := range l.Parts {
				one(layer+partName(name, i, len(l.Parts))+".weight", &l.Parts[i])
			}
			one(layer+name+".bias", &l.Bias)
		}
		for i := range w.Layers {
			l, name := &w.Layers[i], fmt.Sprintf("model.layers.%d.", i)
			one(name+"input_layernorm.weight", &l.AttnNorm)
			linear(name, "self_attn.qkv_proj", &l.QKV)
			linear(name, "self_attn.o_proj", &l.Out)
			one(name+"post_attention_layernorm.weight", &l.MLPNorm)
			linear(name, "mlp.gate_up_proj", &l.GateUp)
			linear(name, "mlp.down_proj", &l.Down)
		}
		one("model.norm.weight", &w.Norm)
		if !w.Head.IsSame(w.Embed) {
			one("lm_head.weight", &w.Head)
		}
	}
}

func partName(name string, i, parts int) string {
	if known := partNames[name]; parts <= len(known) && known[parts-1] != nil {
		return known[parts-1][i]
	}
	return fmt.Sprintf("%s.%d", name, i)
}

// Fuse copies w, whose matrices may be in pieces of any types, to fresh fused weights of type dt.
func (c Config) Fuse(b tensor.Backend, w *Weights, dt dtype.Type) (*Weights, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if err := c.Check(w); err != nil {
		return nil, err
	}
	out := c.NewWeights(tensor.Heap, dt)
	put := func(dst, src tensor.Tensor) {
		if !src.IsZero() {
			b.Copy(dst, src)
		}
	}
	linear := func(dst, src Linear) {
		lo := 0
		for _, p := range src.Parts {
			put(dst.Parts[0].Slice(0, lo, lo+p.Dim(0)), p)
			lo += p.Dim(0)
		}
		put(dst.Bias, src.Bias)
	}
	for i, l := range w.Layers {
		d := out.Layers[i]
		put(d.AttnNorm, l.AttnNorm)
		put(d.MLPNorm, l.MLPNorm)
		linear(d.QKV, l.QKV)
		linear(d.Out, l.Out)
		linear(d.GateUp, l.GateUp)
		linear(d.Down, l.Down)
	}
	put(out.Embed, w.Embed)
	put(out.Norm, w.Norm)
	if !c.TieWordEmbeddings {
		put(out.Head, w.Head)
	}
	return out, nil
}

// Bytes is the storage of all tensors.
func (w *Weights) Bytes() (n int64) {
	for _, t := range w.All() {
		n += int64(t.NumBytes())
	}
	return n
}

// Zero clears every tensor. The tensors must be contiguous.
func (w *Weights) Zero() {
	for _, t := range w.All() {
		zero(*t)
	}
}

// zero clears a tensor, large ones on all processors: it is a matter of memory alone.
func zero(t tensor.Tensor) {
	const piece = 4 << 20
	data := t.Bytes()
	var wg sync.WaitGroup
	for len(data) > piece {
		next := data[:piece]
		wg.Go(func() { clear(next) })
		data = data[piece:]
	}
	clear(data)
	wg.Wait()
}

// initStd is the standard deviation of Hugging Face's initializer_range, which every model here was published with.
const initStd = 0.02

// Init draws fused weights: matrices from a normal distribution of standard deviation 0.02, Out and Down divided by √(2·L) so that the residual stream starts with the same
// variance at every depth (Radford et al. 2019, §2.3); norms one, biases zero. Every row has its own stream of random numbers, so the result depends on c and seed alone.
func (w *Weights) Init(c Config, seed uint64) {
	for name, t := range w.All() {
		switch {
		case t.Rank() == 1 && strings.HasSuffix(name, ".bias"):
			t.SetFloats(make([]float32, t.Len()))
		case t.Rank() == 1:
			ones := make([]float32, t.Len())
			for i := range ones {
				ones[i] = 1
			}
			t.SetFloats(ones)
		default:
			std := initStd
			if strings.HasSuffix(name, "o_proj.weight") || strings.HasSuffix(name, "down_proj.weight") {
				std /= math.Sqrt(2 * float64(c.NumLayers))
			}
			drawNormal(*t, name, std, seed)
		}
	}
}

// drawNormal fills the rows of t, several at a time.
func drawNormal(t tensor.Tensor, name string, std float64, seed uint64) {
	h := fnv.New64a()
	h.Write([]byte(name))
	stream := h.Sum64() ^ seed
	workers := min(runtime.GOMAXPROCS(0), t.Dim(0))
	var wg sync.WaitGroup
	for worker := range workers {
		wg.Go(func() {
			row := make([]float32, t.Dim(1))
			for i := worker; i < t.Dim(0); i += workers {
				rng := rand.New(rand.NewPCG(stream, uint64(i)))
				for j := range row {
					row[j] = float32(std * rng.NormFloat64())
				}
				t.Index(i).SetFloats(row)
			}
		})
	}
	wg.Wait()
}
