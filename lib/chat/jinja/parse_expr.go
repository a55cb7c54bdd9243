package jinja

import (
	"slices"
	"strconv"
	"strings"

	"quire/lib/chat/taint"
)

var constants = []string{"true", "True", "false", "False", "none", "None"}

// expression reads one expression, "a if b else c" included.
func (p *parser) expression() expr {
	defer p.enter()()
	return p.conditional(p.or())
}

// conditional reads the "if" parts that may follow a value.
func (p *parser) conditional(value expr) expr {
	for p.peek().kind == kindName && p.peek().text == "if" {
		line := p.next().line
		e := &condExpr{line: line, then: value, cond: p.or()}
		if p.acceptName("else") {
			e.otherwise = p.expression()
		}
		value = e
	}
	return value
}

// tuple reads an expression or several with commas between; with cond each may be an "a if b else c".
func (p *parser) tuple(cond bool) expr {
	defer p.enter()()
	read := p.or
	if cond {
		read = p.expression
	}
	first := read()
	if !p.isOp(",") {
		return first
	}
	items := []expr{first}
	for p.acceptOp(",") {
		if k := p.peek().kind; k == kindExprEnd || k == kindBlockEnd || p.isOp(")") || p.isOp("=") || p.isName("in") {
			break
		}
		items = append(items, read())
	}
	return &tupleExpr{items}
}

func (p *parser) or() expr {
	left := p.and()
	for p.isName("or") {
		line := p.next().line
		left = &logicExpr{line, true, left, p.and()}
	}
	return left
}

func (p *parser) and() expr {
	left := p.not()
	for p.isName("and") {
		line := p.next().line
		left = &logicExpr{line, false, left, p.not()}
	}
	return left
}

func (p *parser) not() expr {
	if p.isName("not") {
		defer p.enter()()
		line := p.next().line
		return &notExpr{line, p.not()}
	}
	return p.compare()
}

func (p *parser) compare() expr {
	first := p.sum()
	var links []compareLink
	for {
		tok := p.peek()
		op := ""
		switch {
		case tok.kind == kindOp && slices.Contains([]string{"==", "!=", "<", "<=", ">", ">="}, tok.text):
			op = tok.text
		case tok.kind == kindName && tok.text == "in":
			op = "in"
		case tok.kind == kindName && tok.text == "not" && p.tokens[p.pos+1].kind == kindName && p.tokens[p.pos+1].text == "in":
			op = "not in"
			p.pos++
		default:
			if links == nil {
				return first
			}
			return &compareExpr{p.peek().line, first, links}
		}
		p.pos++
		links = append(links, compareLink{op, p.sum()})
	}
}

// binary reads a left-associative level whose operands come from next.
func (p *parser) binary(next func() expr, ops ...string) expr {
	left := next()
	for p.peek().kind == kindOp && slices.Contains(ops, p.peek().text) {
		tok := p.next()
		left = &binaryExpr{tok.line, tok.text, left, next()}
	}
	return left
}

func (p *parser) sum() expr     { return p.binary(p.concat, "+", "-") }
func (p *parser) concat() expr  { return p.binary(p.product, "~") }
func (p *parser) product() expr { return p.binary(p.power, "*", "/", "//", "%") }

func (p *parser) power() expr {
	return p.binary(func() expr { return p.unary(true) }, "**")
}

// unary reads signs, a primary value and what is attached to it; filters and tests only where they may bind.
func (p *parser) unary(filters bool) expr {
	defer p.enter()()
	var e expr
	switch tok := p.peek(); {
	case p.acceptOp("-"):
		e = &negExpr{tok.line, p.unary(false), true}
	case p.acceptOp("+"):
		e = &negExpr{tok.line, p.unary(false), false}
	default:
		e = p.primary()
	}
	e = p.postfix(e)
	for filters {
		switch {
		case p.isOp("|"):
			e = p.filterChain(e)
		case p.isName("is"):
			e = p.test(e)
		case p.isOp("("):
			e = p.call(e)
		default:
			return e
		}
	}
	return e
}

func (p *parser) primary() expr {
	tok := p.next()
	switch tok.kind {
	case kindName:
		switch tok.text {
		case "true", "True":
			return &constExpr{true}
		case "false", "False":
			return &constExpr{false}
		case "none", "None":
			return &constExpr{nil}
		}
		return &nameExpr{tok.line, tok.text}
	case kindString:
		text := tok.text
		for p.peek().kind == kindString {
			text += p.next().text
		}
		return &constExpr{taint.Literal(text)}
	case kindInt:
		n, err := strconv.ParseInt(tok.text, 10, 64)
		if err != nil {
			return &constExpr{BigInt(strings.TrimLeft(tok.text, "0"))}
		}
		return &constExpr{n}
	case kindFloat:
		f, _ := strconv.ParseFloat(tok.text, 64)
		return &constExpr{f}
	case kindOp:
		switch tok.text {
		case "(":
			if p.acceptOp(")") {
				return &tupleExpr{}
			}
			e := p.tuple(true)
			p.expectOp(")")
			return e
		case "[":
			return &listExpr{p.items("]")}
		case "{":
			return p.dict(tok.line)
		}
	}
	p.pos--
	p.fail("expected a value, found %v", tok)
	return nil
}

func (p *parser) items(end string) []expr {
	var out []expr
	for !p.acceptOp(end) {
		if len(out) > 0 {
			p.expectOp(",")
			if p.acceptOp(end) {
				break
			}
		}
		out = append(out, p.expression())
	}
	return out
}

func (p *parser) dict(line int) expr {
	d := &dictExpr{line: line}
	for !p.acceptOp("}") {
		if len(d.keys) > 0 {
			p.expectOp(",")
			if p.acceptOp("}") {
				break
			}
		}
		d.keys = append(d.keys, p.expression())
		p.expectOp(":")
		d.values = append(d.values, p.expression())
	}
	return d
}

func (p *parser) postfix(e expr) expr {
	for {
		switch tok := p.peek(); {
		case p.acceptOp("."):
			e = p.attribute(e, tok.line)
		case p.acceptOp("["):
			e = p.subscript(e, tok.line)
		case p.isOp("("):
			e = p.call(e)
		default:
			return e
		}
	}
}

func (p *parser) attribute(e expr, line int) expr {
	tok := p.next()
	switch tok.kind {
	case kindName:
		return &attrExpr{line, e, tok.text}
	case kindInt:
		n, _ := strconv.ParseInt(tok.text, 10, 64)
		return &itemExpr{line, e, &constExpr{n}}
	}
	p.pos--
	p.fail("expected a name after \".\", found %v", tok)
	return nil
}

func (p *parser) subscript(e expr, line int) expr {
	var parts [3]expr
	n, slice := 0, false
	for !p.isOp("]") {
		if p.acceptOp(":") {
			slice = true
			if n++; n > 2 {
				p.fail("too many \":\" in a slice")
			}
			continue
		}
		if parts[n] != nil {
			p.fail("expected \"]\", found %v", p.peek())
		}
		parts[n] = p.expression()
	}
	p.pos++
	if slice {
		return &sliceExpr{line, e, parts}
	}
	if parts[0] == nil {
		p.pos--
		p.fail("empty subscript")
	}
	return &itemExpr{line, e, parts[0]}
}

func (p *parser) call(e expr) expr {
	line := p.peek().line
	args, kwargs := p.args()
	return &callExpr{line, e, args, kwargs}
}

func (p *parser) args() (args []expr, kwargs []param) {
	p.expectOp("(")
	for first := true; !p.acceptOp(")"); first = false {
		if !first {
			p.expectOp(",")
			if p.acceptOp(")") {
				break
			}
		}
		if p.isOp("*") || p.isOp("**") {
			p.fail("argument unpacking by %s is not supported", p.peek().text)
		}
		if next := p.tokens[p.pos+1]; p.peek().kind == kindName && next.kind == kindOp && next.text == "=" {
			name := p.next().text
			p.pos++
			kwargs = append(kwargs, param{name, p.expression()})
			continue
		}
		if len(kwargs) > 0 {
			p.fail("positional argument after a keyword argument")
		}
		args = append(args, p.expression())
	}
	return args, kwargs
}

// filterChain reads "| name(args)" as often as it stands there. Unknown filters are found when the template is parsed.
func (p *parser) filterChain(e expr) expr {
	if !p.isOp("|") { // {% filter name %} starts without a bar
		e = p.filter(e)
	}
	for p.acceptOp("|") {
		e = p.filter(e)
	}
	return e
}

func (p *parser) filter(e expr) expr {
	line, name := p.peek().line, p.ident()
	f, ok := filters[name]
	if !ok {
		p.pos--
		p.fail("unknown filter %q", name)
	}
	out := &filterExpr{line: line, name: name, run: f, value: e}
	if p.isOp("(") {
		out.args, out.kwargs = p.args()
	}
	return out
}

func (p *parser) test(e expr) expr {
	line := p.next().line
	negated := p.acceptName("not")
	name := p.ident()
	f, ok := tests[name]
	if !ok {
		p.pos--
		p.fail("unknown test %q", name)
	}
	out := &testExpr{line: line, name: name, run: f, value: e}
	switch tok := p.peek(); {
	case p.isOp("("):
		out.args, _ = p.args()
	case p.isName("is"):
		p.fail("tests cannot be chained by \"is\"")
	case tok.kind == kindName && !slices.Contains([]string{"else", "or", "and", "if", "in", "not"}, tok.text),
		tok.kind == kindString, tok.kind == kindInt, tok.kind == kindFloat, p.isOp("["), p.isOp("{"):
		out.args = []expr{p.postfix(p.primary())}
	}
	if negated {
		return &notExpr{line, out}
	}
	return out
}
