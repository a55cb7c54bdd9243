package jinja

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"quire/lib/chat/taint"
)

// maxJSONDepth bounds the nesting of data given to a template.
const maxJSONDepth = 100

// FromJSON reads one JSON value as a template's value: keys stay in order, numbers without point or exponent are whole numbers
// of any size, and every text and key has the given source.
func FromJSON(data []byte, source int) (any, error) {
	d := jsontext.NewDecoder(bytes.NewReader(data), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	v, err := readJSON(d, source)
	if err != nil {
		return nil, fmt.Errorf("jinja: %w", err)
	}
	if _, err := d.ReadToken(); err != io.EOF {
		return nil, fmt.Errorf("jinja: text after the JSON value at byte %d", d.InputOffset())
	}
	return v, nil
}

func readJSON(d *jsontext.Decoder, source int) (any, error) {
	if d.StackDepth() > maxJSONDepth {
		return nil, fmt.Errorf("JSON nested deeper than %d levels", maxJSONDepth)
	}
	tok, err := d.ReadToken()
	if err != nil {
		return nil, err
	}
	switch tok.Kind() {
	case 't', 'f':
		return tok.Bool(), nil
	case '"':
		return taint.Data(tok.String(), source), nil
	case '0':
		return jsonNumber(tok.String())
	case '[':
		out := []any{}
		for d.PeekKind() != ']' {
			v, err := readJSON(d, source)
			if err != nil {
				return nil, err
			}
			out = append(out, v)
		}
		_, err := d.ReadToken()
		return out, err
	case '{':
		out := &Dict{}
		for d.PeekKind() != '}' {
			key, err := d.ReadToken()
			if err != nil {
				return nil, err
			}
			name := key.String()
			v, err := readJSON(d, source)
			if err != nil {
				return nil, err
			}
			out.set(taint.Data(name, source), v)
		}
		_, err := d.ReadToken()
		return out, err
	}
	return nil, nil
}

func jsonNumber(s string) (any, error) {
	if !strings.ContainsAny(s, ".eE") {
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return n, nil
		}
		return BigInt(s), nil
	}
	f, _ := strconv.ParseFloat(s, 64) // out of range gives ±Inf, as in Python
	return f, nil
}

// JSONStyle says how WriteJSON lays out, with the meaning of json.dumps' arguments.
type JSONStyle struct {
	Indent      string // what one level adds; "" keeps all on one line
	Lines       bool   // Indent counts even when it is ""
	Item, Key   string // separators; "" takes json.dumps' own
	EscapeASCII bool
	SortKeys    bool
}

// WriteJSON prints v as Python's json.dumps does and keeps the origin of every text. Values that JSON lacks are errors.
func WriteJSON(b *taint.Builder, v any, style JSONStyle) (err error) {
	defer recoverError(&err)
	st := &state{tmpl: &Template{name: "json"}, cfg: Config{MaxSteps: defaultSteps, MaxBytes: defaultBytes}}
	st.writeJSON(0, b, v, style)
	return nil
}

func (st *state) writeJSON(line int, b *taint.Builder, v any, style JSONStyle) {
	style.Lines = style.Lines || style.Indent != ""
	if style.Item == "" {
		style.Item = ", "
		if style.Lines {
			style.Item = ","
		}
	}
	if style.Key == "" {
		style.Key = ": "
	}
	w := jsonWriter{st, line, b, style}
	w.value(v, 0)
}

type jsonWriter struct {
	st    *state
	line  int
	b     *taint.Builder
	style JSONStyle
}

func (w *jsonWriter) value(v any, level int) {
	w.st.charge(w.line, 256)
	if w.b.Len() > w.st.cfg.MaxBytes {
		w.st.fail(w.line, "JSON of more than %d bytes", w.st.cfg.MaxBytes)
	}
	if level > maxDepth {
		w.st.fail(w.line, "JSON nested deeper than %d levels", maxDepth)
	}
	switch v := v.(type) {
	case nil:
		w.b.Literal("null")
	case bool:
		w.b.Literal(strconv.FormatBool(v))
	case int64:
		w.b.Literal(strconv.FormatInt(v, 10))
	case BigInt:
		w.b.Literal(string(v))
	case float64:
		w.b.Literal(jsonFloat(v))
	case taint.String:
		w.text(v)
	case []any:
		w.items("[", len(v), "]", level, func(i int) { w.value(v[i], level+1) })
	case Tuple:
		w.items("[", len(v), "]", level, func(i int) { w.value(v[i], level+1) })
	case *Dict:
		order := w.order(v)
		w.items("{", v.Len(), "}", level, func(i int) {
			w.key(v.keys[order[i]])
			w.b.Literal(w.style.Key)
			w.value(v.values[order[i]], level+1)
		})
	default:
		w.st.fail(w.line, "%s cannot be written as JSON", describe(v))
	}
}

func (w *jsonWriter) order(d *Dict) []int {
	order := make([]int, d.Len())
	for i := range order {
		order[i] = i
	}
	if w.style.SortKeys {
		slices.SortStableFunc(order, func(i, j int) int { return w.st.order(w.line, d.keys[i], d.keys[j]) })
	}
	return order
}

func (w *jsonWriter) items(open string, n int, end string, level int, item func(i int)) {
	w.b.Literal(open)
	for i := range n {
		if i > 0 {
			w.b.Literal(w.style.Item)
		}
		if w.style.Lines {
			w.newline(level + 1)
		}
		item(i)
	}
	if w.style.Lines && n > 0 {
		w.newline(level)
	}
	w.b.Literal(end)
}

func (w *jsonWriter) newline(level int) {
	w.b.Literal("\n" + strings.Repeat(w.style.Indent, level))
}

func (w *jsonWriter) key(k any) {
	if s, ok := k.(taint.String); ok {
		w.text(s)
		return
	}
	w.b.Literal(`"`)
	w.value(k, 0)
	w.b.Literal(`"`)
}

func (w *jsonWriter) text(s taint.String) {
	w.st.charge(w.line, len(s.Text))
	w.b.Literal(`"`)
	w.b.Write(s.Map(func(s string) string { return jsonEscape(s, w.style.EscapeASCII) }))
	w.b.Literal(`"`)
}

func jsonFloat(f float64) string {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	}
	return formatFloat(f)
}

var jsonShort = map[rune]string{'"': `\"`, '\\': `\\`, '\n': `\n`, '\r': `\r`, '\t': `\t`, '\b': `\b`, '\f': `\f`}

func jsonEscape(s string, ascii bool) string {
	var b strings.Builder
	for i, r := range s {
		short, special := jsonShort[r]
		switch {
		case special:
			b.WriteString(short)
		case r < 0x20 || ascii && r >= 0x7f && r < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, r)
		case ascii && r >= 0x10000:
			r -= 0x10000
			fmt.Fprintf(&b, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		default:
			b.WriteString(s[i : i+runeWidth(s[i:], r)])
		}
	}
	return b.String()
}
