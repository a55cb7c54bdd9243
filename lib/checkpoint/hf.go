package checkpoint

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"quire/lib/model"
	"quire/lib/token"
	"quire/simd/dtype"
	"quire/simd/tensor"
)

// loadHF reads a Hugging Face folder.
func loadHF(dir string) (*Model, error) {
	config, err := readSmall(filepath.Join(dir, "config.json"))
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %s: a model's folder needs config.json: %w", dir, err)
	}
	c, err := model.ParseConfig(config)
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %s: %w", dir, err)
	}
	words, err := parsePacking(config)
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %s: %w", dir, err)
	}
	files, err := OpenSafetensors(dir)
	if err != nil {
		return nil, err
	}
	h := &hfFolder{files: files, words: words, internLM2: c.Family == model.InternLM2, used: map[string]bool{}}
	w, err := source{get: h.get, grouped: h.grouped(), interleaved: c.RopeInterleaved}.assemble(c)
	if err == nil {
		err = h.leftOver()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%w (%s)", err, dir), files.Close())
	}
	c.RopeInterleaved = false
	return &Model{Config: c, Weights: w, close: files.Close, tokenizer: func() (*token.Tokenizer, error) { return token.Load(dir) }}, nil
}

// hfFolder finds the tensors of a folder and notes which were asked for.
type hfFolder struct {
	files     *Safetensors
	words     packing
	internLM2 bool // InternLM2's own names
	used      map[string]bool
}

// grouped reports whether the folder has wqkv: InternLM2 with its own names, for converters keep the family and change the names.
func (h *hfFolder) grouped() bool {
	if h.internLM2 && h.files.Has("model.embed_tokens.weight") {
		h.internLM2 = false
	}
	return h.internLM2
}

func (h *hfFolder) name(name string) string {
	if h.internLM2 {
		return internLM2Names.Replace(name)
	}
	return name
}

func (h *hfFolder) get(name string) (tensor.Tensor, error) {
	name = h.name(name)
	base, isWeight := strings.CutSuffix(name, ".weight")
	if isWeight && h.words.bits > 0 && h.files.Has(base+".qweight") {
		return h.words.tensor(base, func(part string) (tensor.Tensor, error) {
			h.used[part] = true
			return h.files.Tensor(part)
		}, h.files.Has)
	}
	h.used[name] = true
	return h.files.Tensor(name)
}

// leftOver refuses folders with tensors that the model does not use: ignoring them would give another model's numbers.
func (h *hfFolder) leftOver() error {
	for _, name := range h.files.Names() {
		idle := strings.HasSuffix(name, "rotary_emb.inv_freq") || strings.HasSuffix(name, ".g_idx") || name == h.name("lm_head.weight") ||
			h.words.bits > 0 && strings.HasSuffix(name, ".bias") && h.zeros(name) // AutoGPTQ gives every matrix a bias
		if !h.used[name] && !idle {
			return fmt.Errorf("checkpoint: tensor %q is none that config.json speaks of", name)
		}
	}
	return nil
}

// zeros reports whether a tensor has only zeros.
func (h *hfFolder) zeros(name string) bool {
	t, err := h.files.Tensor(name)
	return err == nil && !slices.ContainsFunc(t.Floats(), func(v float32) bool { return v != 0 })
}

// SaveOptions say how SaveHF writes. The zero value keeps names and types, in one file or in shards of 5 GB.
type SaveOptions struct {
	LlamaNames bool             // InternLM2 as a Llama: query, key and value apart under Llama's names, and Llama's config.json
	DType      dtype.Type       // F32, F16 or BF16 for everything; None: as the weights are
	ShardBytes int64            // largest size of a file; 0: 5e9
	Tokenizer  *token.Tokenizer // written as tokenizer.model or tokenizer.json
	CopyFrom   string           // folder whose tokenizer, generation and Python files are copied beside the weights
}

// SaveHF writes a folder that Load, transformers and LMDeploy read: config.json and safetensors. InternLM2 has its own names and grouped wqkv unless
// o.LlamaNames. AWQ4 matrices become the three tensors of AutoAWQ (qweight, qzeros, scales) and config.json says so. The rows of a normalised
// head are divided by their length and the flag is dropped, as InternEvo's converter does.
func SaveHF(dir string, c model.Config, w *model.Weights, o SaveOptions) error {
	if err := c.Validate(); err != nil {
		return fmt.Errorf("checkpoint: save %s: %w", dir, err)
	}
	if err := saveHF(dir, c, w, o); err != nil {
		return fmt.Errorf("checkpoint: save %s: %w", dir, err)
	}
	return nil
}

// configJSON is config.json with the type of most weights and what packed matrices need. Where the files come from another folder, its auto_map stays: transformers and
// LMDeploy load InternLM2's classes by it.
func configJSON(c model.Config, dt dtype.Type, awq bool, from string) ([]byte, error) {
	fields := map[string]any{}
	if err := json.Unmarshal(c.JSON(), &fields); err != nil {
		return nil, err
	}
	if name, ok := torchTypes[dt]; ok {
		fields["torch_dtype"] = name
	}
	if awq {
		fields["quantization_config"] = map[string]any{"quant_method": "awq", "version": "gemm", "bits": 4, "group_size": 128, "zero_point": true}
	}
	if from != "" {
		var source struct {
			AutoMap map[string]any `json:"auto_map"`
		}
		if data, err := readSmall(filepath.Join(from, "config.json")); err == nil && json.Unmarshal(data, &source) == nil && source.AutoMap != nil {
			fields["auto_map"] = source.AutoMap
		}
	}
	return json.Marshal(fields, json.Deterministic(true), indent)
}

var torchTypes = map[dtype.Type]string{dtype.F32: "float32", dtype.F16: "float16", dtype.BF16: "bfloat16"}
