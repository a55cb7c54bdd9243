// Package host registers compiled packages for cells. It is the only room that knows both the kernel and the library: the standard
// library that people use, go-echarts, Arrow, gonbui, and all of lib, simd and datasets.
//
// The generator (_gen) writes one static table a package: a name and a value for each exported object. The tables are data that the
// linker lays out, so a process that does not ask for a package pays nothing for it:
//
//	func    the function                      var      its address
//	type    a nil pointer to it               const    its value, or untyped{kind, literal}
//	alias   alias{nil pointer}                generic  source, with common instances compiled
//
// Reflection knows no generics, so generic declarations travel as source of a package of the same path ([Package.Generic]): cells check
// against it, and interpret it where no compiled instance ([Package.Instances]) fits.
//
// Invariant: the tables are what the generator makes of the packages now (TestFresh).
//
// Deliberately absent: doc comments and parameter names, which [Source] leads to.
package host

//go:generate go run ./_gen

import (
	"fmt"
	"go/constant"
	"go/token"
	"iter"
	"reflect"
	"strings"
	"sync"

	"github.com/goplus/ixgo"
)

// symbol is an exported object; the dynamic type of its value tells its kind.
type symbol struct {
	name  string
	value any
}

// alias marks a type whose name is not its own.
type alias struct{ ptr any }

// untyped is a constant without a type.
type untyped struct{ kind, literal string }

// table is one package as the generator writes it.
type table struct {
	path, name string
	deps       string // registered packages whose types it mentions
	symbols    []symbol
	instances  []symbol // compiled instances of generic functions, Name[T1 T2]
	generic    string   // source of generic declarations
}

// Package is a compiled package as cells see it.
type Package struct {
	*ixgo.Package
	// Generic is the source of the generic declarations, "" for none: a package of the same path and name that imports the compiled one.
	Generic string
	// Instances are compiled instances of generic functions by name and type arguments as go/types prints them: "Sort[[]int int]".
	Instances map[string]reflect.Value
}

var index = sync.OnceValue(func() map[string]*table {
	m := map[string]*table{}
	for _, group := range zzTables {
		for i := range group {
			m[group[i].path] = &group[i]
		}
	}
	return m
})

// Paths yields the import path and the name of every package, most used first among those of one name.
func Paths() iter.Seq2[string, string] {
	return func(yield func(path, name string) bool) {
		for _, group := range zzTables {
			for i := range group {
				if !yield(group[i].path, group[i].name) {
					return
				}
			}
		}
	}
}

// Lookup makes a package ready; ok is false if path isn't registered.
func Lookup(path string) (p *Package, ok bool) {
	t, ok := index()[path]
	if !ok {
		return nil, false
	}
	p = &Package{Package: t.native(), Generic: t.generic, Instances: make(map[string]reflect.Value, len(t.instances))}
	for _, s := range t.instances {
		p.Instances[s.name] = reflect.ValueOf(s.value)
	}
	return p, true
}

// native sorts the symbols into the maps of the interpreter.
func (t *table) native() *ixgo.Package {
	p := &ixgo.Package{
		Path: t.path, Name: t.name, Deps: map[string]string{},
		Interfaces: map[string]reflect.Type{}, NamedTypes: map[string]reflect.Type{}, AliasTypes: map[string]reflect.Type{},
		Vars: map[string]reflect.Value{}, Funcs: map[string]reflect.Value{},
		TypedConsts: map[string]ixgo.TypedConst{}, UntypedConsts: map[string]ixgo.UntypedConst{},
	}
	for dep := range strings.FieldsSeq(t.deps) {
		p.Deps[dep] = index()[dep].name
	}
	for _, s := range t.symbols {
		s.into(p)
	}
	return p
}

func (s symbol) into(p *ixgo.Package) {
	switch v := s.value.(type) {
	case alias:
		p.AliasTypes[s.name] = reflect.TypeOf(v.ptr).Elem()
		return
	case untyped:
		p.UntypedConsts[s.name] = ixgo.UntypedConst{Typ: v.kind, Value: literalValue(v)}
		return
	}
	v := reflect.ValueOf(s.value)
	switch {
	case v.Kind() == reflect.Func:
		p.Funcs[s.name] = v
	case v.Kind() != reflect.Pointer:
		p.TypedConsts[s.name] = ixgo.TypedConst{Typ: v.Type(), Value: constantValue(v)}
	case !v.IsNil():
		p.Vars[s.name] = v
	case v.Type().Elem().Kind() == reflect.Interface:
		p.Interfaces[s.name] = v.Type().Elem()
	default:
		p.NamedTypes[s.name] = v.Type().Elem()
	}
}

// constantValue is the exact value of a typed constant.
func constantValue(v reflect.Value) constant.Value {
	switch {
	case v.CanInt():
		return constant.MakeInt64(v.Int())
	case v.CanUint():
		return constant.MakeUint64(v.Uint())
	case v.CanFloat():
		return constant.MakeFloat64(v.Float())
	case v.Kind() == reflect.Bool:
		return constant.MakeBool(v.Bool())
	case v.Kind() == reflect.String:
		return constant.MakeString(v.String())
	}
	panic(fmt.Sprintf("host: constant of kind %s", v.Kind()))
}

// literalValue reads what the generator's literal function wrote.
func literalValue(u untyped) constant.Value {
	switch u.kind {
	case "untyped string":
		return constant.MakeString(u.literal)
	case "untyped bool":
		return constant.MakeBool(u.literal == "true")
	case "untyped complex":
		re, im, _ := strings.Cut(u.literal, "|")
		return constant.BinaryOp(rational(re), token.ADD, constant.MakeImag(rational(im)))
	case "untyped float":
		return constant.ToFloat(rational(u.literal))
	}
	return rational(u.literal)
}

// rational reads an integer or a fraction.
func rational(s string) constant.Value {
	num, den, fraction := strings.Cut(s, "/")
	v := integer(num)
	if fraction {
		v = constant.BinaryOp(v, token.QUO, integer(den))
	}
	return v
}

func integer(s string) constant.Value {
	digits := strings.TrimPrefix(s, "-")
	v := constant.MakeFromLiteral(digits, token.INT, 0)
	if len(digits) < len(s) {
		v = constant.UnaryOp(token.SUB, v, 0)
	}
	return v
}
