package session

import (
	"fmt"
	"go/build"
	"sync"
)

// sourceNames holds the package names of import paths that were added.
var sourceNames sync.Map

// AddSource lets cells import path from the Go files in dir, which are interpreted. A package that is compiled into this binary stays
// the compiled one.
func (s *Session) AddSource(path, dir string) error {
	p, err := build.Default.ImportDir(dir, 0)
	if err != nil {
		return fmt.Errorf("package %s: %w", path, err)
	}
	sourceNames.Store(path, p.Name)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.engine.sources[path] = dir
	return nil
}

// lookupSource is where ixgo asks for packages that are not compiled in.
func (e *engine) lookupSource(_, path string) (dir string, ok bool) {
	dir, ok = e.sources[path]
	return dir, ok
}
