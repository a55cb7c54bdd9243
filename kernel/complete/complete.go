// Package complete finds what may stand at a place in a cell, and says what the name at a place is. It works on go/types alone: no
// gopls, no build.
//
//	text before the cursor ── At ──▶ what is being written ── (the session checks the types of the text) ──▶ Members, Package, Names
//	object under the cursor ── Describe ──▶ declaration, documentation
//
// The session owns types and names, and asks; this package never sees values. Documentation and parameter names of compiled packages,
// which reflection does not keep, are read from source (Docs).
//
// Invariant: incomplete and wrong code is the normal case; nothing here panics or errors on it.
package complete

import (
	"go/scanner"
	"go/token"
	"go/types"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"quire/kernel/link"
)

// Hole is the identifier that stands for what is being written when the text is type-checked.
const Hole = "ǃhole"

// Context is what is being written at a cursor.
type Context struct {
	Start    int    // byte offset of the beginning of Prefix
	Prefix   string // the name so far, or the import path so far
	Selector bool   // Prefix follows a dot
	Import   bool   // Prefix is inside the string of an import
	Text     string // Go code up to the cursor with Prefix replaced by Hole and open brackets closed
}

// At looks at Go code before a cursor.
func At(code string) Context {
	if path, ok := importPath(code); ok {
		return Context{Start: len(code) - len(path), Prefix: path, Import: true}
	}
	start := len(code)
	for start > 0 {
		r, n := utf8.DecodeLastRuneInString(code[:start])
		if r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			break
		}
		start -= n
	}
	c := Context{Start: start, Prefix: code[start:]}
	before := strings.TrimRight(code[:start], " \t")
	c.Selector = strings.HasSuffix(before, ".") && !strings.HasSuffix(before, "..")
	c.Text = code[:start] + Hole + closers(code[:start])
	return c
}

// importPath is the part of an import's path that has been written, when code ends inside one.
func importPath(code string) (string, bool) {
	line := code[strings.LastIndexByte(code, '\n')+1:]
	i := strings.LastIndexByte(line, '"')
	if i < 0 || strings.Count(line, `"`)%2 == 0 {
		return "", false
	}
	head := strings.TrimSpace(line[:i])
	if strings.HasPrefix(head, "import") {
		return line[i+1:], true
	}
	open := strings.LastIndex(code, "import (")
	if open < 0 || strings.Contains(code[open:], ")") || len(strings.Fields(head)) > 1 {
		return "", false
	}
	return line[i+1:], true
}

// closers are the brackets that close what code leaves open.
func closers(code string) string {
	var s scanner.Scanner
	file := token.NewFileSet().AddFile("", -1, len(code))
	s.Init(file, []byte(code), func(token.Position, string) {}, 0)
	var open []byte
	for {
		_, tok, _ := s.Scan()
		switch tok {
		case token.EOF:
			slices.Reverse(open)
			var b strings.Builder
			for _, c := range open {
				if c == '}' {
					b.WriteByte('\n')
				}
				b.WriteByte(c)
			}
			return b.String()
		case token.LPAREN:
			open = append(open, ')')
		case token.LBRACK:
			open = append(open, ']')
		case token.LBRACE:
			open = append(open, '}')
		case token.RPAREN, token.RBRACK, token.RBRACE:
			open = open[:max(len(open)-1, 0)]
		}
	}
}

// Match makes a match of an object.
func Match(obj types.Object, d *Docs, q types.Qualifier) link.Match {
	m := link.Match{Text: obj.Name(), Type: kind(obj)}
	switch obj := obj.(type) {
	case *types.PkgName:
		m.Sig = obj.Imported().Path()
	case *types.TypeName:
		m.Sig = strings.TrimPrefix(types.TypeString(obj.Type().Underlying(), q), "untyped ")
		if len(m.Sig) > 80 {
			m.Sig, _, _ = strings.Cut(m.Sig, "{")
		}
	default:
		m.Sig = types.TypeString(obj.Type(), q)
	}
	if e := d.find(obj); e != nil {
		m.Doc = e.synopsis
		if e.signature != "" {
			m.Sig = e.signature
		}
	}
	return m
}

func kind(obj types.Object) string {
	switch obj.(type) {
	case *types.Func:
		return "function"
	case *types.TypeName:
		return "type"
	case *types.Const:
		return "constant"
	case *types.PkgName:
		return "module"
	}
	if _, ok := obj.Type().Underlying().(*types.Signature); ok {
		return "function"
	}
	return "variable"
}

// Members lists the fields and methods of a type, promoted ones included, that pkg may use.
func Members(t types.Type, pkg *types.Package, prefix string) []types.Object {
	found := map[string]types.Object{}
	add := func(obj types.Object) {
		if _, ok := found[obj.Name()]; !ok && hasPrefix(obj.Name(), prefix) && visible(obj, pkg) {
			found[obj.Name()] = obj
		}
	}
	level, seen := []types.Type{t}, map[types.Type]bool{}
	for len(level) > 0 {
		var next []types.Type
		for _, t := range level {
			t = types.Unalias(t)
			if p, ok := t.Underlying().(*types.Pointer); ok {
				t = types.Unalias(p.Elem())
			}
			if seen[t] {
				continue
			}
			seen[t] = true
			if named, ok := t.(*types.Named); ok {
				for m := range named.Methods() {
					add(m)
				}
			}
			switch u := t.Underlying().(type) {
			case *types.Struct:
				for f := range u.Fields() {
					add(f)
					if f.Embedded() {
						next = append(next, f.Type())
					}
				}
			case *types.Interface:
				for m := range u.Methods() {
					add(m)
				}
			}
		}
		level = next
	}
	return sorted(found)
}

func visible(obj types.Object, pkg *types.Package) bool {
	return obj.Exported() || obj.Pkg() != nil && pkg != nil && obj.Pkg().Path() == pkg.Path()
}

// Package lists the exported names of a package.
func Package(pkg *types.Package, prefix string) []types.Object {
	found := map[string]types.Object{}
	for _, n := range pkg.Scope().Names() {
		if obj := pkg.Scope().Lookup(n); obj.Exported() && hasPrefix(n, prefix) {
			found[n] = obj
		}
	}
	return sorted(found)
}

// Scope lists the names visible at pos in a package, those of functions only where they are declared before.
func Scope(pkg *types.Package, pos token.Pos, prefix string) []types.Object {
	found := map[string]types.Object{}
	for s := pkg.Scope().Innermost(pos); s != nil; s = s.Parent() {
		local := s != pkg.Scope() && s.Parent() != pkg.Scope() && s != types.Universe
		for _, n := range s.Names() {
			obj := s.Lookup(n)
			if found[n] == nil && hasPrefix(n, prefix) && !strings.HasPrefix(n, "ǃ") && !(local && obj.Pos() >= pos) {
				found[n] = obj
			}
		}
	}
	return sorted(found)
}

// Fields lists the fields that a composite literal of type t may still name.
func Fields(t types.Type, pkg *types.Package, prefix string) []types.Object {
	if p, ok := t.Underlying().(*types.Pointer); ok {
		t = p.Elem()
	}
	st, ok := t.Underlying().(*types.Struct)
	if !ok {
		return nil
	}
	found := map[string]types.Object{}
	for f := range st.Fields() {
		if hasPrefix(f.Name(), prefix) && visible(f, pkg) {
			found[f.Name()] = f
		}
	}
	return sorted(found)
}

// Keywords lists Go's keywords.
func Keywords(prefix string) []link.Match {
	var list []link.Match
	for t := token.BREAK; t <= token.VAR; t++ {
		if s := t.String(); prefix != "" && strings.HasPrefix(s, prefix) {
			list = append(list, link.Match{Text: s, Type: "keyword"})
		}
	}
	return list
}

// hasPrefix ignores case where the prefix is all in lower case.
func hasPrefix(name, prefix string) bool {
	if strings.HasPrefix(name, prefix) {
		return true
	}
	return prefix == strings.ToLower(prefix) && strings.HasPrefix(strings.ToLower(name), prefix)
}

func sorted(m map[string]types.Object) []types.Object {
	list := make([]types.Object, 0, len(m))
	for _, o := range m {
		list = append(list, o)
	}
	slices.SortFunc(list, func(a, b types.Object) int { return strings.Compare(a.Name(), b.Name()) })
	return list
}
