package model

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// variants are configurations that between them set every field.
func variants() map[string]Config {
	pad := uint32(2)
	small := Config{
		Family: Llama, HiddenSize: 64, IntermediateSize: 172, NumLayers: 5, NumHeads: 8, NumKVHeads: 4, HeadDim: 8, VocabSize: 512, MaxSeqLen: 512,
		RMSNormEps: 1e-5, RopeTheta: 1e4, BOS: []uint32{1}, EOS: []uint32{2},
	}
	with := func(f func(c *Config)) Config { c := small; f(&c); return c }
	all := map[string]Config{
		"depth 4": Depth(4), "depth 5": Depth(5), "depth 20": Depth(20),
		"llama": with(func(c *Config) { c.TieWordEmbeddings, c.Pad = true, &pad }),
		"llama 3.1": with(func(c *Config) {
			c.EOS, c.RopeTheta = []uint32{2, 3, 4}, 5e5
			c.RopeScaling = RopeScaling{"llama3", 8, 1, 4, 8192}
		}),
		"llama biases": with(func(c *Config) {
			c.QKVBias, c.OutBias, c.MLPBias, c.HeadDim, c.RopeInterleaved = true, true, true, 16, true
		}),
		"internlm2 200K": with(func(c *Config) {
			c.Family, c.RopeScaling = InternLM2, RopeScaling{Type: "dynamic", Factor: 2}
		}),
		"internlm2 norm_head": with(func(c *Config) { c.Family, c.NormHead, c.QKVBias, c.OutBias = InternLM2, true, true, true }),
		"linear":              with(func(c *Config) { c.Family, c.RopeScaling = InternLM2, RopeScaling{Type: "linear", Factor: 4} }),
		"qwen2":               with(func(c *Config) { c.Family, c.QKVBias, c.BOS = Qwen2, true, nil }),
		"qwen2 window":        with(func(c *Config) { c.Family, c.QKVBias, c.SlidingWindow = Qwen2, true, 128 }),
		"mistral":             with(func(c *Config) { c.Family, c.SlidingWindow = Mistral, 4096 }),
		"mistral 0.2":         with(func(c *Config) { c.Family = Mistral }),
	}
	for name := range presets {
		all[name], _ = Preset(name)
	}
	return all
}

func TestJSONReadsBack(t *testing.T) {
	for name, c := range variants() {
		got, err := ParseConfig(c.JSON())
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, c.JSON())
		} else if diff := cmp.Diff(c, got); diff != "" {
			t.Errorf("%s: written and read back (-want +got):\n%s", name, diff)
		}
	}
}

// TestPublishedFiles reads the fields of published config.json files.
func TestPublishedFiles(t *testing.T) {
	files := map[string]struct {
		json string
		want Config
	}{
		"internlm2-7b": {`{"architectures":["InternLM2ForCausalLM"],"attn_implementation":"eager","auto_map":{"AutoConfig":"configuration_internlm2.InternLM2Config"},"bias":false,
			"bos_token_id":1,"eos_token_id":2,"hidden_act":"silu","hidden_size":4096,"initializer_range":0.02,"intermediate_size":14336,"max_position_embeddings":32768,"model_type":"internlm2",
			"num_attention_heads":32,"num_hidden_layers":32,"num_key_value_heads":8,"pad_token_id":2,"rms_norm_eps":1e-05,"rope_scaling":{"type":"dynamic","factor":2.0},"rope_theta":1000000,
			"tie_word_embeddings":false,"torch_dtype":"bfloat16","transformers_version":"4.37.1","use_cache":true,"vocab_size":92544,"pretraining_tp":1}`,
			func() Config {
				c, _ := Preset("internlm2-7b")
				pad := uint32(2)
				c.Pad, c.RopeScaling = &pad, RopeScaling{Type: "dynamic", Factor: 2}
				return c
			}()},
		"qwen2.5-0.5b": {`{"architectures":["Qwen2ForCausalLM"],"attention_dropout":0.0,"bos_token_id":151643,"eos_token_id":151643,"hidden_act":"silu","hidden_size":896,"initializer_range":0.02,
			"intermediate_size":4864,"max_position_embeddings":32768,"max_window_layers":24,"model_type":"qwen2","num_attention_heads":14,"num_hidden_layers":24,"num_key_value_heads":2,"rms_norm_eps":1e-06,
			"rope_theta":1000000.0,"sliding_window":32768,"tie_word_embeddings":true,"torch_dtype":"bfloat16","transformers_version":"4.40.1","use_cache":true,"use_mrope":false,"use_sliding_window":false,"vocab_size":151936}`,
			Config{Family: Qwen2, HiddenSize: 896, IntermediateSize: 4864, NumLayers: 24, NumHeads: 14, NumKVHeads: 2, HeadDim: 64, VocabSize: 151936, MaxSeqLen: 32768,
				RMSNormEps: 1e-6, RopeTheta: 1e6, QKVBias: true, TieWordEmbeddings: true, BOS: []uint32{151643}, EOS: []uint32{151643}}},
		"llama-3.2, new style": {`{"architectures":["LlamaForCausalLM"],"attention_bias":false,"attention_dropout":0.0,"bos_token_id":128000,"eos_token_id":[128001,128008,128009],"head_dim":64,"hidden_act":"silu",
			"hidden_size":2048,"intermediate_size":8192,"max_position_embeddings":131072,"mlp_bias":false,"model_type":"llama","num_attention_heads":32,"num_hidden_layers":16,"num_key_value_heads":8,"rms_norm_eps":1e-05,
			"rope_parameters":{"rope_theta":500000.0,"rope_type":"llama3","factor":32.0,"high_freq_factor":4.0,"low_freq_factor":1.0,"original_max_position_embeddings":8192},"tie_word_embeddings":true,"dtype":"bfloat16","vocab_size":128256}`,
			Config{Family: Llama, HiddenSize: 2048, IntermediateSize: 8192, NumLayers: 16, NumHeads: 32, NumKVHeads: 8, HeadDim: 64, VocabSize: 128256, MaxSeqLen: 131072, RMSNormEps: 1e-5, RopeTheta: 5e5,
				RopeScaling: RopeScaling{"llama3", 32, 1, 4, 8192}, TieWordEmbeddings: true, BOS: []uint32{128000}, EOS: []uint32{128001, 128008, 128009}}},
		"mistral 0.1": {`{"model_type":"mistral","hidden_size":4096,"intermediate_size":14336,"num_attention_heads":32,"num_hidden_layers":32,"num_key_value_heads":8,"rms_norm_eps":1e-05,"rope_theta":10000.0,
			"max_position_embeddings":32768,"vocab_size":32000,"sliding_window":4096,"hidden_act":"silu","bos_token_id":1,"eos_token_id":2,"tie_word_embeddings":false}`,
			Config{Family: Mistral, HiddenSize: 4096, IntermediateSize: 14336, NumLayers: 32, NumHeads: 32, NumKVHeads: 8, HeadDim: 128, VocabSize: 32000, MaxSeqLen: 32768, RMSNormEps: 1e-5, RopeTheta: 1e4,
				SlidingWindow: 4096, BOS: []uint32{1}, EOS: []uint32{2}}},
	}
	for name, f := range files {
		got, err := ParseConfig([]byte(f.json))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if diff := cmp.Diff(f.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestConfigErrors(t *testing.T) {
	good := string(variants()["llama"].JSON())
	for _, c := range []struct{ from, to, want string }{
		{`"silu"`, `"gelu"`, `hidden_act is "gelu": only "silu" is supported`},
		{`"model_type": "llama"`, `"model_type": "gpt2"`, `family "gpt2": want internlm2, llama, qwen2 or mistral`},
		{`"hidden_size": 64`, `"hidden_size": 60`, "num_attention_heads is 8, which does not divide hidden_size 60"},
		{`"hidden_size": 64`, `"hidden_size": "64"`, `hidden_size is "64", want a number`},
		{`"vocab_size": 512`, `"vocab_size": 0`, "vocabulary size 0: want 1 to"},
		{`"vocab_size": 512`, `"vocab_size": 2`, "special token 2 is outside the vocabulary of 2"},
		{`"num_key_value_heads": 4`, `"num_key_value_heads": 3`, "8 heads cannot share 3 KV heads evenly"},
		{`"rope_scaling": null`, `"rope_scaling": {"type":"yarn","factor":4}`, `rope scaling "yarn": want linear, dynamic or llama3`},
		{`"rope_scaling": null`, `"rope_scaling": {"type":"linear","factor":0.5}`, "rope scaling factor 0.5: want 1 to"},
		{`"rope_scaling": null`, `"rope_scaling": {"type":"linear","factor":2,"beta":1}`, "rope_scaling: beta is unknown"},
		{`"rope_scaling": null`, `"rope_scaling": 3`, "rope_scaling is 3, want an object or null"},
		{`"use_cache": true`, `"residual_multiplier": 0.22`, "residual_multiplier is unknown, and 0.22 may change the computation"},
		{`"use_cache": true`, `"attention_dropout": 0.1`, "attention_dropout is 0.1: only 0 is supported"},
		{`"hidden_size": 64,`, ``, "hidden_size is missing"},
		{`{`, `[`, "model: config.json:"},
	} {
		text := strings.Replace(good, c.from, c.to, 1)
		if text == good {
			t.Fatalf("nothing to replace: %s", c.from)
		}
		if _, err := ParseConfig([]byte(text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s → %s: error %v, want %q", c.from, c.to, err, c.want)
		}
	}
	if _, err := Preset("internlm2-3b"); err == nil || !strings.Contains(err.Error(), "internlm2-1_8b, internlm2-20b, internlm2-7b") {
		t.Errorf("unknown preset: %v", err)
	}
}

// TestPublishedSizes compares with the parameter counts of the InternLM2 report's models.
func TestPublishedSizes(t *testing.T) {
	for name, want := range map[string]float64{"internlm2-1_8b": 1.889e9, "internlm2-7b": 7.738e9, "internlm2-20b": 19.861e9} {
		c, err := Preset(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := float64(c.Params()); got < want*0.9995 || got > want*1.0005 {
			t.Errorf("%s has %.0f parameters, want %.4g", name, got, want)
		}
	}
}

func FuzzParseConfig(f *testing.F) {
	for _, c := range variants() {
		f.Add(c.JSON())
	}
	f.Add([]byte(`{"model_type":"llama","hidden_size":1e300}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := ParseConfig(data)
		if err != nil {
			return
		}
		again, err := ParseConfig(c.JSON())
		if err != nil {
			t.Fatalf("written, then not read: %v\n%s", err, c.JSON())
		}
		if diff := cmp.Diff(c, again); diff != "" {
			t.Fatalf("written and read back:\n%s", diff)
		}
	})
}
