package jinja

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"quire/lib/chat/taint"
)

// isSpace is what Python's str.strip takes for white space.
func isSpace(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }

func textLen(s string) int { return utf8.RuneCountInString(s) }

// runeWidth is the length of the rune that s begins with; a broken byte counts one.
func runeWidth(s string, r rune) int {
	if r != utf8.RuneError {
		return utf8.RuneLen(r)
	}
	_, n := utf8.DecodeRuneInString(s)
	return n
}

// byteOffset is where rune i of s begins.
func byteOffset(s string, i int) int {
	for at := range s {
		if i == 0 {
			return at
		}
		i--
	}
	return len(s)
}

func sliceText(s taint.String, i, j int) taint.String {
	from := byteOffset(s.Text, i)
	return s.Slice(from, from+byteOffset(s.Text[from:], j-i))
}

func stepText(s taint.String, bounds [3]*int64) taint.String {
	start, stop, step := indices(textLen(s.Text), bounds)
	if step == 1 {
		return sliceText(s, int(start), int(max(start, stop)))
	}
	var runes []taint.String
	for i, r := range s.Text {
		runes = append(runes, s.Slice(i, i+runeWidth(s.Text[i:], r)))
	}
	var b taint.Builder
	for i := start; step > 0 && i < stop || step < 0 && i > stop; i += step {
		b.Write(runes[i])
	}
	return b.String()
}

// str is Python's str(v).
func (st *state) str(line int, v any) taint.String {
	switch v := v.(type) {
	case taint.String:
		return v
	case undefined:
		return taint.String{}
	}
	return st.repr(line, v)
}

// repr is Python's repr(v).
func (st *state) repr(line int, v any) taint.String {
	var b taint.Builder
	st.writeRepr(line, &b, v)
	return b.String()
}

func (st *state) writeRepr(line int, b *taint.Builder, v any) {
	st.charge(line, b.Len()/64)
	defer st.deeper(line)()
	switch v := v.(type) {
	case nil:
		b.Literal("None")
	case bool:
		b.Literal(map[bool]string{true: "True", false: "False"}[v])
	case int64:
		b.Literal(strconv.FormatInt(v, 10))
	case BigInt:
		b.Literal(string(v))
	case float64:
		b.Literal(formatFloat(v))
	case undefined:
		b.Literal("Undefined")
	case taint.String:
		quote := "'"
		if strings.Contains(v.Text, "'") && !strings.Contains(v.Text, "\"") {
			quote = "\""
		}
		b.Literal(quote)
		b.Write(v.Map(func(s string) string { return reprEscape(s, quote[0]) }))
		b.Literal(quote)
	case []any:
		st.writeItems(line, b, "[", v, "]")
	case Tuple:
		end := ")"
		if len(v) == 1 {
			end = ",)"
		}
		st.writeItems(line, b, "(", v, end)
	case *Dict:
		b.Literal("{")
		for i, k := range v.keys {
			if i > 0 {
				b.Literal(", ")
			}
			st.writeRepr(line, b, k)
			b.Literal(": ")
			st.writeRepr(line, b, v.values[i])
		}
		b.Literal("}")
	default:
		b.Literal("<" + typeName(v) + ">")
	}
}

func (st *state) writeItems(line int, b *taint.Builder, open string, items []any, end string) {
	b.Literal(open)
	for i, item := range items {
		if i > 0 {
			b.Literal(", ")
		}
		st.writeRepr(line, b, item)
	}
	b.Literal(end)
}

func reprEscape(s string, quote byte) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == rune(quote) || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\r':
			b.WriteString(`\r`)
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
	}
	return b.String()
}

// trim cuts white space, or the runes of set where one is given, from the wanted sides.
func trim(s taint.String, set *string, left, right bool) taint.String {
	cut := isSpace
	if set != nil {
		cut = func(r rune) bool { return strings.ContainsRune(*set, r) }
	}
	i, j := 0, len(s.Text)
	if left {
		i = j - len(strings.TrimLeftFunc(s.Text, cut))
	}
	if right {
		j = i + len(strings.TrimRightFunc(s.Text[i:], cut))
	}
	return s.Slice(i, j)
}

func trimMethod(left, right bool) textFunc {
	return func(st *state, s taint.String, a *args) any {
		var set *string
		if v, ok := a.get(0, "chars"); ok && v != nil {
			text := a.text(st, 0, "chars").Text
			set = &text
		}
		return trim(s, set, left, right)
	}
}

// split is Python's str.split: by white space when sep is nil, at most most times when most is not negative.
func split(s taint.String, sep *string, most int64) []any {
	out := []any{}
	if sep == nil {
		rest := trim(s, nil, true, false)
		for ; rest.Text != "" && most != 0; most-- {
			end := strings.IndexFunc(rest.Text, isSpace)
			if end < 0 {
				end = len(rest.Text)
			}
			out = append(out, rest.Slice(0, end))
			rest = trim(rest.Slice(end, len(rest.Text)), nil, true, false)
		}
		if rest = trim(rest, nil, false, true); rest.Text != "" {
			out = append(out, rest)
		}
		return out
	}
	at := 0
	for ; most != 0; most-- {
		i := strings.Index(s.Text[at:], *sep)
		if i < 0 {
			break
		}
		out = append(out, s.Slice(at, at+i))
		at += i + len(*sep)
	}
	return append(out, s.Slice(at, len(s.Text)))
}

func rsplit(s taint.String, sep string, most int64) []any {
	var out []any
	end := len(s.Text)
	for ; most != 0; most-- {
		i := strings.LastIndex(s.Text[:end], sep)
		if i < 0 {
			break
		}
		out = append([]any{s.Slice(i+len(sep), end)}, out...)
		end = i
	}
	return append([]any{s.Slice(0, end)}, out...)
}

func splitArgs(st *state, s taint.String, a *args) (sep *string, most int64) {
	st.charge(a.line, len(s.Text))
	if v, ok := a.get(0, "sep"); ok && v != nil {
		text := a.text(st, 0, "sep").Text
		if text == "" {
			st.fail(a.line, "%s: empty separator", a.name)
		}
		sep = &text
		st.charge(a.line, itemCost*strings.Count(s.Text, text))
	} else {
		st.charge(a.line, itemCost*(strings.Count(s.Text, " ")+strings.Count(s.Text, "\n")))
	}
	return sep, a.int(st, 1, "maxsplit", -1)
}

// replace is Python's str.replace; the new text keeps its own origin.
func replace(st *state, line int, s, old, with taint.String, most int64) taint.String {
	var b taint.Builder
	at := 0
	for ; most != 0; most-- {
		i := strings.Index(s.Text[at:], old.Text)
		if old.Text == "" { // an empty text is found before every rune and at the end
			i = 0
		}
		if i < 0 {
			break
		}
		b.Write(s.Slice(at, at+i))
		b.Write(with)
		st.charge(line, b.Len()/256)
		st.charge(line, i+len(with.Text))
		at += i + len(old.Text)
		if b.Len() > st.cfg.MaxBytes {
			st.fail(line, "a text of more than %d bytes", st.cfg.MaxBytes)
		}
		if old.Text == "" {
			if at == len(s.Text) {
				break
			}
			_, n := utf8.DecodeRuneInString(s.Text[at:])
			b.Write(s.Slice(at, at+n))
			at += n
		}
	}
	b.Write(s.Slice(at, len(s.Text)))
	return b.String()
}

// splitLines is Python's str.splitlines without keepends.
func splitLines(s taint.String) []any {
	out := []any{}
	for at := 0; at < len(s.Text); {
		end := strings.IndexFunc(s.Text[at:], func(r rune) bool {
			return r >= '\n' && r <= '\r' || r >= 0x1c && r <= 0x1e || r == 0x85 || r == 0x2028 || r == 0x2029
		})
		if end < 0 {
			return append(out, s.Slice(at, len(s.Text)))
		}
		out = append(out, s.Slice(at, at+end))
		at += end
		if strings.HasPrefix(s.Text[at:], "\r\n") {
			at++
		}
		_, n := utf8.DecodeRuneInString(s.Text[at:])
		at += n
	}
	return out
}

// title upper-cases the first letter of every word and lower-cases the others.
func title(s string) string {
	inWord := false
	return strings.Map(func(r rune) rune {
		was := inWord
		inWord = unicode.IsLetter(r)
		if was {
			return unicode.ToLower(r)
		}
		return unicode.ToTitle(r)
	}, s)
}

func capitalize(s string) string {
	_, n := utf8.DecodeRuneInString(s)
	return strings.ToUpper(s[:n]) + strings.ToLower(s[n:])
}

// affix answers startswith and endswith, whose argument may be a tuple of choices.
func affix(has func(s, affix string) bool) textFunc {
	return func(st *state, s taint.String, a *args) any {
		v := a.require(st, 0, "prefix")
		choices, ok := v.(Tuple)
		if !ok {
			choices = Tuple{v}
		}
		for _, c := range choices {
			text, ok := c.(taint.String)
			if !ok {
				st.fail(a.line, "%s: argument is %s, want str", a.name, describe(c))
			}
			if has(s.Text, text.Text) {
				return true
			}
		}
		return false
	}
}

func find(index func(s, sub string) int, must bool) textFunc {
	return func(st *state, s taint.String, a *args) any {
		st.charge(a.line, len(s.Text))
		i := index(s.Text, a.text(st, 0, "sub").Text)
		if i >= 0 {
			return int64(textLen(s.Text[:i]))
		}
		if must {
			st.fail(a.line, "%s: substring not found", a.name)
		}
		return int64(-1)
	}
}

// every answers the is… methods: true when the text is not empty and all runes fit.
func every(fits func(rune) bool) textFunc {
	return func(_ *state, s taint.String, _ *args) any {
		return s.Text != "" && strings.IndexFunc(s.Text, func(r rune) bool { return !fits(r) }) < 0
	}
}

// cased answers islower and isupper: some letter has the case and none has the other.
func cased(want, other func(rune) bool) textFunc {
	return func(_ *state, s taint.String, _ *args) any {
		return strings.IndexFunc(s.Text, want) >= 0 && strings.IndexFunc(s.Text, other) < 0
	}
}

func mapped(f func(string) string) textFunc {
	return func(st *state, s taint.String, a *args) any {
		st.charge(a.line, len(s.Text))
		return s.Map(f)
	}
}
