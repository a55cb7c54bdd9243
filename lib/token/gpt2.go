package token

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/text/unicode/norm"
)

// hfConfig is the part of tokenizer_config.json that vocab.json and merges.txt leave out.
type hfConfig struct {
	Class string             `json:"tokenizer_class"`
	Added map[string]hfAdded `json:"added_tokens_decoder"` // by id
	BOS   jsontext.Value     `json:"bos_token"`            // a string, or an object with content
	EOS   jsontext.Value     `json:"eos_token"`
	PAD   jsontext.Value     `json:"pad_token"`
	UNK   jsontext.Value     `json:"unk_token"`
}

// GPT2 makes a byte-level tokenizer of vocab.json and merges.txt. config is tokenizer_config.json or empty; it names the
// added tokens, and Qwen2's class its pattern and normal form. Without it the pattern is GPT-2's, and <|endoftext|> is
// special.
func GPT2(vocab, merges, config []byte) (*Tokenizer, error) {
	t, err := loadGPT2(vocab, merges, config)
	if err != nil {
		return nil, fmt.Errorf("token: vocab.json with merges.txt: %w", err)
	}
	return t, nil
}

func loadGPT2(vocab, merges, config []byte) (*Tokenizer, error) {
	var c hfConfig
	if len(config) > 0 {
		if err := json.Unmarshal(config, &c); err != nil {
			return nil, fmt.Errorf("tokenizer_config.json: %w", err)
		}
	}
	lines := strings.Split(string(merges), "\n")
	lines = slices.DeleteFunc(lines, func(l string) bool { return l == "" || strings.HasPrefix(l, "#version") })
	m := hfModel{Type: "BPE", Vocab: bytes.TrimSpace(vocab), merges: lines}
	t := &Tokenizer{vocabulary: newVocabulary(0, len(vocab)+len(config))}
	if err := m.vocab(t); err != nil {
		return nil, err
	}
	if err := m.build(t, asBytes); err != nil {
		return nil, err
	}
	pattern := PatternGPT2
	if strings.HasPrefix(c.Class, "Qwen2") {
		pattern = PatternQwen2
		t.norm = composed{}
	}
	if err := t.setPattern(pattern); err != nil {
		return nil, err
	}
	if err := c.apply(t); err != nil {
		return nil, err
	}
	t.guessRoles()
	return t, t.setDecoder(jsontext.Value(`{"type":"ByteLevel"}`))
}

// apply puts the added tokens and the roles into t.
func (c *hfConfig) apply(t *Tokenizer) error {
	var added []Added
	for key, a := range c.Added {
		id, err := strconv.Atoi(key)
		if err != nil || id < 0 || id >= maxVocab {
			return fmt.Errorf("added token %q has id %q", a.Content, key)
		}
		a.ID = id
		added = append(added, a.added())
	}
	if id, ok := t.index["<|endoftext|>"]; ok && len(added) == 0 {
		added = append(added, Added{ID: id, Text: "<|endoftext|>", Special: true})
	}
	if err := t.setAdded(added); err != nil {
		return err
	}
	for _, r := range []struct {
		v  jsontext.Value
		id *int
	}{{c.BOS, &t.bos}, {c.EOS, &t.eos}, {c.PAD, &t.pad}, {c.UNK, &t.unk}} {
		if id, ok := t.index[roleText(r.v)]; ok {
			*r.id = int(id)
		}
	}
	return nil
}

// roleText reads "<s>" or {"content": "<s>"}.
func roleText(v jsontext.Value) string {
	var text string
	var written hfAdded
	if len(v) > 0 && json.Unmarshal(v, &text) != nil && json.Unmarshal(v, &written) == nil {
		text = written.Content
	}
	return text
}

// composed is Unicode's normal form C; most text has it already.
type composed struct{}

func (composed) apply(out, in *buffer) bool {
	if norm.NFC.IsNormalString(in.text()) {
		return false
	}
	unicodeForm(norm.NFC)(out, in)
	return true
}
