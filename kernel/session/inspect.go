package session

import (
	"context"
	"fmt"
	"go/ast"
	"reflect"
	"strings"
	"unicode"

	"quire/kernel/complete"
	"quire/kernel/link"
)

// Inspect implements link.Handler.
func (s *Session) Inspect(_ context.Context, p link.Position) link.Inspection {
	at := byteOffset(p.Code, p.Cursor)
	start, end := identAround(p.Code, at)
	if start == end {
		if start, end = calledBefore(p.Code[:at]); start == end {
			return link.Inspection{}
		}
	}
	if b, ok := s.inspectMagic(p.Code, start, end); ok {
		return link.Inspection{Found: true, Bundle: b}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok := s.describe(p.Code, start, end)
	return link.Inspection{Found: ok, Bundle: b}
}

func isIdent(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) }

// identAround finds the name that touches an offset.
func identAround(code string, at int) (start, end int) {
	start = len(strings.TrimRightFunc(code[:at], isIdent))
	end = len(code) - len(strings.TrimLeftFunc(code[at:], isIdent))
	return start, end
}

// calledBefore finds the name of the function whose arguments are being written at the end of head.
func calledBefore(head string) (start, end int) {
	depth := 0
	for i := len(head) - 1; i >= 0; i-- {
		switch head[i] {
		case ')':
			depth++
		case '(':
			if depth--; depth < 0 {
				end := len(strings.TrimRight(head[:i], " \t"))
				return len(strings.TrimRightFunc(head[:end], isIdent)), end
			}
		}
	}
	return 0, 0
}

func (s *Session) inspectMagic(code string, start, end int) (link.Bundle, bool) {
	line := code[strings.LastIndexByte(code[:start], '\n')+1 : start]
	if t := strings.TrimSpace(line); t != "%" && t != "%%" {
		return link.Bundle{}, false
	}
	m := s.magics[code[start:end]]
	if m == nil {
		return link.Bundle{}, false
	}
	return *plain(m.Help), true
}

// describe says what the name at code[start:end] is. The lock must be held.
func (s *Session) describe(code string, start, end int) (link.Bundle, bool) {
	a := s.analyse(code)
	line, col := 1+strings.Count(code[:start], "\n"), start-strings.LastIndexByte(code[:start], '\n')
	here := func(id *ast.Ident) bool {
		pos := a.fset.Position(id.Pos())
		return pos.Line == line && pos.Column == col && pos.Filename != ""
	}
	var found *place
	if a != nil {
		found = a.find(here)
	}
	if found == nil { // the code is incomplete: ask again without what follows
		c := complete.At(code[:end])
		if a = s.analyse(strings.Replace(c.Text, complete.Hole, c.Prefix, 1)); a == nil {
			return link.Bundle{}, false
		}
		if found = a.find(here); found == nil {
			return link.Bundle{}, false
		}
	}
	obj := a.check.info.Uses[found.id]
	if obj == nil {
		obj = a.check.info.Defs[found.id]
	}
	if obj == nil {
		return link.Bundle{}, false
	}
	value, comment := "", ""
	if d := s.names[obj.Name()]; d != nil && found.selector == nil && (obj.Parent() == a.check.pkg.Scope() || obj == d.obj) {
		value, comment = s.peek(d), d.doc
	}
	return complete.Describe(obj, s.docs, qualify, value, comment), true
}

const peekLen = 1000 // bytes of a value that inspection shows

// peek is a variable's value as text. Cells may be changing it: maps are not walked, which would be fatal, and no method is called.
func (s *Session) peek(d *name) string {
	if d.kind != "var" || !d.ptr.IsValid() {
		return ""
	}
	f := formatter{raw: true}
	f.value(d.ptr.Elem(), 0)
	text := f.String()
	if d.ptr.Elem().Kind() == reflect.String {
		text = fmt.Sprintf("%q", d.ptr.Elem().String())
	}
	if len(text) > peekLen {
		text = strings.ToValidUTF8(text[:peekLen], "") + "…"
	}
	return text
}

// page shows what ?name asks for in the front end's pager.
func (c *Cell) page(name string) error {
	name = strings.TrimSpace(strings.Trim(name, "?"))
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	start, end := identAround(name, len(name))
	b, ok := c.s.describe(name, start, end)
	if !ok {
		return fmt.Errorf("no name %q", name)
	}
	c.Page(b)
	return nil
}
