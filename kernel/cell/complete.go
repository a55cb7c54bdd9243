package cell

import (
	"go/parser"
	"go/scanner"
	"go/token"
	"strings"
)

// Status says whether a cell may run as it stands, in Jupyter's words.
type Status string

// The statuses of a cell.
const (
	Complete   Status = "complete"
	Incomplete Status = "incomplete"
	Invalid    Status = "invalid"
)

// IsComplete tells whether text may run, and the indent of the next line where it may not.
func IsComplete(text string) (Status, string) {
	if p, ok := whole(text); ok {
		if p.Body == "" || strings.HasSuffix(text, "\n\n") {
			return Complete, ""
		}
		return Incomplete, ""
	}
	for _, p := range Split(text) {
		if p.Kind != Go {
			continue
		}
		if status, indent := goComplete(p.Text); status != Complete {
			return status, indent
		}
	}
	return Complete, ""
}

func goComplete(src string) (Status, string) {
	depth, last, unterminated := 0, token.SEMICOLON, false
	var s scanner.Scanner
	file := token.NewFileSet().AddFile("", -1, len(src))
	s.Init(file, []byte(src), func(_ token.Position, msg string) {
		unterminated = unterminated || msg == "raw string literal not terminated" || msg == "comment not terminated"
	}, 0)
	for {
		_, tok, _ := s.Scan()
		if tok == token.EOF {
			break
		}
		switch tok {
		case token.LPAREN, token.LBRACK, token.LBRACE:
			depth++
		case token.RPAREN, token.RBRACK, token.RBRACE:
			depth--
		}
		last = tok
	}
	switch {
	case unterminated:
		return Incomplete, ""
	case depth > 0:
		return Incomplete, strings.Repeat("\t", depth)
	case depth == 0 && last != token.SEMICOLON && !strings.HasSuffix(src, "\n\n"):
		return Incomplete, "\t"
	}
	chunks, err := Chunks(src, 1)
	if err != nil {
		return Invalid, ""
	}
	if _, err := parser.ParseFile(token.NewFileSet(), "", Source("cell", "", chunks).Text, parser.SkipObjectResolution); err != nil {
		return Invalid, ""
	}
	return Complete, ""
}
