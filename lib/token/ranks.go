package token

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// Encoding is what a tiktoken rank file leaves out.
type Encoding struct {
	Pattern string
	Special map[string]uint32
}

// Encodings are the published ones, by the name of their rank file. Qwen's first models use cl100k's pattern.
var encodings = map[string]Encoding{
	"r50k_base": {PatternGPT2, map[string]uint32{"<|endoftext|>": 50256}},
	"p50k_base": {PatternGPT2, map[string]uint32{"<|endoftext|>": 50256}},
	"cl100k_base": {PatternCL100K, map[string]uint32{"<|endoftext|>": 100257, "<|fim_prefix|>": 100258,
		"<|fim_middle|>": 100259, "<|fim_suffix|>": 100260, "<|endofprompt|>": 100276}},
	"o200k_base": {PatternO200K, map[string]uint32{"<|endoftext|>": 199999, "<|endofprompt|>": 200018}},
	"qwen":       {PatternCL100K, map[string]uint32{"<|endoftext|>": 151643, "<|im_start|>": 151644, "<|im_end|>": 151645}},
}

// NamedEncoding returns the pattern and special tokens of r50k_base, p50k_base, cl100k_base, o200k_base or qwen.
func NamedEncoding(name string) (Encoding, error) {
	e, ok := encodings[name]
	if !ok {
		return e, fmt.Errorf("token: encoding %q: want one of %v", name, slices.Sorted(maps.Keys(encodings)))
	}
	return Encoding{e.Pattern, maps.Clone(e.Special)}, nil
}

// Ranks makes a tokenizer of a tiktoken rank file: lines of a base64 token and its rank, which is its id.
func Ranks(data []byte, e Encoding) (*Tokenizer, error) {
	t := &Tokenizer{vocabulary: newVocabulary(0, len(data)), raw: true}
	for n, line := range bytes.Split(data, []byte("\n")) {
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		piece, id, err := parseRank(line)
		if err == nil && int(id) < len(t.kinds) && t.kinds[id] == normal {
			err = fmt.Errorf("rank %d is given twice", id)
		}
		if err == nil {
			err = t.set(id, piece, normal)
		}
		if err != nil {
			return nil, fmt.Errorf("token: rank file, line %d: %w", n+1, err)
		}
	}
	if err := t.byteLevel(e.Pattern); err != nil {
		return nil, fmt.Errorf("token: rank file: %w", err)
	}
	var added []Added
	for _, text := range slices.Sorted(maps.Keys(e.Special)) {
		added = append(added, Added{ID: e.Special[text], Text: text, Special: true})
	}
	if err := t.setAdded(added); err != nil {
		return nil, fmt.Errorf("token: rank file: %w", err)
	}
	if id, ok := e.Special["<|endoftext|>"]; ok {
		t.eos = int(id)
	}
	t.dec = t.rawDecoding(t.pieces)
	return t, nil
}

func parseRank(line []byte) (piece string, id int, err error) {
	text, rank, ok := bytes.Cut(line, []byte(" "))
	if !ok {
		return "", 0, fmt.Errorf("want a base64 token, a space and a rank")
	}
	b, err := base64.StdEncoding.AppendDecode(nil, text)
	if err != nil {
		return "", 0, fmt.Errorf("token is not base64: %w", err)
	}
	if id, err = strconv.Atoi(string(rank)); err != nil {
		return "", 0, fmt.Errorf("rank is no number: %w", err)
	}
	if len(b) == 0 {
		return "", 0, fmt.Errorf("token is empty")
	}
	return string(b), id, nil
}

// byteLevel makes the model of a vocabulary of byte strings in which the id is the rank.
func (t *Tokenizer) byteLevel(pattern string) error {
	m := &bpe{byByte: new([256]uint32), whole: t.index, size: uint32(len(t.pieces)), unk: -1, bigrams: bytePairs(t.index)}
	for b := range m.byByte {
		id, ok := t.index[string([]byte{byte(b)})]
		if !ok {
			return fmt.Errorf("no token for the single byte 0x%02X", b)
		}
		m.byByte[b] = id
	}
	lengths := map[int]bool{}
	for _, p := range t.pieces {
		lengths[len(p)] = true
	}
	m.pairs = newPairTable(2 * len(t.pieces))
	for id, p := range t.pieces {
		for i := 1; i < len(p); i++ {
			if !lengths[i] || !lengths[len(p)-i] {
				continue
			}
			if left, ok := t.index[p[:i]]; ok {
				if right, ok := t.index[p[i:]]; ok {
					m.pairs.add(left, right, uint32(id), uint32(id))
				}
			}
		}
	}
	t.model = m
	return t.setPattern(pattern)
}

// bytePairs notes which characters the pieces of a byte-level vocabulary join.
func bytePairs(index map[string]uint32) *bigrams {
	b := new(bigrams)
	for p := range index {
		b.addBytes(p)
	}
	return b
}

// rawDecoding is for vocabularies whose pieces, given as raw bytes, are what they stand for.
func (t *Tokenizer) rawDecoding(raw []string) decoding {
	var d decoding
	for i, p := range raw {
		if t.kinds[i] == control {
			d.add(p, special)
		} else {
			d.add(p, 0)
		}
	}
	d.seal()
	return d
}
