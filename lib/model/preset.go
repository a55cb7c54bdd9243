package model

import (
	"fmt"
	"slices"
	"strings"
)

// presets are the published configurations of InternLM2: the Python class's defaults are not those of the models.
var presets = map[string]Config{
	"internlm2-1_8b": internLM2(2048, 8192, 24, 16),
	"internlm2-7b":   internLM2(4096, 14336, 32, 32),
	"internlm2-20b":  internLM2(6144, 16384, 48, 48),
}

func internLM2(hidden, inner, layers, heads int) Config {
	return Config{
		Family: InternLM2, HiddenSize: hidden, IntermediateSize: inner, NumLayers: layers, NumHeads: heads, NumKVHeads: 8, HeadDim: 128,
		VocabSize: 92544, MaxSeqLen: 32768, RMSNormEps: 1e-5, RopeTheta: 1e6,
		BOS: []uint32{1}, EOS: []uint32{2},
	}
}

// Preset returns a published configuration: internlm2-1_8b, internlm2-7b or internlm2-20b.
func Preset(name string) (Config, error) {
	if c, ok := presets[name]; ok {
		return c, nil
	}
	var names []string
	for n := range presets {
		names = append(names, n)
	}
	slices.Sort(names)
	return Config{}, fmt.Errorf("model: no preset %q: want %s", name, strings.Join(names, ", "))
}

// depthAspect is the hidden size for each layer, nanochat's choice: one dial, all else follows from it.
const depthAspect = 64

// Depth returns an InternLM2 of n layers for training from nothing, all else derived: hidden size 64·n, heads of 64 (128 from 16 layers on), two query heads for each KV head where that comes
// out even, an intermediate size of 8/3 of the hidden size, rounded up to 128. Set VocabSize to the tokenizer's, and BOS and EOS, before use. It panics if n is not 1 to 256.
func Depth(n int) Config {
	if n < 1 || n > 256 {
		panic(fmt.Sprintf("model: Depth(%d): want 1 to 256 layers", n))
	}
	hidden, dim := depthAspect*n, 64
	if n >= 16 && n%2 == 0 {
		dim = 128
	}
	heads := hidden / dim
	kv := heads
	if heads%2 == 0 {
		kv = heads / 2
	}
	return Config{
		Family: InternLM2, HiddenSize: hidden, IntermediateSize: (hidden*8/3 + 127) / 128 * 128, NumLayers: n, NumHeads: heads, NumKVHeads: kv, HeadDim: dim,
		VocabSize: 32768, MaxSeqLen: 2048, RMSNormEps: 1e-5, RopeTheta: 1e4,
		BOS: []uint32{1}, EOS: []uint32{2},
	}
}
