package session

import (
	"context"
	"io"
	"reflect"
	"sync"

	"github.com/goplus/ixgo"

	"quire/kernel/link"
)

// registerCell makes package cell, through which user code reaches the cell that started its goroutine.
var registerCell = sync.OnceFunc(func() {
	ixgo.RegisterPackage(&ixgo.Package{
		Path: "quire/cell", Name: "cell", Deps: map[string]string{"context": "context"},
		Interfaces: map[string]reflect.Type{}, NamedTypes: map[string]reflect.Type{}, AliasTypes: map[string]reflect.Type{},
		Vars: map[string]reflect.Value{}, TypedConsts: map[string]ixgo.TypedConst{}, UntypedConsts: map[string]ixgo.UntypedConst{},
		Funcs: map[string]reflect.Value{
			"Context":  reflect.ValueOf(Context),
			"Display":  reflect.ValueOf(displayValue),
			"Update":   reflect.ValueOf(updateDisplay),
			"Clear":    reflect.ValueOf(clearOutput),
			"Input":    reflect.ValueOf(func(prompt string) (string, error) { return ask(prompt, false) }),
			"Password": reflect.ValueOf(func(prompt string) (string, error) { return ask(prompt, true) }),
		},
	})
})

// Context returns the context of the cell that started the calling goroutine: cancelled when the cell is interrupted. Cells call it
// as cell.Context.
func Context() context.Context {
	if c := Current(); c != nil {
		return c.ctx
	}
	return context.Background()
}

// displayValue shows v now, as the last expression of a cell would be.
func displayValue(v any) {
	if c := Current(); c != nil {
		c.Show(v)
	}
}

// updateDisplay shows v under id, in place of what was shown under it before.
func updateDisplay(id string, v any) {
	c := Current()
	if c == nil {
		return
	}
	b := c.s.bundle(v)
	if b == nil {
		b = plain("")
	}
	_, shown := c.s.displays.LoadOrStore(id, true)
	c.Display(link.Display{Bundle: *b, ID: id, Update: shown})
}

func clearOutput(wait bool) {
	if c := Current(); c != nil {
		c.Clear(wait)
	}
}

func ask(prompt string, password bool) (string, error) {
	c := Current()
	if c == nil {
		return "", io.EOF
	}
	return c.Input(prompt, password)
}
