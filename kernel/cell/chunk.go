package cell

import (
	"fmt"
	"go/scanner"
	"go/token"
	"strings"
)

// Class is what a piece of top-level Go code is.
type Class int

// The classes of chunks.
const (
	Import Class = iota
	Func         // function or method declaration
	Decl         // type or const declaration
	Var          // var declaration
	Stmt         // statement or expression
)

// Chunk is one import, declaration or statement at the top level of a cell.
type Chunk struct {
	Class     Class
	Line, Col int // of its first byte, 1-based; Col counts bytes
	Text      string
	Doc       string // the comment right above, as written
	Semicolon bool   // it ends with a semicolon that the person wrote
}

// SyntaxError is a fault that shows before parsing.
type SyntaxError struct {
	Line, Col int
	Msg       string
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("%d:%d: %s", e.Line, e.Col, e.Msg) }

// Chunks takes Go code apart at its top-level semicolons. line is the line of its beginning in the cell. The error is a bracket that
// closes nothing, or a statement that the end of the code cuts off. A package clause is left out.
func Chunks(src string, line int) ([]Chunk, error) {
	c := chunker{src: src, line: line, doc: -1}
	file := token.NewFileSet().AddFile("", -1, len(src))
	var s scanner.Scanner
	s.Init(file, []byte(src), func(token.Position, string) {}, scanner.ScanComments)
	for {
		pos, tok, lit := s.Scan()
		if tok == token.COMMENT {
			c.comment(file, file.Offset(pos), lit)
			continue
		}
		if tok == token.EOF {
			if len(c.toks) > 0 {
				p := file.Position(file.Pos(len(strings.TrimRight(src, " \t\r\n"))))
				return nil, &SyntaxError{p.Line + line - 1, p.Column, "syntax error: unexpected end of the cell"}
			}
			return c.list, nil
		}
		if err := c.token(file, file.Offset(pos), tok, lit); err != nil {
			return nil, err
		}
	}
}

type chunker struct {
	src   string
	line  int
	list  []Chunk
	toks  []token.Token // of the open chunk
	from  int           // its offset
	pos   token.Position
	stack []token.Token // open brackets

	doc     int // offset of the comment that may belong to the next chunk, -1 for none
	docLine int // line after it
}

// comment notes a comment outside chunks; comments on lines that follow each other are one.
func (c *chunker) comment(file *token.File, offset int, lit string) {
	if len(c.toks) > 0 {
		return
	}
	line := file.Line(file.Pos(offset))
	if c.doc < 0 || line != c.docLine {
		c.doc = offset
	}
	c.docLine = line + strings.Count(strings.TrimSuffix(lit, "\n"), "\n") + 1
}

func (c *chunker) token(file *token.File, offset int, tok token.Token, lit string) error {
	if len(c.toks) == 0 {
		if tok == token.SEMICOLON {
			return nil
		}
		c.from, c.pos = offset, file.Position(file.Pos(offset))
	}
	switch tok {
	case token.LPAREN, token.LBRACK, token.LBRACE:
		c.stack = append(c.stack, tok)
	case token.RPAREN, token.RBRACK, token.RBRACE:
		n := len(c.stack)
		if n == 0 || c.stack[n-1] != opener(tok) {
			p := file.Position(file.Pos(offset))
			return &SyntaxError{p.Line + c.line - 1, p.Column, "syntax error: unexpected " + tok.String()}
		}
		c.stack = c.stack[:n-1]
	case token.SEMICOLON:
		if len(c.stack) == 0 {
			c.end(offset, lit == ";")
			return nil
		}
	}
	c.toks = append(c.toks, tok)
	return nil
}

func opener(tok token.Token) token.Token {
	switch tok {
	case token.RPAREN:
		return token.LPAREN
	case token.RBRACK:
		return token.LBRACK
	}
	return token.LBRACE
}

func (c *chunker) end(offset int, semicolon bool) {
	if c.toks[0] == token.PACKAGE {
		c.toks = c.toks[:0]
		return
	}
	doc := ""
	if c.doc >= 0 && c.docLine == c.pos.Line {
		doc = strings.TrimSpace(c.src[c.doc:c.from])
	}
	c.doc = -1
	c.list = append(c.list, Chunk{
		Class: classify(c.toks),
		Doc:   doc,
		Line:  c.pos.Line + c.line - 1,
		Col:   c.pos.Column,
		Text:  strings.TrimRight(c.src[c.from:offset], " \t\r\n"),

		Semicolon: semicolon,
	})
	c.toks = c.toks[:0]
}

func classify(toks []token.Token) Class {
	switch toks[0] {
	case token.IMPORT:
		return Import
	case token.TYPE, token.CONST:
		return Decl
	case token.VAR:
		return Var
	case token.FUNC:
		if isFuncDecl(toks) {
			return Func
		}
	}
	return Stmt
}

// isFuncDecl tells func f(…) and func (r T) m(…) from a function literal that begins a statement.
func isFuncDecl(toks []token.Token) bool {
	if len(toks) < 2 {
		return false
	}
	if toks[1] == token.IDENT {
		return true
	}
	depth := 0
	for i, tok := range toks[1:] {
		switch tok {
		case token.LPAREN:
			depth++
		case token.RPAREN:
			depth--
		}
		if depth == 0 {
			rest := toks[i+2:]
			return len(rest) >= 2 && rest[0] == token.IDENT && rest[1] == token.LPAREN
		}
	}
	return false
}
