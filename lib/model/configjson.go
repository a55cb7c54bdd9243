package model

import (
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// ParseConfig reads a Hugging Face config.json of InternLM2, Llama, Qwen2 or Mistral. A field that would change the computation in a way that Quire does
// not do is an error, and so is a field that it does not know, unless its value is null, false, empty or text.
func ParseConfig(configJSON []byte) (Config, error) {
	r := reader{fields: map[string]jsontext.Value{}}
	if err := json.Unmarshal(configJSON, &r.fields); err != nil {
		return Config{}, fmt.Errorf("model: config.json: %v", err)
	}
	c := r.config()
	if r.err == nil {
		r.rest()
	}
	if r.err != nil {
		return Config{}, fmt.Errorf("model: config.json: %v", r.err)
	}
	return c, c.Validate()
}

// reader takes fields out of an object and keeps the first error.
type reader struct {
	fields map[string]jsontext.Value
	err    error
}

func (r *reader) config() Config {
	c := Config{Family: Family(text(r, "model_type", ""))}
	if c.Family == "" {
		r.fail("model_type", "is missing: want internlm2, llama, qwen2 or mistral")
	}
	c.HiddenSize = number[int](r, "hidden_size", nil)
	c.IntermediateSize = number[int](r, "intermediate_size", nil)
	c.NumLayers = number[int](r, "num_hidden_layers", nil)
	c.NumHeads = number[int](r, "num_attention_heads", nil)
	c.NumKVHeads = number(r, "num_key_value_heads", &c.NumHeads)
	perHead := c.HiddenSize / max(1, c.NumHeads)
	explicit := r.given("head_dim")
	c.HeadDim = number(r, "head_dim", &perHead)
	if !explicit && perHead*c.NumHeads != c.HiddenSize {
		r.fail("num_attention_heads", "is %d, which does not divide hidden_size %d", c.NumHeads, c.HiddenSize)
	}
	c.VocabSize = number[int](r, "vocab_size", nil)
	c.MaxSeqLen = number[int](r, "max_position_embeddings", nil)
	c.RMSNormEps = number[float64](r, "rms_norm_eps", nil)
	r.rope(&c)
	r.flags(&c)
	c.BOS, c.EOS = r.ids("bos_token_id"), r.ids("eos_token_id")
	if pad := r.ids("pad_token_id"); len(pad) > 0 {
		c.Pad = &pad[0]
	}
	r.must("hidden_act", `"silu"`)
	r.must("attention_dropout", "0", "0.0")
	r.must("is_encoder_decoder", "false")
	return c
}

// rope reads both places in which Hugging Face has kept RoPE's parameters.
func (r *reader) rope(c *Config) {
	theta := 10000.0 // Hugging Face's default where files of 2023 say nothing
	inner := reader{}
	for _, name := range []string{"rope_scaling", "rope_parameters"} {
		v, ok := r.take(name)
		if !ok {
			continue
		}
		fields := map[string]jsontext.Value{}
		if err := json.Unmarshal(v, &fields); err != nil {
			r.fail(name, "is %s, want an object or null", short(v))
			return
		}
		inner.fields = fields
		theta = number(&inner, "rope_theta", &theta)
		kind := text(&inner, "rope_type", text(&inner, "type", "default"))
		if kind != "default" {
			c.RopeScaling.Type = kind
			c.RopeScaling.Factor = number[float64](&inner, "factor", nil)
		}
		if kind == "llama3" {
			c.RopeScaling.LowFreqFactor = number[float64](&inner, "low_freq_factor", nil)
			c.RopeScaling.HighFreqFactor = number[float64](&inner, "high_freq_factor", nil)
			c.RopeScaling.OriginalMaxSeqLen = number[int](&inner, "original_max_position_embeddings", nil)
		}
		inner.rest()
		if inner.err != nil && r.err == nil {
			r.err = fmt.Errorf("%s: %v", name, inner.err)
		}
	}
	if inner.fields == nil && c.Family == InternLM2 && !r.given("rope_theta") {
		r.fail("rope_theta", "is missing")
	}
	c.RopeTheta = number(r, "rope_theta", &theta)
	c.RopeInterleaved = flag(r, "rope_interleaved", false)
}

func (r *reader) flags(c *Config) {
	c.TieWordEmbeddings = flag(r, "tie_word_embeddings", false)
	switch c.Family {
	case InternLM2:
		if !r.given("bias") {
			r.fail("bias", "is missing") // the Python class's default is not that of the published models
		}
		c.QKVBias = flag(r, "bias", false)
		c.OutBias = c.QKVBias
		c.NormHead = flag(r, "norm_head", false)
		r.window(c, 0, false)
	case Qwen2:
		c.QKVBias = true
		r.window(c, 0, flag(r, "use_sliding_window", false))
	case Mistral:
		r.window(c, 4096, true)
	case Llama:
		c.QKVBias = flag(r, "attention_bias", false)
		c.OutBias = c.QKVBias
		c.MLPBias = flag(r, "mlp_bias", false)
		c.NormHead = flag(r, "norm_head", false)
		r.window(c, 0, false)
	}
	r.must("attention_bias", "false")
	r.must("mlp_bias", "false")
}

// window reads the sliding window where use says that it counts. Qwen2 can slide in the upper layers alone, which Quire does not do.
func (r *reader) window(c *Config, missing int, use bool) {
	first := number(r, "max_window_layers", new(int))
	window := missing
	if v, ok := r.fields["sliding_window"]; ok && string(v) == "null" {
		window = 0
	}
	window = number(r, "sliding_window", &window)
	if !use {
		return
	}
	if c.Family == Qwen2 && first > 0 {
		if first < c.NumLayers {
			r.fail("max_window_layers", "is %d of %d: a window in some layers only is not supported", first, c.NumLayers)
		}
		return
	}
	c.SlidingWindow = window
}

// harmless are fields that do not change what is computed: notes, training details, and what other rooms read.
var harmless = []string{
	"architectures", "auto_map", "transformers_version", "torch_dtype", "dtype", "use_cache", "initializer_range", "pretraining_tp", "attn_implementation",
	"quantization_config", "reward_token_id", "unsloth_version", "layer_types", "max_length", "rope_theta_scaling", "id2label", "label2id", "num_labels",
}

// rest looks at what nobody took.
func (r *reader) rest() {
	var names []string
	for name := range r.fields {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		v := strings.TrimSpace(string(r.fields[name]))
		idle := v == "null" || v == "false" || v == "[]" || v == "{}" || strings.HasPrefix(v, `"`)
		if !idle && !slices.Contains(harmless, name) && !strings.HasPrefix(name, "_") {
			r.fail(name, "is unknown, and %s may change the computation: remove it if it does not", short(r.fields[name]))
		}
	}
	if v, ok := r.fields["layer_types"]; ok {
		var types []string
		if json.Unmarshal(v, &types) != nil || len(slices.Compact(types)) > 1 {
			r.fail("layer_types", "is %s: layers of different kinds are not supported", short(v))
		}
	}
}

// given reports whether the field is there, not null and not taken yet.
func (r *reader) given(name string) bool {
	v, ok := r.fields[name]
	return ok && string(v) != "null"
}

// take returns a field that is there and not null, once.
func (r *reader) take(name string) (jsontext.Value, bool) {
	v, ok := r.fields[name]
	delete(r.fields, name)
	return v, ok && string(v) != "null"
}

func (r *reader) fail(name, format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%s "+format, append([]any{name}, args...)...)
	}
}

// must fails if the field is there with another value.
func (r *reader) must(name string, values ...string) {
	if v, ok := r.take(name); ok && !slices.Contains(values, string(v)) {
		r.fail(name, "is %s: only %s is supported", short(v), values[0])
	}
}

// number reads a number; without it the value is *missing, or, where that is nil, it is an error.
func number[T int | float64](r *reader, name string, missing *T) (n T) {
	v, ok := r.take(name)
	switch {
	case !ok && missing != nil:
		return *missing
	case !ok:
		r.fail(name, "is missing")
	default:
		if json.Unmarshal(v, &n) != nil {
			r.fail(name, "is %s, want a number", short(v))
		}
	}
	return n
}

func flag(r *reader, name string, missing bool) (b bool) {
	v, ok := r.take(name)
	if !ok {
		return missing
	}
	if json.Unmarshal(v, &b) != nil {
		r.fail(name, "is %s, want true or false", short(v))
	}
	return b
}

func text(r *reader, name, missing string) (s string) {
	v, ok := r.take(name)
	if !ok {
		return missing
	}
	if json.Unmarshal(v, &s) != nil {
		r.fail(name, "is %s, want text", short(v))
	}
	return s
}

// ids reads one token id or several.
func (r *reader) ids(name string) (ids []uint32) {
	v, ok := r.take(name)
	if !ok {
		return nil
	}
	if v.Kind() != '[' {
		v = slices.Concat(jsontext.Value("["), v, jsontext.Value("]"))
	}
	if json.Unmarshal(v, &ids) != nil {
		r.fail(name, "is %s, want token ids", short(v))
	}
	return ids
}

// short is a value for an error message.
func short(v jsontext.Value) string {
	s := []rune(string(v))
	if len(s) > 60 {
		return string(s[:60]) + "…"
	}
	return string(s)
}
