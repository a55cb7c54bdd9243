package model

import (
	"quire/simd/dtype"
	"quire/simd/tensor"
)

// final is what lies after the last layer.
type final struct {
	x, h, rstd    tensor.Tensor // (T, C) F32, (T, C), (T) F32
	loss, lse     tensor.Tensor // (T) F32
	gradLoss      tensor.Tensor // (T) F32: what Weigh fills
	head, headStd tensor.Tensor // normalised head (V, C), its rstd (V); none without NormHead
	dHead         tensor.Tensor // (V, C) F32; none without NormHead
}

// saved is all that a training pass keeps, and the gradients that flow back through it.
type saved struct {
	layers []rows
	final  final
	dx     tensor.Tensor // (T, C) F32: gradient of the stream
	dy     tensor.Tensor // (T, C): dx in the compute type, dx itself for F32
	dh     tensor.Tensor // (T, C): gradient of normalised rows
	dAttn  tensor.Tensor // (T, H·D)
	dqkv   tensor.Tensor // (T, QKVRows)
	dmlp   tensor.Tensor // (T, F)
	bias   tensor.Tensor // F32: sums of columns, as long as the longest bias
}

// newFinal lays out the end of a pass without gradients.
func (p *pass) newFinal(a tensor.Allocator, t int) *final {
	f := &final{
		h:    tensor.NewIn(a, p.act, t, p.c.HiddenSize),
		loss: tensor.NewIn(a, dtype.F32, t),
		lse:  tensor.NewIn(a, dtype.F32, t),
	}
	if p.c.NormHead {
		f.head = tensor.NewIn(a, p.act, p.c.VocabSize, p.c.HiddenSize)
		f.headStd = tensor.NewIn(a, dtype.F32, p.c.VocabSize)
	}
	return f
}

// newSaved lays out a training pass of t rows. What is shared between layers depends on what is computed again: the stream into a layer never is.
func (t *Trainer) newSaved(a tensor.Allocator, n int) *saved {
	c, act := t.c, t.act
	f32 := func(shape ...int) tensor.Tensor { return tensor.NewIn(a, dtype.F32, shape...) }
	narrow := func(shape ...int) tensor.Tensor { return tensor.NewIn(a, act, shape...) }
	s := &saved{layers: make([]rows, c.NumLayers), final: *t.newFinal(a, n)}
	s.final.rstd, s.final.gradLoss = f32(n), f32(n)
	if c.NormHead {
		s.final.dHead = f32(c.VocabSize, c.HiddenSize)
	}
	cheap := func(r *rows) {
		r.h1, r.h2, r.mlp = narrow(n, c.HiddenSize), narrow(n, c.HiddenSize), narrow(n, c.IntermediateSize)
	}
	costly := func(r *rows) {
		r.mid, r.rstd1, r.rstd2, r.lse = f32(n, c.HiddenSize), f32(n), f32(n), f32(n, c.NumHeads)
		r.qkv, r.attn = narrow(n, c.QKVRows()), narrow(n, c.NumHeads*c.HeadDim)
		r.gateUp = narrow(n, 2*c.IntermediateSize)
		r.heads = c.split(r.attn)
	}
	var shared rows
	if t.o.Recompute >= RecomputeSelective {
		cheap(&shared)
	}
	if t.o.Recompute == RecomputeFull {
		costly(&shared)
	}
	for i := range s.layers {
		s.layers[i] = shared
		if t.o.Recompute < RecomputeSelective {
			cheap(&s.layers[i])
		}
		if t.o.Recompute < RecomputeFull {
			costly(&s.layers[i])
		}
		s.layers[i].x = f32(n, c.HiddenSize)
	}
	s.final.x = f32(n, c.HiddenSize)
	for i := range s.layers {
		s.layers[i].next = s.final.x
		if i+1 < len(s.layers) {
			s.layers[i].next = s.layers[i+1].x
		}
	}
	s.dx = f32(n, c.HiddenSize)
	if s.dy = s.dx; act != dtype.F32 {
		s.dy = narrow(n, c.HiddenSize)
	}
	s.dh, s.dAttn, s.dqkv, s.dmlp = narrow(n, c.HiddenSize), narrow(n, c.NumHeads*c.HeadDim), narrow(n, c.QKVRows()), narrow(n, c.IntermediateSize)
	if c.QKVBias || c.OutBias || c.MLPBias {
		s.bias = f32(max(c.HiddenSize, c.QKVRows(), 2*c.IntermediateSize))
	}
	return s
}

// counter is an Allocator that only counts, as an Arena does.
type counter int64

func (n *counter) Alloc(bytes int) []byte {
	*n += counter((bytes + 63) &^ 63)
	return nil
}

// Memory is what training holds, in bytes, without an optimiser's moments: in F32 each takes Weights bytes more.
type Memory struct {
	Weights     int64 // F32 masters
	Shadow      int64 // copies in the compute type
	Grads       int64 // F32
	Activations int64 // of one micro-batch of MaxTokens
	Scratch     int64 // an estimate of what a Backend with products of the compute type keeps: left operands packed once, and a chunk of logits
}

// Total is the sum.
func (m Memory) Total() int64 { return m.Weights + m.Shadow + m.Grads + m.Activations + m.Scratch }

// PlanTraining returns what NewTrainer with these options holds, exactly but for Scratch: it lays out the same buffers. c and o must be valid.
func (c Config) PlanTraining(o TrainOptions) Memory {
	m := Memory{Weights: c.WeightBytes(dtype.F32), Grads: c.WeightBytes(dtype.F32), Scratch: c.scratch(o)}
	if o.Compute != dtype.F32 {
		matrices := int64(c.NumLayers)*c.layerMatrix() + int64(c.VocabSize)*int64(c.HiddenSize)
		m.Shadow = bytesOf(o.Compute, matrices)
	}
	var n counter
	t := &Trainer{pass: pass{c: c, act: o.Compute}, o: o}
	t.newSaved(&n, o.MaxTokens)
	m.Activations = int64(n)
	return m
}

// logitNumbers is how many logits the Backend computes at a time.
const logitNumbers = 32 << 20

// scratch estimates the Backend's scratch: it keeps a buffer for each size that it met, a fifth larger than asked for.
func (c Config) scratch(o TrainOptions) int64 {
	operands := c.HiddenSize + c.NumHeads*c.HeadDim + c.QKVRows() + 3*c.IntermediateSize
	n := int64(o.MaxTokens) * int64(operands) * int64(o.Compute.BlockBytes())
	logits := min(int64(o.MaxTokens)*int64(c.VocabSize), logitNumbers)
	return (n + logits*int64(4+o.Compute.BlockBytes())) * 6 / 5
}

// PlanForward returns the activations of Model.Forward for t rows in activation type act.
func (c Config) PlanForward(act dtype.Type, t int) int64 {
	var n counter
	p := &pass{c: c, act: act}
	p.newRows(&n, t)
	tensor.NewIn(&n, dtype.F32, t, c.HiddenSize)
	return int64(n)
}
