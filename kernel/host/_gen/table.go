package main

import (
	"bytes"
	"fmt"
	"go/constant"
	"go/format"
	"go/types"
	"slices"
	"strings"
)

// pkg is what one registered package exports.
type pkg struct {
	path, name string
	alias      string // the name under which the generated file imports it
	deps       []string
	symbols    []symbol
	generic    string // source of generic declarations
	instances  []symbol
}

// symbol is one table entry: a name and the Go expression that carries it.
type symbol struct{ name, expr string }

// describe lists the exported objects of a package.
func describe(s *set, path string) (*pkg, error) {
	tp, err := s.imports.Import(path)
	if err != nil {
		return nil, err
	}
	p := &pkg{path: path, name: tp.Name(), alias: mangle(path)}
	var generics []types.Object
	scope := tp.Scope()
	for _, name := range scope.Names() {
		obj := scope.Lookup(name)
		if !obj.Exported() {
			continue
		}
		if isGeneric(obj) {
			generics = append(generics, obj)
		} else {
			p.symbols = append(p.symbols, symbol{name, p.expression(obj)})
		}
	}
	if len(generics) > 0 {
		if err := p.describeGenerics(s, generics); err != nil {
			return nil, err
		}
	}
	p.deps = dependencies(s, tp)
	return p, nil
}

// isGeneric reports whether an object cannot be a table entry: generic functions and types, and constraint interfaces.
func isGeneric(obj types.Object) bool {
	switch t := obj.Type().(type) {
	case *types.Signature:
		return t.TypeParams().Len() > 0
	case *types.Named:
		if _, ok := obj.(*types.TypeName); !ok {
			return false
		}
		if iface, ok := t.Underlying().(*types.Interface); ok && !iface.IsMethodSet() {
			return true
		}
		return t.TypeParams().Len() > 0 && t.TypeArgs().Len() == 0
	case *types.Alias:
		return t.TypeParams().Len() > 0
	}
	return false
}

// expression is the table value of an object. Its dynamic type tells what the entry is: a function, a nil pointer to a type, an
// alias, the address of a variable, a typed constant, or an untyped one.
func (p *pkg) expression(obj types.Object) string {
	ref := p.alias + "." + obj.Name()
	switch obj := obj.(type) {
	case *types.TypeName:
		if obj.IsAlias() {
			return fmt.Sprintf("alias{(*%s)(nil)}", ref)
		}
		return fmt.Sprintf("(*%s)(nil)", ref)
	case *types.Var:
		return "&" + ref
	case *types.Const:
		if b, ok := obj.Type().(*types.Basic); ok && b.Info()&types.IsUntyped != 0 {
			return fmt.Sprintf("untyped{%q, %q}", b.Name(), literal(obj.Val()))
		}
		return ref
	}
	return ref
}

// literal writes a constant so that literalValue of package host reads the same value.
func literal(v constant.Value) string {
	switch v.Kind() {
	case constant.String:
		return constant.StringVal(v)
	case constant.Complex:
		return constant.Real(v).ExactString() + "|" + constant.Imag(v).ExactString()
	}
	return v.ExactString()
}

// dependencies lists the registered packages whose types can be reached from what a package exports, unexported fields included:
// these must be complete before the package is.
func dependencies(s *set, tp *types.Package) []string {
	reached := map[string]bool{}
	seen := map[types.Type]bool{}
	var walk func(t types.Type)
	walkSignature := func(sig *types.Signature) {
		for v := range sig.Params().Variables() {
			walk(v.Type())
		}
		for v := range sig.Results().Variables() {
			walk(v.Type())
		}
	}
	walk = func(t types.Type) {
		if seen[t] {
			return
		}
		seen[t] = true
		switch t := t.(type) {
		case *types.Named:
			if p := t.Obj().Pkg(); p != nil {
				reached[p.Path()] = true
			}
			walk(t.Underlying())
			for m := range t.Methods() {
				walkSignature(m.Signature())
			}
		case *types.Alias:
			walk(types.Unalias(t))
		case *types.Signature:
			walkSignature(t)
		case *types.Struct:
			for f := range t.Fields() {
				walk(f.Type())
			}
		case *types.Interface:
			for m := range t.Methods() {
				walkSignature(m.Signature())
			}
		case *types.Map:
			walk(t.Key())
			walk(t.Elem())
		case interface{ Elem() types.Type }:
			walk(t.Elem())
		}
	}
	for _, name := range tp.Scope().Names() {
		if obj := tp.Scope().Lookup(name); obj.Exported() {
			walk(obj.Type())
		}
	}
	var deps []string
	for path := range reached {
		if path != tp.Path() && s.registered[path] {
			deps = append(deps, path)
		}
	}
	slices.Sort(deps)
	return deps
}

// mangle turns an import path into an identifier.
func mangle(path string) string {
	path = strings.TrimPrefix(path, "github.com/")
	return "p_" + strings.NewReplacer("/", "_", ".", "_", "-", "_").Replace(path)
}

// writeGroup prints one generated file.
func writeGroup(g group, pkgs []*pkg) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString(header + "package host\n\nimport (\n")
	for _, p := range pkgs {
		if len(p.symbols)+len(p.instances) > 0 {
			fmt.Fprintf(&b, "\t%s %q\n", p.alias, p.path)
		}
	}
	b.WriteString(")\n")
	fmt.Fprintf(&b, "\nvar zz%s = []table{\n", g.name)
	for _, p := range pkgs {
		fmt.Fprintf(&b, "{path: %q, name: %q, deps: %q", p.path, p.name, strings.Join(p.deps, " "))
		writeSymbols(&b, "symbols", p.symbols)
		writeSymbols(&b, "instances", p.instances)
		if p.generic != "" {
			fmt.Fprintf(&b, ", generic: %s", quote(p.generic))
		}
		b.WriteString("},\n")
	}
	b.WriteString("}\n")
	src, err := format.Source(b.Bytes())
	if err != nil {
		return nil, fmt.Errorf("%w in\n%s", err, b.Bytes())
	}
	return src, nil
}

func writeSymbols(b *bytes.Buffer, field string, symbols []symbol) {
	if len(symbols) == 0 {
		return
	}
	fmt.Fprintf(b, ", %s: []symbol{\n", field)
	for _, s := range symbols {
		fmt.Fprintf(b, "{%q, %s},\n", s.name, s.expr)
	}
	b.WriteString("}")
}

// quote prefers a raw string, which diffs well.
func quote(s string) string {
	if strings.Contains(s, "`") {
		return fmt.Sprintf("%q", s)
	}
	return "`" + s + "`"
}

// writeIndex prints the list of all tables.
func writeIndex(groups []group) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString(header + "package host\n\nvar zzTables = [][]table{")
	for i, g := range groups {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString("zz" + g.name)
	}
	b.WriteString("}\n")
	return format.Source(b.Bytes())
}
