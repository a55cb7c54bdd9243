package native

import (
	"fmt"
	"go/ast"
	"go/types"
	"strconv"
	"strings"
)

// writer writes types of the session as source of a plugin, and collects what that source needs: imports, and declarations of the
// session's own types.
type writer struct {
	home    string                  // package path of the session's own types
	imports map[string]string       // path → name in the plugin
	own     map[*types.Named]string // types to declare → name
	order   []*types.Named          // of own, as met
	taken   map[string]bool         // names in use
	problem error                   // the first type that cannot be written
}

func (w *writer) fail(format string, args ...any) {
	if w.problem == nil {
		w.problem = fmt.Errorf(format, args...)
	}
}

// text writes a type.
func (w *writer) text(t types.Type) string {
	w.visit(t, map[types.Type]bool{})
	return types.TypeString(t, w.qualify)
}

func (w *writer) qualify(p *types.Package) string {
	if w.isHome(p) {
		return ""
	}
	return w.imported(p.Path(), p.Name())
}

// isHome reports whether a package's types are the session's own: those of ordinary cells, and those of plugins.
func (w *writer) isHome(p *types.Package) bool {
	return p.Path() == w.home || strings.HasPrefix(p.Path(), "plugin/")
}

// imported is the name under which the plugin imports a package for types: one that no cell writes.
func (w *writer) imported(path, name string) string {
	if alias, ok := w.imports[path]; ok {
		return alias
	}
	alias := prefix + name
	for n := 2; w.taken[alias]; n++ {
		alias = prefix + name + strconv.Itoa(n)
	}
	w.taken[alias], w.imports[path] = true, alias
	return alias
}

// visit finds the session's own types in t and refuses what has no name that a plugin could write.
func (w *writer) visit(t types.Type, seen map[types.Type]bool) {
	if seen[t] {
		return
	}
	seen[t] = true
	switch t := t.(type) {
	case *types.Named:
		w.visitNamed(t, seen)
	case *types.Alias:
		w.visit(types.Unalias(t), seen)
	case *types.Pointer:
		w.visit(t.Elem(), seen)
	case *types.Slice:
		w.visit(t.Elem(), seen)
	case *types.Array:
		w.visit(t.Elem(), seen)
	case *types.Chan:
		w.visit(t.Elem(), seen)
	case *types.Map:
		w.visit(t.Key(), seen)
		w.visit(t.Elem(), seen)
	case *types.Tuple:
		for v := range t.Variables() {
			w.visit(v.Type(), seen)
		}
	case *types.Signature:
		w.visit(t.Params(), seen)
		w.visit(t.Results(), seen)
	case *types.Struct:
		for f := range t.Fields() {
			w.visit(f.Type(), seen)
		}
	case *types.Interface:
		for m := range t.Methods() {
			w.visit(m.Signature(), seen)
		}
	}
}

func (w *writer) visitNamed(t *types.Named, seen map[types.Type]bool) {
	obj := t.Obj()
	for arg := range t.TypeArgs().Types() {
		w.visit(arg, seen)
	}
	switch {
	case obj.Pkg() == nil:
	case !w.isHome(obj.Pkg()):
		if !obj.Exported() {
			w.fail("the type %s.%s is private to its package", obj.Pkg().Path(), obj.Name())
		}
		if strings.Contains("/"+obj.Pkg().Path(), "/internal/") {
			w.fail("the type %s.%s belongs to an internal package", obj.Pkg().Path(), obj.Name())
		}
	case t.TypeArgs().Len() > 0:
		w.fail("the type %s is an instance of a generic type of the session", obj.Name())
	case w.own[t] == "":
		for other, name := range w.own {
			if name == obj.Name() && other != t {
				w.fail("two types named %s are in use, an older and a newer one: make the variable again with the newer", name)
			}
		}
		w.own[t] = obj.Name()
		w.order = append(w.order, t)
		w.visit(t.Underlying(), seen)
	}
}

// declare writes the declaration of one of the session's own types, from its structure: so its layout is right whatever its source says.
func (w *writer) declare(t *types.Named) string {
	return "type " + t.Obj().Name() + " " + types.TypeString(t.Underlying(), w.qualify) + "\n"
}

// typeNames finds the names that stand where Go's syntax allows nothing but the name of a type.
func typeNames(f *ast.File) map[*ast.Ident]bool {
	set := map[*ast.Ident]bool{}
	note := func(x ast.Expr) {
		for {
			switch y := x.(type) {
			case *ast.StarExpr:
				x = y.X
			case *ast.ParenExpr:
				x = y.X
			case *ast.IndexExpr:
				x = y.X
			case *ast.IndexListExpr:
				x = y.X
			case *ast.Ident:
				set[y] = true
				return
			default:
				return
			}
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.StructType:
			for _, field := range n.Fields.List {
				if len(field.Names) == 0 {
					note(field.Type)
				}
			}
		case *ast.CompositeLit:
			note(n.Type)
		}
		return true
	})
	return set
}
