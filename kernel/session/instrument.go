package session

import (
	"fmt"
	"reflect"
	"strings"
	"sync/atomic"
	"unsafe"

	"github.com/goplus/ixgo"
	"github.com/goplus/reflectx"
	"golang.org/x/tools/go/ssa"
)

// instrument changes the compiled instructions of f: at its entry and at the end of every loop's turn it asks whether the cell shall
// stop, calls of declared functions find what was declared in their place, and calls through interfaces find methods of any interpreter.
// (ixgo's own such calls keep the method found in a variable that goroutines share.) It reports whether f has defer statements.
func instrument(i *ixgo.Interp, f *function, own methodSets, declared map[*ssa.Function]*declaredFunc, stack int) (deferring bool) {
	if len(f.Instrs) == 0 {
		return false
	}
	for n, instr := range f.ssaInstrs {
		switch instr := instr.(type) {
		case *ssa.Call:
			if instr.Call.IsInvoke() {
				f.Instrs[n] = invoke(i, f, instr, own, f.Instrs[n])
			} else if fn, ok := instr.Call.Value.(*ssa.Function); ok && declared[fn] != nil {
				f.Instrs[n] = redirected(i, f, instr, declared[fn], f.Instrs[n])
			}
		case *ssa.UnOp, *ssa.Store, *ssa.IndexAddr:
			if quick := f.fast(instr); quick != nil {
				f.Instrs[n] = quick
			}
		case *ssa.Defer:
			deferring = true
			if instr.Call.IsInvoke() {
				f.Instrs[n] = knowing(i, f, instr.Call.Value, f.Instrs[n])
			}
		case *ssa.Go:
			f.Instrs[n] = goroutine(i, f, instr)
		case *ssa.Jump, *ssa.If:
			if loops(instr.Block()) {
				f.Instrs[n] = polled(f.Instrs[n])
			}
		}
	}
	f.Instrs[0] = entry(f.Instrs[0], uintptr(stack))
	return deferring
}

// loops reports whether b may jump backwards.
func loops(b *ssa.BasicBlock) bool {
	for _, s := range b.Succs {
		if s.Index <= b.Index {
			return true
		}
	}
	return false
}

func polled(next func(*ixgo.Frame)) func(*ixgo.Frame) {
	return func(fr *ixgo.Frame) {
		if stopping.Load() != 0 {
			poll()
		}
		next(fr)
	}
}

func entry(next func(*ixgo.Frame), stack uintptr) func(*ixgo.Frame) {
	return func(fr *ixgo.Frame) {
		if stopping.Load() != 0 {
			poll()
		}
		if stackUsed() > stack {
			panic(deepRecursion(stack))
		}
		next(fr)
	}
}

// knowing runs next, a call of a method of x that ixgo looks up, after it has told ixgo whether x's type is interpreted.
func knowing(i *ixgo.Interp, f *function, x ssa.Value, next func(*ixgo.Frame)) func(*ixgo.Frame) {
	r, ok := f.register(x)
	if !ok {
		return next
	}
	return func(fr *ixgo.Frame) {
		if v := (*frame)(unsafe.Pointer(fr)).stack[r]; v != nil {
			know(i, reflect.TypeOf(v))
		}
		next(fr)
	}
}

// goroutine starts a goroutine whose panic fails its cell instead of ending the process.
func goroutine(i *ixgo.Interp, f *function, g *ssa.Go) func(*ixgo.Frame) {
	fn, args, bindings := callIndex(f, &g.Call)
	start := func(fr *ixgo.Frame) {
		callee, values := prepareCall(i, fr, &g.Call, fn, args, bindings)
		go func() {
			defer func() {
				if r := recover(); r != nil {
					strayed(r.(ixgo.PanicError))
				}
			}()
			root := newFrame(i)
			guarded(root, func() { callDiscarding(i, root, callee, values, g.Call.Args) })
		}()
	}
	if g.Call.IsInvoke() {
		return knowing(i, f, g.Call.Value, start)
	}
	return start
}

// strayed fails the cell of a goroutine that panicked, or tells of it in the cell's output when the cell has ended.
func strayed(p ixgo.PanicError) {
	c := Current()
	if _, ok := p.Value.(stopped); ok || c == nil {
		return
	}
	if c.running.Load() {
		c.interrupt(&strayPanic{p.Value, p.Stack()})
		return
	}
	err := c.panicked(p.Value, p.Stack())
	fmt.Fprintf(c.Stderr(), "in a goroutine of this cell: %s\n", strings.Join(err.Traceback, "\n"))
}

// method is a method found for a dynamic type.
type method struct {
	typ reflect.Type
	fn  reflect.Value
	own *function
}

// invoke calls a method through an interface.
func invoke(i *ixgo.Interp, f *function, call *ssa.Call, own methodSets, original func(*ixgo.Frame)) func(*ixgo.Frame) {
	result, ok := f.register(call)
	recv, ok2 := f.register(call.Call.Value)
	if !ok || !ok2 {
		return original
	}
	args, ok := f.registers(call.Call.Args)
	if !ok {
		return original
	}
	args = append([]int{recv}, args...)
	name := call.Call.Method.Name()
	var last atomic.Pointer[method]
	return func(fr *ixgo.Frame) {
		v := (*frame)(unsafe.Pointer(fr)).stack[recv]
		if v == nil {
			original(fr) // panics as Go does
			return
		}
		t := reflect.TypeOf(v)
		m := last.Load()
		if m == nil || m.typ != t {
			if m = findMethod(i, t, name, own); m == nil {
				original(fr)
				return
			}
			last.Store(m)
		}
		if m.own != nil {
			callFunction(i, fr, m.own, result, args)
			return
		}
		callExternal(i, fr, m.fn, result, args)
	}
}

func findMethod(i *ixgo.Interp, t reflect.Type, name string, own methodSets) *method {
	if fn, ok := own[t][name]; ok {
		return &method{typ: t, own: mirror(i).funcs[fn]}
	}
	if _, ok := userTypes.Load(t); ok {
		if m, ok := reflectx.MethodByName(t, name); ok {
			return &method{typ: t, fn: m.Func}
		}
		return nil
	}
	if t == reflectTypeType {
		return nil // ixgo answers Method and MethodByName for its own types
	}
	if m, ok := t.MethodByName(name); ok {
		return &method{typ: t, fn: m.Func}
	}
	return nil
}

var reflectTypeType = reflect.TypeOf(reflect.TypeFor[int]())
