package token

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// hfFile is the part of tokenizer.json that encoding and decoding need.
type hfFile struct {
	Added []hfAdded      `json:"added_tokens"`
	Norm  jsontext.Value `json:"normalizer"`
	Pre   jsontext.Value `json:"pre_tokenizer"`
	Post  jsontext.Value `json:"post_processor"`
	Dec   jsontext.Value `json:"decoder"`
	Model hfModel        `json:"model"`
}

type hfAdded struct {
	ID         int    `json:"id"`
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word"`
	LStrip     bool   `json:"lstrip"`
	RStrip     bool   `json:"rstrip"`
	Normalized bool   `json:"normalized"`
	Special    bool   `json:"special"`
}

func (a *hfAdded) added() Added {
	return Added{ID: uint32(a.ID), Text: a.Content, Special: a.Special, Normalized: a.Normalized,
		LStrip: a.LStrip, RStrip: a.RStrip, SingleWord: a.SingleWord}
}

type hfModel struct {
	Type         string         `json:"type"`
	Vocab        jsontext.Value `json:"vocab"` // an object of ids, or for Unigram a list of pieces and scores
	Merges       jsontext.Value `json:"merges"`
	UnkToken     string         `json:"unk_token"`
	UnkID        *int           `json:"unk_id"`
	Prefix       string         `json:"continuing_subword_prefix"`
	Suffix       string         `json:"end_of_word_suffix"`
	MaxChars     int            `json:"max_input_chars_per_word"`
	FuseUnk      bool           `json:"fuse_unk"`
	ByteFallback bool           `json:"byte_fallback"`
	IgnoreMerges bool           `json:"ignore_merges"`

	scores []float64 // of Unigram's list, at full precision
	merges []string  // given instead of Merges
}

// JSON makes a tokenizer of the content of a Hugging Face tokenizer.json.
func JSON(data []byte) (*Tokenizer, error) {
	t, err := loadJSON(data)
	if err != nil {
		return nil, fmt.Errorf("token: tokenizer.json: %w", err)
	}
	return t, nil
}

func loadJSON(data []byte) (*Tokenizer, error) {
	var f hfFile
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, err
	}
	t := &Tokenizer{vocabulary: newVocabulary(0, len(data))}
	if err := f.Model.vocab(t); err != nil {
		return nil, err
	}
	norm, err := parseParts[normPart](f.Norm)
	if err != nil {
		return nil, fmt.Errorf("normalizer: %w", err)
	}
	pre, err := parseParts[prePart](f.Pre)
	if err != nil {
		return nil, fmt.Errorf("pre_tokenizer: %w", err)
	}
	form := pieceForm(norm, pre, f.Model.Type)
	if err := t.setNormalizer(norm, form); err != nil {
		return nil, fmt.Errorf("normalizer: %w", err)
	}
	if err := f.Model.build(t, form); err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	if err := t.setPre(pre); err != nil {
		return nil, fmt.Errorf("pre_tokenizer: %w", err)
	}
	added := make([]Added, len(f.Added))
	for i := range f.Added {
		if id := f.Added[i].ID; id < 0 || id >= maxVocab {
			return nil, fmt.Errorf("added token %q has id %d", f.Added[i].Content, id)
		}
		added[i] = f.Added[i].added()
	}
	if err := t.setAdded(added); err != nil {
		return nil, err
	}
	if err := t.setTemplate(f.Post); err != nil {
		return nil, fmt.Errorf("post_processor: %w", err)
	}
	t.guessRoles()
	if err := t.setDecoder(f.Dec); err != nil {
		return nil, fmt.Errorf("decoder: %w", err)
	}
	return t, nil
}

// form is how the pieces of a model are written in memory.
type form uint8

const (
	asWritten form = iota
	asBytes        // turned from GPT-2's printable alphabet into raw bytes
	asSpaces       // U+2581 turned into a space
)

// pieceForm chooses it: bytes wherever there is a ByteLevel step, spaces where the normaliser only writes U+2581 for
// spaces and the model is a BPE over all of the text.
func pieceForm(norm []normPart, pre []prePart, model string) form {
	if slices.ContainsFunc(pre, func(p prePart) bool { return p.Type == "ByteLevel" }) ||
		slices.ContainsFunc(norm, func(p normPart) bool { return p.Type == "ByteLevel" }) {
		return asBytes
	}
	if _, ok := spaceNormalizer(norm); ok && len(pre) == 0 && model == "BPE" {
		return asSpaces
	}
	return asWritten
}

// parseParts reads null, one component, or a Sequence of them.
func parseParts[T interface {
	nested() (string, []jsontext.Value)
}](v jsontext.Value) ([]T, error) {
	return appendParts[T](nil, v, 0)
}

const maxNesting = 16

func appendParts[T interface {
	nested() (string, []jsontext.Value)
}](out []T, v jsontext.Value, depth int) ([]T, error) {
	if len(v) == 0 || v.Kind() == 'n' {
		return out, nil
	}
	if depth > maxNesting {
		return nil, errors.New("sequences are nested too deep")
	}
	var p T
	if err := json.Unmarshal(v, &p); err != nil {
		return nil, err
	}
	kind, parts := p.nested()
	if kind != "Sequence" {
		return append(out, p), nil
	}
	var err error
	for _, q := range parts {
		if out, err = appendParts(out, q, depth+1); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// vocab fills the vocabulary and the model's type, which old files leave out.
func (m *hfModel) vocab(t *Tokenizer) error {
	if m.Vocab.Kind() == '[' {
		if m.Type == "" {
			m.Type = "Unigram"
		}
		return m.scored(t)
	}
	var ids map[string]int
	if err := json.Unmarshal(m.Vocab, &ids); err != nil {
		return fmt.Errorf("vocab: %w", err)
	}
	if m.Type == "" {
		m.Type = "BPE"
		if len(m.Merges) == 0 {
			m.Type = "WordPiece"
		}
	}
	for piece, id := range ids {
		if err := t.set(id, piece, normal); err != nil {
			return err
		}
	}
	return nil
}

// scored reads Unigram's list of pairs.
func (m *hfModel) scored(t *Tokenizer) error {
	var list [][]jsontext.Value
	if err := json.Unmarshal(m.Vocab, &list); err != nil {
		return fmt.Errorf("vocab: %w", err)
	}
	for i, pair := range list {
		var piece string
		var score float64
		if len(pair) != 2 {
			return fmt.Errorf("vocab: entry %d has %d parts: want a piece and a score", i, len(pair))
		}
		if err := errors.Join(json.Unmarshal(pair[0], &piece), json.Unmarshal(pair[1], &score)); err != nil {
			return fmt.Errorf("vocab: entry %d: %w", i, err)
		}
		if err := t.set(i, piece, normal); err != nil {
			return err
		}
		t.scores = append(t.scores, float32(score))
		m.scores = append(m.scores, score)
	}
	return nil
}

// guessRoles finds bos, eos, unk and pad by the names that published tokenizers use.
func (t *Tokenizer) guessRoles() {
	find := func(have int, names ...string) int {
		for _, n := range names {
			if id, ok := t.index[n]; ok && have < 0 && t.kinds[id] == control {
				return int(id)
			}
		}
		return have
	}
	t.bos = find(t.bos, "<s>", "<bos>", "<|begin_of_text|>", "[CLS]", "<|startoftext|>", "<\uff5cbegin\u2581of\u2581sentence\uff5c>")
	t.eos = find(t.eos, "</s>", "<eos>", "<|end_of_text|>", "<|endoftext|>", "[SEP]", "<\uff5cend\u2581of\u2581sentence\uff5c>")
	t.unk = find(t.unk, "<unk>", "[UNK]")
	t.pad = find(t.pad, "<pad>", "[PAD]", "<|pad|>")
}

// hfPost is a post-processor.
type hfPost struct {
	Type       string           `json:"type"`
	Processors []jsontext.Value `json:"processors"`
	Cls        []jsontext.Value `json:"cls"` // [text, id]
	Sep        []jsontext.Value `json:"sep"`
	Single     []struct {
		Special  *hfID     `json:"SpecialToken"`
		Sequence *struct{} `json:"Sequence"`
	} `json:"single"`
	Specials map[string]struct {
		IDs []uint32 `json:"ids"`
	} `json:"special_tokens"`
}

type hfID struct {
	ID string `json:"id"`
}

func (p hfPost) nested() (string, []jsontext.Value) { return p.Type, p.Processors }

// setTemplate reduces the post-processors to what they put before and after one text.
func (t *Tokenizer) setTemplate(v jsontext.Value) error {
	parts, err := parseParts[hfPost](v)
	if err != nil {
		return err
	}
	for _, p := range parts {
		switch p.Type {
		case "TemplateProcessing":
			if err := t.template(&p); err != nil {
				return err
			}
		case "BertProcessing", "RobertaProcessing":
			cls, err1 := pairID(p.Cls)
			sep, err2 := pairID(p.Sep)
			if err := errors.Join(err1, err2); err != nil {
				return err
			}
			t.prefix, t.suffix = append([]uint32{cls}, t.prefix...), append(t.suffix, sep)
		case "ByteLevel":
		default:
			return fmt.Errorf("%q is not known", p.Type)
		}
	}
	return nil
}

func (t *Tokenizer) template(p *hfPost) error {
	var prefix, suffix []uint32
	seen := false
	for _, e := range p.Single {
		if e.Special == nil {
			seen = true
			continue
		}
		ids := p.Specials[e.Special.ID].IDs
		if len(ids) == 0 {
			return fmt.Errorf("template names %q, which special_tokens lacks", e.Special.ID)
		}
		if seen {
			suffix = append(suffix, ids...)
		} else {
			prefix = append(prefix, ids...)
		}
	}
	t.prefix, t.suffix = append(prefix, t.prefix...), append(t.suffix, suffix...)
	return nil
}

func pairID(v []jsontext.Value) (id uint32, err error) {
	if len(v) != 2 {
		return 0, errors.New("want a token and its id")
	}
	return id, json.Unmarshal(v[1], &id)
}

// unspace turns the mark of a space into a space.
func unspace(s string) string { return strings.ReplaceAll(s, spaceMark, " ") }
