package model

import (
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// architectures are the class names that Hugging Face looks for.
var architectures = map[Family]string{InternLM2: "InternLM2ForCausalLM", Llama: "LlamaForCausalLM", Qwen2: "Qwen2ForCausalLM", Mistral: "MistralForCausalLM"}

// file is config.json as Hugging Face writes it, in a fixed order.
type file struct {
	Architectures     []string   `json:"architectures"`
	ModelType         Family     `json:"model_type"`
	VocabSize         int        `json:"vocab_size"`
	HiddenSize        int        `json:"hidden_size"`
	IntermediateSize  int        `json:"intermediate_size"`
	NumLayers         int        `json:"num_hidden_layers"`
	NumHeads          int        `json:"num_attention_heads"`
	NumKVHeads        int        `json:"num_key_value_heads"`
	HeadDim           int        `json:"head_dim,omitzero"`
	HiddenAct         string     `json:"hidden_act"`
	MaxSeqLen         int        `json:"max_position_embeddings"`
	RMSNormEps        float64    `json:"rms_norm_eps"`
	RopeTheta         float64    `json:"rope_theta"`
	RopeScaling       *ropeFile  `json:"rope_scaling"`
	RopeInterleaved   bool       `json:"rope_interleaved,omitzero"`
	Bias              *bool      `json:"bias,omitzero"`
	AttentionBias     *bool      `json:"attention_bias,omitzero"`
	MLPBias           *bool      `json:"mlp_bias,omitzero"`
	NormHead          bool       `json:"norm_head,omitzero"`
	UseSlidingWindow  *bool      `json:"use_sliding_window,omitzero"`
	MaxWindowLayers   *int       `json:"max_window_layers,omitzero"`
	SlidingWindow     any        `json:"sliding_window,omitzero"`
	TieWordEmbeddings bool       `json:"tie_word_embeddings"`
	InitStd           float64    `json:"initializer_range"`
	UseCache          bool       `json:"use_cache"`
	BOS               specialIDs `json:"bos_token_id"`
	EOS               specialIDs `json:"eos_token_id"`
	Pad               *uint32    `json:"pad_token_id,omitzero"`
}

type ropeFile struct {
	Type              string  `json:"type"`
	RopeType          string  `json:"rope_type,omitzero"`
	Factor            float64 `json:"factor"`
	LowFreqFactor     float64 `json:"low_freq_factor,omitzero"`
	HighFreqFactor    float64 `json:"high_freq_factor,omitzero"`
	OriginalMaxSeqLen int     `json:"original_max_position_embeddings,omitzero"`
}

// specialIDs are written as one number, a list, or null.
type specialIDs []uint32

func (s specialIDs) MarshalJSONTo(e *jsontext.Encoder) error {
	switch len(s) {
	case 0:
		return e.WriteToken(jsontext.Null)
	case 1:
		return e.WriteToken(jsontext.Uint(uint64(s[0])))
	}
	return json.MarshalEncode(e, []uint32(s))
}

// JSON writes c as a Hugging Face config.json that ParseConfig reads back to c. It panics if c is not valid.
func (c Config) JSON() []byte {
	if err := c.Validate(); err != nil {
		panic(err.Error())
	}
	f := file{
		Architectures: []string{architectures[c.Family]}, ModelType: c.Family, VocabSize: c.VocabSize, HiddenSize: c.HiddenSize,
		IntermediateSize: c.IntermediateSize, NumLayers: c.NumLayers, NumHeads: c.NumHeads, NumKVHeads: c.NumKVHeads, HiddenAct: "silu",
		MaxSeqLen: c.MaxSeqLen, RMSNormEps: c.RMSNormEps, RopeTheta: c.RopeTheta, RopeInterleaved: c.RopeInterleaved, NormHead: c.NormHead,
		TieWordEmbeddings: c.TieWordEmbeddings, InitStd: initStd, UseCache: true, BOS: c.BOS, EOS: c.EOS, Pad: c.Pad,
	}
	if c.HeadDim*c.NumHeads != c.HiddenSize {
		f.HeadDim = c.HeadDim
	}
	if s := c.RopeScaling; s.Type != "" {
		f.RopeScaling = &ropeFile{s.Type, s.Type, s.Factor, s.LowFreqFactor, s.HighFreqFactor, s.OriginalMaxSeqLen}
	}
	switch c.Family {
	case InternLM2:
		f.Bias = &c.QKVBias
	case Llama:
		f.AttentionBias, f.MLPBias = &c.QKVBias, &c.MLPBias
	case Qwen2:
		slides := c.SlidingWindow > 0
		f.UseSlidingWindow, f.MaxWindowLayers = &slides, new(int)
		f.SlidingWindow = windowOrNull(c.SlidingWindow)
	case Mistral:
		f.SlidingWindow = windowOrNull(c.SlidingWindow)
	}
	out, err := json.Marshal(f, jsontext.WithIndent("  "))
	if err != nil {
		panic(fmt.Sprintf("model: config.json: %v", err)) // no field can fail: numbers are finite by Validate
	}
	return append(out, '\n')
}

// windowOrNull is null for no window: left out, Mistral's would be 4096.
func windowOrNull(n int) any {
	if n == 0 {
		return jsontext.Value("null")
	}
	return n
}
