package session

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/types"
	"io"
	"maps"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"unsafe"
	"weak"

	"github.com/goplus/ixgo"
	"github.com/goplus/reflectx"
	"github.com/goplus/reflectx/abi"
	_ "github.com/goplus/reflectx/icall/icall20480" // method stubs, reached through linknames below
	"github.com/timandy/routine"
	"golang.org/x/tools/go/ssa"

	"quire/kernel/cell"
)

// This file holds all that the driver knows of ixgo v1.0.0 and reflectx v1.6.0 beyond their public interfaces. Structs of the same layout
// as theirs give access to private fields; checkLayout compares them with the real ones when the process starts.

// interp mirrors the head of ixgo.Interp.
type interp struct {
	ctx          *ixgo.Context
	rctx         *reflectx.Context
	mainpkg      *ssa.Package
	record       *ixgo.TypesRecord
	globals      map[string]any
	chkinit      map[string]bool
	preloadTypes map[types.Type]reflect.Type
	funcs        map[*ssa.Function]*function
	msets        methodSets
	chexit       chan int
}

// methodSets is the type of Interp.msets: what an interpreter takes for types of its own, not of native code.
type methodSets = map[reflect.Type]map[string]*ssa.Function

// function mirrors the head of ixgo.function.
//
//lint:ignore U1000 some fields are there for the offsets of the others
type function struct {
	Interp     *ixgo.Interp
	Fn         *ssa.Function
	Main       *ssa.BasicBlock
	pool       unsafe.Pointer
	makeInstr  ssa.Instruction
	index      map[ssa.Value]uint32
	instrIndex map[ssa.Instruction][]uint32
	Instrs     []func(*ixgo.Frame)
	Recover    []func(*ixgo.Frame)
	Blocks     []int
	stack      []any
	ssaInstrs  []ssa.Instruction
	base       int
	nres       int
}

// frame mirrors the head of ixgo.Frame.
type frame struct {
	interp *ixgo.Interp
	caller *ixgo.Frame
	callee *ixgo.Frame
	pfn    *function
	defers unsafe.Pointer
	panics unsafe.Pointer
	block  *ssa.BasicBlock
	stack  []any
	ipc    int // -1 when the function has returned
}

// visitor mirrors ixgo.visitor, which compiles SSA functions.
type visitor struct {
	intp *ixgo.Interp
	prog *ssa.Program
	pkgs map[*ssa.Package]bool
	seen map[*ssa.Function]bool
	base int
}

//go:linkname visitFunction github.com/goplus/ixgo.(*visitor).function
func visitFunction(v *visitor, fn *ssa.Function)

//go:linkname callFunction github.com/goplus/ixgo.(*Interp).callFunctionByStack
func callFunction(i *ixgo.Interp, caller *ixgo.Frame, fn *function, result int, args []int)

//go:linkname callByReflect github.com/goplus/ixgo.(*Interp).callFunctionByReflect
func callByReflect(i *ixgo.Interp, caller *ixgo.Frame, fn *function, typ reflect.Type, args []reflect.Value, env []any) []reflect.Value

//go:linkname callDiscarding github.com/goplus/ixgo.(*Interp).callDiscardsResult
func callDiscarding(i *ixgo.Interp, caller *ixgo.Frame, fn any, args []any, ssaArgs []ssa.Value)

//go:linkname prepareCall github.com/goplus/ixgo.(*Interp).prepareCall
func prepareCall(i *ixgo.Interp, fr *ixgo.Frame, call *ssa.CallCommon, fn int, args, bindings []int) (any, []any)

//go:linkname callIndex github.com/goplus/ixgo.getCallIndex
func callIndex(f *function, call *ssa.CallCommon) (fn int, args, bindings []int)

//go:linkname frameStack github.com/goplus/ixgo.debugStack
func frameStack(fr *ixgo.Frame) []byte

//go:linkname callExternal github.com/goplus/ixgo.(*Interp).callExternalByStack
func callExternal(i *ixgo.Interp, caller *ixgo.Frame, fn reflect.Value, result int, args []int)

// register is the place of an SSA value in a frame's stack.
func (f *function) register(v ssa.Value) (int, bool) {
	n, ok := f.index[v]
	return int(n & 0xffffff), ok
}

// registers are the places of several values.
func (f *function) registers(values []ssa.Value) ([]int, bool) {
	var list []int
	for _, v := range values {
		r, ok := f.register(v)
		if !ok {
			return nil, false
		}
		list = append(list, r)
	}
	return list, true
}

func mirror(i *ixgo.Interp) *interp { return (*interp)(unsafe.Pointer(i)) }

// checkLayout errors when ixgo is not the version that the mirrors were made for.
func checkLayout() error {
	funcs := reflect.TypeFor[ixgo.Interp]()
	if f, ok := funcs.FieldByName("funcs"); ok && f.Type.Kind() == reflect.Map {
		if err := sameLayout(f.Type.Elem().Elem(), reflect.TypeFor[function]()); err != nil {
			return err
		}
	}
	if err := sameLayout(reflect.TypeFor[ixgo.Interp](), reflect.TypeFor[interp]()); err != nil {
		return err
	}
	if err := sameLayout(reflect.TypeFor[ixgo.Frame](), reflect.TypeFor[frame]()); err != nil {
		return err
	}
	for _, f := range []struct {
		in   reflect.Type
		name string
		kind reflect.Kind
	}{
		{reflect.TypeFor[ixgo.Context](), "override", reflect.Map},
		{reflect.TypeFor[ixgo.Context](), "output", reflect.Interface},
		{reflect.TypeFor[ixgo.Context](), "nestedMap", reflect.Map},
		{reflect.TypeFor[ixgo.TypesRecord](), "finder", reflect.Interface},
		{reflect.TypeFor[types.Var](), "typ", reflect.Interface},
		{reflect.TypeFor[ixgo.PanicError](), "stack", reflect.Slice},
		{reflect.TypeFor[ssa.Function](), "info", reflect.Pointer},
		{reflect.TypeFor[ssa.Function](), "syntax", reflect.Interface},
		{reflect.TypeFor[ssa.Function](), "referrers", reflect.Slice},
		{reflect.TypeFor[ssa.FreeVar](), "outer", reflect.Interface},
		{reflect.TypeFor[types.Scope](), "children", reflect.Slice},
		{reflect.TypeFor[ixgo.Interp](), "deferCount", reflect.Int32},
		{reflect.TypeFor[ixgo.Interp](), "deferMap", reflect.Struct},
	} {
		got, ok := f.in.FieldByName(f.name)
		if !ok || got.Type.Kind() != f.kind {
			return layoutError(f.in, f.name)
		}
	}
	return nil
}

func sameLayout(real, mine reflect.Type) error {
	for i := range mine.NumField() {
		m := mine.Field(i)
		r, ok := real.FieldByName(m.Name)
		if !ok && (m.Name == "defers" || m.Name == "panics") {
			r, ok = real.FieldByName(map[string]string{"defers": "_defer", "panics": "_panic"}[m.Name])
		}
		if !ok || r.Offset != m.Offset || r.Type.Size() != m.Type.Size() {
			return layoutError(real, m.Name)
		}
	}
	return nil
}

func layoutError(t reflect.Type, field string) error {
	return fmt.Errorf("session: the engine was built for ixgo v1.0.0, but %v.%s is not where that version has it: build with the "+
		"version that go.mod names", t, field)
}

// field returns a settable view of a private field.
func field(ptr any, name string) reflect.Value {
	v := reflect.ValueOf(ptr).Elem().FieldByName(name)
	return reflect.NewAt(v.Type(), unsafe.Pointer(v.UnsafeAddr())).Elem()
}

// newContext makes the context of one cell: what base has, and overrides of its own.
func newContext(base *ixgo.Context, l ixgo.Loader) *ixgo.Context {
	c := *base
	c.Loader = l
	o := field(&c, "override")
	o.Set(reflect.MakeMap(o.Type()))
	return &c
}

// nested tells the record of types that share a name because they are declared inside functions.
func nested(c *ixgo.Context) map[*types.Named]int {
	return field(c, "nestedMap").Interface().(map[*types.Named]int)
}

// retype gives a parameter or result another type.
func retype(v *types.Var, t types.Type) { field(v, "typ").Set(reflect.ValueOf(t)) }

// newReflectContext makes the home of reflect types that interpreted code declares: one for all cells, so that equal types are one.
func newReflectContext() *reflectx.Context {
	c := reflectx.NewContext()
	c.SetHasImethod(func(typ reflect.Type, m reflectx.Method) bool {
		return ast.IsExported(m.Name) || typ.PkgPath() != m.PkgPath
	})
	return c
}

// newInterp makes an interpreter that has compiled nothing yet.
func newInterp(ctx *ixgo.Context, rctx *reflectx.Context, record *ixgo.TypesRecord, main *ssa.Package) *ixgo.Interp {
	i := new(ixgo.Interp)
	m := mirror(i)
	m.ctx, m.rctx, m.mainpkg, m.record = ctx, rctx, main, record
	m.globals = map[string]any{}
	m.chkinit = map[string]bool{}
	m.preloadTypes = map[types.Type]reflect.Type{}
	m.funcs = map[*ssa.Function]*function{}
	m.msets = methodSets{}
	m.chexit = make(chan int)
	field(i, "goroutines").SetInt(1)
	setFinder(record, i)
	return i
}

// newFrame makes the frame that a first function of i is called from.
func newFrame(i *ixgo.Interp) *ixgo.Frame {
	fr := new(ixgo.Frame)
	(*frame)(unsafe.Pointer(fr)).interp = i
	return fr
}

// stackOf is the stack below root of a panic that has just been recovered.
func stackOf(root *ixgo.Frame) []byte {
	fr := root
	for { // frames are reused: a callee counts while it says that fr called it, and has not returned
		next := (*frame)(unsafe.Pointer(fr)).callee
		callee := (*frame)(unsafe.Pointer(next))
		if next == nil || callee.caller != fr || callee.ipc == -1 {
			return frameStack(fr)
		}
		fr = next
	}
}

// guarded calls f, which runs interpreted code from root. A panic goes on with the places of that code added to its stack.
func guarded(root *ixgo.Frame, f func()) {
	defer func() {
		r := recover()
		if r == nil {
			return
		}
		own := stackOf(root)
		p, ok := r.(ixgo.PanicError)
		switch {
		case !ok:
			panic(panicError(own, r))
		case bytes.HasSuffix(p.Stack(), outermost(own)): // raised by a panic statement here, with its stack
			panic(p)
		}
		panic(panicError(append(p.Stack(), own...), p.Value))
	}()
	f()
}

// outermost is the last place of a stack: two lines.
func outermost(stack []byte) []byte {
	end := bytes.TrimRight(stack, "\n")
	i := bytes.LastIndexByte(end, '\n')
	if i < 0 {
		return stack
	}
	return stack[bytes.LastIndexByte(stack[:i], '\n')+1:]
}

// function returns a declared function as a value that cells and compiled code can call.
func (p *program) function(name string) reflect.Value {
	fn := mirror(p.interp).mainpkg.Func(name)
	f := mirror(p.interp).funcs[fn]
	typ, _ := p.s.engine.record.ToType(fn.Type())
	return exported(f, typ)
}

// exported makes a function value of f. It captures one pointer alone: ixgo compares the second word of function values with its
// interpreters.
func exported(f *function, typ reflect.Type) reflect.Value {
	e := &exportedFunction{f, typ}
	return reflect.MakeFunc(typ, func(args []reflect.Value) []reflect.Value { return e.call(args) })
}

type exportedFunction struct {
	f   *function
	typ reflect.Type
}

func (e *exportedFunction) call(args []reflect.Value) (results []reflect.Value) {
	root := newFrame(e.f.Interp)
	(*frame)(unsafe.Pointer(root)).panics = panicBeingDeferred()
	guarded(root, func() { results = callByReflect(e.f.Interp, root, e.f, e.typ, args, nil) })
	return results
}

// call calls a function without parameters; the error is its panic.
func (p *program) call(name string) error {
	return p.callFunc(mirror(p.interp).mainpkg.Func(name))
}

func (p *program) callFunc(fn *ssa.Function) (err error) {
	root := newFrame(p.interp)
	defer func() {
		if r := recover(); r != nil {
			err = r.(ixgo.PanicError)
		}
	}()
	guarded(root, func() { callDiscarding(p.interp, root, fn, nil, nil) })
	return nil
}

// setFinder makes i the interpreter that runs the methods of types that record creates from now on.
func setFinder(record *ixgo.TypesRecord, i *ixgo.Interp) {
	field(record, "finder").Set(reflect.ValueOf(i))
}

// setOutput sends what print and println write to w.
func setOutput(c *ixgo.Context, w io.Writer) { field(c, "output").Set(reflect.ValueOf(w)) }

// panicError is the panic of user code with its stack.
func panicError(stack []byte, v any) ixgo.PanicError {
	e := ixgo.PanicError{Value: v}
	field(&e, "stack").SetBytes(stack)
	return e
}

// stubs hands out the method stubs of interpreted types. reflectx's own provider keeps them in a map that running methods read without
// a lock; this one writes to no map that a method may be reading: it fills a larger copy and swaps it in.
type stubs struct {
	funcs []func()
	next  int
	slots map[int]*stubMethod
}

// stubMethod mirrors icall20480.methodUsed.
type stubMethod struct {
	fun reflect.Value
	ptr unsafe.Pointer
}

//go:linkname icallProvider github.com/goplus/reflectx/icall/icall20480.mp
var icallProvider *struct{ used map[int]*stubMethod }

//go:linkname icallFuncs github.com/goplus/reflectx/icall/icall20480.icall_fn
var icallFuncs []func()

// installStubs makes the provider the only one of the process.
var installStubs = sync.OnceFunc(func() {
	list := &abi.MethodProviderList{}
	list.Add(&stubs{funcs: icallFuncs})
	abi.Default = list
})

// Insert implements abi.MethodProvider.
func (p *stubs) Insert(info *abi.MethodInfo) (unsafe.Pointer, int) {
	if p.next == len(p.funcs) {
		return nil, -1
	}
	if p.next == len(p.slots) {
		p.grow()
	}
	fn := stubTarget(info)
	slot := p.slots[p.next]
	slot.fun = fn
	atomic.StorePointer(&slot.ptr, (*struct{ typ, ptr unsafe.Pointer })(unsafe.Pointer(&fn)).ptr)
	p.next++
	return unsafe.Pointer(reflect.ValueOf(p.funcs[p.next-1]).Pointer()), p.next - 1
}

func (p *stubs) grow() {
	n := min(max(256, 2*len(p.slots)), len(p.funcs))
	slots := make(map[int]*stubMethod, n)
	for i := range n {
		if slots[i] = p.slots[i]; slots[i] == nil {
			slots[i] = new(stubMethod)
		}
	}
	p.slots = slots
	atomic.StorePointer((*unsafe.Pointer)(unsafe.Pointer(&icallProvider.used)), *(*unsafe.Pointer)(unsafe.Pointer(&slots)))
}

// stubTarget is the function behind a stub: methods of values that an interface holds by pointer get the pointer, and load it.
func stubTarget(info *abi.MethodInfo) reflect.Value {
	if (info.Pointer || info.OnePtr) && !info.Indirect {
		return info.Func
	}
	ft := info.Func.Type()
	in := []reflect.Type{reflect.PointerTo(info.Type)}
	for i := 1; i < ft.NumIn(); i++ {
		in = append(in, ft.In(i))
	}
	var out []reflect.Type
	for i := range ft.NumOut() {
		out = append(out, ft.Out(i))
	}
	return reflect.MakeFunc(reflect.FuncOf(in, out, info.Variadic), func(args []reflect.Value) []reflect.Value {
		args[0] = args[0].Elem()
		if info.Variadic {
			return info.Func.CallSlice(args)
		}
		return info.Func.Call(args)
	})
}

// Remove implements abi.MethodProvider. Stubs stay: values of their types may live on.
func (p *stubs) Remove([]int) {}

// Available implements abi.MethodProvider.
func (p *stubs) Available() int { return len(p.funcs) - p.next }

// Used implements abi.MethodProvider.
func (p *stubs) Used() int { return p.next }

// Cap implements abi.MethodProvider.
func (p *stubs) Cap() int { return len(p.funcs) }

// Clear implements abi.MethodProvider.
func (p *stubs) Clear() {}

// know makes sure that i takes t for interpreted when it is. Goroutines may be reading the map: a copy takes its place.
func know(i *ixgo.Interp, t reflect.Type) {
	at := (*unsafe.Pointer)(unsafe.Pointer(&mirror(i).msets))
	for {
		p := atomic.LoadPointer(at)
		old := *(*methodSets)(unsafe.Pointer(&p))
		if _, ok := old[t]; ok {
			return
		}
		if _, ok := userTypes.Load(t); !ok {
			return
		}
		fresh := maps.Clone(old)
		fresh[t] = nil
		if atomic.CompareAndSwapPointer(at, p, *(*unsafe.Pointer)(unsafe.Pointer(&fresh))) {
			return
		}
	}
}

// forgetSource lets go of what only building fn needs: of its source ixgo asks later where it ends.
func forgetSource(fn *ssa.Function) {
	if syntax := fn.Syntax(); syntax != nil {
		field(fn, "syntax").Set(reflect.ValueOf(&ast.BadExpr{From: syntax.Pos(), To: syntax.End()}))
	}
	field(fn, "info").SetZero()
	fn.Locals = nil
}

// forgetRun lets go of the top-level code, which has run and never will again; functions made in it live on.
func (p *program) forgetRun() {
	m := mirror(p.interp)
	fn := m.mainpkg.Func(cell.Run)
	f := m.funcs[fn]
	if f == nil {
		return
	}
	f.Main, f.Instrs, f.ssaInstrs = nil, nil, nil
	fn.Blocks = nil
	for _, inner := range fn.AnonFuncs {
		field(inner, "referrers").SetZero()
		for _, v := range inner.FreeVars {
			field(v, "outer").SetZero()
		}
	}
}

// forgetScopes lets go of the scopes inside the functions of pkg, and so of their local variables.
func forgetScopes(pkg *types.Package) { field(pkg.Scope(), "children").SetZero() }

// deferrers are the interpreters with defer statements. ixgo's recover looks for the panic in the frame that calls a deferred function,
// which a function of another interpreter does not see: panicBeingDeferred finds it.
var deferrers struct {
	mu   sync.Mutex
	list atomic.Pointer[[]weak.Pointer[ixgo.Interp]]
}

func defers(i *ixgo.Interp) {
	deferrers.mu.Lock()
	defer deferrers.mu.Unlock()
	var list []weak.Pointer[ixgo.Interp]
	if old := deferrers.list.Load(); old != nil {
		list = slices.DeleteFunc(slices.Clone(*old), func(w weak.Pointer[ixgo.Interp]) bool { return w.Value() == nil })
	}
	list = append(list, weak.Make(i))
	deferrers.list.Store(&list)
}

var deferCountOffset, deferMapOffset = interpOffset("deferCount"), interpOffset("deferMap")

func interpOffset(name string) uintptr {
	f, _ := reflect.TypeFor[ixgo.Interp]().FieldByName(name)
	return f.Offset
}

// panicBeingDeferred is the panic of the frame that runs its deferred functions on this goroutine, nil when none does.
func panicBeingDeferred() unsafe.Pointer {
	list := deferrers.list.Load()
	if list == nil {
		return nil
	}
	id := uint64(0)
	for _, w := range slices.Backward(*list) {
		i := w.Value()
		if i == nil || atomic.LoadInt32((*int32)(unsafe.Add(unsafe.Pointer(i), deferCountOffset))) == 0 {
			continue
		}
		if id == 0 {
			id = routine.Goid()
		}
		if fr, ok := (*sync.Map)(unsafe.Add(unsafe.Pointer(i), deferMapOffset)).Load(id); ok {
			return (*frame)(reflect.ValueOf(fr).UnsafePointer()).panics
		}
	}
	return nil
}
