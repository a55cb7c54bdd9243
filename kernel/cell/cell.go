// Package cell takes the text of a cell apart, without knowing what its names mean.
//
//	text ── Split ──▶ parts: Go code, %magic lines, !shell lines, or one %%magic with its body
//	Go code ── Parse ──▶ imports, declarations, statements, the last expression
//	text ── Complete ──▶ may it run as it is, or does a line follow, and with what indent
//
// A line is a magic or shell line when a Go statement could begin there and it begins with %, ! or ?: no Go statement does. Inside
// strings, comments, brackets and after an operator such a line is Go. A cell of one line that ends with ? asks about a name.
//
// Invariant: every byte of the text belongs to exactly one part, and Go keeps the line and column that it has in the cell.
//
// Invariant: no input makes the package panic.
package cell

import (
	"go/scanner"
	"go/token"
	"strings"
)

// Kind says what a Part is.
type Kind int

// The kinds of parts.
const (
	Go    Kind = iota
	Line       // %name args, !command, ?name
	Whole      // %%name args, and the rest of the cell
)

// Part is a piece of a cell.
type Part struct {
	Kind Kind
	Line int    // 1-based line of the part's beginning
	Text string // as written, without the % of magics; Go parts with whole lines
	Name string // of magics: "time"; "!" or "!!" for shell lines, "?" for questions
	Args string // what follows the name on its line
	Body string // of %%magics: the lines after the first
}

// Split takes a cell apart. It never fails: what is neither magic nor shell line is Go, right or wrong.
func Split(text string) []Part {
	if p, ok := whole(text); ok {
		return []Part{p}
	}
	if t := strings.TrimSpace(text); strings.HasSuffix(t, "?") && !strings.ContainsAny(t, "\n\"`'/") {
		return []Part{{Kind: Line, Line: 1 + strings.Count(text[:strings.Index(text, t)], "\n"), Text: t, Name: "?", Args: strings.Trim(t, "? ")}}
	}
	if !strings.ContainsAny(text, "%!?") {
		return goPart(nil, text, 1)
	}
	starts := statementLines(text)
	var parts []Part
	from, fromLine, line := 0, 1, 1
	for pos := 0; pos < len(text); line++ {
		end := len(text)
		if i := strings.IndexByte(text[pos:], '\n'); i >= 0 {
			end = pos + i + 1
		}
		if starts[line] {
			if p, ok := magicLine(text[pos:end], line); ok {
				parts = append(goPart(parts, text[from:pos], fromLine), p)
				from, fromLine = end, line+1
			}
		}
		pos = end
	}
	return goPart(parts, text[from:], fromLine)
}

func goPart(parts []Part, text string, line int) []Part {
	if strings.TrimSpace(text) == "" {
		return parts
	}
	return append(parts, Part{Kind: Go, Line: line, Text: text})
}

// whole recognises a cell that is one %%magic; blank lines may stand before it.
func whole(text string) (Part, bool) {
	rest := strings.TrimLeft(text, " \t\r\n")
	if !strings.HasPrefix(rest, "%%") {
		return Part{}, false
	}
	line := 1 + strings.Count(text[:len(text)-len(rest)], "\n")
	head, body, _ := strings.Cut(rest[2:], "\n")
	name, args := nameAndArgs(head)
	return Part{Kind: Whole, Line: line, Text: rest[2:], Name: name, Args: args, Body: body}, true
}

func magicLine(text string, line int) (Part, bool) {
	t := strings.TrimSpace(text)
	switch {
	case strings.HasPrefix(t, "!!"):
		return Part{Kind: Line, Line: line, Text: t, Name: "!!", Args: strings.TrimSpace(t[2:])}, true
	case strings.HasPrefix(t, "!"):
		return Part{Kind: Line, Line: line, Text: t, Name: "!", Args: strings.TrimSpace(t[1:])}, true
	case strings.HasPrefix(t, "?"):
		return Part{Kind: Line, Line: line, Text: t, Name: "?", Args: strings.TrimSpace(strings.Trim(t, "?"))}, true
	case strings.HasPrefix(t, "%") && !strings.HasPrefix(t, "%%"):
		name, args := nameAndArgs(t[1:])
		return Part{Kind: Line, Line: line, Text: t[1:], Name: name, Args: args}, true
	}
	return Part{}, false
}

func nameAndArgs(s string) (name, args string) {
	s = strings.TrimRight(s, " \t\r")
	i := strings.IndexAny(s, " \t")
	if i < 0 {
		return s, ""
	}
	return s[:i], strings.TrimSpace(s[i:])
}

// statementLines finds the lines at whose beginning a statement may begin: outside brackets, strings and comments, and where the line
// before ended a statement. A magic line is skipped as a whole, whatever it holds.
func statementLines(text string) map[int]bool {
	starts := map[int]bool{}
	for base, line := 0, 1; base < len(text); {
		n := scanStatements(text[base:], line, starts)
		if n < 0 {
			break
		}
		line += strings.Count(text[base:base+n], "\n")
		base += n
	}
	return starts
}

// scanStatements marks the lines of text where statements may begin, up to and with the first magic line; it returns the offset after
// that line, or -1 when there is none. first is the number of text's first line.
func scanStatements(text string, first int, starts map[int]bool) int {
	var s scanner.Scanner
	file := token.NewFileSet().AddFile("", -1, len(text))
	s.Init(file, []byte(text), func(token.Position, string) {}, scanner.ScanComments)
	depth, open, lastLine := 0, false, 0 // open: a statement has begun and not ended
	for {
		pos, tok, lit := s.Scan()
		offset := file.Offset(pos)
		line := file.Line(pos)
		if tok == token.EOF {
			return -1
		}
		if depth == 0 && !open && line > lastLine && (tok != token.SEMICOLON) {
			starts[first+line-1] = true
			if tok == token.REM || tok == token.NOT || lit == "?" {
				return endOfLine(text, offset)
			}
		}
		lastLine = line + strings.Count(lit, "\n")
		switch tok {
		case token.COMMENT:
			continue
		case token.LPAREN, token.LBRACK, token.LBRACE:
			depth++
		case token.RPAREN, token.RBRACK, token.RBRACE:
			depth = max(depth-1, 0)
		}
		open = tok != token.SEMICOLON
		if tok == token.SEMICOLON && lit == "\n" {
			lastLine = line // the newline is part of the line that it ends
		}
	}
}

func endOfLine(text string, from int) int {
	if i := strings.IndexByte(text[from:], '\n'); i >= 0 {
		return from + i + 1
	}
	return len(text)
}
