package checkpoint

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strings"

	"quire/lib/model"
	"quire/lib/token"
	"quire/simd/dtype"
	"quire/simd/tensor"
)

// llama2.c's files: seven numbers, then F32 tensors in a fixed order, which export.py writes. Version 1 puts a magic and a version before the numbers
// and pads them to 256 bytes; the older form begins with them and says by a negative vocabulary that the head is not the embedding table.
const (
	llama2cMagic  = 0x616b3432 // "ak42"
	llama2cHeader = 256
	llama2cRope   = 10000
	llama2cEps    = 1e-5
)

// binTable is the order of a .bin file's tensors.
type binTable struct {
	config model.Config
	start  int
	list   []binTensor
}

// binTensor is all layers' tensors of one role, one behind the other.
type binTensor struct {
	name  string // %d is the layer
	shape []int
	skip  bool // bytes that are no weights
}

// loadBin reads a llama2.c file.
func loadBin(path string) (*Model, error) {
	file, err := tensor.Map(path)
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	c, w, err := readBin(file)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("checkpoint: %s: llama2.c file: %w", path, err), file.Close())
	}
	return &Model{Config: c, Weights: w, close: file.Close, tokenizer: func() (*token.Tokenizer, error) {
		return loadBinTokenizer(filepath.Join(filepath.Dir(path), "tokenizer.bin"), c.VocabSize)
	}}, nil
}

// isBin tells llama2.c's files by their first numbers, which have no magic in the older form.
func isBin(head []byte) bool {
	t, err := parseBin(head)
	return err == nil && t.config.Validate() == nil || len(head) >= 8 && binary.LittleEndian.Uint32(head) == llama2cMagic
}

// parseBin reads the numbers.
func parseBin(data []byte) (t binTable, err error) {
	legacy := len(data) < 4 || binary.LittleEndian.Uint32(data) != llama2cMagic
	at := 0
	if !legacy {
		at = 8
	}
	if len(data) < at+29 {
		return t, fmt.Errorf("%d bytes are too few for its numbers", len(data))
	}
	var n [7]int
	for i := range n {
		n[i] = int(int32(binary.LittleEndian.Uint32(data[at+4*i:])))
	}
	shared := n[5] > 0
	if !legacy {
		if v := binary.LittleEndian.Uint32(data[4:]); v != 1 {
			return t, fmt.Errorf("version %d: want the form without version, or 1 (F32)", v)
		}
		shared = data[at+28] != 0
	} else if n[5] < 0 {
		n[5] = -n[5]
	}
	c := model.Config{Family: model.Llama, HiddenSize: n[0], IntermediateSize: n[1], NumLayers: n[2], NumHeads: n[3], NumKVHeads: n[4], VocabSize: n[5],
		MaxSeqLen: n[6], RMSNormEps: llama2cEps, RopeTheta: llama2cRope, TieWordEmbeddings: shared, BOS: []uint32{1}, EOS: []uint32{2}}
	if c.NumHeads > 0 {
		c.HeadDim = c.HiddenSize / c.NumHeads
	}
	if c.VocabSize < 3 {
		c.BOS, c.EOS = nil, nil
	}
	if err := c.Validate(); err != nil {
		return t, fmt.Errorf("numbers at byte %d: %w", at, err)
	}
	if c.HeadDim*c.NumHeads != c.HiddenSize {
		return t, fmt.Errorf("%d heads do not divide a hidden size of %d", c.NumHeads, c.HiddenSize)
	}
	t = binTable{config: c, start: 28}
	if !legacy {
		t.start = llama2cHeader
	}
	t.order(legacy)
	return t, nil
}

// order lists the tensors as export.py writes them.
func (t *binTable) order(legacy bool) {
	c := t.config
	kv := c.NumKVHeads * c.HeadDim
	layer := "model.layers.%d."
	norm1 := binTensor{name: layer + "input_layernorm.weight", shape: []int{c.HiddenSize}}
	norm2 := binTensor{name: layer + "post_attention_layernorm.weight", shape: []int{c.HiddenSize}}
	last := binTensor{name: "model.norm.weight", shape: []int{c.HiddenSize}}
	embed := binTensor{name: "model.embed_tokens.weight", shape: []int{c.VocabSize, c.HiddenSize}}
	attention := []binTensor{
		{name: layer + "self_attn.q_proj.weight", shape: []int{c.HiddenSize, c.HiddenSize}}, {name: layer + "self_attn.k_proj.weight", shape: []int{kv, c.HiddenSize}},
		{name: layer + "self_attn.v_proj.weight", shape: []int{kv, c.HiddenSize}}, {name: layer + "self_attn.o_proj.weight", shape: []int{c.HiddenSize, c.HiddenSize}}}
	mlp := []binTensor{
		{name: layer + "mlp.gate_proj.weight", shape: []int{c.IntermediateSize, c.HiddenSize}}, {name: layer + "mlp.down_proj.weight", shape: []int{c.HiddenSize, c.IntermediateSize}},
		{name: layer + "mlp.up_proj.weight", shape: []int{c.IntermediateSize, c.HiddenSize}}}
	if legacy {
		t.list = append([]binTensor{embed, norm1}, attention...)
		t.list = append(append(append(t.list, norm2), mlp...), last)
		t.list = append(t.list, binTensor{name: "rotary tables", shape: []int{c.MaxSeqLen, c.HeadDim}, skip: true})
	} else {
		t.list = append([]binTensor{norm1, norm2, last, embed}, append(attention, mlp...)...)
	}
	if !c.TieWordEmbeddings {
		t.list = append(t.list, binTensor{name: "lm_head.weight", shape: []int{c.VocabSize, c.HiddenSize}})
	}
}

// readBin finds the tensors of a mapped file.
func readBin(file *tensor.Mapping) (model.Config, *model.Weights, error) {
	t, err := parseBin(file.Bytes())
	if err != nil {
		return model.Config{}, nil, err
	}
	found := map[string]tensor.Tensor{}
	at := t.start
	for _, x := range t.list {
		layers := 1
		if strings.Contains(x.name, "%d") {
			layers = t.config.NumLayers
		}
		n, _ := elements(x.shape)
		for l := range layers {
			name := strings.Replace(x.name, "%d", fmt.Sprint(l), 1)
			if need := 4 * n; need > len(file.Bytes())-at {
				return t.config, nil, fmt.Errorf("tensor %q at byte %d: F32 %v needs %d bytes, the file has %d", name, at, x.shape, need, len(file.Bytes()))
			}
			if !x.skip {
				if found[name], err = view(file, dtype.F32, at, x.shape); err != nil {
					return t.config, nil, err
				}
			}
			at += 4 * n
		}
	}
	if at != len(file.Bytes()) {
		return t.config, nil, fmt.Errorf("%d bytes behind the last tensor at byte %d", len(file.Bytes())-at, at)
	}
	w, err := source{interleaved: true, get: func(name string) (tensor.Tensor, error) {
		if t, ok := found[name]; ok {
			return t, nil
		}
		return tensor.Tensor{}, missing(name)
	}}.assemble(t.config)
	return t.config, w, err
}

// loadBinTokenizer reads llama2.c's tokenizer.bin: the length of the longest piece, then a score, a length and the text of each.
func loadBinTokenizer(path string, vocab int) (*token.Tokenizer, error) {
	data, err := readSmall(path)
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	meta, err := binVocabulary(data, vocab)
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %s: %w", path, err)
	}
	return token.GGUF(meta)
}

func binVocabulary(data []byte, vocab int) (map[string]any, error) {
	const special = 3 // <unk>, <s>, </s>; 256 bytes follow
	var pieces []string
	var scores []float32
	var kinds []int32
	at := 4
	for i := range vocab {
		if len(data)-at < 8 {
			return nil, fmt.Errorf("piece %d of %d at byte %d: the file has %d bytes", i, vocab, at, len(data))
		}
		score, n := math.Float32frombits(binary.LittleEndian.Uint32(data[at:])), binary.LittleEndian.Uint32(data[at+4:])
		if at += 8; uint64(n) > uint64(len(data)-at) {
			return nil, fmt.Errorf("piece %d of %d at byte %d has %d bytes: the file has %d", i, vocab, at, n, len(data))
		}
		text, kind := strings.ReplaceAll(string(data[at:at+int(n)]), " ", "▁"), int32(1)
		at += int(n)
		switch {
		case i == 0:
			kind = 2
		case i < special:
			text, kind = strings.TrimSpace(text), 3
		case i < special+256:
			kind = 6
		}
		pieces, scores, kinds = append(pieces, text), append(scores, score), append(kinds, kind)
	}
	return map[string]any{"tokenizer.ggml.model": "llama", "tokenizer.ggml.tokens": pieces, "tokenizer.ggml.scores": scores, "tokenizer.ggml.token_type": kinds,
		"tokenizer.ggml.unknown_token_id": uint32(0), "tokenizer.ggml.bos_token_id": uint32(1), "tokenizer.ggml.eos_token_id": uint32(2)}, nil
}
