package jinja

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

type kind uint8

const (
	kindEOF        kind = iota
	kindText            // template text outside tags
	kindExprBegin       // {{
	kindExprEnd         // }}
	kindBlockBegin      // {%
	kindBlockEnd        // %}
	kindName
	kindInt
	kindFloat
	kindString
	kindOp
)

type token struct {
	kind kind
	text string // what was written; for text and strings the final content
	line int
}

func (t token) String() string {
	switch t.kind {
	case kindEOF:
		return "end of template"
	case kindText:
		return "text"
	case kindString:
		return fmt.Sprintf("string %.40q", t.text)
	}
	return fmt.Sprintf("%.40q", t.text)
}

// Error is a fault of a template or of rendering it, with its place.
type Error struct {
	Template string
	Line     int
	Msg      string
}

func (e *Error) Error() string { return fmt.Sprintf("jinja: %s:%d: %s", e.Template, e.Line, e.Msg) }

type lexer struct {
	name, src string
	pos, line int
	tokens    []token
	trim      bool // the tag before ends in "-": drop the white space that follows
	newline   bool // the tag before is a block or comment: drop one newline (trim_blocks)
}

// lex splits a template. One newline at the very end is dropped, as Jinja2 does without keep_trailing_newline.
func lex(name, src string) (tokens []token, err error) {
	defer recoverError(&err)
	src = strings.ReplaceAll(strings.ReplaceAll(src, "\r\n", "\n"), "\r", "\n")
	l := &lexer{name: name, src: strings.TrimSuffix(src, "\n"), line: 1}
	for l.pos < len(l.src) {
		l.text()
		if l.pos == len(l.src) {
			break
		}
		switch l.src[l.pos : l.pos+2] {
		case "{#":
			l.comment()
		case "{{":
			l.tag(kindExprBegin, kindExprEnd, "}}")
		default:
			if !l.raw() {
				l.tag(kindBlockBegin, kindBlockEnd, "%}")
			}
		}
	}
	return append(l.tokens, token{kind: kindEOF, line: l.line}), nil
}

func (l *lexer) fail(format string, args ...any) {
	panic(&Error{l.name, l.line, fmt.Sprintf(format, args...)})
}

func recoverError(err *error) {
	switch r := recover().(type) {
	case nil:
	case *Error:
		*err = r
	default:
		panic(r)
	}
}

func (l *lexer) advance(n int) {
	l.line += strings.Count(l.src[l.pos:l.pos+n], "\n")
	l.pos += n
}

func (l *lexer) emit(k kind, text string) {
	l.tokens = append(l.tokens, token{k, text, l.line})
}

// opening finds the next tag at or after from; -1 when there is none.
func (l *lexer) opening(from int) int {
	for i := from; i+1 < len(l.src); i++ {
		if l.src[i] == '{' && (l.src[i+1] == '{' || l.src[i+1] == '%' || l.src[i+1] == '#') {
			return i
		}
	}
	return -1
}

// text emits the text up to the next tag after the white-space rules of both neighbours.
func (l *lexer) text() {
	start, end := l.pos, l.opening(l.pos)
	if end < 0 {
		end = len(l.src)
	}
	l.emitTrimmed(start, end, end < len(l.src))
	l.advance(end - l.pos)
}

// emitTrimmed emits src[start:end]; the tag at end, when there is one, may take white space away from its left side.
func (l *lexer) emitTrimmed(start, end int, tag bool) {
	s := l.src[start:end]
	lineStart := start == 0 // the text begins at the start of a line
	switch {
	case l.trim:
		s = strings.TrimLeftFunc(s, isSpace)
		lineStart = lineStart || strings.Contains(l.src[start:end-len(s)], "\n")
	case l.newline && strings.HasPrefix(s, "\n"):
		s, lineStart = s[1:], true
	}
	l.trim, l.newline = false, false
	if tag {
		s = l.stripBefore(s, end, lineStart)
	}
	if s != "" {
		l.emit(kindText, s)
	}
}

// stripBefore applies the left side of the tag at position at: "{%-" takes all white space, and lstrip_blocks takes the blanks
// before a block or comment that stands first in its line.
func (l *lexer) stripBefore(s string, at int, lineStart bool) string {
	sign := byte(0)
	if at+2 < len(l.src) {
		sign = l.src[at+2]
	}
	if sign == '-' {
		return strings.TrimRightFunc(s, isSpace)
	}
	if l.src[at+1] == '{' || sign == '+' {
		return s
	}
	kept := strings.TrimRight(s, " \t\v\f")
	if strings.HasSuffix(kept, "\n") || kept == "" && lineStart {
		return kept
	}
	return s
}

func (l *lexer) comment() {
	body := l.pos + 2
	if body < len(l.src) && (l.src[body] == '-' || l.src[body] == '+') {
		body++
	}
	end := strings.Index(l.src[body:], "#}")
	if end < 0 {
		l.fail("comment is never closed: add #}")
	}
	end += body
	l.after(end > body && l.src[end-1] == '-', end > body && l.src[end-1] == '+', true)
	l.advance(end + 2 - l.pos)
}

// after notes how the tag just read wants the text behind it.
func (l *lexer) after(minus, plus, block bool) {
	l.trim, l.newline = minus, block && !minus && !plus
}

// raw handles {% raw %}…{% endraw %}; it reports false when the tag at hand is another one.
func (l *lexer) raw() bool {
	open, minus, ok := rawTag(l.src[l.pos:], "raw")
	if !ok {
		return false
	}
	for at := l.pos + open; ; {
		i := strings.Index(l.src[at:], "{%")
		if i < 0 {
			l.fail("raw block is never closed: add {%% endraw %%}")
		}
		at += i
		if n, endMinus, ok := rawTag(l.src[at:], "endraw"); ok {
			l.after(minus, false, true)
			l.emitTrimmed(l.pos+open, at, true)
			l.after(endMinus, false, true)
			l.advance(at + n - l.pos)
			return true
		}
		at += 2
	}
}

// rawTag reads one tag that holds the given word alone; n is its length and minus says that it ends in "-%}".
func rawTag(s, word string) (n int, minus, ok bool) {
	rest := strings.TrimLeft(strings.TrimPrefix(strings.TrimPrefix(s[2:], "-"), "+"), " \t\n")
	rest, ok = strings.CutPrefix(rest, word)
	if !ok {
		return 0, false, false
	}
	rest = strings.TrimLeft(rest, " \t\n")
	if r, found := strings.CutPrefix(rest, "-"); found {
		rest, minus = r, true
	} else {
		rest = strings.TrimPrefix(rest, "+")
	}
	rest, ok = strings.CutPrefix(rest, "%}")
	return len(s) - len(rest), minus, ok
}

// tag reads {{ … }} or {% … %} and the tokens inside. Brackets are counted, so "}}" inside a dict literal does not end the tag.
func (l *lexer) tag(begin, end kind, closing string) {
	l.emit(begin, l.src[l.pos:l.pos+2])
	l.advance(2)
	if l.pos < len(l.src) && (l.src[l.pos] == '-' || l.src[l.pos] == '+') {
		l.advance(1)
	}
	for depth := 0; ; {
		for l.pos < len(l.src) && strings.IndexByte(" \t\n\v\f", l.src[l.pos]) >= 0 {
			l.advance(1)
		}
		rest := l.src[l.pos:]
		switch {
		case rest == "":
			l.fail("tag is never closed: add %s", closing)
		case depth == 0 && l.closes(rest, end, closing):
			return
		case rest[0] == '"' || rest[0] == '\'':
			l.stringLiteral()
		case rest[0] >= '0' && rest[0] <= '9':
			l.number()
		default:
			if !l.identifier() {
				depth += l.operator()
			}
		}
	}
}

func (l *lexer) closes(rest string, end kind, closing string) bool {
	sign := byte(0)
	if rest[0] == '-' || rest[0] == '+' && end == kindBlockEnd {
		sign, rest = rest[0], rest[1:]
	}
	if !strings.HasPrefix(rest, closing) {
		return false
	}
	l.emit(end, closing)
	l.after(sign == '-', sign == '+', end == kindBlockEnd)
	l.advance(len(l.src) - l.pos - len(rest) + len(closing))
	return true
}

func (l *lexer) identifier() bool {
	n := 0
	for n < len(l.src)-l.pos {
		r, w := utf8.DecodeRuneInString(l.src[l.pos+n:])
		if r != '_' && !unicode.IsLetter(r) && (n == 0 || !unicode.IsDigit(r)) {
			break
		}
		n += w
	}
	if n > 0 {
		l.emit(kindName, l.src[l.pos:l.pos+n])
		l.advance(n)
	}
	return n > 0
}

func (l *lexer) number() {
	s := l.src[l.pos:]
	digits := func(n int) int {
		for n < len(s) && (s[n] >= '0' && s[n] <= '9' || s[n] == '_') {
			n++
		}
		return n
	}
	n, k := digits(0), kindInt
	if n+1 < len(s) && s[n] == '.' && s[n+1] >= '0' && s[n+1] <= '9' {
		n, k = digits(n+1), kindFloat
	}
	if n+1 < len(s) && (s[n] == 'e' || s[n] == 'E') {
		m := n + 1
		if s[m] == '+' || s[m] == '-' {
			m++
		}
		if e := digits(m); e > m {
			n, k = e, kindFloat
		}
	}
	l.emit(k, strings.ReplaceAll(s[:n], "_", ""))
	l.advance(n)
}

var operators = []string{"==", "!=", "<=", ">=", "//", "**", "+", "-", "*", "/", "%", "~", "<", ">", "=", "(", ")", "[", "]", "{", "}", ".", ",", ":", "|"}

// operator reads one operator and returns how it changes the bracket depth.
func (l *lexer) operator() int {
	for _, op := range operators {
		if strings.HasPrefix(l.src[l.pos:], op) {
			l.emit(kindOp, op)
			l.advance(len(op))
			switch op {
			case "(", "[", "{":
				return 1
			case ")", "]", "}":
				return -1
			}
			return 0
		}
	}
	r, _ := utf8.DecodeRuneInString(l.src[l.pos:])
	l.fail("unexpected character %q", r)
	return 0
}

// stringLiteral reads a quoted string with Python's escapes.
func (l *lexer) stringLiteral() {
	quote, line := l.src[l.pos], l.line
	for i := l.pos + 1; i < len(l.src); i++ {
		switch l.src[i] {
		case '\\':
			i++
		case quote:
			text := unescape(l.src[l.pos+1 : i])
			l.advance(i + 1 - l.pos)
			l.tokens = append(l.tokens, token{kindString, text, line})
			return
		}
	}
	l.fail("string is never closed: add %c", quote)
}

var simpleEscapes = map[byte]string{'n': "\n", 't': "\t", 'r': "\r", '\\': "\\", '\'': "'", '"': "\"", 'a': "\a", 'b': "\b", 'f': "\f", 'v': "\v", '\n': ""}

func unescape(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		if e, ok := simpleEscapes[s[i]]; ok {
			b.WriteString(e)
			continue
		}
		if n, r := numericEscape(s[i:]); n > 0 {
			b.WriteRune(r)
			i += n - 1
			continue
		}
		b.WriteByte('\\')
		b.WriteByte(s[i])
	}
	return b.String()
}

// numericEscape reads xHH, uHHHH, UHHHHHHHH or up to three octal digits; n is 0 when s starts with none of them.
func numericEscape(s string) (n int, r rune) {
	read := func(from, most int, base int64) {
		for n = from; n < len(s) && n < from+most; n++ {
			d, err := strconv.ParseInt(s[n:n+1], 16, 8)
			if err != nil || d >= base {
				break
			}
			r = r*rune(base) + rune(d)
		}
	}
	width := map[byte]int{'x': 2, 'u': 4, 'U': 8}[s[0]]
	if width == 0 {
		read(0, 3, 8)
		return n, r
	}
	if read(1, width, 16); n != 1+width {
		return 0, 0
	}
	return n, r
}
