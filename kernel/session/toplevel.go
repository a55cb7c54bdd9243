package session

import (
	"go/ast"
	"go/token"
	"path"
	"strconv"
)

// topLevel is what the syntax of a cell tells about its names.
type topLevel struct {
	decls    map[string]bool // functions, types, constants and imports that the cell declares
	vars     []topVar        // variables that its top-level statements declare, in order
	used     map[string]bool // every identifier that may name something outside
	selected map[string]bool // those before a dot
	inFuncs  map[string]bool // those inside declared functions
	funcs    []*ast.FuncDecl
}

// topVar is a variable that a top-level statement declares.
type topVar struct {
	name string
	id   *ast.Ident
	stmt int // index of the statement
}

func survey(file *ast.File, run *ast.FuncDecl) *topLevel {
	t := &topLevel{decls: map[string]bool{}, used: map[string]bool{}, selected: map[string]bool{}, inFuncs: map[string]bool{}}
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.GenDecl:
			t.genDecl(d)
			t.mentions(d, nil)
		case *ast.FuncDecl:
			if d == run {
				continue
			}
			t.funcs = append(t.funcs, d)
			if d.Recv == nil {
				t.decls[d.Name.Name] = true
			}
			t.mentions(d, t.inFuncs)
		}
	}
	for i, s := range run.Body.List {
		for _, id := range declared(s) {
			if id.Name != "_" {
				t.vars = append(t.vars, topVar{id.Name, id, i})
			}
		}
	}
	t.mentions(run.Body, nil)
	return t
}

func (t *topLevel) genDecl(d *ast.GenDecl) {
	for _, s := range d.Specs {
		switch s := s.(type) {
		case *ast.ImportSpec:
			if name := importName(s); name != "_" && name != "." {
				t.decls[name] = true
			}
		case *ast.TypeSpec:
			t.decls[s.Name.Name] = true
		case *ast.ValueSpec:
			for _, id := range s.Names {
				t.decls[id.Name] = true
			}
		}
	}
}

// importName is the name under which a cell sees an import. A package whose name differs from its path's end is found by its
// registration.
func importName(s *ast.ImportSpec) string {
	if s.Name != nil {
		return s.Name.Name
	}
	p, _ := strconv.Unquote(s.Path.Value)
	if name, ok := registeredName(p); ok {
		return name
	}
	return path.Base(p)
}

// mentions collects identifiers, all but field and method names after a dot.
func (t *topLevel) mentions(n ast.Node, also map[string]bool) {
	ast.Inspect(n, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			if id, ok := n.X.(*ast.Ident); ok {
				t.selected[id.Name] = true
			}
			t.mentions(n.X, also)
			return false
		case *ast.Ident:
			t.used[n.Name] = true
			if also != nil {
				also[n.Name] = true
			}
		}
		return true
	})
}

func (t *topLevel) isVar(name string) bool {
	for _, v := range t.vars {
		if v.name == name {
			return true
		}
	}
	return false
}

func (t *topLevel) insideFunc(pos token.Pos) bool {
	for _, f := range t.funcs {
		if f.Pos() <= pos && pos <= f.End() {
			return true
		}
	}
	return false
}

// declared lists the variables that a statement declares in the scope where it stands.
func declared(s ast.Stmt) []*ast.Ident {
	var ids []*ast.Ident
	switch s := s.(type) {
	case *ast.AssignStmt:
		if s.Tok != token.DEFINE {
			return nil
		}
		for _, l := range s.Lhs {
			if id, ok := l.(*ast.Ident); ok {
				ids = append(ids, id)
			}
		}
	case *ast.DeclStmt:
		d, ok := s.Decl.(*ast.GenDecl)
		if !ok || d.Tok != token.VAR {
			return nil
		}
		for _, spec := range d.Specs {
			ids = append(ids, spec.(*ast.ValueSpec).Names...)
		}
	}
	return ids
}
