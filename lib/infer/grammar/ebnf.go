package grammar

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// EBNF is the language of a grammar in the notation of llama.cpp (GBNF):
//
//	root   ::= expr "\n"?             the rule root is the text
//	expr   ::= term ([-+] term)*      # a comment ends with the line
//	term   ::= [0-9]+ | "(" expr ")"  a rule goes on until the next "name ::="
//
// Names are letters, digits, "-" and "_". A literal stands in double quotes and a class of characters in brackets, [^…] for
// all others; both know \n \r \t \\ \" \[ \] \- \^ \xHH \uHHHH and \UHHHHHHHH. A dot is any character. Parentheses group, | separates
// alternatives; * + ? {n} {n,} {n,m} repeat what stands before. A rule must not begin with itself.
func EBNF(source string) (*Grammar, error) {
	if len(source) > maxSource {
		return nil, fmt.Errorf("grammar: EBNF of %d bytes: at most %d", len(source), maxSource)
	}
	p := &ebnfParser{src: source, b: newBuilder(), rules: map[string]int32{}, defined: map[int32]bool{}}
	root := p.ruleOf("root")
	if err := p.parse(); err != nil {
		return nil, fmt.Errorf("grammar: EBNF line %d: %w", 1+strings.Count(source[:min(p.at, len(source))], "\n"), err)
	}
	for name, r := range p.rules {
		if !p.defined[r] {
			if r == root {
				return nil, errors.New("grammar: EBNF: there is no rule root")
			}
			return nil, fmt.Errorf("grammar: EBNF: rule %s is used and not defined", name)
		}
	}
	return p.b.named("EBNF")
}

type ebnfParser struct {
	src     string
	at      int
	depth   int
	b       *builder
	rules   map[string]int32
	defined map[int32]bool
}

func (p *ebnfParser) ruleOf(name string) int32 {
	r, ok := p.rules[name]
	if !ok {
		r = p.b.rule(name)
		p.rules[name] = r
	}
	return r
}

func (p *ebnfParser) parse() error {
	for {
		p.space()
		if p.at == len(p.src) {
			return nil
		}
		name := p.name()
		if name == "" || !p.take("::=") {
			return errors.New(`want a rule, name ::= …`)
		}
		r := p.ruleOf(name)
		if p.defined[r] {
			return fmt.Errorf("rule %s is defined twice", name)
		}
		p.defined[r] = true
		body, err := p.alternatives()
		if err != nil {
			return err
		}
		start := body(0)
		if p.b.err != nil {
			return p.b.err
		}
		p.b.rules[r].start = start
	}
}

// space skips white space and comments.
func (p *ebnfParser) space() {
	for p.at < len(p.src) {
		switch p.src[p.at] {
		case ' ', '\t', '\r', '\n':
			p.at++
		case '#':
			if n := strings.IndexByte(p.src[p.at:], '\n'); n >= 0 {
				p.at += n
			} else {
				p.at = len(p.src)
			}
		default:
			return
		}
	}
}

// peek returns the next byte that is no white space, 0 at the end.
func (p *ebnfParser) peek() byte {
	p.space()
	if p.at == len(p.src) {
		return 0
	}
	return p.src[p.at]
}

func (p *ebnfParser) take(s string) bool {
	p.space()
	if strings.HasPrefix(p.src[p.at:], s) {
		p.at += len(s)
		return true
	}
	return false
}

func (p *ebnfParser) name() string {
	p.space()
	from := p.at
	for p.at < len(p.src) && isName(p.src[p.at]) {
		p.at++
	}
	return p.src[from:p.at]
}

func isName(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_'
}

func (p *ebnfParser) alternatives() (frag, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, fmt.Errorf("parentheses nest deeper than %d", maxDepth)
	}
	defer func() { p.depth-- }()
	var list []frag
	for {
		f, err := p.sequence()
		if err != nil {
			return nil, err
		}
		list = append(list, f)
		if !p.take("|") {
			break
		}
	}
	return func(next int32) int32 {
		alts := make([]int32, len(list))
		for i, f := range list {
			alts[i] = f(next)
		}
		return p.b.alt(alts...)
	}, nil
}

func (p *ebnfParser) sequence() (frag, error) {
	var list []frag
	for {
		f, err := p.item()
		if err != nil {
			return nil, err
		}
		if f == nil {
			break
		}
		list = append(list, f)
	}
	return func(next int32) int32 {
		for i := len(list) - 1; i >= 0; i-- {
			next = list[i](next)
		}
		return next
	}, nil
}

// item parses one element with what repeats it; nil where a sequence ends.
func (p *ebnfParser) item() (frag, error) {
	f, err := p.primary()
	for f != nil && err == nil {
		var lo, hi int
		switch p.peek() {
		case '*':
			lo, hi = 0, -1
			p.at++
		case '+':
			lo, hi = 1, -1
			p.at++
		case '?':
			lo, hi = 0, 1
			p.at++
		case '{':
			if lo, hi, err = p.counts(); err != nil {
				return nil, err
			}
		default:
			return f, nil
		}
		inner := f
		f = func(next int32) int32 { return p.b.repeat(inner, lo, hi, next) }
	}
	return f, err
}

// maxCount bounds the numbers in braces.
const maxCount = 1 << 20

func (p *ebnfParser) counts() (lo, hi int, err error) {
	end := strings.IndexByte(p.src[p.at:], '}')
	if end < 0 {
		return 0, 0, errors.New("a { without }")
	}
	text := p.src[p.at+1 : p.at+end]
	from, to, ranged := strings.Cut(text, ",")
	lo, err = strconv.Atoi(strings.TrimSpace(from))
	hi = lo
	if to = strings.TrimSpace(to); ranged && err == nil {
		if hi = -1; to != "" {
			hi, err = strconv.Atoi(to)
		}
	}
	if err != nil || lo < 0 || lo > maxCount || hi > maxCount || hi >= 0 && hi < lo || hi < -1 {
		return 0, 0, fmt.Errorf("{%s}: want {n}, {n,} or {n,m} with n ≤ m ≤ %d", text, maxCount)
	}
	p.at += end + 1
	return lo, hi, nil
}

// primary parses a literal, a class, a dot, a group or the name of a rule; nil where none begins.
func (p *ebnfParser) primary() (frag, error) {
	switch c := p.peek(); {
	case c == '"':
		return p.literal()
	case c == '[':
		return p.brackets()
	case c == '.':
		p.at++
		return func(next int32) int32 { return p.b.class([]runeRange{{0, utf8.MaxRune}}, next) }, nil
	case c == '(':
		p.at++
		f, err := p.alternatives()
		if err == nil && !p.take(")") {
			err = errors.New("a ( without )")
		}
		return f, err
	case isName(c):
		from := p.at
		name := p.name()
		if p.take("::=") { // the next rule
			p.at = from
			return nil, nil
		}
		r := p.ruleOf(name)
		return func(next int32) int32 { return p.b.call(r, next) }, nil
	case c == 0 || c == '|' || c == ')' && p.depth > 1:
		return nil, nil
	default:
		return nil, fmt.Errorf("%q is unexpected here", c)
	}
}

func (p *ebnfParser) literal() (frag, error) {
	var text []byte
	for p.at++; ; {
		if p.at < len(p.src) && p.src[p.at] == '"' {
			p.at++
			return func(next int32) int32 { return p.b.lit(string(text), next) }, nil
		}
		r, err := p.char()
		if err != nil {
			return nil, fmt.Errorf("in a literal: %w", err)
		}
		text = utf8.AppendRune(text, r)
	}
}

func (p *ebnfParser) brackets() (frag, error) {
	p.at++
	var ranges []runeRange
	not := p.at < len(p.src) && p.src[p.at] == '^'
	if not {
		p.at++
	}
	for {
		if p.at < len(p.src) && p.src[p.at] == ']' {
			p.at++
			break
		}
		lo, err := p.char()
		if err != nil {
			return nil, fmt.Errorf("in a class: %w", err)
		}
		hi := lo
		if rest := p.src[p.at:]; len(rest) > 1 && rest[0] == '-' && rest[1] != ']' {
			p.at++
			if hi, err = p.char(); err != nil {
				return nil, fmt.Errorf("in a class: %w", err)
			}
		}
		if hi < lo {
			return nil, fmt.Errorf("the class has a range from %q down to %q", lo, hi)
		}
		ranges = append(ranges, runeRange{lo, hi})
	}
	if not {
		ranges = invert(ranges)
	}
	return func(next int32) int32 { return p.b.class(ranges, next) }, nil
}

// char reads one character of a literal or class, escapes included.
func (p *ebnfParser) char() (rune, error) {
	if p.at >= len(p.src) || p.src[p.at] == '\n' {
		return 0, errors.New("it does not end on its line")
	}
	r, n := utf8.DecodeRuneInString(p.src[p.at:])
	if r == utf8.RuneError && n == 1 {
		return 0, errors.New("a byte that is no UTF-8")
	}
	p.at += n
	if r != '\\' {
		return r, nil
	}
	if p.at >= len(p.src) {
		return 0, errors.New("it does not end")
	}
	c := p.src[p.at]
	p.at++
	switch c {
	case 'n':
		return '\n', nil
	case 'r':
		return '\r', nil
	case 't':
		return '\t', nil
	case '\\', '"', '[', ']', '-', '^':
		return rune(c), nil
	case 'x':
		return p.hex(2)
	case 'u':
		return p.hex(4)
	case 'U':
		return p.hex(8)
	}
	return 0, fmt.Errorf(`the escape \%c is not known`, c)
}

func (p *ebnfParser) hex(digits int) (rune, error) {
	end := min(p.at+digits, len(p.src))
	v, err := strconv.ParseUint(p.src[p.at:end], 16, 32)
	if err != nil || end-p.at < digits || !utf8.ValidRune(rune(v)) || v > utf8.MaxRune {
		return 0, fmt.Errorf("%q is not %d hexadecimal digits of a character", p.src[p.at:end], digits)
	}
	p.at = end
	return rune(v), nil
}
