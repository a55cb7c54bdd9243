package show

import (
	"go/scanner"
	"go/token"
	"html"
	"regexp"
	"strings"
)

// escapes are a terminal's control sequences.
var escapes = regexp.MustCompile(`\x1b(\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|.)?`)

// highlight marks comments, strings, numbers and keywords of Go source. Text that is no Go is escaped all the same.
func highlight(source string) string {
	var s scanner.Scanner
	file := token.NewFileSet().AddFile("", -1, len(source))
	s.Init(file, []byte(source), func(token.Position, string) {}, scanner.ScanComments)
	var b strings.Builder
	at := 0
	for {
		pos, tok, lit := s.Scan()
		if tok == token.EOF {
			break
		}
		class := classOf(tok)
		start := file.Offset(pos)
		if class == "" || start < at || start+len(lit) > len(source) {
			continue
		}
		b.WriteString(html.EscapeString(source[at:start]))
		at = start + len(lit)
		b.WriteString(`<i class="` + class + `">` + html.EscapeString(source[start:at]) + `</i>`)
	}
	b.WriteString(html.EscapeString(source[at:]))
	return b.String()
}

func classOf(tok token.Token) string {
	switch {
	case tok == token.COMMENT:
		return "c"
	case tok == token.STRING || tok == token.CHAR:
		return "s"
	case tok == token.INT || tok == token.FLOAT || tok == token.IMAG:
		return "n"
	case tok.IsKeyword():
		return "k"
	}
	return ""
}
