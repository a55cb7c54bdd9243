package session

import (
	"errors"
	"fmt"
	"go/token"
	"go/types"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// name is a declaration that lives in the session. Names are replaced, never changed: a cell that runs keeps the ones it was
// compiled with.
type name struct {
	name string
	kind string        // var, func, type, const, import
	typ  types.Type    // nil for imports
	obj  types.Object  // of types, constants and generic functions: what cells find in their scope
	ptr  reflect.Value // of variables and functions: a pointer to the value
	path string        // of imports
	cell int
	code string // source of functions, types and constants, with the comment above
	doc  string // that comment

	shape *shape // of types and constants: nil where cells did not declare them
}

// Names lists the session's names in order.
func (s *Session) Names() []Name {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []Name
	for _, key := range slices.Sorted(maps.Keys(s.names)) {
		list = append(list, s.names[key].public())
	}
	return list
}

func (n *name) public() Name {
	p := Name{Name: n.name, Kind: n.kind, Type: n.typ, Text: n.path, Cell: n.cell, Code: n.code}
	if n.typ != nil {
		p.Text = types.TypeString(n.typ, qualify)
	}
	if n.ptr.IsValid() {
		p.Size = sizeOf(n.ptr.Elem())
	}
	return p
}

// qualify writes types as cells do: own types bare, others with the name of their package.
func qualify(p *types.Package) string {
	if p.Path() == cellPath || strings.HasPrefix(p.Path(), "plugin/") { // types of native cells
		return ""
	}
	return p.Name()
}

// sizeOf counts the bytes of v and of what a string, slice or map in it holds directly.
func sizeOf(v reflect.Value) int64 {
	size := int64(v.Type().Size())
	switch v.Kind() {
	case reflect.String:
		size += int64(v.Len())
	case reflect.Slice:
		size += int64(v.Cap()) * int64(v.Type().Elem().Size())
	case reflect.Map:
		size += int64(v.Len()) * int64(v.Type().Elem().Size()+v.Type().Key().Size())
	}
	return size
}

// Forget removes names. It errors on one that does not exist, and then removes none.
func (s *Session) Forget(list ...string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range list {
		if s.names[n] == nil {
			return fmt.Errorf("no name %q in the session: %%who lists them", n)
		}
	}
	for _, n := range list {
		delete(s.names, n)
	}
	return nil
}

// Reset forgets all names and the cells that ran. What goroutines and functions still hold goes on to exist.
func (s *Session) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.names)
	s.ranMu.Lock()
	defer s.ranMu.Unlock()
	s.ran = nil
}

// Pointer returns a pointer to the value of a variable or function.
func (s *Session) Pointer(n string) (reflect.Value, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.names[n]
	if d == nil || !d.ptr.IsValid() {
		return reflect.Value{}, false
	}
	return d.ptr, true
}

// Define makes name a variable that lives at ptr, or, where ptr points to a func, a function. Cells see the type as package path and
// name tell: a type that no registered package has becomes visible under its own name only through DefineType.
func (s *Session) Define(n string, ptr reflect.Value) error {
	if ptr.Kind() != reflect.Pointer || ptr.IsNil() {
		return fmt.Errorf("session: Define %s: need a pointer to the value, got %v", n, ptr.Kind())
	}
	if err := checkName(n); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	typ, err := s.engine.typeOf(ptr.Type().Elem())
	if err != nil {
		return err
	}
	kind := "var"
	if ptr.Type().Elem().Kind() == reflect.Func {
		kind = "func"
	}
	s.names[n] = &name{name: n, kind: kind, typ: typ, ptr: ptr, cell: s.count()}
	return nil
}

// Set assigns to a variable; the value's type must be assignable to the variable's.
func (s *Session) Set(n string, v any) error {
	ptr, ok := s.Pointer(n)
	if !ok {
		return fmt.Errorf("no variable %q in the session", n)
	}
	if v == nil {
		ptr.Elem().SetZero()
		return nil
	}
	rv, to := reflect.ValueOf(v), ptr.Type().Elem()
	switch {
	case rv.Type().AssignableTo(to):
		ptr.Elem().Set(rv)
	case rv.CanConvert(to) && rv.Kind() != reflect.String == (to.Kind() != reflect.String):
		ptr.Elem().Set(rv.Convert(to))
	default:
		return fmt.Errorf("cannot set %s of type %v to a value of type %v", n, to, rv.Type())
	}
	return nil
}

// DefineType makes name a type that native code has.
func (s *Session) DefineType(n string, t reflect.Type) error {
	if err := checkName(n); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	typ, err := s.engine.typeOf(t)
	if err != nil {
		return err
	}
	s.names[n] = &name{name: n, kind: "type", typ: typ, obj: types.NewTypeName(0, s.engine.natives, n, typ), cell: s.count()}
	return nil
}

// History lists the cells that were run, oldest first.
func (s *Session) History() []Ran {
	s.ranMu.Lock()
	defer s.ranMu.Unlock()
	return slices.Clone(s.ran)
}

// Succeeded is what %recover runs again: the code of the cells that ran well.
func (s *Session) Succeeded() []Ran {
	return slices.DeleteFunc(s.History(), func(r Ran) bool { return r.Failed || strings.TrimSpace(r.Code) == "" })
}

// count is the execution count of the newest cell.
// count is the number of the cell that calls, of the last one outside of cells.
func (s *Session) count() int {
	if c := Current(); c != nil && c.s == s {
		return c.Count()
	}
	s.ranMu.Lock()
	defer s.ranMu.Unlock()
	if len(s.ran) == 0 {
		return 0
	}
	return s.ran[len(s.ran)-1].Count
}

func checkName(n string) error {
	if n == "_" || types.Universe.Lookup(n) != nil || !token.IsIdentifier(n) {
		return errors.New("session: " + n + " cannot be a name of a cell")
	}
	return nil
}
