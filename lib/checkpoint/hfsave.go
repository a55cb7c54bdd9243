package checkpoint

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"quire/lib/model"
	"quire/simd/dtype"
	"quire/simd/tensor"
)

var indent = jsontext.WithIndent("  ")

// beside are the files of a model's folder that travel with its weights.
var beside = []string{"tokenizer.json", "tokenizer.model", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json", "merges.txt",
	"generation_config.json", "chat_template.jinja"}

func saveHF(dir string, c model.Config, w *model.Weights, o SaveOptions) error {
	own := c.Family == model.InternLM2 && !o.LlamaNames
	list := target{grouped: own}.list(c, w)
	if c.Family == model.InternLM2 && o.LlamaNames {
		c.Family = model.Llama
	}
	c.NormHead, c.RopeInterleaved = false, false
	var out []payload
	packed := false
	for _, p := range list {
		if own {
			p.name = internLM2Names.Replace(p.name)
		}
		switch {
		case o.DType != dtype.None:
			p.dt = o.DType
		case p.dt == dtype.AWQ4:
			packed = true
			out = append(out, awqPayloads(p)...)
			continue
		case p.dt.IsBlock():
			return fmt.Errorf("tensor %q is %v, which safetensors has no form for: set SaveOptions.DType, or save as GGUF", p.name, p.dt)
		}
		out = append(out, p)
	}
	config, err := configJSON(c, out[0].dt, packed, o.CopyFrom)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	if err := writeShards(dir, out, cmp.Or(o.ShardBytes, 5e9)); err != nil {
		return err
	}
	if err := writeFile(filepath.Join(dir, "config.json"), "", config, nil, int64(len(config))); err != nil {
		return err
	}
	return saveTokenizer(dir, o)
}

func saveTokenizer(dir string, o SaveOptions) error {
	if o.CopyFrom != "" {
		code, _ := filepath.Glob(filepath.Join(o.CopyFrom, "*.py"))
		for i, path := range code {
			code[i] = filepath.Base(path)
		}
		for _, name := range append(code, beside...) {
			data, err := os.ReadFile(filepath.Join(o.CopyFrom, name))
			if os.IsNotExist(err) {
				continue
			}
			if err == nil {
				err = writeFile(filepath.Join(dir, name), "", data, nil, int64(len(data)))
			}
			if err != nil {
				return err
			}
		}
	}
	if o.Tokenizer == nil {
		return nil
	}
	if err := o.Tokenizer.WriteModel(filepath.Join(dir, "tokenizer.model")); err == nil {
		return nil
	}
	return o.Tokenizer.WriteJSON(filepath.Join(dir, "tokenizer.json"))
}

// writeShards writes one file, or several with their index.
func writeShards(dir string, list []payload, limit int64) error {
	shards, size := [][]payload{nil}, int64(0)
	total := int64(0)
	for _, p := range list {
		n := int64(p.bytes())
		if last := len(shards) - 1; size+n > limit && len(shards[last]) > 0 {
			shards, size = append(shards, nil), 0
		}
		last := len(shards) - 1
		shards[last] = append(shards[last], p)
		size, total = size+n, total+n
	}
	format := map[string]string{"format": "pt"} // transformers refuses files without it
	weightMap, names := map[string]string{}, []string{}
	for i, shard := range shards {
		name := "model.safetensors"
		if len(shards) > 1 {
			name = fmt.Sprintf("model-%05d-of-%05d.safetensors", i+1, len(shards))
		}
		for _, p := range shard {
			weightMap[p.name] = name
		}
		if err := writeSafetensors(filepath.Join(dir, name), "", format, shard); err != nil {
			return err
		}
		names = append(names, name)
	}
	if len(shards) > 1 {
		index, err := json.Marshal(map[string]any{"metadata": map[string]any{"total_size": total}, "weight_map": weightMap}, json.Deterministic(true), indent)
		if err != nil {
			return err
		}
		if err := writeFile(filepath.Join(dir, indexFile), "", index, nil, int64(len(index))); err != nil {
			return err
		}
		names = append(names, indexFile)
	}
	return removeOthers(dir, names)
}

// removeOthers deletes the weights of an earlier save, which a reader of the folder would mix with the new ones.
func removeOthers(dir string, names []string) error {
	old, err := filepath.Glob(filepath.Join(dir, "model*.safetensors"))
	if err != nil {
		return err
	}
	for _, path := range append(old, filepath.Join(dir, indexFile)) {
		if slices.Contains(names, filepath.Base(path)) {
			continue
		}
		if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	return nil
}

// awqPayloads are the three tensors of a packed matrix, unpacked from its rows when the first is written.
func awqPayloads(p payload) []payload {
	base := strings.TrimSuffix(p.name, "weight")
	n, k := p.shape[0], p.shape[1]
	var words dtype.AWQ
	unpack := func() (err error) {
		if words.QWeight != nil {
			return nil
		}
		pieces, err := p.pieces()
		if err != nil {
			return err
		}
		words, err = dtype.AWQFromRows(takeRows(straight(n), pieces...).Bytes(), n, k)
		return err
	}
	part := func(name string, dt dtype.Type, shape []int, t func() tensor.Tensor) payload {
		return payload{base + name, dt, shape, func() ([]tensor.Tensor, error) {
			if err := unpack(); err != nil {
				return nil, err
			}
			return []tensor.Tensor{t()}, nil
		}}
	}
	groups := k / 128
	return []payload{
		part("qweight", dtype.I32, []int{k, n / 8}, func() tensor.Tensor { return tensor.FromI32(words.QWeight, k, n/8) }),
		part("qzeros", dtype.I32, []int{groups, n / 8}, func() tensor.Tensor { return tensor.FromI32(words.QZeros, groups, n/8) }),
		part("scales", dtype.F16, []int{groups, n}, func() tensor.Tensor {
			scales := tensor.FromU16(dtype.F16, words.Scales, groups, n)
			words = dtype.AWQ{} // the last of the three: free them
			return scales
		}),
	}
}
