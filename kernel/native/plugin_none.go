//go:build !cgo || !(linux || darwin || freebsd)

package native

import (
	"errors"
	"unsafe"
)

// opened is a native cell that has been loaded.
type opened struct {
	bind  func(name string, p unsafe.Pointer)
	run   func(show func(...any), define func(string, any))
	table map[string]any
}

// canOpen says why this binary cannot load plugins.
var canOpen = errors.New("this kernel was built without cgo and can't load native cells: install gcc, run ./install.sh in Quire's source and restart the kernel (or use %%main)")

func open(string) (*opened, error) { return nil, canOpen }
