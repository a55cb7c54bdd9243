package chat

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// maxRepairDepth bounds the nesting of JSON that is mended.
const maxRepairDepth = 100

// repairJSON reads one JSON value at the start of s as a small model may have broken it, and writes it as JSON: single, curly or
// missing quotes, quotes inside texts, trailing or missing commas, missing braces, raw line feeds, Python's literals, and text that
// stops anywhere. rest is what follows the value.
func repairJSON(s string) (out jsontext.Value, rest string, ok bool) {
	f := &fixer{s: s}
	f.space()
	if f.i == len(s) {
		return nil, s, false
	}
	d := jsontext.NewDecoder(strings.NewReader(s[f.i:]), jsontext.AllowDuplicateNames(true))
	if v, err := d.ReadValue(); err == nil && (v.Kind() == '{' || v.Kind() == '[') {
		return v.Clone(), s[f.i+int(d.InputOffset()):], true
	}
	if c := s[f.i]; c == '{' || c == '[' {
		f.value(0)
	} else if f.bareObject() {
		f.object(0)
	} else {
		return nil, s, false
	}
	return f.out, s[f.i:], !f.deep && jsontext.Value(f.out).IsValid(jsontext.AllowDuplicateNames(true))
}

type fixer struct {
	s    string
	i    int
	out  []byte
	deep bool
}

func (f *fixer) space() {
	f.i += len(f.s[f.i:]) - len(strings.TrimLeftFunc(f.s[f.i:], unicode.IsSpace))
}

// at is the byte at hand; 0 at the end.
func (f *fixer) at() byte {
	if f.i < len(f.s) {
		return f.s[f.i]
	}
	return 0
}

// bareObject says whether the text looks like the inside of an object whose opening brace is missing.
func (f *fixer) bareObject() bool {
	try := *f
	_, quoted := try.quote()
	if !quoted {
		return false
	}
	try.text(":")
	try.space()
	return try.at() == ':'
}

// value writes one value; false when there is none here.
func (f *fixer) value(depth int) bool {
	f.space()
	if depth > maxRepairDepth {
		f.deep, f.i = true, len(f.s)
		return false
	}
	switch c := f.at(); {
	case c == '{':
		f.i++
		f.object(depth)
	case c == '[':
		f.i++
		f.array(depth)
	case c == 0 || c == '}' || c == ']' || c == ',':
		return false
	default:
		if _, quoted := f.quote(); quoted {
			f.text(",}]")
		} else {
			f.word()
		}
	}
	return true
}

func (f *fixer) object(depth int) {
	f.out = append(f.out, '{')
	for first := true; ; {
		f.space()
		for f.at() == ',' {
			f.i++
			f.space()
		}
		if c := f.at(); c == '}' || c == ']' || c == 0 {
			if c == '}' {
				f.i++
			}
			break
		}
		mark := len(f.out)
		if !first {
			f.out = append(f.out, ',')
		}
		f.key()
		f.space()
		if c := f.at(); c == ':' || c == '=' {
			f.i++
		}
		f.out = append(f.out, ':')
		if f.value(depth + 1) {
			first = false
			continue
		}
		f.out = f.out[:mark] // a key without value
	}
	f.out = append(f.out, '}')
}

func (f *fixer) key() {
	if _, quoted := f.quote(); quoted {
		f.text(":=")
		return
	}
	start := f.i
	for f.i < len(f.s) && strings.IndexByte(":=,{}[]\n", f.s[f.i]) < 0 {
		f.i++
	}
	if f.i == start {
		f.i++ // a brace or bracket where a key should be
	}
	f.out, _ = jsontext.AppendQuote(f.out, strings.ToValidUTF8(strings.TrimSpace(f.s[start:f.i]), "\ufffd"))
}

func (f *fixer) array(depth int) {
	f.out = append(f.out, '[')
	for first := true; ; first = false {
		f.space()
		for f.at() == ',' {
			f.i++
			f.space()
		}
		if c := f.at(); c == ']' || c == '}' || c == 0 {
			if c == ']' {
				f.i++
			}
			break
		}
		if !first {
			f.out = append(f.out, ',')
		}
		f.value(depth + 1)
	}
	f.out = append(f.out, ']')
}

// closing pairs every opening quote with the one that ends it.
var closing = map[rune]rune{'"': '"', '\'': '\'', '“': '”', '‘': '’', '`': '`'}

// quote says whether a quoted text begins here, and by what it ends.
func (f *fixer) quote() (rune, bool) {
	r, _ := utf8.DecodeRuneInString(f.s[f.i:])
	end, ok := closing[r]
	return end, ok
}

// text writes the quoted text at hand. Its closing quote is the first one before one of the bytes in ends, or before the end.
func (f *fixer) text(ends string) {
	end, _ := f.quote()
	_, n := utf8.DecodeRuneInString(f.s[f.i:])
	f.i += n
	var b strings.Builder
	for f.i < len(f.s) {
		r, n := utf8.DecodeRuneInString(f.s[f.i:])
		switch {
		case r == '\\':
			f.escape(&b)
			continue
		case r == end && f.ends(f.s[f.i+n:], ends):
			f.i += n
			f.out, _ = jsontext.AppendQuote(f.out, b.String())
			return
		}
		b.WriteRune(r)
		f.i += n
	}
	f.out, _ = jsontext.AppendQuote(f.out, b.String())
}

func (f *fixer) ends(after, ends string) bool {
	after = strings.TrimLeftFunc(after, unicode.IsSpace)
	return after == "" || strings.IndexByte(ends, after[0]) >= 0
}

// escape reads one escape of JSON or Python; one that neither knows keeps its backslash.
func (f *fixer) escape(b *strings.Builder) {
	rest := f.s[f.i:]
	if len(rest) == 1 {
		f.i++
		return
	}
	if i := strings.IndexByte(`"\/'bfnrt`, rest[1]); i >= 0 {
		b.WriteByte("\"\\/'\b\f\n\r\t"[i])
		f.i += 2
		return
	}
	if n := min(len(rest), 12); rest[1] == 'u' && n >= 6 {
		for _, size := range []int{12, 6} { // a pair of surrogates, or one unit
			if size > n {
				continue
			}
			if s, err := jsontext.AppendUnquote(nil, `"`+rest[:size]+`"`); err == nil {
				b.Write(s)
				f.i += size
				return
			}
		}
	}
	b.WriteByte('\\')
	f.i++
}

// word writes a number, a literal, or a text without quotes.
func (f *fixer) word() {
	start := f.i
	for f.i < len(f.s) && strings.IndexByte(",}]\n", f.s[f.i]) < 0 {
		f.i++
	}
	w := strings.TrimSpace(f.s[start:f.i])
	switch w {
	case "true", "True":
		f.out = append(f.out, "true"...)
	case "false", "False":
		f.out = append(f.out, "false"...)
	case "null", "None", "undefined", "NaN", "nan", "":
		f.out = append(f.out, "null"...)
	default:
		n := strings.TrimSuffix(strings.TrimPrefix(w, "+"), ".")
		if v := jsontext.Value(n); v.IsValid() && v.Kind() == '0' {
			f.out = append(f.out, n...)
			return
		}
		f.out, _ = jsontext.AppendQuote(f.out, strings.ToValidUTF8(w, "\ufffd"))
	}
}

// unfence takes a Markdown code fence off; a fence that is never closed too.
func unfence(s string) string {
	t := strings.TrimSpace(s)
	body, ok := strings.CutPrefix(t, "```")
	if !ok {
		return s
	}
	if i := strings.IndexByte(body, '\n'); i >= 0 && !strings.ContainsAny(body[:i], "{}[]\"(") {
		body = body[i+1:]
	} else {
		body = strings.TrimLeftFunc(body, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) })
	}
	body = strings.TrimRightFunc(body, unicode.IsSpace)
	body = strings.TrimSuffix(body, "```")
	return strings.TrimSuffix(body, "\n")
}
