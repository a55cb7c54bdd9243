package token

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// decPart is one decoder of tokenizer.json.
type decPart struct {
	Type        string           `json:"type"`
	Decoders    []jsontext.Value `json:"decoders"`
	Pattern     hfPattern        `json:"pattern"`
	Content     string           `json:"content"`
	Start       int              `json:"start"`
	Stop        int              `json:"stop"`
	Prefix      string           `json:"prefix"`
	Cleanup     *bool            `json:"cleanup"`
	Suffix      string           `json:"suffix"`
	Replacement string           `json:"replacement"`
	Scheme      string           `json:"prepend_scheme"`
	AddPrefix   *bool            `json:"add_prefix_space"`
	PadToken    string           `json:"pad_token"`
	Delimiter   string           `json:"word_delimiter_token"`
}

func (p decPart) nested() (string, []jsontext.Value) { return p.Type, p.Decoders }

// chainStep rewrites the list of tokens on the way to text.
type chainStep func(tokens []string) []string

// setDecoder compiles the decoders into surfaces where they look at one token at a time, and keeps a chain where not.
func (t *Tokenizer) setDecoder(v jsontext.Value) error {
	parts, err := parseParts[decPart](v)
	if err != nil {
		return err
	}
	names := make([]string, len(parts))
	for i, p := range parts {
		names[i] = p.Type
	}
	switch strings.Join(names, " ") {
	case "ByteLevel":
		raw := make([]string, len(t.pieces))
		for i, p := range t.pieces {
			raw[i] = asBytes.inMemory(p)
		}
		t.dec = t.rawDecoding(raw)
		return nil
	case "Replace ByteFallback Fuse", "Replace ByteFallback Fuse Strip":
		if p := parts[0]; p.Content == " " && p.Pattern.String != nil && *p.Pattern.String == spaceMark &&
			(len(parts) == 3 || parts[3].Content == " " && parts[3].Start == 1 && parts[3].Stop == 0) {
			t.dec = t.markDecoding(len(parts) == 4)
			return nil
		}
	}
	t.dec.chain = []chainStep{}
	for _, p := range parts {
		step, err := p.step()
		if err != nil {
			return err
		}
		t.dec.chain = append(t.dec.chain, step)
	}
	if len(parts) == 0 {
		t.dec.chain = append(t.dec.chain, joinSpaces)
	}
	return nil
}

// markDecoding is for pieces that mark spaces with U+2581, with byte tokens.
func (t *Tokenizer) markDecoding(stripped bool) decoding {
	var d decoding
	for i, p := range t.pieces {
		if b, ok := byteOf(p); ok {
			d.add(string([]byte{b}), oneByte)
		} else if t.kinds[i] == control {
			d.add(unspace(p), special)
		} else {
			d.add(unspace(p), 0)
		}
	}
	if stripped {
		d.strip = stripOnce
	}
	d.seal()
	return d
}

func (t *Tokenizer) chained(ids []uint32, specials bool) string {
	tokens := make([]string, 0, len(ids))
	for _, id := range ids {
		if int(id) < len(t.pieces) && (specials || !t.IsSpecial(id)) {
			tokens = append(tokens, t.pieces[id])
		}
	}
	for _, step := range t.dec.chain {
		tokens = step(tokens)
	}
	return strings.Join(tokens, "")
}

func (p *decPart) step() (chainStep, error) {
	switch p.Type {
	case "ByteLevel":
		return each(func(_ int, s string) string { return asBytes.inMemory(s) }), nil
	case "Fuse":
		return func(tokens []string) []string { return []string{strings.Join(tokens, "")} }, nil
	case "ByteFallback":
		return byteRuns, nil
	case "Strip":
		return each(func(_ int, s string) string { return p.trim(s) }), nil
	case "Metaspace":
		return p.metaspace(), nil
	case "Replace":
		return p.replace()
	case "WordPiece":
		return each(p.wordPiece), nil
	case "BPEDecoder":
		return func(tokens []string) []string {
			for i, s := range tokens {
				to := " "
				if i == len(tokens)-1 {
					to = ""
				}
				tokens[i] = strings.ReplaceAll(s, p.Suffix, to)
			}
			return tokens
		}, nil
	case "CTC":
		return p.ctc, nil
	}
	return nil, fmt.Errorf("%q is not known", p.Type)
}

func each(f func(i int, s string) string) chainStep {
	return func(tokens []string) []string {
		for i, s := range tokens {
			tokens[i] = f(i, s)
		}
		return tokens
	}
}

func joinSpaces(tokens []string) []string { return []string{strings.Join(tokens, " ")} }

// trim takes up to Start copies of Content from the left and Stop from the right.
func (p *decPart) trim(s string) string {
	for range p.Start {
		if p.Content == "" || !strings.HasPrefix(s, p.Content) {
			break
		}
		s = s[len(p.Content):]
	}
	for range p.Stop {
		if p.Content == "" || !strings.HasSuffix(s, p.Content) {
			break
		}
		s = s[:len(s)-len(p.Content)]
	}
	return s
}

// metaspace turns marks into spaces; the first token loses them where the encoder puts one before the text.
func (p *decPart) metaspace() chainStep {
	mark, first := p.Replacement, ""
	if mark == "" {
		mark = spaceMark
	}
	if p.Scheme == "never" || p.Scheme == "" && !on(p.AddPrefix, true) {
		first = " "
	}
	return each(func(i int, s string) string {
		if i == 0 {
			return strings.ReplaceAll(s, mark, first)
		}
		return strings.ReplaceAll(s, mark, " ")
	})
}

func (p *decPart) replace() (chainStep, error) {
	n := normPart{Pattern: p.Pattern, Content: p.Content}
	step, err := n.replace()
	if err != nil {
		return nil, err
	}
	return each(func(_ int, s string) string {
		var out buffer
		in := input(s, 0)
		step(&out, &in)
		return string(out.b)
	}), nil
}

func (p *decPart) wordPiece(i int, s string) string {
	if i > 0 {
		if rest, ok := strings.CutPrefix(s, p.Prefix); ok {
			s = rest
		} else {
			s = " " + s
		}
	}
	if on(p.Cleanup, true) {
		return cleanup.Replace(s)
	}
	return s
}

// cleanup undoes the spaces that word-based pre-tokenizers put around English punctuation.
var cleanup = strings.NewReplacer(" .", ".", " ?", "?", " !", "!", " ,", ",", " ' ", "'", " n't", "n't", " 'm", "'m",
	" do not", " don't", " 's", "'s", " 've", "'ve", " 're", "'re")

// byteRuns joins byte tokens; a run that is no UTF-8 becomes one U+FFFD a byte.
func byteRuns(tokens []string) []string {
	var out []string
	var run []byte
	flush := func() {
		if utf8.Valid(run) {
			out = append(out, string(run))
		} else {
			out = append(out, strings.Repeat(replacement, len(run)))
		}
		run = run[:0]
	}
	for _, s := range tokens {
		if b, ok := byteOf(s); ok {
			run = append(run, b)
			continue
		}
		flush()
		out = append(out, s)
	}
	flush()
	return out
}

// ctc joins repeated tokens and drops the pad token, as speech models need.
func (p *decPart) ctc(tokens []string) []string {
	var out []string
	for i, s := range tokens {
		if i > 0 && s == tokens[i-1] || s == p.PadToken {
			continue
		}
		if on(p.Cleanup, true) {
			s = strings.ReplaceAll(cleanup.Replace(s), p.Delimiter, " ")
		}
		out = append(out, s)
	}
	return out
}
