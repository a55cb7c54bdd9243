package token

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/text/unicode/norm"
)

// normPart is one normaliser of tokenizer.json.
type normPart struct {
	Type         string           `json:"type"`
	Normalizers  []jsontext.Value `json:"normalizers"`
	Pattern      hfPattern        `json:"pattern"`
	Content      string           `json:"content"`
	Prepend      string           `json:"prepend"`
	Left         *bool            `json:"strip_left"`
	Right        *bool            `json:"strip_right"`
	CleanText    *bool            `json:"clean_text"`
	Chinese      *bool            `json:"handle_chinese_chars"`
	StripAccents *bool            `json:"strip_accents"`
	Lowercase    *bool            `json:"lowercase"`
	Charsmap     []byte           `json:"precompiled_charsmap"` // base64
}

func (p normPart) nested() (string, []jsontext.Value) { return p.Type, p.Normalizers }

// hfPattern is {"String": …} or {"Regex": …}.
type hfPattern struct{ String, Regex *string }

// spaceNormalizer recognises "write U+2581 for spaces", with or without a prepended one.
func spaceNormalizer(parts []normPart) (*spNormalizer, bool) {
	n := &spNormalizer{escape: true}
	if len(parts) == 2 && parts[0].Type == "Prepend" && parts[0].Prepend == spaceMark {
		n.dummyPrefix, parts = true, parts[1:]
	}
	ok := len(parts) == 1 && parts[0].Type == "Replace" && parts[0].Pattern.String != nil &&
		*parts[0].Pattern.String == " " && parts[0].Content == spaceMark
	return n, ok
}

func (t *Tokenizer) setNormalizer(parts []normPart, f form) error {
	if f == asSpaces {
		t.norm, _ = spaceNormalizer(parts)
		return nil
	}
	var seq normSequence
	for i := range parts {
		steps, err := parts[i].steps()
		if err != nil {
			return err
		}
		seq.steps = append(seq.steps, steps...)
	}
	if len(seq.steps) > 0 {
		t.norm = &seq
	}
	return nil
}

// normSequence applies one normaliser after another.
type normSequence struct{ steps []normStep }

// normStep writes the normal form of in to out.
type normStep func(out, in *buffer)

func (n *normSequence) apply(out, in *buffer) bool {
	cur := *in
	var spare buffer
	for i, step := range n.steps {
		if i > 0 {
			cur, spare = *out, cur
			if i == 1 {
				spare = buffer{} // the input is not ours to write on
			}
			track := out.track
			*out = spare
			out.track = track
		}
		out.reset(in, out.track)
		step(out, &cur)
	}
	return true
}

func on(b *bool, def bool) bool {
	if b == nil {
		return def
	}
	return *b
}

// steps turns one component into steps.
func (p *normPart) steps() ([]normStep, error) {
	switch p.Type {
	case "NFC":
		return []normStep{unicodeForm(norm.NFC)}, nil
	case "NFD":
		return []normStep{unicodeForm(norm.NFD)}, nil
	case "NFKC":
		return []normStep{unicodeForm(norm.NFKC)}, nil
	case "NFKD":
		return []normStep{unicodeForm(norm.NFKD)}, nil
	case "Lowercase":
		return []normStep{mapRunes(lower)}, nil
	case "StripAccents":
		return []normStep{mapRunes(dropAccents)}, nil
	case "Strip":
		return []normStep{stripSpaces(on(p.Left, true), on(p.Right, true))}, nil
	case "Prepend":
		return []normStep{prepend(p.Prepend)}, nil
	case "Nmt":
		return []normStep{mapRunes(nmt)}, nil
	case "ByteLevel":
		return nil, nil
	case "Replace":
		step, err := p.replace()
		return []normStep{step}, err
	case "Precompiled":
		cm, err := newCharsmap(p.Charsmap)
		n := &spNormalizer{charsmap: cm}
		return []normStep{func(out, in *buffer) { n.full(out, in, in.text()) }}, err
	case "BertNormalizer":
		return p.bert(), nil
	}
	return nil, fmt.Errorf("%q is not known", p.Type)
}

// bert is BERT's own cleaning: control characters, Chinese characters as words, accents and case.
func (p *normPart) bert() []normStep {
	var steps []normStep
	if on(p.CleanText, true) {
		steps = append(steps, mapRunes(clean))
	}
	if on(p.Chinese, true) {
		steps = append(steps, mapRunes(spaceChinese))
	}
	if on(p.StripAccents, on(p.Lowercase, true)) {
		steps = append(steps, unicodeForm(norm.NFD), mapRunes(dropAccents))
	}
	if on(p.Lowercase, true) {
		steps = append(steps, mapRunes(lower))
	}
	return steps
}

func (p *normPart) replace() (normStep, error) {
	var find func(string) ([]Span, error)
	switch {
	case p.Pattern.String != nil:
		find = literal(*p.Pattern.String, isolated, false).find
	case p.Pattern.Regex != nil:
		re, err := compile(*p.Pattern.Regex)
		if err != nil {
			return nil, err
		}
		find = func(s string) ([]Span, error) { return matchAll(re, s) }
	default:
		return nil, errors.New("a Replace needs a String or Regex pattern")
	}
	return func(out, in *buffer) {
		found, _ := find(in.text())
		last := 0
		for _, f := range found {
			out.keep(in, last, f.Start)
			out.put(p.Content, in.span(f.Start, f.End))
			last = f.End
		}
		out.keep(in, last, len(in.b))
	}, nil
}

// unicodeForm applies a normal form, one boundary-to-boundary stretch at a time so that offsets stay close.
func unicodeForm(form norm.Form) normStep {
	return func(out, in *buffer) {
		s := in.text()
		if form.IsNormalString(s) {
			out.keep(in, 0, len(s))
			return
		}
		var it norm.Iter
		it.InitString(form, s)
		for from := 0; !it.Done(); from = it.Pos() {
			seg := it.Next()
			if string(seg) == s[from:it.Pos()] {
				out.keep(in, from, it.Pos())
			} else {
				out.put(string(seg), in.span(from, it.Pos()))
			}
		}
	}
}

// mapRunes replaces every character by what f appends for it.
func mapRunes(f func(dst []byte, r rune) []byte) normStep {
	return func(out, in *buffer) {
		s := in.text()
		var tmp [16]byte
		for i := 0; i < len(s); {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				out.put(replacement, in.span(i, i+1))
			} else {
				out.put(string(f(tmp[:0], r)), in.span(i, i+n))
			}
			i += n
		}
	}
}

func lower(dst []byte, r rune) []byte {
	if r == '\u0130' {
		return append(dst, "i\u0307"...)
	}
	return utf8.AppendRune(dst, unicode.ToLower(r))
}

func dropAccents(dst []byte, r rune) []byte {
	if unicode.Is(unicode.Mn, r) {
		return dst
	}
	return utf8.AppendRune(dst, r)
}

// nmt drops control characters and turns odd white space into spaces.
func nmt(dst []byte, r rune) []byte {
	switch {
	case r >= 1 && r <= 8, r == 0xB, r >= 0xE && r <= 0x1F, r == 0x7F, r == 0x8F, r == 0x9F:
		return dst
	case r == 9, r == 10, r == 12, r == 13, r == 0x1680, r >= 0x200B && r <= 0x200F, r == 0x2028, r == 0x2029,
		r == 0x2581, r == 0xFEFF, r == 0xFFFD:
		return append(dst, ' ')
	}
	return utf8.AppendRune(dst, r)
}

func clean(dst []byte, r rune) []byte {
	switch {
	case r == '\t', r == '\n', r == '\r', unicode.IsSpace(r):
		return append(dst, ' ')
	case r == 0, r == utf8.RuneError, unicode.Is(unicode.C, r):
		return dst
	}
	return utf8.AppendRune(dst, r)
}

func spaceChinese(dst []byte, r rune) []byte {
	if r >= 0x4E00 && r <= 0x9FFF || r >= 0x3400 && r <= 0x4DBF || r >= 0x20000 && r <= 0x2A6DF || r >= 0x2A700 && r <= 0x2B73F ||
		r >= 0x2B740 && r <= 0x2B81F || r >= 0x2B920 && r <= 0x2CEAF || r >= 0xF900 && r <= 0xFAFF || r >= 0x2F800 && r <= 0x2FA1F {
		dst = append(dst, ' ')
		return append(utf8.AppendRune(dst, r), ' ')
	}
	return utf8.AppendRune(dst, r)
}

func prepend(text string) normStep {
	return func(out, in *buffer) {
		out.put(text, in.span(0, 0))
		out.keep(in, 0, len(in.b))
	}
}

func stripSpaces(left, right bool) normStep {
	return func(out, in *buffer) {
		s := in.text()
		from, to := 0, len(s)
		if left {
			from = len(s) - len(strings.TrimLeftFunc(s, unicode.IsSpace))
		}
		if right {
			to = max(from, len(strings.TrimRightFunc(s, unicode.IsSpace)))
		}
		out.keep(in, from, to)
	}
}
