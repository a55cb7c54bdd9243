package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// set is the loaded packages: types from export data, syntax on request.
type set struct {
	fset       *token.FileSet
	imports    types.Importer
	files      map[string]listed
	registered map[string]bool
}

type listed struct {
	ImportPath, Name, Dir, Export string
	GoFiles                       []string
	Error                         *struct{ Err string }
}

// load compiles the packages and opens their export data.
func load(paths []string) (*set, error) {
	args := append([]string{"list", "-e", "-export", "-deps", "-json=ImportPath,Name,Dir,Export,GoFiles,Error", "--"}, paths...)
	cmd := exec.Command("go", args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list -export: %w", err)
	}
	s := &set{fset: token.NewFileSet(), files: map[string]listed{}, registered: map[string]bool{}}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var l listed
		if err := dec.Decode(&l); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		if l.Error != nil {
			return nil, fmt.Errorf("%s: %s", l.ImportPath, l.Error.Err)
		}
		s.files[l.ImportPath] = l
	}
	for _, path := range paths {
		s.registered[path] = true
	}
	s.imports = importer.ForCompiler(s.fset, "gc", func(path string) (io.ReadCloser, error) {
		l, ok := s.files[path]
		if !ok {
			l, ok = s.files["vendor/"+path]
		}
		if !ok || l.Export == "" {
			return nil, fmt.Errorf("no export data for %q", path)
		}
		return os.Open(l.Export)
	})
	return s, nil
}

// syntax parses and checks a package from its source.
func (s *set) syntax(path string) ([]*ast.File, *types.Package, *types.Info, error) {
	l := s.files[path]
	var files []*ast.File
	for _, name := range l.GoFiles {
		f, err := parser.ParseFile(s.fset, filepath.Join(l.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, nil, nil, err
		}
		files = append(files, f)
	}
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}, Defs: map[*ast.Ident]types.Object{}}
	conf := types.Config{Importer: s.imports, FakeImportC: true, Error: func(error) {}}
	p, _ := conf.Check(path, s.fset, files, info)
	return files, p, info, nil
}
