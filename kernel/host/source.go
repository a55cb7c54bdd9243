package host

import (
	"go/build"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync"
)

var sources sync.Map // import path → directory

// Source is the directory of a package's source, for documentation and parameter names; "" when it is not on this machine. The binary
// itself knows the files that its functions were compiled from.
func Source(path string) string {
	if dir, ok := sources.Load(path); ok {
		return dir.(string)
	}
	dir := compiledFrom(path)
	if dir == "" {
		dir = besideSibling(path)
	}
	if dir == "" {
		dir = filepath.Join(build.Default.GOROOT, "src", filepath.FromSlash(path))
	}
	if !isDir(dir) {
		dir = ""
	}
	sources.Store(path, dir)
	return dir
}

// besideSibling finds a package without functions of its own by the directory of another one of its module.
func besideSibling(path string) string {
	for root := path; strings.Contains(root, "/"); root = root[:strings.LastIndexByte(root, '/')] {
		for other := range Paths() {
			rest, below := strings.CutPrefix(other, root)
			if !below || other == path {
				continue
			}
			if top, ok := strings.CutSuffix(compiledFrom(other), filepath.FromSlash(rest)); ok && top != "" {
				if dir := top + filepath.FromSlash(strings.TrimPrefix(path, root)); isDir(dir) {
					return dir
				}
			}
		}
	}
	return ""
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// compiledFrom finds the directory of a registered package by the file of one of its functions or methods.
func compiledFrom(path string) string {
	t, ok := index()[path]
	if !ok {
		return ""
	}
	for _, s := range t.symbols {
		v := reflect.ValueOf(s.value)
		if v.Kind() == reflect.Pointer && v.IsNil() {
			if v.NumMethod() == 0 || v.Type().Elem().PkgPath() != path {
				continue
			}
			v = v.Type().Method(0).Func
		}
		if v.Kind() != reflect.Func {
			continue
		}
		fn := runtime.FuncForPC(v.Pointer())
		if fn == nil || !strings.HasPrefix(fn.Name(), path+".") {
			continue
		}
		if file, _ := fn.FileLine(fn.Entry()); filepath.IsAbs(file) {
			return filepath.Dir(file)
		}
	}
	return ""
}
