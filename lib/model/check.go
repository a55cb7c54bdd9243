package model

import (
	"fmt"

	"quire/simd/dtype"
	"quire/simd/tensor"
)

// Check reports the first tensor of w that does not fit c: what readers of files call before anything computes.
func (c Config) Check(w *Weights) error {
	if len(w.Layers) != c.NumLayers {
		return fmt.Errorf("model: weights have %d layers, the configuration %d", len(w.Layers), c.NumLayers)
	}
	var ck checker
	ck.matrix("model.embed_tokens.weight", w.Embed, c.VocabSize, c.HiddenSize)
	for i := range w.Layers {
		l, name := &w.Layers[i], fmt.Sprintf("model.layers.%d.", i)
		ck.vector(name+"input_layernorm.weight", l.AttnNorm, c.HiddenSize)
		ck.linear(name+"self_attn.qkv_proj", l.QKV, c.QKVRows(), c.HiddenSize, c.QKVBias)
		ck.linear(name+"self_attn.o_proj", l.Out, c.HiddenSize, c.NumHeads*c.HeadDim, c.OutBias)
		ck.vector(name+"post_attention_layernorm.weight", l.MLPNorm, c.HiddenSize)
		ck.linear(name+"mlp.gate_up_proj", l.GateUp, 2*c.IntermediateSize, c.HiddenSize, c.MLPBias)
		ck.linear(name+"mlp.down_proj", l.Down, c.HiddenSize, c.IntermediateSize, c.MLPBias)
	}
	ck.vector("model.norm.weight", w.Norm, c.HiddenSize)
	ck.matrix("lm_head.weight", w.Head, c.VocabSize, c.HiddenSize)
	if ck.err == nil && c.TieWordEmbeddings != w.Head.IsSame(w.Embed) {
		return fmt.Errorf("model: tie_word_embeddings is %v, but the head and the embedding table are not so", c.TieWordEmbeddings)
	}
	return ck.err
}

// checkMaster adds what training needs: fused, contiguous, F32.
func (c Config) checkMaster(w *Weights) error {
	if err := c.Check(w); err != nil {
		return err
	}
	for name, t := range w.All() {
		if t.DType() != dtype.F32 || !t.IsContiguous() {
			return fmt.Errorf("model: training needs contiguous F32 weights: %s is %v", name, *t)
		}
	}
	for i, l := range w.Layers {
		for _, lin := range []Linear{l.QKV, l.Out, l.GateUp, l.Down} {
			if len(lin.Parts) != 1 {
				return fmt.Errorf("model: training needs fused weights: layer %d has a matrix in %d pieces; Fuse joins them", i, len(lin.Parts))
			}
		}
	}
	return nil
}

// checker keeps the first error.
type checker struct{ err error }

func (ck *checker) fail(format string, args ...any) {
	if ck.err == nil {
		ck.err = fmt.Errorf("model: "+format, args...)
	}
}

func (ck *checker) vector(name string, t tensor.Tensor, n int) {
	if t.Rank() != 1 || t.Dim(0) != n || !t.DType().IsFloat() {
		ck.fail("%s is %v, want a float vector [%d]", name, t, n)
	}
}

func (ck *checker) matrix(name string, t tensor.Tensor, n, k int) {
	if t.Rank() != 2 || t.Dim(0) != n || t.Dim(1) != k || !t.DType().IsFloat() && !t.DType().IsBlock() {
		ck.fail("%s is %v, want [%d %d]", name, t, n, k)
	}
}

func (ck *checker) linear(name string, l Linear, n, k int, bias bool) {
	if len(l.Parts) == 0 {
		ck.fail("%s has no weights", name)
	}
	for _, p := range l.Parts {
		if p.Rank() != 2 {
			ck.fail("%s is %v, want a matrix", name, p)
			return
		}
		ck.matrix(name+".weight", p, p.Dim(0), k)
	}
	if rows := l.Rows(); rows != n {
		ck.fail("%s has %d rows, want %d", name, rows, n)
	}
	switch {
	case bias:
		ck.vector(name+".bias", l.Bias, n)
	case !l.Bias.IsZero():
		ck.fail("%s has a bias that the configuration does not know", name)
	}
}
