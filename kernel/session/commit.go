package session

import (
	"go/ast"
	"go/token"
	"go/types"
	"reflect"
	"strconv"
	"strings"

	"quire/kernel/cell"
)

// commit makes the declarations of a program names of the session. When the run failed, variables whose statements were not reached
// are left out: they were never declared.
func (p *program) commit(ok bool) {
	s := p.s
	s.mu.Lock()
	defer s.mu.Unlock()
	sources := p.sources()
	generic := false
	for _, d := range p.file.Decls {
		switch d := d.(type) {
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				generic = p.commitSpec(spec, d.Tok, sources) || generic
			}
		case *ast.FuncDecl:
			generic = p.isGeneric(d) || generic
		}
	}
	reached := len(p.run.Body.List)
	if at := p.memory(atName); at.IsValid() && !ok {
		reached = int(at.Elem().Int())
	}
	for n, inner := range p.fresh {
		if ok || p.order[n] <= reached {
			typ := p.pkg.Scope().Lookup(inner).Type()
			s.names[n] = &name{name: n, kind: "var", typ: typ, ptr: p.memory(inner), cell: p.cell.req.Count}
		}
	}
	p.commitShapes()
	if generic {
		p.keepGenerics()
	}
}

// sources finds the text of each declaration by the line and column where it begins.
func (p *program) sources() map[string]cell.Chunk {
	m := map[string]cell.Chunk{}
	for _, c := range p.chunks {
		m[strconv.Itoa(c.Line)+":"+strconv.Itoa(c.Col)] = c
	}
	return m
}

func (p *program) source(pos token.Pos, sources map[string]cell.Chunk) cell.Chunk {
	at := p.position(pos)
	return sources[strconv.Itoa(at.Line)+":"+strconv.Itoa(at.Column)]
}

func (p *program) commitSpec(spec ast.Spec, tok token.Token, sources map[string]cell.Chunk) (generic bool) {
	s, count := p.s, p.cell.req.Count
	switch spec := spec.(type) {
	case *ast.ImportSpec:
		path, err := strconv.Unquote(spec.Path.Value)
		n := importName(spec)
		if err == nil && spec.Pos().IsValid() && n != "_" && n != "." {
			s.names[n] = &name{name: n, kind: "import", path: path, cell: count}
		}
	case *ast.TypeSpec:
		obj, _ := p.info.Defs[spec.Name].(*types.TypeName)
		if obj == nil || obj.Name() == "_" {
			return false
		}
		n := &name{name: obj.Name(), kind: "type", typ: obj.Type(), obj: obj, cell: count}
		n.written(p.chunkOf(spec, sources))
		s.names[n.name] = n
		return spec.TypeParams != nil
	case *ast.ValueSpec:
		if tok != token.CONST {
			return false
		}
		for _, id := range spec.Names {
			c, ok := p.info.Defs[id].(*types.Const)
			if !ok || id.Name == "_" {
				continue
			}
			n := &name{name: id.Name, kind: "const", typ: c.Type(), obj: c, cell: count}
			n.written(p.chunkOf(spec, sources))
			s.names[n.name] = n
		}
	}
	return false
}

// chunkOf is the chunk that holds a type or constant.
func (p *program) chunkOf(spec ast.Spec, sources map[string]cell.Chunk) cell.Chunk {
	for _, d := range p.file.Decls {
		if g, ok := d.(*ast.GenDecl); ok && g.Pos() <= spec.Pos() && spec.End() <= g.End() {
			return p.source(g.Pos(), sources)
		}
	}
	return cell.Chunk{}
}

// written notes how a name was declared.
func (n *name) written(c cell.Chunk) {
	n.code = c.Text
	if c.Doc != "" {
		n.code = c.Doc + "\n" + c.Text
		n.doc = commentText(c.Doc)
	}
}

// commentText is a comment without its marks.
func commentText(c string) string {
	g := &ast.CommentGroup{}
	for line := range strings.Lines(c) {
		g.List = append(g.List, &ast.Comment{Text: strings.TrimSpace(line)})
	}
	if strings.HasPrefix(c, "/*") {
		g.List = []*ast.Comment{{Text: c}}
	}
	return g.Text()
}

// isGeneric reports whether d is a generic function, or a method of a generic type.
func (p *program) isGeneric(d *ast.FuncDecl) bool {
	f, ok := p.info.Defs[d.Name].(*types.Func)
	return ok && (f.Signature().TypeParams().Len() > 0 || f.Signature().RecvTypeParams().Len() > 0)
}

// commitFuncs makes names of the functions before the top-level code runs: all that is declared in a cell is there from its start.
func (p *program) commitFuncs() {
	sources := p.sources()
	for _, d := range p.top.funcs {
		f, ok := p.info.Defs[d.Name].(*types.Func)
		if !ok || d.Recv != nil || d.Name.Name == "_" || d.Name.Name == "init" {
			continue
		}
		n := &name{name: f.Name(), kind: "func", typ: f.Type(), cell: p.cell.req.Count}
		n.written(p.source(d.Pos(), sources))
		if p.isGeneric(d) {
			n.obj = f
		} else {
			n.ptr = p.commitFunc(f)
		}
		p.s.names[n.name] = n
	}
}

// commitFunc puts f into its variable: the one that functions of earlier cells call it by, where the type is the same.
func (p *program) commitFunc(f *types.Func) reflect.Value {
	v := p.function(f.Name())
	ptr := p.bound[p.funcVar(f)]
	if !ptr.IsValid() {
		ptr = reflect.New(v.Type())
	}
	ptr.Elem().Set(v)
	p.declared[mirror(p.interp).mainpkg.Func(f.Name())].declare(ptr)
	return ptr
}

// keepGenerics makes the program the home of its generic declarations, whose code is compiled into every cell that uses them. Their
// calls of the program's own functions become calls through the session's function variables.
func (p *program) keepGenerics() {
	vars := map[types.Object]*types.Var{}
	p.generic = map[*types.Var]reflect.Value{}
	for _, d := range genericDecls(p) {
		ast.Inspect(d, func(n ast.Node) bool {
			id, ok := n.(*ast.Ident)
			if !ok {
				return true
			}
			switch obj := p.info.Uses[id].(type) {
			case *types.Var:
				if ptr, ok := p.bound[obj]; ok {
					p.generic[obj] = ptr
				}
			case *types.Func:
				if obj.Pkg() != p.pkg || obj.Parent() != p.pkg.Scope() || obj.Signature().TypeParams().Len() > 0 {
					return true
				}
				if vars[obj] == nil {
					vars[obj] = types.NewVar(token.NoPos, p.pkg, obj.Name(), obj.Type())
					p.generic[vars[obj]] = p.s.names[obj.Name()].ptr
				}
				p.info.Uses[id] = vars[obj]
			}
			return true
		})
	}
	p.s.engine.homes[p.pkg] = p
}
