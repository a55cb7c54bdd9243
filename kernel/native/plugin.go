//go:build cgo && (linux || darwin || freebsd)

package native

import (
	"errors"
	"fmt"
	"os"
	"plugin"
	"strings"
	"unsafe"
)

// opened is a native cell that has been loaded.
type opened struct {
	bind  func(name string, p unsafe.Pointer)
	run   func(show func(...any), define func(string, any))
	table map[string]any // what it declares: pointers to variables and functions, nil pointers to types
}

// canOpen is nil: this binary can load plugins.
var canOpen error

// open loads a plugin and removes its file, which the process no longer needs.
func open(path string) (*opened, error) {
	p, err := plugin.Open(path)
	os.Remove(path)
	if err != nil {
		if text := err.Error(); strings.Contains(text, "different version of package") {
			i := strings.LastIndex(text, "package ")
			return nil, fmt.Errorf("%s has another version in this kernel than on disk: run ./install.sh in Quire's source and restart the kernel (or use %%%%main)", text[i+len("package "):])
		}
		return nil, fmt.Errorf("load the compiled cell: %w", err)
	}
	o := &opened{}
	bind, e1 := p.Lookup(Prefix + "bind")
	run, e2 := p.Lookup(Prefix + "run")
	table, e3 := p.Lookup(Prefix + "table")
	if err := errors.Join(e1, e2, e3); err != nil {
		return nil, err
	}
	var ok1, ok2 bool
	o.bind, ok1 = bind.(func(string, unsafe.Pointer))
	o.run, ok2 = run.(func(func(...any), func(string, any)))
	if t, ok := table.(*map[string]any); ok {
		o.table = *t
	}
	if !ok1 || !ok2 || o.table == nil {
		return nil, errors.New("the compiled cell was changed by something else than %%native")
	}
	return o, nil
}
