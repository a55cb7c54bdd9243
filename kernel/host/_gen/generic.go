package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"go/types"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// describeGenerics fills in the source of a package's generic declarations and the instances compiled for cells. The source is a
// package of the same path; what it uses of the package's ordinary exported names, it imports.
func (p *pkg) describeGenerics(s *set, objs []types.Object) error {
	files, tp, info, err := s.syntax(p.path)
	if err != nil {
		return err
	}
	x := &extractor{set: s, tp: tp, info: info, decls: declarations(files), printed: map[ast.Node]bool{}, imports: map[string]string{}}
	own, err := x.override(p.path)
	if err != nil {
		return err
	}
	for _, obj := range objs {
		if !own[obj.Name()] && !x.take(obj.Name()) {
			continue
		}
		if f, ok := obj.(*types.Func); ok {
			p.instances = append(p.instances, p.instantiate(f)...)
		}
	}
	p.generic = x.source()
	return nil
}

// extractor collects declarations that can be interpreted.
type extractor struct {
	set     *set
	tp      *types.Package
	info    *types.Info
	decls   map[string][]ast.Node // by name; methods follow their type
	taken   []string
	printed map[ast.Node]bool
	body    bytes.Buffer
	imports map[string]string // path → name
}

// declarations indexes the package-level declarations; a type is followed by its methods.
func declarations(files []*ast.File) map[string][]ast.Node {
	decls := map[string][]ast.Node{}
	methods := map[string][]ast.Node{}
	for _, f := range files {
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil {
					decls[d.Name.Name] = append(decls[d.Name.Name], d)
				} else {
					methods[receiver(d)] = append(methods[receiver(d)], d)
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					if ts, ok := spec.(*ast.TypeSpec); ok {
						decls[ts.Name.Name] = []ast.Node{&ast.GenDecl{Tok: token.TYPE, Specs: []ast.Spec{ts}}}
					}
				}
				if d.Tok == token.CONST {
					for _, spec := range d.Specs {
						for _, id := range spec.(*ast.ValueSpec).Names {
							decls[id.Name] = []ast.Node{d} // iota needs the whole group
						}
					}
				}
			}
		}
	}
	for name, ms := range methods {
		decls[name] = append(decls[name], ms...)
	}
	return decls
}

func receiver(d *ast.FuncDecl) string {
	t := d.Recv.List[0].Type
	for {
		switch e := t.(type) {
		case *ast.StarExpr:
			t = e.X
		case *ast.ParenExpr:
			t = e.X
		case *ast.IndexExpr:
			t = e.X
		case *ast.IndexListExpr:
			t = e.X
		case *ast.Ident:
			return e.Name
		default:
			return ""
		}
	}
}

// take adds a declaration and all it needs. A function that can't be interpreted keeps its signature (its instances are compiled); a
// type that can't is left out, and take reports false.
func (x *extractor) take(name string) bool {
	names, imports, ok := x.closure(name)
	if !ok {
		fd, isFunc := x.decls[name][0].(*ast.FuncDecl)
		if !isFunc {
			return false
		}
		why := fmt.Sprintf(`"%s.%s: only compiled for common types: use it in a %%%%native cell"`, x.tp.Name(), name)
		fd.Body = &ast.BlockStmt{List: []ast.Stmt{&ast.ExprStmt{X: &ast.CallExpr{Fun: ast.NewIdent("panic"), Args: []ast.Expr{&ast.BasicLit{Kind: token.STRING, Value: why}}}}}}
		if names, imports, ok = x.closure(name); !ok {
			return false
		}
	}
	maps.Copy(x.imports, imports)
	for _, n := range names {
		if slices.Contains(x.taken, n) {
			continue
		}
		x.taken = append(x.taken, n)
		for _, d := range x.decls[n] {
			if !x.printed[d] {
				x.printed[d] = true
				x.qualify(d)
				x.print(d)
			}
		}
	}
	return true
}

// closure lists the declarations that name needs, itself included, and the imports; ok is false if one can't be interpreted: it has
// no body, uses an internal package, a variable or an unexported part of an ordinary type.
func (x *extractor) closure(name string) (names []string, imports map[string]string, ok bool) {
	names, imports = []string{name}, map[string]string{}
	for i := 0; i < len(names); i++ {
		nodes := x.decls[names[i]]
		if len(nodes) == 0 {
			return nil, nil, false
		}
		for _, node := range nodes {
			if fd, isFunc := node.(*ast.FuncDecl); isFunc && fd.Body == nil {
				return nil, nil, false
			}
			good := true
			ast.Inspect(node, func(n ast.Node) bool {
				id, isIdent := n.(*ast.Ident)
				if !isIdent || x.info.Uses[id] == nil {
					return true
				}
				need, legal := x.uses(x.info.Uses[id], imports)
				if need != "" && !slices.Contains(names, need) {
					names = append(names, need)
				}
				good = good && legal
				return true
			})
			if !good {
				return nil, nil, false
			}
		}
	}
	return names, imports, true
}

// uses says what the use of an object asks for: another declaration, an import, or something that cells can't have.
func (x *extractor) uses(obj types.Object, imports map[string]string) (need string, legal bool) {
	if pn, ok := obj.(*types.PkgName); ok {
		at := pn.Imported().Path()
		imports[at] = pn.Name()
		return "", !strings.Contains("/"+at, "/internal/") && (at == "unsafe" || x.set.registered[at])
	}
	if obj.Pkg() != x.tp {
		return "", true
	}
	if obj.Parent() != x.tp.Scope() {
		return "", true
	}
	if obj.Exported() && !isGeneric(obj) {
		imports[x.tp.Path()] = x.tp.Name()
		return "", true
	}
	_, isVar := obj.(*types.Var)
	return obj.Name(), !isVar
}

// qualify rewrites uses of the package's ordinary exported names into uses of the import.
func (x *extractor) qualify(node ast.Node) {
	ast.Inspect(node, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok {
			obj := x.info.Uses[id]
			if obj != nil && obj.Pkg() == x.tp && obj.Parent() == x.tp.Scope() && obj.Exported() && !isGeneric(obj) {
				id.Name = x.tp.Name() + "." + obj.Name()
			}
		}
		return true
	})
}

func (x *extractor) print(node ast.Node) {
	if fd, ok := node.(*ast.FuncDecl); ok {
		fd.Doc = nil
	}
	cfg := printer.Config{Mode: printer.TabIndent, Tabwidth: 8}
	if err := cfg.Fprint(&x.body, x.set.fset, node); err != nil {
		panic(err)
	}
	x.body.WriteString("\n\n")
}

// override adds the hand-written declarations of _gen/override for a package and returns their names.
func (x *extractor) override(pkgPath string) (map[string]bool, error) {
	names := map[string]bool{}
	file := filepath.Join("kernel/host/_gen/override", strings.ReplaceAll(pkgPath, "/", "_"), path.Base(x.tp.Name())+".go")
	if _, err := os.Stat(file); err != nil {
		return names, nil
	}
	f, err := parser.ParseFile(x.set.fset, file, nil, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	for _, spec := range f.Imports {
		at := strings.Trim(spec.Path.Value, `"`)
		x.imports[at] = path.Base(at)
	}
	for name := range declarations([]*ast.File{f}) {
		names[name] = true
		x.taken = append(x.taken, name)
	}
	for _, d := range f.Decls {
		if gd, ok := d.(*ast.GenDecl); ok && gd.Tok == token.IMPORT {
			continue
		}
		x.print(d)
	}
	return names, nil
}

// source prints the collected package.
func (x *extractor) source() string {
	var b strings.Builder
	fmt.Fprintf(&b, "package %s\n\n", x.tp.Name())
	for _, at := range slices.Sorted(maps.Keys(x.imports)) {
		if name := x.imports[at]; name != path.Base(at) {
			fmt.Fprintf(&b, "import %s %q\n", name, at)
		} else {
			fmt.Fprintf(&b, "import %q\n", at)
		}
	}
	return b.String() + "\n" + strings.TrimSpace(x.body.String()) + "\n"
}
