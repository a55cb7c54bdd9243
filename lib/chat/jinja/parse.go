package jinja

import (
	"fmt"
	"slices"
)

// maxSource and maxNesting bound what Parse accepts: real templates stay under 20 kB and a dozen levels.
const (
	maxSource  = 1 << 18
	maxNesting = 200
)

// Template is a parsed template. It is immutable.
type Template struct {
	name       string
	body       []stmt
	generation bool
}

// Parse reads a template; name appears in errors.
func Parse(name, source string) (t *Template, err error) {
	if len(source) > maxSource {
		return nil, &Error{name, 1, fmt.Sprintf("template has %d bytes, at most %d are allowed", len(source), maxSource)}
	}
	tokens, err := lex(name, source)
	if err != nil {
		return nil, err
	}
	defer recoverError(&err)
	p := &parser{name: name, tokens: tokens}
	body := p.statements()
	if tok := p.peek(); tok.kind != kindEOF {
		p.fail("unexpected %v", p.tokens[p.pos+1])
	}
	return &Template{name: name, body: body, generation: p.generation}, nil
}

// HasGeneration says whether the template marks what the model writes by {% generation %}.
func (t *Template) HasGeneration() bool { return t.generation }

type parser struct {
	name       string
	tokens     []token
	pos        int
	depth      int
	loops      int // enclosing for loops of the macro or template at hand
	generation bool
}

func (p *parser) fail(format string, args ...any) {
	panic(&Error{p.name, p.peek().line, fmt.Sprintf(format, args...)})
}

func (p *parser) peek() token { return p.tokens[p.pos] }

func (p *parser) next() token {
	tok := p.tokens[p.pos]
	if tok.kind != kindEOF {
		p.pos++
	}
	return tok
}

func (p *parser) isOp(op string) bool {
	return p.peek().kind == kindOp && p.peek().text == op
}

func (p *parser) isName(name string) bool {
	return p.peek().kind == kindName && p.peek().text == name
}

func (p *parser) acceptOp(op string) bool {
	ok := p.isOp(op)
	if ok {
		p.pos++
	}
	return ok
}

func (p *parser) acceptName(name string) bool {
	ok := p.isName(name)
	if ok {
		p.pos++
	}
	return ok
}

func (p *parser) expectOp(op string) {
	if !p.acceptOp(op) {
		p.fail("expected %q, found %v", op, p.peek())
	}
}

func (p *parser) ident() string {
	if p.peek().kind != kindName {
		p.fail("expected a name, found %v", p.peek())
	}
	return p.next().text
}

func (p *parser) endBlock() {
	if p.peek().kind != kindBlockEnd {
		p.fail("expected %%}, found %v", p.peek())
	}
	p.pos++
}

// enter guards recursion; the caller defers the returned function.
func (p *parser) enter() func() {
	if p.depth++; p.depth > maxNesting {
		p.fail("more than %d levels of nesting", maxNesting)
	}
	return func() { p.depth-- }
}

// statements reads up to a block whose first word is one of ends, which it leaves for the caller with {% consumed up to that word.
func (p *parser) statements(ends ...string) []stmt {
	defer p.enter()()
	var out []stmt
	for {
		tok := p.peek()
		switch tok.kind {
		case kindEOF:
			if len(ends) > 0 {
				p.fail("end of template, expected {%% %s %%}", ends[len(ends)-1])
			}
			return out
		case kindText:
			p.pos++
			out = append(out, &textStmt{tok.text})
		case kindExprBegin:
			p.pos++
			out = append(out, &printStmt{tok.line, p.tuple(true)})
			if p.peek().kind != kindExprEnd {
				p.fail("expected }}, found %v", p.peek())
			}
			p.pos++
		default:
			word := p.tokens[p.pos+1]
			if word.kind == kindName && slices.Contains(ends, word.text) {
				p.pos++
				return out
			}
			if s := p.block(); s != nil {
				out = append(out, s)
			} else {
				return out
			}
		}
	}
}

// body reads statements up to {% end %} and that tag.
func (p *parser) body(end string) []stmt {
	p.endBlock()
	out := p.statements(end)
	p.pos++
	p.endBlock()
	return out
}

// block reads one {% … %}; nil when its word starts no statement at the top level.
func (p *parser) block() stmt {
	word := p.tokens[p.pos+1]
	if word.kind != kindName {
		p.pos++
		p.fail("expected the name of a block, found %v", word)
	}
	p.pos += 2
	switch word.text {
	case "if":
		return p.ifBlock()
	case "for":
		return p.forBlock(word.line)
	case "set":
		return p.setBlock(word.line)
	case "macro":
		return p.macroBlock(word.line)
	case "call":
		return p.callBlock(word.line)
	case "filter":
		chain := p.filterChain(&capturedExpr{})
		return &filterStmt{word.line, chain, p.body("endfilter")}
	case "with":
		return p.withBlock()
	case "generation":
		p.generation = true
		return &generationStmt{word.line, p.body("endgeneration")}
	case "break", "continue":
		if p.loops == 0 {
			p.fail("%s outside a for loop", word.text)
		}
		p.endBlock()
		if word.text == "break" {
			return &jumpStmt{jumpBreak}
		}
		return &jumpStmt{jumpContinue}
	}
	p.pos--
	p.fail("unknown block %q", word.text)
	return nil
}

func (p *parser) ifBlock() stmt {
	s := &ifStmt{}
	for {
		line := p.peek().line
		cond := p.tuple(false)
		p.endBlock()
		s.arms = append(s.arms, ifArm{line, cond, p.statements("elif", "else", "endif")})
		switch p.next().text {
		case "elif":
			continue
		case "else":
			p.endBlock()
			s.otherwise = p.statements("endif")
			p.pos++
		}
		p.endBlock()
		return s
	}
}

func (p *parser) forBlock(line int) stmt {
	s := &forStmt{line: line, names: p.targets()}
	if !p.acceptName("in") {
		p.fail("expected \"in\", found %v", p.peek())
	}
	s.over = p.tuple(false)
	if p.acceptName("if") {
		s.cond = p.expression()
	}
	if p.isName("recursive") {
		p.fail("recursive loops are not supported: write a macro that calls itself")
	}
	p.endBlock()
	p.loops++
	s.body = p.statements("else", "endfor")
	p.loops--
	if p.next().text == "else" {
		p.endBlock()
		s.otherwise = p.statements("endfor")
		p.pos++
	}
	p.endBlock()
	return s
}

// targets reads the names that a loop or assignment binds, with or without parentheses.
func (p *parser) targets() []string {
	paren := p.acceptOp("(")
	names := []string{p.target()}
	for p.acceptOp(",") && p.peek().kind == kindName && !p.isName("in") {
		names = append(names, p.target())
	}
	if paren {
		p.expectOp(")")
	}
	return names
}

func (p *parser) target() string {
	name := p.ident()
	if slices.Contains(constants, name) || name == "loop" {
		p.pos--
		p.fail("cannot assign to %s", name)
	}
	return name
}

func (p *parser) setBlock(line int) stmt {
	s := &setStmt{line: line, names: p.targets()}
	if len(s.names) == 1 && p.acceptOp(".") {
		s.attr = p.ident()
	}
	if p.acceptOp("=") {
		s.value = p.tuple(true)
		p.endBlock()
		return s
	}
	if len(s.names) != 1 {
		p.fail("expected \"=\", found %v", p.peek())
	}
	s.value = &capturedExpr{}
	if p.isOp("|") {
		s.value = p.filterChain(s.value)
	}
	s.body = p.body("endset")
	s.captured = true
	return s
}

func (p *parser) params() []param {
	p.expectOp("(")
	var out []param
	for !p.acceptOp(")") {
		if len(out) > 0 {
			p.expectOp(",")
		}
		arg := param{name: p.target()}
		if p.acceptOp("=") {
			arg.value = p.expression()
		} else if len(out) > 0 && out[len(out)-1].value != nil {
			p.fail("parameter %q without a default follows one with a default", arg.name)
		}
		out = append(out, arg)
	}
	return out
}

func (p *parser) macroBlock(line int) stmt {
	s := &macroStmt{line: line, name: p.target()}
	s.params = p.params()
	loops := p.loops
	p.loops = 0
	s.body = p.body("endmacro")
	p.loops = loops
	return s
}

func (p *parser) callBlock(line int) stmt {
	s := &callStmt{line: line}
	if p.isOp("(") {
		s.params = p.params()
	}
	call, ok := p.unary(true).(*callExpr)
	if !ok {
		p.fail("expected a call, found %v", p.peek())
	}
	loops := p.loops
	p.loops = 0
	s.call, s.body = call, p.body("endcall")
	p.loops = loops
	return s
}

func (p *parser) withBlock() stmt {
	s := &withStmt{}
	for p.peek().kind != kindBlockEnd {
		if len(s.names) > 0 {
			p.expectOp(",")
		}
		s.names = append(s.names, p.target())
		p.expectOp("=")
		s.values = append(s.values, p.expression())
	}
	s.body = p.body("endwith")
	return s
}
