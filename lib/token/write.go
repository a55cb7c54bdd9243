package token

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// WriteModel writes a SentencePiece .model file. It fails for tokenizers that are not SentencePiece's.
func (t *Tokenizer) WriteModel(path string) error {
	if t.sp == nil {
		return errors.New("token: WriteModel: not a SentencePiece tokenizer: use WriteJSON")
	}
	return writeFile(path, t.sp.marshal())
}

// WriteJSON writes a Hugging Face tokenizer.json. It fails for models that it cannot express: WordPiece, WordLevel,
// Unigram and BPE with a normaliser of their own.
func (t *Tokenizer) WriteJSON(path string) error {
	out, err := t.hfJSON()
	if err != nil {
		return fmt.Errorf("token: WriteJSON: %w", err)
	}
	return writeFile(path, out)
}

func writeFile(path string, data []byte) error {
	if err := os.WriteFile(path, data, 0o644); err != nil {
		return fmt.Errorf("token: %w", err)
	}
	return nil
}

func (m *spModel) marshal() []byte {
	var out []byte
	for _, p := range m.pieces {
		var b []byte
		b = protoBytes(b, 1, p.text)
		b = protoFloat(b, 2, p.score)
		if p.kind != normal {
			b = protoInt(b, 3, int64(p.kind))
		}
		out = protoBytes(out, 1, string(b))
	}
	var b []byte
	b = protoInt(b, 3, int64(m.modelType))
	b = protoInt(b, 4, int64(len(m.pieces)))
	b = protoInt(b, 24, flag(m.suffixSpace))
	b = protoInt(b, 35, flag(m.byteFallback))
	for i, id := range []int{m.unk, m.bos, m.eos, m.pad} {
		b = protoInt(b, 40+i, int64(id))
	}
	b = protoBytes(b, 44, m.unkSurface)
	out = protoBytes(out, 2, string(b))
	b = protoBytes(nil, 1, "identity")
	b = protoBytes(b, 2, string(m.charsmap))
	b = protoInt(b, 3, flag(m.addDummyPrefix))
	b = protoInt(b, 4, flag(m.removeExtraSpace))
	b = protoInt(b, 5, flag(m.escapeSpace))
	return protoBytes(out, 3, string(b))
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

func protoBytes(b []byte, field int, s string) []byte {
	b = binary.AppendUvarint(b, uint64(field)<<3|2)
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

func protoInt(b []byte, field int, x int64) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(b, uint64(field)<<3), uint64(x))
}

func protoFloat(b []byte, field int, x float32) []byte {
	b = binary.AppendUvarint(b, uint64(field)<<3|5)
	return binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
}

// object is a JSON object on its way out.
type object map[string]any

func (t *Tokenizer) hfJSON() ([]byte, error) {
	root := object{"version": "1.0", "truncation": nil, "padding": nil, "added_tokens": t.hfAdded(), "post_processor": t.hfTemplate()}
	var err error
	switch m := t.model.(type) {
	case *bpe:
		err = t.hfBPE(root, m)
	case *unigram:
		err = t.hfUnigram(root, m)
	default:
		err = errors.New("only BPE and Unigram models can be written")
	}
	if err != nil {
		return nil, err
	}
	return json.Marshal(root, json.Deterministic(true), jsontext.WithIndent(" "))
}

func (t *Tokenizer) hfAdded() []hfAdded {
	out := []hfAdded{}
	for _, a := range t.Added() {
		out = append(out, hfAdded{int(a.ID), a.Text, a.SingleWord, a.LStrip, a.RStrip, a.Normalized, a.Special})
	}
	return out
}

// hfTemplate is the post-processor, null without a template.
func (t *Tokenizer) hfTemplate() any {
	if len(t.prefix)+len(t.suffix) == 0 {
		return nil
	}
	specials := object{}
	step := func(id uint32) any {
		s := t.Piece(id)
		specials[s] = object{"id": s, "ids": []uint32{id}, "tokens": []string{s}}
		return object{"SpecialToken": object{"id": s, "type_id": 0}}
	}
	single := []any{}
	for _, id := range t.prefix {
		single = append(single, step(id))
	}
	single = append(single, object{"Sequence": object{"id": "A", "type_id": 0}})
	for _, id := range t.suffix {
		single = append(single, step(id))
	}
	return object{"type": "TemplateProcessing", "single": single, "pair": []any{}, "special_tokens": specials}
}

func (t *Tokenizer) hfBPE(root object, m *bpe) error {
	if m.affixed != nil {
		return errors.New("a BPE model with affixes cannot be written")
	}
	write := func(s string) string { return s }
	switch {
	case m.byByte != nil && t.pattern != "" && (t.norm == nil || t.norm == normalizer(composed{})):
		root["pre_tokenizer"] = object{"type": "Sequence", "pretokenizers": []any{
			object{"type": "Split", "pattern": object{"Regex": t.pattern}, "behavior": "Isolated", "invert": false},
			object{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false}}}
		root["decoder"] = object{"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true}
		root["normalizer"] = nil
		if t.norm != nil {
			root["normalizer"] = object{"type": "NFC"}
		}
		if t.raw {
			write = toPrintable
		}
	case m.byRune != nil && t.sp != nil && t.sp.plain():
		root["pre_tokenizer"] = nil
		t.hfSpaces(root)
	default:
		return errors.New("its normaliser or pre-tokenizer has no equal in tokenizer.json that this package writes")
	}
	vocab := map[string]uint32{}
	for id, p := range t.pieces {
		if a := t.kinds[id]; a == normal || t.sp != nil {
			vocab[write(p)] = uint32(id)
		}
	}
	merges := []string{}
	for _, g := range m.merges() {
		if g.Left < m.size && g.Right < m.size {
			merges = append(merges, write(t.pieces[g.Left])+" "+write(t.pieces[g.Right]))
		}
	}
	model := object{"type": "BPE", "vocab": vocab, "merges": merges, "dropout": nil, "unk_token": nil, "continuing_subword_prefix": nil,
		"end_of_word_suffix": nil, "fuse_unk": m.fuseUnk, "byte_fallback": m.fallback != nil, "ignore_merges": m.whole != nil}
	if m.unk >= 0 {
		model["unk_token"] = t.pieces[m.unk]
	}
	root["model"] = model
	return nil
}

// plain reports whether the model's normaliser only marks spaces.
func (m *spModel) plain() bool {
	return len(m.charsmap) == 0 && !m.removeExtraSpace && !m.suffixSpace && m.escapeSpace
}

// hfSpaces writes the normaliser and the decoder of a model that only marks spaces.
func (t *Tokenizer) hfSpaces(root object) {
	steps := []any{}
	decoders := []any{object{"type": "Replace", "pattern": object{"String": spaceMark}, "content": " "}, object{"type": "ByteFallback"}, object{"type": "Fuse"}}
	if t.sp.addDummyPrefix {
		steps = append(steps, object{"type": "Prepend", "prepend": spaceMark})
		decoders = append(decoders, object{"type": "Strip", "content": " ", "start": 1, "stop": 0})
	}
	steps = append(steps, object{"type": "Replace", "pattern": object{"String": " "}, "content": spaceMark})
	root["normalizer"] = object{"type": "Sequence", "normalizers": steps}
	root["decoder"] = object{"type": "Sequence", "decoders": decoders}
}

func (t *Tokenizer) hfUnigram(root object, m *unigram) error {
	if t.sp == nil || !t.sp.plain() {
		return errors.New("its normaliser has no equal in tokenizer.json that this package writes")
	}
	t.hfSpaces(root)
	root["pre_tokenizer"] = nil
	vocab := make([]any, len(t.pieces))
	for i, p := range t.pieces {
		vocab[i] = []any{p, t.scores[i]}
	}
	root["model"] = object{"type": "Unigram", "unk_id": m.unk, "vocab": vocab, "byte_fallback": m.fallback != nil}
	return nil
}
