package model

import (
	"quire/simd/dtype"
)

// Params is the number of parameters, a tied head counted once.
func (c Config) Params() int64 {
	n := int64(c.VocabSize) * int64(c.HiddenSize)
	if !c.TieWordEmbeddings {
		n *= 2
	}
	return n + int64(c.NumLayers)*c.layerParams() + int64(c.HiddenSize)
}

// floatParams is Params before sizes are known to be sane.
func (c Config) floatParams() float64 {
	hidden, inner, heads := float64(c.HiddenSize), float64(c.IntermediateSize), float64(c.NumHeads)*float64(c.HeadDim)
	return 2*float64(c.VocabSize)*hidden + float64(c.NumLayers)*hidden*(4*heads+3*inner)
}

// layerParams is the number of parameters of one layer, vectors included.
func (c Config) layerParams() int64 {
	return c.layerMatrix() + int64(c.layerVector())
}

// layerMatrix is the number of weights in a layer's matrices.
func (c Config) layerMatrix() int64 {
	hidden := int64(c.HiddenSize)
	return hidden*int64(c.QKVRows()) + hidden*int64(c.NumHeads*c.HeadDim) + 3*hidden*int64(c.IntermediateSize)
}

// layerVector is the number of weights in a layer's norms and biases.
func (c Config) layerVector() int {
	n := 2 * c.HiddenSize
	if c.QKVBias {
		n += c.QKVRows()
	}
	if c.OutBias {
		n += c.HiddenSize
	}
	if c.MLPBias {
		n += 2*c.IntermediateSize + c.HiddenSize
	}
	return n
}

// MatMulParams is the number of weights that every token is multiplied by: all matrices and the head, not the embedding table.
func (c Config) MatMulParams() int64 {
	return int64(c.NumLayers)*c.layerMatrix() + int64(c.VocabSize)*int64(c.HiddenSize)
}

// ForwardFLOPs is the arithmetic of one token's forward pass, averaged over a sequence of that length: two operations for each weight of MatMulParams, and attention
// over the keys that the token sees (causal, within the window), which is half of what InternEvo's and PaLM's formulas count.
func (c Config) ForwardFLOPs(seqLen int) float64 {
	return 2*float64(c.MatMulParams()) + 4*float64(c.NumLayers)*float64(c.NumHeads*c.HeadDim)*c.meanKeys(seqLen)
}

// meanKeys is how many keys a token of a sequence sees, on average.
func (c Config) meanKeys(seqLen int) float64 {
	n := float64(seqLen)
	if w := float64(c.SlidingWindow); w > 0 && w < n {
		return (w*(w+1)/2 + (n-w)*w) / n
	}
	return (n + 1) / 2
}

// TrainFLOPs is the model's arithmetic for one token of training: three forward passes. What recomputation adds is not the model's and is not in it, so that
// MFU = TrainFLOPs·tokens/s ÷ peak compares settings fairly.
func (c Config) TrainFLOPs(seqLen int) float64 { return 3 * c.ForwardFLOPs(seqLen) }

// WeightBytes is the storage of NewWeights: matrices of type dt, vectors F32.
func (c Config) WeightBytes(dt dtype.Type) int64 {
	vectors := int64(c.NumLayers)*int64(c.layerVector()) + int64(c.HiddenSize)
	return bytesOf(dt, c.Params()-vectors) + 4*vectors
}

// KVBytes is the storage of the keys and values of that many tokens, without a Backend's padding.
func (c Config) KVBytes(dt dtype.Type, tokens int64) int64 {
	return 2 * int64(c.NumLayers) * bytesOf(dt, tokens*int64(c.NumKVHeads*c.HeadDim))
}

// bytesOf is the storage of n numbers, whole blocks.
func bytesOf(dt dtype.Type, n int64) int64 { return n / int64(dt.Block()) * int64(dt.BlockBytes()) }
