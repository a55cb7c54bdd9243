package session

import (
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"quire/kernel/cell"
)

// A cell that declares a type or constant just as the session has it already, methods included, means the same one: run again, it goes
// on with the values that it made before, and leaves no second type behind (Go never frees a type).

// shape is how a type, or a group of constants, was declared.
type shape struct {
	text string           // the declaration and its methods
	uses map[string]means // every name that they mention, but for local ones, fields and methods
}

// means is what a name stood for: the zero value is a name of the language.
type means struct {
	obj  types.Object   // of types, constants and generic functions
	ptr  unsafe.Pointer // of variables and functions
	path string         // of imports
	sig  string         // of functions of the same cell: how their signature was written
}

func (n *name) means() means {
	m := means{obj: n.obj, path: n.path}
	if n.ptr.IsValid() {
		m.ptr = n.ptr.UnsafePointer()
	}
	return m
}

// unit is a type with its methods, or a group of constants.
type unit struct {
	names []*ast.Ident
	nodes []ast.Node // the declaration, then the methods by name
	chunk cell.Chunk
}

// units lists what a cell declares of types and constants. Generic types are left out: their code belongs to the cells that use it.
func (p *program) units() []*unit {
	var all []*unit
	byType := map[string]*unit{}
	sources := p.sources()
	for _, d := range p.file.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || !g.Pos().IsValid() {
			continue
		}
		switch g.Tok {
		case token.CONST:
			u := &unit{nodes: []ast.Node{g}, chunk: p.source(g.Pos(), sources)}
			for _, s := range g.Specs {
				u.names = append(u.names, s.(*ast.ValueSpec).Names...)
			}
			all = append(all, u)
		case token.TYPE:
			for _, s := range g.Specs {
				if s := s.(*ast.TypeSpec); s.TypeParams == nil {
					u := &unit{names: []*ast.Ident{s.Name}, nodes: []ast.Node{s}, chunk: p.source(g.Pos(), sources)}
					byType[s.Name.Name] = u
					all = append(all, u)
				}
			}
		}
	}
	for _, f := range p.methods() {
		if u := byType[baseIdent(f.Recv.List[0].Type).Name]; u != nil {
			u.nodes = append(u.nodes, f)
		}
	}
	return all
}

// methods lists the methods that the cell declares, by name.
func (p *program) methods() []*ast.FuncDecl {
	var list []*ast.FuncDecl
	for _, d := range p.file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Recv != nil && len(f.Recv.List) > 0 && baseIdent(f.Recv.List[0].Type) != nil {
			list = append(list, f)
		}
	}
	slices.SortStableFunc(list, func(a, b *ast.FuncDecl) int { return strings.Compare(a.Name.Name, b.Name.Name) })
	return list
}

func (p *program) text(nodes ...ast.Node) string {
	var b strings.Builder
	for _, n := range nodes {
		f := p.fset.File(n.Pos())
		b.WriteString(p.src.Text[f.Offset(n.Pos()):f.Offset(n.End())])
		b.WriteByte('\n')
	}
	return b.String()
}

// signatures are the functions that the cell declares, as their signatures are written.
func (p *program) signatures() map[string]string {
	m := map[string]string{}
	for _, f := range p.top.funcs {
		if f.Recv == nil && f.Type.TypeParams == nil {
			m[f.Name.Name] = p.text(f.Type)
		}
	}
	return m
}

// keepSame takes the units out of the cell that the session has already.
func (p *program) keepSame() {
	kept := map[string]*unit{}
	var units []*unit
	for _, u := range p.units() {
		if old := p.shapeOf(u); old != nil && old.text == p.text(u.nodes...) {
			units = append(units, u)
			for _, id := range u.names {
				kept[id.Name] = u
			}
		}
	}
	sigs, imports := p.signatures(), p.imports()
	for again := true; again; { // a unit that is not kept is another one for those that mention it
		n := len(units)
		units = slices.DeleteFunc(units, func(u *unit) bool {
			for n, m := range p.shapeOf(u).uses {
				if p.meansNow(n, kept, sigs, imports) != m {
					for _, id := range u.names {
						delete(kept, id.Name)
					}
					return true
				}
			}
			return false
		})
		again = len(units) < n
	}
	if len(units) == 0 {
		return
	}
	p.kept = kept
	drop := map[ast.Node]bool{}
	for _, u := range units {
		for _, n := range u.nodes {
			drop[n] = true
		}
	}
	for _, d := range p.file.Decls {
		if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.TYPE {
			g.Specs = slices.DeleteFunc(g.Specs, func(s ast.Spec) bool { return drop[s] })
			drop[g] = len(g.Specs) == 0
		}
	}
	p.file.Decls = slices.DeleteFunc(p.file.Decls, func(d ast.Decl) bool { return drop[d] })
	p.top = survey(p.file, p.run)
}

// shapeOf is how the session's declaration of u's names was written, nil when they were not declared together.
func (p *program) shapeOf(u *unit) *shape {
	var s *shape
	for i, id := range u.names {
		old := p.s.names[id.Name]
		if old == nil || old.shape == nil || i > 0 && old.shape != s {
			return nil
		}
		s = old.shape
	}
	return s
}

// meansNow is what a name of a declaration would mean if it were compiled in this cell. The ptr of something that the cell declares
// itself, and does not keep, is none.
func (p *program) meansNow(n string, kept map[string]*unit, sigs, imports map[string]string) means {
	var m means
	d := p.s.names[n]
	if d != nil {
		m = d.means()
	}
	switch sig, isFunc := sigs[n]; {
	case kept[n] != nil:
	case isFunc:
		m.sig = sig
	case imports[n] != "":
		return means{path: imports[n]}
	case p.top.decls[n] || p.top.isVar(n):
		return means{sig: "declared again"}
	case d == nil:
		return means{path: p.s.cfg.Auto[n]}
	}
	return m
}

// imports are those that the cell itself writes: name → path.
func (p *program) imports() map[string]string {
	m := map[string]string{}
	for _, s := range p.file.Imports {
		if path, err := strconv.Unquote(s.Path.Value); err == nil {
			m[importName(s)] = path
		}
	}
	return m
}

// commitShapes remembers how the types and constants of the cell were declared. Its other names must be committed.
func (p *program) commitShapes() {
	for _, u := range p.units() {
		s := &shape{text: p.text(u.nodes...), uses: map[string]means{}}
		sigs := p.signatures()
		for _, n := range u.nodes {
			p.collect(n, s.uses, sigs)
		}
		for _, id := range u.names {
			if n := p.s.names[id.Name]; n != nil && id.Name != "_" && n.obj == p.info.Defs[id] {
				n.shape = s
			}
		}
	}
	for n, u := range p.kept {
		again := *p.s.names[n]
		again.cell = p.cell.req.Count
		again.written(u.chunk)
		p.s.names[n] = &again
	}
}

// collect adds what node mentions to uses, and what the signatures of functions mention that it mentions.
func (p *program) collect(node ast.Node, uses map[string]means, sigs map[string]string) {
	ast.Inspect(node, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			p.collect(n.X, uses, sigs)
			return false
		case *ast.Ident:
			m, ok := p.meansOf(n)
			if _, seen := uses[n.Name]; !ok || seen {
				return true
			}
			m.sig = sigs[n.Name]
			uses[n.Name] = m
			for _, f := range p.top.funcs {
				if f.Recv == nil && f.Name.Name == n.Name && m.sig != "" {
					p.collect(f.Type, uses, sigs)
				}
			}
		}
		return true
	})
}

// meansOf is what an identifier names outside of its function; ok is false for local names, fields and methods.
func (p *program) meansOf(id *ast.Ident) (m means, ok bool) {
	obj := p.info.Uses[id]
	if obj == nil {
		obj = p.info.Defs[id]
	}
	if obj == nil {
		return m, false
	}
	if pkg, isPkg := obj.(*types.PkgName); isPkg {
		return means{path: strings.TrimSuffix(pkg.Imported().Path(), "@patch")}, true
	}
	if obj.Parent() == types.Universe {
		return m, true
	}
	d := p.s.names[id.Name]
	if d == nil || d.obj != obj && obj.Parent() != p.pkg.Scope() {
		return m, false
	}
	return d.means(), true
}
