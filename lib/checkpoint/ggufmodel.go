package checkpoint

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"quire/lib/model"
	"quire/lib/token"
	"quire/simd/dtype"
	"quire/simd/tensor"
)

// ggufArch is what general.architecture says of a family, and whether such files rotate neighbouring pairs.
var ggufArch = map[string]struct {
	family      model.Family
	interleaved bool
}{"llama": {model.Llama, true}, "internlm2": {model.InternLM2, true}, "qwen2": {model.Qwen2, false}}

// quireRope is our own key for the rotary scaling that GGUF has no name for: dynamic NTK. Others do not read it and run unscaled.
const quireRope = "quire.rope.scaling.type"

func loadGGUF(path string) (*Model, error) {
	g, err := OpenGGUF(path)
	if err != nil {
		return nil, err
	}
	c, err := g.config()
	var w *model.Weights
	if err == nil {
		w, err = g.source().assemble(c)
	}
	if err == nil {
		err = g.leftOver()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("checkpoint: %s: %w", path, err), g.Close())
	}
	return &Model{Config: c, Weights: w, Meta: g.Meta(), close: g.Close, tokenizer: func() (*token.Tokenizer, error) { return token.GGUF(g.Meta()) }}, nil
}

func (g *GGUF) source() source {
	return source{interleaved: ggufArch[g.arch()].interleaved, get: func(name string) (tensor.Tensor, error) { return g.Tensor(ggufNames.Replace(name)) }}
}

func (g *GGUF) arch() string {
	arch, _ := g.Meta()["general.architecture"].(string)
	return arch
}

// leftOver refuses files with tensors that no architecture here uses: ignoring them would give another model's numbers.
func (g *GGUF) leftOver() error {
	for _, name := range g.Names() {
		known := name == ropeFreqs || slices.Contains([]string{"token_embd.weight", "output_norm.weight", "output.weight"}, name)
		if rest, ok := strings.CutPrefix(name, "blk."); ok {
			_, role, _ := strings.Cut(rest, ".")
			role, kind, _ := strings.Cut(role, ".")
			known = kind == "weight" && slices.Contains([]string{"attn_norm", "ffn_norm"}, role) || (kind == "weight" || kind == "bias") &&
				slices.Contains([]string{"attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"}, role)
		}
		if !known {
			return fmt.Errorf("tensor %q: %s models with such a tensor are not supported", name, g.arch())
		}
	}
	return nil
}

// config reads the metadata of the architecture. Flags that GGUF has no key for are told by the tensors.
func (g *GGUF) config() (model.Config, error) {
	arch, ok := ggufArch[g.arch()]
	if !ok {
		return model.Config{}, fmt.Errorf("general.architecture is %q: want llama, internlm2 or qwen2", g.arch())
	}
	k := ggufKeys{g.Meta(), g.arch() + "."}
	c := model.Config{Family: arch.family, HiddenSize: k.int("embedding_length", 0), IntermediateSize: k.int("feed_forward_length", 0), NumLayers: k.int("block_count", 0),
		NumHeads: k.int("attention.head_count", 0), MaxSeqLen: k.int("context_length", 0), SlidingWindow: k.int("attention.sliding_window", 0),
		RMSNormEps: k.float("attention.layer_norm_rms_epsilon", 1e-5), RopeTheta: k.float("rope.freq_base", 10000)}
	c.NumKVHeads = k.int("attention.head_count_kv", c.NumHeads)
	if c.SlidingWindow > 0 && c.Family == model.Llama {
		c.Family = model.Mistral
	}
	rotary := k.int("rope.dimension_count", 0)
	if c.HeadDim = k.int("attention.key_length", rotary); c.HeadDim == 0 && c.NumHeads > 0 {
		c.HeadDim = c.HiddenSize / c.NumHeads
	}
	if rotary != 0 && rotary != c.HeadDim || k.int("attention.value_length", c.HeadDim) != c.HeadDim {
		return c, fmt.Errorf("heads of %d of which %d rotate, values of %d: want one size", c.HeadDim, rotary, k.int("attention.value_length", c.HeadDim))
	}
	embed, err := g.Tensor("token_embd.weight")
	if err != nil {
		return c, err
	}
	if embed.Rank() == 2 {
		c.VocabSize = embed.Dim(0)
	}
	c.TieWordEmbeddings = !g.Has("output.weight")
	c.QKVBias, c.OutBias, c.MLPBias = g.Has("blk.0.attn_q.bias"), g.Has("blk.0.attn_output.bias"), g.Has("blk.0.ffn_down.bias")
	c.BOS, c.EOS = g.special("bos", c.VocabSize), g.special("eos", c.VocabSize)
	if pad := g.special("padding", c.VocabSize); pad != nil {
		c.Pad = &pad[0]
	}
	c.RopeScaling, err = g.scaling(k, c)
	return c, err
}

// special is a role's token. A missing id, or one outside the vocabulary (converters write 2³²−1), is none.
func (g *GGUF) special(role string, vocab int) []uint32 {
	id := ggufKeys{g.Meta(), "tokenizer.ggml."}.int(role+"_token_id", -1)
	if id < 0 || id >= vocab {
		return nil
	}
	return []uint32{uint32(id)}
}

func (g *GGUF) scaling(k ggufKeys, c model.Config) (s model.RopeScaling, err error) {
	kind, _ := k.meta[k.prefix+"rope.scaling.type"].(string)
	if own, ok := k.meta[quireRope].(string); ok {
		kind = own
	}
	factor := k.float("rope.scaling.factor", 1)
	switch {
	case g.Has(ropeFreqs):
		return g.llama3(c)
	case kind == "" || kind == "none" || factor == 1:
		return s, nil
	case kind == "linear" || kind == "dynamic":
		return model.RopeScaling{Type: kind, Factor: factor}, nil
	}
	return s, fmt.Errorf("rope scaling %q is not supported: want linear or dynamic", kind)
}

// ropeFreqs is the tensor in which GGUF keeps Llama 3.1's scaling: what every frequency is divided by.
const ropeFreqs = "rope_freqs.weight"

// llama3 recognises Llama 3.1's scaling by its divisors. Every published model has the constants here, and a factor of its own.
func (g *GGUF) llama3(c model.Config) (model.RopeScaling, error) {
	s := model.RopeScaling{Type: "llama3", LowFreqFactor: 1, HighFreqFactor: 4, OriginalMaxSeqLen: 8192}
	t, err := g.Tensor(ropeFreqs)
	if err != nil || t.DType() != dtype.F32 || t.Len() != c.HeadDim/2 || t.Len() == 0 {
		return s, fmt.Errorf("tensor %q is %v: want F32 [%d]", ropeFreqs, t, c.HeadDim/2)
	}
	have := t.Floats()
	s.Factor = float64(slices.Max(have))
	for i, want := range llama3Divisors(c, s) {
		if !(math.Abs(float64(have[i])-float64(want)) <= 1e-3*float64(want)) {
			return s, fmt.Errorf("tensor %q: frequency %d is divided by %v, Llama 3.1's scaling by %v: other scalings are not supported", ropeFreqs, i, have[i], want)
		}
	}
	return s, nil
}

// llama3Divisors are 1 for short waves, the factor for long ones, and between them a blend of the frequencies.
func llama3Divisors(c model.Config, s model.RopeScaling) []float32 {
	out := make([]float32, c.HeadDim/2)
	for i := range out {
		wave := 2 * math.Pi * math.Pow(c.RopeTheta, 2*float64(i)/float64(c.HeadDim))
		smooth := (float64(s.OriginalMaxSeqLen)/wave - s.LowFreqFactor) / (s.HighFreqFactor - s.LowFreqFactor)
		smooth = min(max(smooth, 0), 1)
		out[i] = float32(1 / ((1-smooth)/s.Factor + smooth))
	}
	return out
}

// ggufKeys reads numbers of any type under a prefix.
type ggufKeys struct {
	meta   map[string]any
	prefix string
}

func (k ggufKeys) float(name string, missing float64) float64 {
	switch v := k.meta[k.prefix+name].(type) {
	case uint8:
		return float64(v)
	case uint16:
		return float64(v)
	case uint32:
		return float64(v)
	case int32:
		return float64(v)
	case uint64:
		return float64(v)
	case int64:
		return float64(v)
	case float32:
		return shortest(v)
	case float64:
		return v
	}
	return missing
}

// shortest is the decimal number that a float32 stands for: 1e-05, not 9.99999974e-06.
func shortest(v float32) float64 {
	var f float64
	if _, err := fmt.Sscan(fmt.Sprint(v), &f); err != nil {
		return float64(v)
	}
	return f
}

// int is a number that sizes may have; anything beyond is -1, which no configuration takes.
func (k ggufKeys) int(name string, missing int) int {
	v := k.float(name, float64(missing))
	if !(v >= 0 && v <= 1<<32) {
		return -1
	}
	return int(v)
}

// SaveGGUF writes a model with its tokenizer, which may be nil. types says the type of every matrix by its name in GGUF ("blk.0.attn_q.weight");
// nil, or None for a name, keeps what w has. A row that is no multiple of the type's block becomes F16, as llama.cpp's converters do; norms
// and biases are F32. Rows of a normalised head are divided by their length, for GGUF has no such flag.
func SaveGGUF(path string, c model.Config, w *model.Weights, tok *token.Tokenizer, types func(name string) dtype.Type) error {
	meta, err := ggufMeta(c)
	if err != nil {
		return fmt.Errorf("checkpoint: write %s: %w", path, err)
	}
	if tok != nil {
		vocabulary, err := tok.GGUFMeta()
		if err != nil {
			return fmt.Errorf("checkpoint: write %s: %w", path, err)
		}
		maps.Copy(meta, vocabulary)
	}
	list := target{interleaved: ggufArch[meta["general.architecture"].(string)].interleaved}.list(c, w)
	for i, p := range list {
		p.name = ggufNames.Replace(p.name)
		if types != nil && len(p.shape) > 1 {
			if dt := types(p.name); dt != dtype.None {
				p.dt = dt
			}
		}
		switch {
		case len(p.shape) == 1:
			p.dt = dtype.F32
		case p.shape[1]%p.dt.Block() != 0:
			p.dt = dtype.F16
		}
		list[i] = p
	}
	if s := c.RopeScaling; s.Type == "llama3" {
		list = append(list, whole(ropeFreqs, dtype.F32, []int{c.HeadDim / 2}, tensor.FromF32(llama3Divisors(c, s), c.HeadDim/2)))
	}
	return writeGGUF(path, meta, list)
}

// ggufMeta is the inverse of GGUF.config.
func ggufMeta(c model.Config) (map[string]any, error) {
	arch := string(c.Family)
	if c.Family == model.Mistral {
		arch = string(model.Llama)
	}
	if _, ok := ggufArch[arch]; !ok {
		return nil, fmt.Errorf("GGUF has no architecture for %q", arch)
	}
	meta := map[string]any{"general.architecture": arch, "general.name": "quire", "general.quantization_version": uint32(2)}
	for name, v := range map[string]int{"embedding_length": c.HiddenSize, "feed_forward_length": c.IntermediateSize, "block_count": c.NumLayers,
		"attention.head_count": c.NumHeads, "attention.head_count_kv": c.NumKVHeads, "context_length": c.MaxSeqLen, "attention.key_length": c.HeadDim,
		"attention.value_length": c.HeadDim, "rope.dimension_count": c.HeadDim, "vocab_size": c.VocabSize} {
		meta[arch+"."+name] = uint32(v)
	}
	meta[arch+".attention.layer_norm_rms_epsilon"], meta[arch+".rope.freq_base"] = float32(c.RMSNormEps), float32(c.RopeTheta)
	if c.SlidingWindow > 0 {
		meta[arch+".attention.sliding_window"] = uint32(c.SlidingWindow)
	}
	switch s := c.RopeScaling; s.Type {
	case "", "llama3":
	case "linear":
		meta[arch+".rope.scaling.type"], meta[arch+".rope.scaling.factor"] = s.Type, float32(s.Factor)
	case "dynamic":
		meta[quireRope], meta[arch+".rope.scaling.factor"] = s.Type, float32(s.Factor)
	}
	for role, ids := range map[string][]uint32{"bos": c.BOS, "eos": c.EOS} {
		if len(ids) > 0 {
			meta["tokenizer.ggml."+role+"_token_id"] = ids[0]
		}
	}
	if c.Pad != nil {
		meta["tokenizer.ggml.padding_token_id"] = *c.Pad
	}
	return meta, nil
}
