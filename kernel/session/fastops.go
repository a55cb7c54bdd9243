package session

import (
	"go/token"
	"go/types"
	"unsafe"

	"github.com/goplus/ixgo"
	"golang.org/x/tools/go/ssa"
)

// fast returns a quicker form of an instruction that reads, writes or finds a number, bool or string in memory, nil for others. ixgo
// goes through reflect for these, which costs most of a loop over package variables (as a cell's are) or slices.
func (f *function) fast(instr ssa.Instruction) func(*ixgo.Frame) {
	switch instr := instr.(type) {
	case *ssa.UnOp:
		if instr.Op != token.MUL || !plainPointer(instr.X) {
			return nil
		}
		if b, ok := instr.Type().(*types.Basic); ok {
			return f.typed(b.Kind(), opLoad, instr, instr.X, nil)
		}
	case *ssa.Store:
		if b, ok := instr.Val.Type().(*types.Basic); ok && plainPointer(instr.Addr) {
			return f.typed(b.Kind(), opStore, nil, instr.Addr, instr.Val)
		}
	case *ssa.IndexAddr:
		i, ok := instr.Index.Type().(*types.Basic)
		if s, isSlice := instr.X.Type().(*types.Slice); ok && isSlice && i.Kind() == types.Int {
			if b, ok := s.Elem().(*types.Basic); ok {
				return f.typed(b.Kind(), opIndex, instr, instr.X, instr.Index)
			}
		}
	}
	return nil
}

// plainPointer reports whether v is a pointer of no named type: only then Go's type of it is known here.
func plainPointer(v ssa.Value) bool {
	_, ok := v.Type().(*types.Pointer)
	return ok
}

type memoryOp int

const (
	opLoad  memoryOp = iota // result = *x
	opStore                 // *x = y
	opIndex                 // result = &x[y]
)

// typed makes op for the memory of a kind of values.
func (f *function) typed(k types.BasicKind, op memoryOp, result, x, y ssa.Value) func(*ixgo.Frame) {
	var rx, ry, rr int
	var ok bool
	if rx, ok = f.register(x); !ok {
		return nil
	}
	if y != nil {
		if ry, ok = f.register(y); !ok {
			return nil
		}
	}
	if result != nil {
		if rr, ok = f.register(result); !ok {
			return nil
		}
	}
	switch k {
	case types.Bool:
		return memory[bool](op, rr, rx, ry)
	case types.Int:
		return memory[int](op, rr, rx, ry)
	case types.Int8:
		return memory[int8](op, rr, rx, ry)
	case types.Int16:
		return memory[int16](op, rr, rx, ry)
	case types.Int32:
		return memory[int32](op, rr, rx, ry)
	case types.Int64:
		return memory[int64](op, rr, rx, ry)
	case types.Uint:
		return memory[uint](op, rr, rx, ry)
	case types.Uint8:
		return memory[uint8](op, rr, rx, ry)
	case types.Uint16:
		return memory[uint16](op, rr, rx, ry)
	case types.Uint32:
		return memory[uint32](op, rr, rx, ry)
	case types.Uint64:
		return memory[uint64](op, rr, rx, ry)
	case types.Float32:
		return memory[float32](op, rr, rx, ry)
	case types.Float64:
		return memory[float64](op, rr, rx, ry)
	case types.String:
		return memory[string](op, rr, rx, ry)
	}
	return nil
}

func memory[T any](op memoryOp, result, x, y int) func(*ixgo.Frame) {
	switch op {
	case opLoad:
		return func(fr *ixgo.Frame) {
			s := (*frame)(unsafe.Pointer(fr)).stack
			s[result] = *s[x].(*T)
		}
	case opStore:
		return func(fr *ixgo.Frame) {
			s := (*frame)(unsafe.Pointer(fr)).stack
			*s[x].(*T) = s[y].(T)
		}
	}
	return func(fr *ixgo.Frame) {
		s := (*frame)(unsafe.Pointer(fr)).stack
		s[result] = &s[x].([]T)[s[y].(int)]
	}
}
