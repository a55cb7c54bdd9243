package session

import (
	"go/ast"
	"go/token"
	"go/types"
	"reflect"
	"sync/atomic"
	"unsafe"

	"github.com/goplus/ixgo"
	"golang.org/x/tools/go/ssa"
)

// A function that a cell declares lives in a variable of the session, and a later cell that declares it again sets the variable. Other
// cells call it through the variable; the cell's own code calls it directly while the variable still holds it.

// declaredFunc is a function that a cell declares, as the cell's own calls see it.
type declaredFunc struct {
	variable atomic.Pointer[reflect.Value] // points to the session's variable; nil until the function is declared
	own      unsafe.Pointer                // what the variable holds until the function is declared again
}

func (d *declaredFunc) declare(ptr reflect.Value) {
	d.own = *(*unsafe.Pointer)(ptr.UnsafePointer())
	d.variable.Store(&ptr)
}

// successor is the function that was declared in place of this one.
func (d *declaredFunc) successor() (fn reflect.Value, ok bool) {
	ptr := d.variable.Load()
	if ptr == nil || atomic.LoadPointer((*unsafe.Pointer)(ptr.UnsafePointer())) == d.own {
		return fn, false
	}
	return ptr.Elem(), true
}

// ownFunc is the function of the cell's scope that id names; nil when it names none, or a generic one.
func (p *program) ownFunc(id *ast.Ident) *types.Func {
	f, ok := p.info.Uses[id].(*types.Func)
	if !ok || f.Pkg() != p.pkg || f.Parent() != p.pkg.Scope() || f.Signature().TypeParams().Len() > 0 {
		return nil
	}
	return f
}

// loosen makes the places that use a function of the cell otherwise than by a plain call read the session's variable.
func (p *program) loosen() {
	indirect, called := map[*ast.CallExpr]bool{}, map[*ast.Ident]bool{}
	ast.Inspect(p.file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			indirect[n.Call] = true
		case *ast.DeferStmt:
			indirect[n.Call] = true
		case *ast.CallExpr:
			if id, ok := ast.Unparen(n.Fun).(*ast.Ident); ok && !indirect[n] {
				called[id] = true
			}
		}
		return true
	})
	for id := range p.info.Uses {
		if f := p.ownFunc(id); f != nil && !called[id] {
			p.info.Uses[id] = p.funcVar(f)
		}
	}
}

// funcVar is the session's variable of a function that the cell declares.
func (p *program) funcVar(f *types.Func) *types.Var {
	name := f.Name() + "ǃfunc"
	if v, ok := p.pkg.Scope().Lookup(name).(*types.Var); ok {
		return v
	}
	v := types.NewVar(token.NoPos, p.pkg, name, f.Type())
	p.pkg.Scope().Insert(v)
	if old := p.s.names[f.Name()]; old != nil && old.ptr.IsValid() && types.Identical(old.typ, f.Type()) {
		p.bound[v] = old.ptr
	}
	return v
}

// findDeclared lists the functions whose calls may have to find another one later.
func (p *program) findDeclared(main *ssa.Package) {
	p.declared = map[*ssa.Function]*declaredFunc{}
	for _, f := range p.top.funcs {
		if f.Recv != nil || f.Type.TypeParams != nil || f.Name.Name == "init" {
			continue
		}
		if fn := main.Func(f.Name.Name); fn != nil {
			p.declared[fn] = new(declaredFunc)
		}
	}
}

// redirected is a call of a declared function that finds the one which was declared in its place.
func redirected(i *ixgo.Interp, f *function, call *ssa.Call, d *declaredFunc, direct func(*ixgo.Frame)) func(*ixgo.Frame) {
	result, ok := f.register(call)
	args, ok2 := f.registers(call.Call.Args)
	if !ok || !ok2 {
		return direct
	}
	return func(fr *ixgo.Frame) {
		if fn, ok := d.successor(); ok {
			callExternal(i, fr, fn, result, args)
			return
		}
		direct(fr)
	}
}
