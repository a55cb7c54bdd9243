package session

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"reflect"
	"runtime"

	"github.com/goplus/ixgo"
	"golang.org/x/tools/go/ssa"

	"quire/kernel/link"
)

// build makes SSA of the checked cell, and an interpreter of the SSA.
func (p *program) build() (failed *link.Error) {
	defer func() {
		if r := recover(); r != nil {
			failed = p.cell.compileError([]fault{{msg: "the cell cannot be compiled: " + panicText(r)}})
		}
	}()
	e := p.s.engine
	prog := ssa.NewProgram(e.base.FileSet, ssa.InstantiateGenerics|ssa.BareInits)
	b := &builder{e: e, prog: prog, done: map[*types.Package]bool{p.pkg: true}, ptrs: map[*ssa.Global]reflect.Value{}}
	ctx := newContext(e.base, e.loader)
	p.compiledInstances(b, ctx)
	p.loosen()
	b.needs(p.info)
	b.needsTypes(p.info)
	globals := &ast.GenDecl{Tok: token.VAR}
	for _, n := range p.pkg.Scope().Names() {
		if v, ok := p.pkg.Scope().Lookup(n).(*types.Var); ok && !v.Pos().IsValid() && !p.inSource[n] {
			id := ast.NewIdent(n)
			p.info.Defs[id] = v
			globals.Specs = append(globals.Specs, &ast.ValueSpec{Names: []*ast.Ident{id}})
		}
	}
	main := prog.CreatePackage(p.pkg, []*ast.File{p.file, {Decls: []ast.Decl{globals}}}, p.info, false)
	main.Build()
	return p.interpret(b, main, ctx)
}

// interpret makes the interpreter and compiles the functions of main and of the generic declarations that it uses.
func (p *program) interpret(b *builder, main *ssa.Package, ctx *ixgo.Context) *link.Error {
	e := p.s.engine
	i := newInterp(ctx, e.rctx, e.record, main)
	m := mirror(i)
	e.record.Load(main)
	if err := p.bindGlobals(b, main, m); err != nil {
		return err
	}
	v := &visitor{intp: i, prog: b.prog, pkgs: map[*ssa.Package]bool{main: true}, seen: map[*ssa.Function]bool{}, base: 100}
	for _, h := range b.homes {
		v.pkgs[h] = true
	}
	for _, fn := range p.inits {
		b.function(v, fn)
	}
	b.visit(v, main, m.msets)
	own := ownMethods(m)
	p.findDeclared(main)
	e.declare(main)
	deferring := false
	for _, f := range m.funcs {
		deferring = instrument(i, f, own, p.declared, p.s.cfg.Stack) || deferring
	}
	if deferring {
		defers(i)
	}
	e.release(i, ctx, own)
	p.interp = i
	runtime.AddCleanup(i, p.fset.RemoveFile, p.place) // positions are asked for by its functions alone
	return nil
}

// bindGlobals gives every package variable its memory: that of the session for names of earlier cells, new memory for others.
func (p *program) bindGlobals(b *builder, main *ssa.Package, m *interp) *link.Error {
	for _, mem := range main.Members {
		g, ok := mem.(*ssa.Global)
		if !ok {
			continue
		}
		v := g.Object().(*types.Var)
		rt, _ := p.s.engine.record.ToType(v.Type())
		ptr, ok := p.bound[v]
		if !ok {
			ptr = reflect.New(rt)
			p.bound[v] = ptr
		} else if ptr.Type().Elem() != rt {
			return p.cell.compileError([]fault{{msg: fmt.Sprintf("%s holds a %v, not a %v: declare it again", v.Name(), ptr.Type().Elem(), rt)}})
		}
		m.globals[g.String()] = ptr.Interface()
	}
	for _, src := range b.sources {
		p.bindSource(src, m)
	}
	for g, ptr := range b.ptrs {
		if old, ok := m.globals[g.String()]; ok && old != ptr.Interface() {
			return p.cell.compileError([]fault{{msg: g.Name() + " was declared again since a generic function or type that uses it: " +
				"run the cell with that function or type again"}})
		}
		m.globals[g.String()] = ptr.Interface()
	}
	return nil
}

// bindSource gives the variables of an interpreted package their memory, which all cells share. The first cell that uses the package
// initialises it.
func (p *program) bindSource(src *ssa.Package, m *interp) {
	e := p.s.engine
	for _, mem := range src.Members {
		g, ok := mem.(*ssa.Global)
		if !ok {
			continue
		}
		key := g.String()
		if _, ok := e.globals[key]; !ok {
			rt, _ := e.record.ToType(g.Object().Type())
			e.globals[key] = reflect.New(rt)
		}
		m.globals[key] = e.globals[key].Interface()
	}
	if path := src.Pkg.Path(); !e.begun[path] {
		e.begun[path] = true
		p.inits = append(p.inits, src.Func("init"))
	}
}

// declare tells the loader of the types that a package declares.
func (e *engine) declare(main *ssa.Package) {
	for _, mem := range main.Members {
		t, ok := mem.(*ssa.Type)
		if !ok {
			continue
		}
		named, ok := t.Type().(*types.Named)
		if !ok || named.TypeParams().Len() > 0 || named.Obj().Pkg() != main.Pkg {
			continue
		}
		rt, _ := e.record.ToType(named)
		e.loader.add(named, rt)
	}
}

// ownMethods are the methods that this interpreter has compiled.
func ownMethods(m *interp) methodSets {
	own := methodSets{}
	for t, set := range m.msets {
		for name, fn := range set {
			if f := m.funcs[fn]; f == nil || len(f.Instrs) == 0 {
				continue
			}
			if own[t] == nil {
				own[t] = map[string]*ssa.Function{}
			}
			own[t][name] = fn
		}
	}
	return own
}

// builder adds to an SSA program the packages that a cell uses: of native ones only the functions and variables that it mentions.
type builder struct {
	e     *engine
	prog  *ssa.Program
	done  map[*types.Package]bool
	homes []*ssa.Package

	sources []*ssa.Package // those of homes that are packages of their own, dependencies first
	ptrs    map[*ssa.Global]reflect.Value
}

// needs adds what a checked piece of code mentions.
func (b *builder) needs(info *types.Info) {
	mentioned := map[*types.Package]map[types.Object]bool{}
	for _, obj := range info.Uses {
		pkg := obj.Pkg()
		if pkg == nil || b.done[pkg] {
			continue
		}
		switch obj.(type) {
		case *types.Func, *types.Var, *types.TypeName:
		default:
			continue
		}
		if f, ok := obj.(*types.Func); ok && f.Signature().Recv() != nil {
			if b.e.homes[pkg] == nil && b.e.base.SourcePackage(pkg.Path()) == nil {
				continue
			}
		} else if obj.Parent() != pkg.Scope() && b.e.homes[pkg] == nil {
			continue
		}
		if mentioned[pkg] == nil {
			mentioned[pkg] = map[types.Object]bool{}
		}
		mentioned[pkg][obj] = true
	}
	for pkg, objs := range mentioned {
		b.add(pkg, objs)
	}
}

// needsTypes adds the homes of generic types that values of the cell have, mentioned or not: their methods may be called.
func (b *builder) needsTypes(info *types.Info) {
	if len(b.e.homes) == 0 {
		return
	}
	seen := map[types.Type]bool{}
	for pkg := range b.e.homes {
		for _, obj := range info.Uses {
			if v, ok := obj.(*types.Var); ok && !b.done[pkg] && reaches(v.Type(), pkg, seen) {
				b.add(pkg, nil)
			}
		}
		clear(seen)
	}
}

// reaches is mentions that also looks into the types that cells declared.
func reaches(t types.Type, pkg *types.Package, seen map[types.Type]bool) bool {
	if mentions(t, pkg, map[types.Type]bool{}) {
		return true
	}
	for {
		p, ok := types.Unalias(t).(interface{ Elem() types.Type })
		if !ok {
			break
		}
		t = p.Elem()
	}
	named, ok := types.Unalias(t).(*types.Named)
	if !ok || seen[named] || named.Obj().Pkg() == nil || named.Obj().Pkg().Path() != cellPath {
		return false
	}
	seen[named] = true
	if st, ok := named.Underlying().(*types.Struct); ok {
		for f := range st.Fields() {
			if reaches(f.Type(), pkg, seen) {
				return true
			}
		}
		return false
	}
	return reaches(named.Underlying(), pkg, seen)
}

func (b *builder) add(pkg *types.Package, objs map[types.Object]bool) {
	if b.done[pkg] {
		return
	}
	b.done[pkg] = true
	if home := b.e.homes[pkg]; home != nil {
		b.addHome(home)
		return
	}
	if sp := b.e.base.SourcePackage(pkg.Path()); sp != nil && sp.Loaded() {
		b.needs(sp.Info)
		created := b.prog.CreatePackage(pkg, sp.Files, sp.Info, true)
		created.Build()
		b.homes = append(b.homes, created)
		b.sources = append(b.sources, created)
		return
	}
	info := &types.Info{Defs: map[*ast.Ident]types.Object{}, FileVersions: map[*ast.File]string{}}
	file := &ast.File{Decls: []ast.Decl{&ast.GenDecl{Tok: token.CONST}}}
	vars := &ast.GenDecl{Tok: token.VAR}
	for obj := range objs {
		id := ast.NewIdent(obj.Name())
		info.Defs[id] = obj
		switch obj.(type) {
		case *types.Func:
			file.Decls = append(file.Decls, &ast.FuncDecl{Name: id})
		case *types.Var:
			vars.Specs = append(vars.Specs, &ast.ValueSpec{Names: []*ast.Ident{id}})
		}
	}
	file.Decls = append(file.Decls, vars)
	b.prog.CreatePackage(pkg, []*ast.File{file}, info, true)
}

// addHome adds the generic declarations of an earlier cell, with the variables that they use.
func (b *builder) addHome(h *program) {
	b.needs(h.info)
	file := &ast.File{Decls: genericDecls(h)}
	vars := &ast.GenDecl{Tok: token.VAR}
	bound := map[string]reflect.Value{}
	for v, ptr := range h.generic {
		id := ast.NewIdent(v.Name())
		h.info.Defs[id] = v
		vars.Specs = append(vars.Specs, &ast.ValueSpec{Names: []*ast.Ident{id}})
		bound[v.Name()] = ptr
	}
	file.Decls = append(file.Decls, vars)
	pkg := b.prog.CreatePackage(h.pkg, []*ast.File{file}, h.info, false)
	pkg.Build()
	for n, ptr := range bound {
		if g := pkg.Var(n); g != nil {
			b.ptrs[g] = ptr
		}
	}
	b.homes = append(b.homes, pkg)
}

// visit compiles what main declares and everything that it reaches.
func (b *builder) visit(v *visitor, main *ssa.Package, msets methodSets) {
	for _, mem := range main.Members {
		switch mem := mem.(type) {
		case *ssa.Function:
			b.function(v, mem)
		case *ssa.Type:
			if named, ok := mem.Type().(*types.Named); ok && named.TypeParams().Len() == 0 {
				b.methods(v, named, msets)
				b.methods(v, types.NewPointer(named), msets)
			}
		}
	}
	for _, src := range b.sources {
		b.newTypes(v, src, msets)
	}
	for _, t := range b.prog.RuntimeTypes() {
		b.methods(v, t, msets)
	}
}

// newTypes compiles the methods of a package's types that no cell has used yet: compiled code may call any of them.
func (b *builder) newTypes(v *visitor, src *ssa.Package, msets methodSets) {
	for _, mem := range src.Members {
		t, ok := mem.(*ssa.Type)
		if !ok {
			continue
		}
		named, ok := t.Type().(*types.Named)
		if !ok || named.TypeParams().Len() > 0 || types.IsInterface(named) {
			continue
		}
		rt, _ := b.e.record.ToType(named)
		if _, known := userTypes.Load(reflect.PointerTo(rt)); !known {
			b.methods(v, named, msets)
			b.methods(v, types.NewPointer(named), msets)
		}
	}
}

// methods compiles the methods of a type of cells, and enters it into msets.
func (b *builder) methods(v *visitor, t types.Type, msets methodSets) {
	if types.IsInterface(t) {
		return
	}
	rt, _ := b.e.record.ToType(t)
	elem := rt
	if elem.Kind() == reflect.Pointer {
		elem = elem.Elem()
	}
	if p := elem.PkgPath(); p != "" && !b.interpreted(p) {
		return
	}
	set := b.prog.MethodSets.MethodSet(t)
	if set.Len() == 0 {
		return
	}
	methods := map[string]*ssa.Function{}
	for i := range set.Len() {
		obj := set.At(i).Obj()
		if pkg := obj.Pkg(); pkg != nil && !b.interpreted(pkg.Path()) {
			continue
		}
		fn := b.prog.MethodValue(set.At(i))
		b.function(v, fn)
		methods[obj.Name()] = fn
	}
	msets[rt] = methods
}

// interpreted reports whether the package of a path is interpreted: that of cells, and those with source.
func (b *builder) interpreted(path string) bool {
	return path == cellPath || b.e.base.SourcePackage(path) != nil
}

// function compiles fn. Methods of packages without source come without a package, which ixgo needs to find them: they get one.
func (b *builder) function(v *visitor, fn *ssa.Function) {
	if fn == nil || v.seen[fn] {
		return
	}
	b.homeless(fn, map[*ssa.Function]bool{})
	visitFunction(v, fn)
}

func (b *builder) homeless(fn *ssa.Function, seen map[*ssa.Function]bool) {
	if seen[fn] {
		return
	}
	seen[fn] = true
	if fn.Blocks == nil {
		if obj := fn.Object(); fn.Pkg == nil && obj != nil && obj.Pkg() != nil {
			if fn.Pkg = b.prog.Package(obj.Pkg()); fn.Pkg == nil {
				fn.Pkg = &ssa.Package{Prog: b.prog, Pkg: obj.Pkg()}
			}
		}
		return
	}
	var buf [16]*ssa.Value
	for _, block := range fn.Blocks {
		for _, instr := range block.Instrs {
			for _, op := range instr.Operands(buf[:0]) {
				if f, ok := (*op).(*ssa.Function); ok {
					b.homeless(f, seen)
				}
			}
		}
	}
}

// genericDecls are the generic functions and types of a program, with their methods.
func genericDecls(p *program) []ast.Decl {
	var list []ast.Decl
	for _, d := range p.file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if f, ok := p.info.Defs[d.Name].(*types.Func); ok {
				if sig := f.Signature(); sig.TypeParams().Len() > 0 || sig.RecvTypeParams().Len() > 0 {
					list = append(list, d)
				}
			}
		case *ast.GenDecl:
			if d.Tok != token.TYPE {
				continue
			}
			for _, s := range d.Specs {
				if s.(*ast.TypeSpec).TypeParams != nil {
					list = append(list, &ast.GenDecl{Tok: token.TYPE, Specs: []ast.Spec{s}})
				}
			}
		}
	}
	return list
}
