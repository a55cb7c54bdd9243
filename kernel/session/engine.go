package session

import (
	"fmt"
	"go/types"
	"reflect"
	"strings"
	"sync"

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

	homes   map[*types.Package]*program // of generic declarations
	sources map[string]string           // directories of packages that are interpreted
	globals map[string]reflect.Value    // memory of their variables, by path.name
	begun   map[string]bool             // those that a cell has initialised
}

// layoutErr is the verdict of checkLayout, asked once.
var layoutErr = sync.OnceValue(checkLayout)

func newEngine() (*engine, error) {
	if err := layoutErr(); err != nil {
		return nil, err
	}
	installStubs()
	installOverrides()
	registerCell()
	base := ixgo.NewContext(ixgo.SupportMultipleInterp | ixgo.DisableCustomBuiltin)
	setOutput(base, printWriter{})
	e := &engine{
		base:    base,
		rctx:    newReflectContext(),
		loader:  newLoader(base.Loader),
		natives: types.NewPackage(cellPath, cellPackage),
		homes:   map[*types.Package]*program{},
		sources: map[string]string{},
		globals: map[string]reflect.Value{},
		begun:   map[string]bool{},
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
	pkg, err := e.base.Importer.Import(path)
	if err == nil {
		e.loader.plainSeqs(pkg)
	}
	return pkg, err
}

// registeredName is the package name of an import path that is registered or was added.
func registeredName(path string) (string, bool) {
	if p, ok := ixgo.LookupPackage(path); ok {
		return p.Name, true
	}
	name, ok := sourceNames.Load(path)
	if !ok {
		return "", false
	}
	return name.(string), true
}

// typeOf makes the type that cells see of a reflect type.
func (e *engine) typeOf(t reflect.Type) (types.Type, error) {
	if typ, ok := e.record.LookupLocalTypes(t); ok {
		return typ, nil
	}
	return e.loader.toType(t)
}

// userTypes holds every type with methods that cells of this process declared. ixgo takes a type for native when its interpreter does
// not know it, and then calls code that is none.
var userTypes sync.Map // reflect.Type → true

// release ends the compilation of an interpreter: of the types of other cells it keeps only that they are interpreted, and it lets go
// of what only compiling needs.
func (e *engine) release(i *ixgo.Interp, ctx *ixgo.Context, own methodSets) {
	m := mirror(i)
	known := make(methodSets, len(m.msets))
	for t := range m.msets {
		userTypes.Store(t, true)
		known[t] = own[t]
	}
	m.msets = known
	m.record = ixgo.NewTypesRecord(ctx, e.rctx, e.loader, i, nested(ctx))
	for fn, f := range m.funcs {
		f.index, f.instrIndex = nil, nil
		forgetSource(fn)
	}
	forgetScopes(m.mainpkg.Pkg)
}

// loader is ixgo's loader of native packages, for several goroutines, and the types that cells declared.
type loader struct {
	mu    sync.Mutex
	inner ixgo.Loader
	users map[types.Type]reflect.Type // named types of cells
	back  map[reflect.Type]types.Type
	seqs  map[*types.Package]bool // packages that plainSeqs has seen
}

func newLoader(inner ixgo.Loader) *loader {
	return &loader{inner: inner, users: map[types.Type]reflect.Type{}, back: map[reflect.Type]types.Type{},
		seqs: map[*types.Package]bool{}}
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

// plainSeqs takes iter.Seq[T] and iter.Seq2[K, V] in the signatures of a package, and of those that it imports, for what they are:
// functions. ixgo makes a named type of each that is not the one which cells instantiate, and then no cell could pass one.
func (l *loader) plainSeqs(pkg *types.Package) {
	if l.seqs[pkg] || !pkg.Complete() {
		return
	}
	l.seqs[pkg] = true
	for _, dep := range pkg.Imports() {
		l.plainSeqs(dep)
	}
	for _, name := range pkg.Scope().Names() {
		switch obj := pkg.Scope().Lookup(name).(type) {
		case *types.Func:
			plainSeqsOf(obj)
		case *types.TypeName:
			if named, ok := obj.Type().(*types.Named); ok {
				for m := range named.Methods() {
					plainSeqsOf(m)
				}
			}
		}
	}
}

func plainSeqsOf(fn *types.Func) {
	for _, list := range []*types.Tuple{fn.Signature().Params(), fn.Signature().Results()} {
		for v := range list.Variables() {
			t, ok := v.Type().(*types.Named)
			if ok && t.Obj().Pkg() != nil && t.Obj().Pkg().Path() == "iter" && strings.Contains(t.Obj().Name(), "[") {
				retype(v, t.Underlying())
			}
		}
	}
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
