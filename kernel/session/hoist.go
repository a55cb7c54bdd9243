package session

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"slices"
	"strconv"
	"strings"

	"quire/kernel/link"
)

// lastExpr is the expression that ends the cell, nil for none. Its value is shown unless a semicolon follows.
func (p *program) lastExpr() *ast.ExprStmt {
	list := p.run.Body.List
	if len(list) == 0 {
		return nil
	}
	s, _ := list[len(list)-1].(*ast.ExprStmt)
	return s
}

// harmless tells what the type checker dislikes and a cell may do.
func (p *program) harmless(e types.Error) bool {
	if s := p.lastExpr(); s != nil && strings.HasSuffix(e.Msg, "is not used") && s.Pos() <= e.Pos && e.Pos <= s.End() {
		return true
	}
	if strings.HasPrefix(e.Msg, "implicit assignment to unexported field") {
		return true // cells are one package
	}
	if !strings.HasPrefix(e.Msg, "declared and not used") {
		return false
	}
	for _, v := range p.top.vars {
		if v.id.Pos() == e.Pos {
			return true
		}
	}
	return false
}

// hoist makes package variables of the variables that top-level statements declare, with the types that the first check found, and
// turns their declarations into assignments for the second.
func (p *program) hoist(first, second *checker) *link.Error {
	uses := first.sessionUses()
	for _, v := range p.top.vars {
		obj, ok := first.info.Defs[v.id].(*types.Var)
		if !ok {
			continue // declared by an earlier statement of the cell
		}
		if !validType(obj.Type()) {
			return p.cell.compileError([]fault{{p.position(v.id.Pos()), "the type of " + v.name + " is not known: " +
				"a function of this cell that uses it must come with its type written out"}})
		}
		p.hoistVar(first, second, v, obj, uses[v.name])
	}
	var list []ast.Stmt
	for _, s := range p.run.Body.List {
		list = p.rewrite(list, s, second)
	}
	p.run.Body.List = list
	p.showLast(first, second)
	return nil
}

func validType(t types.Type) bool {
	b, ok := t.(*types.Basic)
	return !ok || b.Kind() != types.Invalid
}

// sessionUses lists the session names that the cell uses with their old meaning.
func (c *checker) sessionUses() map[string]bool {
	uses := map[string]bool{}
	for _, obj := range c.info.Uses {
		if obj.Parent() == c.pkg.Scope() {
			uses[obj.Name()] = true
		}
	}
	return uses
}

// hoistVar declares one variable. A variable of the same name and type as one of the session takes over its memory, so that functions
// of earlier cells see the new value. Where the cell uses the old one too, and its type differs, the new one gets a name of its own.
func (p *program) hoistVar(first, second *checker, v topVar, obj *types.Var, oldUsed bool) {
	old := p.s.names[v.name]
	name := v.name
	mem := old != nil && old.kind == "var" && types.Identical(old.typ, obj.Type())
	if oldUsed && !mem {
		name += "ǃ"
		renameAll(first.info, obj, name)
	}
	if mem {
		n := types.NewVar(token.NoPos, second.pkg, name, obj.Type())
		second.pkg.Scope().Insert(n)
		second.bound[n] = old.ptr
		return
	}
	p.fresh[v.name] = name
	p.order[v.name] = v.stmt + 1
	p.declare(first, second, name, obj.Type())
}

// declare adds a variable to the package of the second check. A type that the cell itself declares is another one there: a variable
// whose type mentions it is declared in the source.
func (p *program) declare(first, second *checker, name string, t types.Type) {
	if !mentions(t, first.pkg, map[types.Type]bool{}) {
		second.pkg.Scope().Insert(types.NewVar(token.NoPos, second.pkg, name, t))
		return
	}
	aliases := map[string]string{}
	text := types.TypeString(t, func(pkg *types.Package) string {
		if pkg.Path() == cellPath {
			return ""
		}
		if aliases[pkg.Path()] == "" {
			aliases[pkg.Path()] = "ǃ" + name + strconv.Itoa(len(aliases))
		}
		return aliases[pkg.Path()]
	})
	expr, err := parser.ParseExpr(text)
	if err != nil {
		expr = ast.NewIdent(text) // the second check reports it
	}
	for path, alias := range aliases {
		p.importAs(alias, path)
	}
	p.inSource[name] = true
	p.file.Decls = append(p.file.Decls, &ast.GenDecl{Tok: token.VAR, Specs: []ast.Spec{
		&ast.ValueSpec{Names: []*ast.Ident{ast.NewIdent(name)}, Type: expr},
	}})
}

// mentions reports whether t is built with a type that pkg declares.
func mentions(t types.Type, pkg *types.Package, seen map[types.Type]bool) bool {
	if seen[t] {
		return false
	}
	seen[t] = true
	some := func(list ...types.Type) bool {
		return slices.ContainsFunc(list, func(t types.Type) bool { return mentions(t, pkg, seen) })
	}
	switch t := t.(type) {
	case *types.Alias:
		return t.Obj().Pkg() == pkg || some(types.Unalias(t))
	case *types.Named:
		if t.Obj().Pkg() == pkg {
			return true
		}
		for a := range t.TypeArgs().Types() {
			if some(a) {
				return true
			}
		}
		return false
	case *types.Map:
		return some(t.Key(), t.Elem())
	case interface{ Elem() types.Type }: // pointer, slice, array, channel
		return some(t.Elem())
	case *types.Signature:
		return some(t.Params(), t.Results())
	case *types.Tuple:
		for v := range t.Variables() {
			if some(v.Type()) {
				return true
			}
		}
	case *types.Struct:
		for f := range t.Fields() {
			if some(f.Type()) {
				return true
			}
		}
	case *types.Interface:
		for m := range t.Methods() {
			if some(m.Type()) {
				return true
			}
		}
	}
	return false
}

func renameAll(info *types.Info, obj types.Object, name string) {
	for id, o := range info.Defs {
		if o == obj {
			id.Name = name
		}
	}
	for id, o := range info.Uses {
		if o == obj {
			id.Name = name
		}
	}
}

// rewrite appends s to list, as assignments where it declares variables, followed by a count of the declaring statements done.
func (p *program) rewrite(list []ast.Stmt, s ast.Stmt, second *checker) []ast.Stmt {
	ids := declared(s)
	if len(ids) == 0 {
		return append(list, s)
	}
	switch s := s.(type) {
	case *ast.AssignStmt:
		s.Tok = token.ASSIGN
		list = append(list, s)
	case *ast.DeclStmt:
		for _, spec := range s.Decl.(*ast.GenDecl).Specs {
			vs := spec.(*ast.ValueSpec)
			a := &ast.AssignStmt{TokPos: vs.Pos(), Tok: token.ASSIGN, Rhs: vs.Values}
			for _, id := range vs.Names {
				a.Lhs = append(a.Lhs, id)
				if len(vs.Values) == 0 {
					a.Rhs = append(a.Rhs, zero(vs.Type))
				}
			}
			list = append(list, a)
		}
	}
	if second.pkg.Scope().Lookup(atName) == nil {
		second.pkg.Scope().Insert(types.NewVar(token.NoPos, second.pkg, atName, types.Typ[types.Int]))
	}
	return append(list, &ast.AssignStmt{
		Lhs: []ast.Expr{ast.NewIdent(atName)}, Tok: token.ASSIGN, TokPos: ids[0].Pos(),
		Rhs: []ast.Expr{&ast.BasicLit{Kind: token.INT, Value: strconv.Itoa(p.stmtOf(ids[0]) + 1), ValuePos: ids[0].Pos()}},
	})
}

// zero is the zero value of a type.
func zero(t ast.Expr) ast.Expr {
	return &ast.StarExpr{Star: t.Pos(), X: &ast.CallExpr{Fun: ast.NewIdent("new"), Args: []ast.Expr{t}}}
}

func (p *program) stmtOf(id *ast.Ident) int {
	for _, v := range p.top.vars {
		if v.id == id || v.id.Pos() == id.Pos() {
			return v.stmt
		}
	}
	return 0
}

// showLast turns the last expression into an assignment to variables that are shown after the run.
func (p *program) showLast(first, second *checker) {
	s := p.lastExpr()
	if s == nil {
		return
	}
	last := len(p.run.Body.List) - 1
	tv := first.info.Types[s.X]
	switch {
	case tv.IsVoid() || tv.IsType() || tv.IsBuiltin() || tv.Type == nil || prints(first.info, s.X):
		return
	case tv.IsNil():
		p.run.Body.List[last] = &ast.EmptyStmt{Semicolon: s.Pos()}
		return
	}
	var list []types.Type
	if t, ok := tv.Type.(*types.Tuple); ok {
		for v := range t.Variables() {
			list = append(list, v.Type())
		}
	} else {
		list = append(list, types.Default(tv.Type))
	}
	a := &ast.AssignStmt{TokPos: s.Pos(), Tok: token.ASSIGN, Rhs: []ast.Expr{s.X}}
	for i, t := range list {
		name := outName + strconv.Itoa(i)
		p.declare(first, second, name, t)
		p.outs = append(p.outs, name)
		a.Lhs = append(a.Lhs, &ast.Ident{Name: name, NamePos: s.Pos()})
	}
	p.run.Body.List[last] = a
}

// prints reports whether e calls a function of the fmt.Print family, whose results nobody wants to see.
func prints(info *types.Info, e ast.Expr) bool {
	call, ok := ast.Unparen(e).(*ast.CallExpr)
	if !ok {
		return false
	}
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	f, ok := info.Uses[sel.Sel].(*types.Func)
	return ok && f.Pkg() != nil && f.Pkg().Path() == "fmt" && strings.Contains(f.Name(), "rint") && !strings.HasPrefix(f.Name(), "Sprint")
}

func (p *program) position(pos token.Pos) token.Position {
	return p.fset.Position(pos)
}
