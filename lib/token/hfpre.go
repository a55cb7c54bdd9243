package token

import (
	"errors"
	"fmt"
	"slices"
	"unicode"

	"github.com/go-json-experiment/json/jsontext"
)

// prePart is one pre-tokenizer of tokenizer.json.
type prePart struct {
	Type           string           `json:"type"`
	Pretokenizers  []jsontext.Value `json:"pretokenizers"`
	AddPrefixSpace *bool            `json:"add_prefix_space"`
	UseRegex       *bool            `json:"use_regex"`
	Pattern        hfPattern        `json:"pattern"`
	Behavior       string           `json:"behavior"`
	Invert         bool             `json:"invert"`
	Replacement    string           `json:"replacement"`
	Scheme         string           `json:"prepend_scheme"`
	Split          *bool            `json:"split"`
	Individual     bool             `json:"individual_digits"`
	Delimiter      string           `json:"delimiter"`
}

func (p prePart) nested() (string, []jsontext.Value) { return p.Type, p.Pretokenizers }

// plainPattern is the pattern of a byte-level pre-tokenizer that only cuts, "" if it does more.
func plainPattern(parts []prePart) string {
	if len(parts) == 0 {
		return ""
	}
	last := parts[len(parts)-1]
	if last.Type != "ByteLevel" || on(last.AddPrefixSpace, true) {
		return ""
	}
	if len(parts) == 1 && on(last.UseRegex, true) {
		return PatternGPT2
	}
	if s := parts[0]; len(parts) == 2 && !on(last.UseRegex, true) && s.Type == "Split" && s.Pattern.Regex != nil && !s.Invert && s.Behavior == "Isolated" {
		return *s.Pattern.Regex
	}
	return ""
}

func (t *Tokenizer) setPre(parts []prePart) error {
	if _, ok := t.model.(*bpe); ok {
		if p := plainPattern(parts); p != "" {
			return t.setPattern(p)
		}
	}
	var seq preSequence
	for i, p := range parts {
		if p.Type == "ByteLevel" && i+1 < len(parts) {
			return errors.New("ByteLevel must come last: nothing can look at its alphabet")
		}
		steps, err := p.steps()
		if err != nil {
			return err
		}
		seq = append(seq, steps...)
	}
	if len(seq) > 0 {
		t.pre = seq
	}
	return nil
}

type preSequence []pretokenizer

func (s preSequence) cut(words []buffer) (out []buffer, err error) {
	for _, p := range s {
		if words, err = p.cut(words); err != nil {
			return nil, err
		}
	}
	return words, nil
}

// steps turns one component into cutters and rewriters.
func (p *prePart) steps() ([]pretokenizer, error) {
	switch p.Type {
	case "ByteLevel":
		return p.byteLevel()
	case "Split":
		c, err := p.splitter()
		return []pretokenizer{c}, err
	case "Whitespace":
		c, err := newPattern(`\w+|[^\w\s]+`, removed, true)
		return []pretokenizer{c}, err
	case "WhitespaceSplit":
		return []pretokenizer{runes(unicode.IsSpace, removed)}, nil
	case "BertPreTokenizer":
		return []pretokenizer{runes(unicode.IsSpace, removed), runes(isPunct, isolated)}, nil
	case "Punctuation":
		how, err := p.how("Isolated")
		return []pretokenizer{runes(isPunct, how)}, err
	case "Digits":
		how := contiguous
		if p.Individual {
			how = isolated
		}
		return []pretokenizer{runes(unicode.IsNumber, how)}, nil
	case "UnicodeScripts":
		return []pretokenizer{scriptCutter()}, nil
	case "CharDelimiterSplit":
		return []pretokenizer{literal(p.Delimiter, removed, false)}, nil
	case "Metaspace":
		return []pretokenizer{p.metaspace()}, nil
	}
	return nil, fmt.Errorf("%q is not known", p.Type)
}

func (p *prePart) byteLevel() (steps []pretokenizer, err error) {
	if on(p.AddPrefixSpace, true) {
		steps = append(steps, metaspace{prefix: " ", scheme: "always"})
	}
	if on(p.UseRegex, true) {
		var c *cutter
		c, err = newPattern(PatternGPT2, isolated, false)
		steps = append(steps, c)
	}
	return steps, err
}

func (p *prePart) how(def string) (behaviour, error) {
	name := p.Behavior
	if name == "" {
		name = def
	}
	how, ok := behaviours[name]
	if !ok {
		return 0, fmt.Errorf("behavior %q is not known", name)
	}
	return how, nil
}

func (p *prePart) splitter() (pretokenizer, error) {
	how, err := p.how("")
	switch {
	case err != nil:
		return nil, err
	case p.Pattern.Regex != nil:
		return newPattern(*p.Pattern.Regex, how, p.Invert)
	case p.Pattern.String != nil:
		return literal(*p.Pattern.String, how, p.Invert), nil
	}
	return nil, errors.New("a Split needs a String or Regex pattern")
}

func (p *prePart) metaspace() metaspace {
	m := metaspace{prefix: p.Replacement, scheme: p.Scheme, replace: true}
	if m.prefix == "" {
		m.prefix = spaceMark
	}
	if m.scheme == "" {
		m.scheme = "always"
		if !on(p.AddPrefixSpace, true) {
			m.scheme = "never"
		}
	}
	if on(p.Split, true) {
		m.cutter = literal(m.prefix, mergedWithNext, false)
	}
	return m
}

// metaspace writes a mark for every space, puts one before the text, and cuts before each.
type metaspace struct {
	prefix  string
	scheme  string // always, first (only at the start of the input) or never
	replace bool
	cutter  *cutter // nil: no cutting
}

func (m metaspace) cut(words []buffer) ([]buffer, error) {
	out := make([]buffer, len(words))
	for i := range words {
		out[i] = m.rewrite(&words[i])
	}
	if m.cutter == nil {
		return out, nil
	}
	return m.cutter.cut(out)
}

func (m metaspace) rewrite(w *buffer) buffer {
	s := w.text()
	begins := len(s) >= len(m.prefix) && s[:len(m.prefix)] == m.prefix || m.replace && len(s) > 0 && s[0] == ' '
	add := m.scheme == "always" || m.scheme == "first" && w.span(0, min(1, len(s))).Start == 0
	if (begins || !add) && (!m.replace || !slices.Contains(w.b, ' ')) {
		return *w
	}
	d := buffer{track: true, src: []Span{}, base: w.base}
	if add && !begins {
		d.put(m.prefix, w.span(0, 0))
	}
	for i := range len(s) {
		if m.replace && s[i] == ' ' {
			d.put(m.prefix, w.span(i, i+1))
		} else {
			d.keep(w, i, i+1)
		}
	}
	return d
}

// isPunct is Hugging Face's punctuation: ASCII's and Unicode's.
func isPunct(r rune) bool {
	return r >= '!' && r <= '/' || r >= ':' && r <= '@' || r >= '[' && r <= '`' || r >= '{' && r <= '~' || unicode.IsPunct(r)
}
