package token

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"

	"quire/internal/gguf"
)

// ggufPatterns are the pre-tokenizers that GGUF files name.
var ggufPatterns = map[string]string{
	"gpt-2": PatternGPT2, "llama-bpe": PatternCL100K, "llama3": PatternCL100K, "llama-v3": PatternCL100K, "dbrx": PatternCL100K,
	"smaug-bpe": PatternCL100K, "qwen2": PatternQwen2, "gpt-4o": PatternO200K, "llama4": PatternO200K, "phi-2": PatternGPT2, "mpt": PatternGPT2,
	"olmo": PatternGPT2, "jina-v2-es": PatternGPT2, "jina-v2-de": PatternGPT2, "roberta-bpe": PatternGPT2,
}

// ggufMeta is the metadata of a GGUF file: strings, bools, integers, floats and slices of them.
type ggufMeta map[string]any

// GGUF makes a tokenizer of the metadata of a GGUF file (tokenizer.ggml.*). Values are Go's string, bool, integers,
// floats, and slices of them.
func GGUF(meta map[string]any) (*Tokenizer, error) {
	t, err := ggufMeta(meta).load()
	if err != nil {
		return nil, fmt.Errorf("token: GGUF vocabulary: %w", err)
	}
	return t, nil
}

func (m ggufMeta) load() (*Tokenizer, error) {
	tokens, _ := m["tokenizer.ggml.tokens"].([]string)
	if len(tokens) == 0 {
		return nil, errors.New("tokenizer.ggml.tokens is missing")
	}
	types, _ := m["tokenizer.ggml.token_type"].([]int32)
	if types != nil && len(types) != len(tokens) {
		return nil, fmt.Errorf("%d token types for %d tokens", len(types), len(tokens))
	}
	switch name, _ := m["tokenizer.ggml.model"].(string); name {
	case "llama", "t5":
		return m.sentencePiece(name, tokens, types)
	case "gpt2":
		return m.byteLevel(tokens, types)
	case "bert":
		return m.wordPiece(tokens, types)
	default:
		return nil, fmt.Errorf("tokenizer.ggml.model is %q: want llama, t5, gpt2 or bert", name)
	}
}

// id reads a token id, -1 if it is absent or no token's.
func (m ggufMeta) id(name string, size int) int {
	n := -1
	switch v := m["tokenizer.ggml."+name+"_token_id"].(type) {
	case uint32:
		n = int(v)
	case int32:
		n = int(v)
	case uint64:
		n = int(min(v, math.MaxInt32))
	case int64:
		n = int(min(v, math.MaxInt32))
	case int:
		n = v
	}
	if n >= size {
		return -1
	}
	return n
}

func (m ggufMeta) flag(name string, def bool) bool {
	if v, ok := m["tokenizer.ggml."+name].(bool); ok {
		return v
	}
	return def
}

func (m ggufMeta) sentencePiece(name string, tokens []string, types []int32) (*Tokenizer, error) {
	scores, _ := m["tokenizer.ggml.scores"].([]float32)
	if len(scores) != len(tokens) || types == nil {
		return nil, fmt.Errorf("%d tokens, %d scores, %d types", len(tokens), len(scores), len(types))
	}
	n := len(tokens)
	sp := &spModel{modelType: 2, unk: m.id("unknown", n), bos: m.id("bos", n), eos: m.id("eos", n), pad: m.id("padding", n),
		unkSurface: " \u2047 ", addDummyPrefix: m.flag("add_space_prefix", true), escapeSpace: true,
		removeExtraSpace: m.flag("remove_extra_whitespaces", false), suffixSpace: m.flag("treat_whitespace_as_suffix", false)}
	if name == "t5" {
		sp.modelType = 1
		sp.charsmap = m.bytes("tokenizer.ggml.precompiled_charsmap")
	}
	bytes := 0
	for i, text := range tokens {
		if types[i] < int32(normal) || types[i] > int32(byteKind) {
			return nil, fmt.Errorf("token %q has type %d", text, types[i])
		}
		k := kind(types[i])
		if k == byteKind {
			bytes++
		}
		sp.pieces = append(sp.pieces, spPiece{text, scores[i], k})
	}
	sp.byteFallback = bytes == 256
	t, err := sp.build()
	if err != nil {
		return nil, err
	}
	m.template(t, sp.bos >= 0 && name == "llama", name == "t5")
	return t, nil
}

func (m ggufMeta) bytes(key string) []byte {
	switch v := m[key].(type) {
	case []byte:
		return v
	case []int8:
		b := make([]byte, len(v))
		for i, x := range v {
			b[i] = byte(x)
		}
		return b
	}
	return nil
}

// template follows add_bos_token and add_eos_token.
func (m ggufMeta) template(t *Tokenizer, bos, eos bool) {
	t.prefix, t.suffix = nil, nil
	if id, ok := t.BOS(); ok && m.flag("add_bos_token", bos) {
		t.prefix = []uint32{id}
	}
	if id, ok := t.EOS(); ok && m.flag("add_eos_token", eos) {
		t.suffix = []uint32{id}
	}
}

// added are the tokens of the kinds that are cut out of the text.
func (m ggufMeta) added(tokens []string, types []int32) (list []Added) {
	for i, k := range types {
		if kind(k) == control || kind(k) == userDefined {
			list = append(list, Added{ID: uint32(i), Text: tokens[i], Special: kind(k) == control})
		}
	}
	return list
}

func (m ggufMeta) byteLevel(tokens []string, types []int32) (*Tokenizer, error) {
	name, _ := m["tokenizer.ggml.pre"].(string)
	pattern, ok := ggufPatterns[name]
	if !ok && name != "" && name != "default" {
		return nil, fmt.Errorf("tokenizer.ggml.pre is %q, whose pattern is not known: use the model's tokenizer.json", name)
	}
	if !ok {
		pattern = PatternGPT2
	}
	merges, _ := m["tokenizer.ggml.merges"].([]string)
	t, err := m.pieces(tokens)
	if err != nil {
		return nil, err
	}
	h := hfModel{Type: "BPE", merges: merges}
	h.IgnoreMerges = name == "llama-bpe" || name == "llama3" || name == "llama-v3"
	if err := h.build(t, asBytes); err != nil {
		return nil, err
	}
	if err := t.setPattern(pattern); err != nil {
		return nil, err
	}
	if err := t.setAdded(m.added(tokens, types)); err != nil {
		return nil, err
	}
	m.roles(t)
	m.template(t, false, false)
	return t, t.setDecoder([]byte(`{"type":"ByteLevel"}`))
}

// pieces fills a vocabulary.
func (m ggufMeta) pieces(tokens []string) (*Tokenizer, error) {
	if len(tokens) > maxVocab {
		return nil, fmt.Errorf("%d tokens: want at most %d", len(tokens), maxVocab)
	}
	t := &Tokenizer{vocabulary: newVocabulary(len(tokens), 0)}
	for i, s := range tokens {
		if err := t.set(i, s, normal); err != nil {
			return nil, err
		}
	}
	return t, nil
}

func (m ggufMeta) roles(t *Tokenizer) {
	n := len(t.pieces)
	t.bos, t.eos, t.unk, t.pad = m.id("bos", n), m.id("eos", n), m.id("unknown", n), m.id("padding", n)
}

// wordPiece reads BERT vocabularies, in which llama.cpp's converter marks the beginning of a word with U+2581 instead
// of the rest of it with ##.
func (m ggufMeta) wordPiece(tokens []string, types []int32) (*Tokenizer, error) {
	written := make([]string, len(tokens))
	for i, s := range tokens {
		rest, begins := strings.CutPrefix(s, spaceMark)
		switch {
		case begins:
			written[i] = rest
		case i < len(types) && kind(types[i]) != normal, strings.HasPrefix(s, "["):
			written[i] = s
		default:
			written[i] = "##" + s
		}
	}
	t, err := m.pieces(written)
	if err != nil {
		return nil, err
	}
	h := hfModel{Type: "WordPiece", Prefix: "##", UnkToken: "[UNK]"}
	if err := h.build(t, asWritten); err != nil {
		return nil, err
	}
	bert := normPart{Type: "BertNormalizer"}
	t.norm = &normSequence{bert.bert()}
	if err := t.setPre([]prePart{{Type: "BertPreTokenizer"}}); err != nil {
		return nil, err
	}
	var added []Added
	for i, s := range written {
		if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") && len(s) > 2 {
			added = append(added, Added{ID: uint32(i), Text: s, Special: true})
		}
	}
	if err := t.setAdded(added); err != nil {
		return nil, err
	}
	m.roles(t)
	t.guessRoles()
	m.template(t, true, true)
	return t, t.setDecoder([]byte(`{"type":"WordPiece","prefix":"##","cleanup":true}`))
}

// loadGGUF reads the metadata of a GGUF file and no more of it than that takes.
func loadGGUF(path string) (*Tokenizer, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("token: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("token: %w", err)
	}
	for n := int64(1 << 20); ; n *= 4 {
		head := make([]byte, min(n, info.Size()))
		if _, err := f.ReadAt(head, 0); err != nil {
			return nil, fmt.Errorf("token: %w", err)
		}
		meta, err := gguf.ParseMeta(head)
		if err == nil {
			return GGUF(meta)
		}
		if n >= info.Size() || !errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, fmt.Errorf("token: GGUF: %w", err)
		}
	}
}
