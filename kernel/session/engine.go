package session

import (
	"fmt"
	"go/types"
	"reflect"
	"sync"
	"weak"

	"github.com/goplus/ixgo"
	"github.com/goplus/reflectx"
)

const (
	// cellPath is the import path of all cells: unexported fields and methods are visible from cell to cell because it is one.
	cellPath = "main"
	// cellPackage is the name of a cell's package; messages of the type checker show it and are cleaned of it.
	cellPackage = "cellǃ"
	// stubReserve is how many method stubs must be free before a cell is compiled.
	stubReserve = 256
)

// engine compiles cells. The session's lock guards it, except for the loader, which has a lock of its own.
type engine struct {
	base    *ixgo.Context
	rctx    *reflectx.Context
	loader  *loader
	record  *ixgo.TypesRecord
	natives *types.Package // where types of native cells live

	// users holds every type with methods that cells declared. Interpreters share it, so that they know each other's types for
	// interpreted ones; it is replaced, never changed.
	users   methodSets
	interps []weak.Pointer[ixgo.Interp]
	homes   map[*types.Package]*program // of generic declarations
	sources map[string]string           // directories of packages that are interpreted
}

// layoutErr is the verdict of checkLayout, asked once.
var layoutErr = sync.OnceValue(checkLayout)

func newEngine() (*engine, error) {
	if err := layoutErr(); err != nil {
		return nil, err
	}
	installStubs()
	installOverrides()
	base := ixgo.NewContext(ixgo.SupportMultipleInterp | ixgo.DisableCustomBuiltin)
	setOutput(base, printWriter{})
	e := &engine{
		base:    base,
		rctx:    newReflectContext(),
		loader:  &loader{inner: base.Loader, users: map[types.Type]reflect.Type{}, back: map[reflect.Type]types.Type{}},
		natives: types.NewPackage(cellPath, cellPackage),
		users:   methodSets{},
		homes:   map[*types.Package]*program{},
		sources: map[string]string{},
	}
	base.Lookup = e.lookupSource
	e.record = ixgo.NewTypesRecord(base, e.rctx, e.loader, nil, nested(base))
	return e, nil
}

// Import implements types.Importer over the registered packages.
func (e *engine) Import(path string) (*types.Package, error) {
	if path == "unsafe" {
		return types.Unsafe, nil
	}
	if _, ok := ixgo.LookupPackage(path); !ok && e.sources[path] == "" {
		return nil, fmt.Errorf("package %s is not built into this kernel: add it with %%get, or use a %%%%native or %%%%main cell", path)
	}
	e.loader.mu.Lock() // base's importer calls the inner loader, again and again for packages with source
	defer e.loader.mu.Unlock()
	return e.base.Importer.Import(path)
}

// registeredName is the package name of a registered import path.
func registeredName(path string) (string, bool) {
	p, ok := ixgo.LookupPackage(path)
	if !ok {
		return "", false
	}
	return p.Name, true
}

// typeOf makes the type that cells see of a reflect type.
func (e *engine) typeOf(t reflect.Type) (types.Type, error) {
	if typ, ok := e.record.LookupLocalTypes(t); ok {
		return typ, nil
	}
	return e.loader.toType(t)
}

// adopt takes over what an interpreter made: its types with methods become known to all interpreters.
func (e *engine) adopt(i *ixgo.Interp, ctx *ixgo.Context) {
	m := mirror(i)
	fresh := false
	for t := range m.msets {
		if _, ok := e.users[t]; !ok {
			fresh = true
		}
	}
	if fresh {
		users := make(methodSets, len(e.users)+len(m.msets))
		for t := range e.users {
			users[t] = nil
		}
		for t := range m.msets {
			users[t] = nil
		}
		e.users = users
		e.spread()
	}
	m.msets = e.users
	m.record = ixgo.NewTypesRecord(ctx, e.rctx, e.loader, i, nested(ctx))
	e.interps = append(e.interps, weak.Make(i))
}

// spread gives the interpreters that still exist the current users. Goroutines may be reading the field: it is one word.
func (e *engine) spread() {
	live := e.interps[:0]
	for _, w := range e.interps {
		if i := w.Value(); i != nil {
			setMethodSets(i, e.users)
			live = append(live, w)
		}
	}
	clear(e.interps[len(live):])
	e.interps = live
}

// loader is ixgo's loader of native packages, for several goroutines, and the types that cells declared.
type loader struct {
	mu    sync.Mutex
	inner ixgo.Loader
	users map[types.Type]reflect.Type // named types of cells
	back  map[reflect.Type]types.Type
}

func (l *loader) add(t types.Type, rt reflect.Type) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.users[t], l.back[rt] = rt, t
}

func (l *loader) toType(t reflect.Type) (typ types.Type, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("session: type %v cannot be shown to cells: %v", t, p)
		}
	}()
	if typ, ok := l.back[t]; ok {
		return typ, nil
	}
	return l.inner.(*ixgo.TypesLoader).ToType(t), nil
}

// Import implements ixgo.Loader.
func (l *loader) Import(path string) (*types.Package, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.inner.Import(path)
}

// Installed implements ixgo.Loader.
func (l *loader) Installed(path string) (*ixgo.Package, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.inner.Installed(path)
}

// Packages implements ixgo.Loader.
func (l *loader) Packages() []*types.Package {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.inner.Packages()
}

// LookupReflect implements ixgo.Loader.
func (l *loader) LookupReflect(typ types.Type) (reflect.Type, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if rt, ok := l.users[typ]; ok {
		return rt, true
	}
	if p, ok := typ.(*types.Pointer); ok {
		if rt, ok := l.users[p.Elem()]; ok {
			return reflect.PointerTo(rt), true
		}
	}
	return l.inner.LookupReflect(typ)
}

// LookupTypes implements ixgo.Loader.
func (l *loader) LookupTypes(t reflect.Type) (types.Type, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if typ, ok := l.back[t]; ok {
		return typ, true
	}
	return l.inner.LookupTypes(t)
}

// SetImport implements ixgo.Loader.
func (l *loader) SetImport(path string, pkg *types.Package, load func() error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.inner.SetImport(path, pkg, load)
}

var (
	_ ixgo.Loader    = (*loader)(nil)
	_ types.Importer = (*engine)(nil)
)
