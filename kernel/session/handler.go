package session

import (
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goplus/ixgo"

	"quire/kernel/cell"
	"quire/kernel/complete"
	"quire/kernel/link"
)

// IsComplete implements link.Handler.
func (s *Session) IsComplete(p link.Position) link.Completeness {
	status, indent := cell.IsComplete(p.Code)
	return link.Completeness{Status: string(status), Indent: indent}
}

// Comm implements link.Handler.
func (s *Session) Comm(m link.Comm, out link.Events) {
	if s.cfg.Comm != nil {
		s.cfg.Comm(m, out)
	}
}

// byteOffset turns a cursor in code points into an offset.
func byteOffset(code string, cursor int) int {
	n := 0
	for i := range code {
		if n == cursor {
			return i
		}
		n++
	}
	return len(code)
}

// Complete implements link.Handler.
func (s *Session) Complete(_ context.Context, p link.Position) link.Completion {
	at := byteOffset(p.Code, p.Cursor)
	head := p.Code[:at]
	start, matches, ok := s.completeMagic(head)
	if !ok {
		start, matches = s.completeGo(head)
	}
	matches = slices.CompactFunc(matches, func(a, b link.Match) bool { return a.Text == b.Text })
	return link.Completion{Start: len([]rune(head[:start])), End: len([]rune(head)), Matches: matches}
}

// completeMagic completes magic and shell lines.
func (s *Session) completeMagic(head string) (start int, matches []link.Match, ok bool) {
	from := strings.LastIndexByte(head, '\n') + 1
	line := head[from:]
	trimmed := strings.TrimLeft(line, " \t")
	if trimmed == "" || trimmed[0] != '%' && trimmed[0] != '!' || !magicStarts(head, line) {
		return 0, nil, false
	}
	word := strings.LastIndexAny(head, " \t\n=") + 1
	if trimmed[0] == '!' {
		return word, paths(head[word:]), true
	}
	name, args, hasArgs := strings.Cut(strings.TrimLeft(trimmed, "%"), " ")
	if hasArgs {
		if m := s.magics[name]; m != nil && m.Complete != nil {
			return word, m.Complete(s, args), true
		}
		if strings.HasPrefix(trimmed, "%%") || s.magics[name] == nil {
			return word, nil, true
		}
		start, matches = s.completeGo(args)
		return len(head) - len(args) + start, matches, true
	}
	marks := trimmed[:len(trimmed)-len(strings.TrimLeft(trimmed, "%"))]
	for _, m := range s.Magics() {
		if strings.HasPrefix(m.Name, name) && m.Name[0] != '!' && (marks == "%" && m.Line != nil || marks == "%%" && m.Body != nil) {
			summary, _, _ := strings.Cut(m.Help, "\n")
			matches = append(matches, link.Match{Text: marks + m.Name, Type: "magic", Doc: summary})
		}
	}
	return len(head) - len(trimmed), matches, true
}

// magicStarts reports whether the last line of head is a magic or shell line, as the splitter sees it.
func magicStarts(head, line string) bool {
	parts := cell.Split(head)
	return len(parts) > 0 && parts[len(parts)-1].Kind != cell.Go && strings.HasSuffix(strings.TrimRight(head, " \t"), strings.TrimRight(line, " \t"))
}

// paths completes a file name.
func paths(prefix string) []link.Match {
	found, err := filepath.Glob(prefix + "*")
	if err != nil {
		return nil
	}
	var list []link.Match
	for _, f := range found {
		if st, err := os.Stat(f); err == nil && st.IsDir() {
			f += "/"
		}
		list = append(list, link.Match{Text: f, Type: "path"})
	}
	return list
}

// completeGo completes Go code, of which earlier magic lines are no part.
func (s *Session) completeGo(head string) (start int, matches []link.Match) {
	c := complete.At(head)
	if c.Import {
		for _, p := range ixgo.PackageList() {
			if strings.HasPrefix(p, c.Prefix) && !strings.HasSuffix(p, "ixgo/builtin") {
				matches = append(matches, link.Match{Text: p, Type: "module", Doc: s.docs.Synopsis(p)})
			}
		}
		return c.Start, matches
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.analyse(c.Text)
	var hole *place
	if a != nil {
		hole = a.find(func(id *ast.Ident) bool { return id.Name == complete.Hole })
	}
	switch {
	case hole == nil && c.Selector, hole != nil && hole.selector == nil && c.Selector:
		return c.Start, nil
	case hole != nil && hole.selector != nil:
		return c.Start, s.matches(a.membersOf(hole.selector.X, c.Prefix))
	case hole != nil && hole.literal != nil:
		if tv := a.check.info.Types[hole.literal]; tv.Type != nil {
			matches = s.matches(complete.Fields(tv.Type, a.check.pkg, c.Prefix))
		}
	}
	return c.Start, append(matches, s.visibleNames(a, hole, c.Prefix)...)
}

func (s *Session) matches(objs []types.Object) []link.Match {
	var list []link.Match
	for _, o := range objs {
		list = append(list, complete.Match(o, s.docs, qualify))
	}
	return list
}

// visibleNames lists what a bare name may be: locals, session names, packages, predeclared names, keywords.
func (s *Session) visibleNames(a *analysis, hole *place, prefix string) []link.Match {
	seen := map[string]bool{}
	var list []link.Match
	add := func(m link.Match) {
		if !seen[m.Text] {
			seen[m.Text] = true
			list = append(list, m)
		}
	}
	if a != nil && hole != nil {
		for _, m := range s.matches(complete.Scope(a.check.pkg, hole.id.Pos(), prefix)) {
			if m.Text != complete.Hole {
				add(m)
			}
		}
	}
	lower := strings.ToLower(prefix)
	for n, d := range s.names {
		if !strings.HasPrefix(strings.ToLower(n), lower) {
			continue
		}
		if d.kind == "import" {
			add(link.Match{Text: n, Type: "module", Sig: d.path, Doc: s.docs.Synopsis(d.path)})
			continue
		}
		m := complete.Match(d.object(), nil, qualify)
		m.Doc, _, _ = strings.Cut(d.doc, "\n")
		add(m)
	}
	for n, path := range s.cfg.Auto {
		if strings.HasPrefix(n, prefix) {
			add(link.Match{Text: n, Type: "module", Sig: path, Doc: s.docs.Synopsis(path)})
		}
	}
	for _, m := range complete.Keywords(prefix) {
		add(m)
	}
	slices.SortFunc(list, func(a, b link.Match) int { return strings.Compare(a.Text, b.Text) })
	return list
}

// object is the name as the type checker sees it.
func (n *name) object() types.Object {
	if n.obj != nil {
		return n.obj
	}
	return types.NewVar(token.NoPos, nil, n.name, n.typ)
}

// analysis is text whose types were checked as far as they can be.
type analysis struct {
	*program
	check *checker
}

// analyse checks the types of text, whatever is wrong with it; nil when it cannot even be taken apart. The lock must be held.
func (s *Session) analyse(text string) *analysis {
	var code strings.Builder
	line := 1
	for _, part := range cell.Split(text) {
		if part.Kind != cell.Go {
			continue
		}
		code.WriteString(strings.Repeat("\n", max(0, part.Line-line)))
		code.WriteString(part.Text)
		line = part.Line + strings.Count(part.Text, "\n")
	}
	chunks, err := cell.Chunks(code.String(), 1)
	if err != nil {
		return nil
	}
	c := &Cell{s: s}
	p := &program{s: s, cell: c, chunks: chunks, src: cell.Source(cellPackage, c.position(), chunks)}
	p.fset = token.NewFileSet()
	p.file, _ = parser.ParseFile(p.fset, "", p.src.Text, parser.SkipObjectResolution)
	if p.file == nil {
		return nil
	}
	if p.run = p.findRun(); p.run == nil || p.run.Body == nil {
		return nil
	}
	p.top = survey(p.file, p.run)
	p.addImports()
	a := &analysis{p, p.newCheck()}
	a.check.insert(p, nil)
	a.check.check(p, true)
	return a
}

// place is an identifier and what it is part of.
type place struct {
	id       *ast.Ident
	selector *ast.SelectorExpr // whose Sel it is
	literal  *ast.CompositeLit // of which it is an element, or the key of one
}

// find looks for an identifier.
func (a *analysis) find(is func(*ast.Ident) bool) *place {
	var found *place
	visit := func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			if is(n.Sel) {
				found = &place{id: n.Sel, selector: n}
				return false
			}
		case *ast.CompositeLit:
			for _, e := range n.Elts {
				if kv, ok := e.(*ast.KeyValueExpr); ok {
					e = kv.Key
				}
				if id, ok := e.(*ast.Ident); ok && is(id) {
					found = &place{id: id, literal: n}
					return false
				}
			}
		case *ast.Ident:
			if found == nil && is(n) {
				found = &place{id: n}
			}
		}
		return found == nil
	}
	ast.Inspect(a.file, visit)
	return found
}

// membersOf lists what may follow x and a dot.
func (a *analysis) membersOf(x ast.Expr, prefix string) []types.Object {
	if id, ok := x.(*ast.Ident); ok {
		if pkg, ok := a.check.info.Uses[id].(*types.PkgName); ok {
			return complete.Package(pkg.Imported(), prefix)
		}
	}
	tv := a.check.info.Types[x]
	if tv.Type == nil {
		return nil
	}
	return complete.Members(tv.Type, a.check.pkg, prefix)
}
