package native

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"quire/kernel/cell"
	"quire/kernel/session"
)

const getHelp = `%get MODULE[@VERSION]... adds modules to this session: their packages can be imported in all kinds of cells.

Ordinary cells interpret the packages from source (pure Go ones; slower than compiled code), %%native and %%main compile them. The module
cache and GOPROXY of the go command are used; your own go.mod files are not touched.`

func (t *Tools) get(c *session.Cell, args string) error {
	modules, err := cell.Words(args)
	if err != nil {
		return err
	}
	if len(modules) == 0 {
		return errors.New("usage: %get MODULE[@VERSION] …")
	}
	for _, m := range modules {
		if strings.HasPrefix(m, "-") {
			return fmt.Errorf("%q is no module", m)
		}
	}
	if _, err := t.space.open(); err != nil {
		return err
	}
	dir, flags := t.space.build()
	ctx := c.Context()
	get := append(append([]string{"get"}, moduleFlags(flags)...), modules...)
	if stderr, err := run(ctx, t.space.tool.command(ctx, dir, get...), nil); err != nil {
		return failed("go get", stderr, err)
	}
	var patterns []string
	for _, m := range modules {
		path, _, _ := strings.Cut(m, "@")
		patterns = append(patterns, path+"/...")
	}
	var out bytes.Buffer
	list := append(append([]string{"list", "-mod=mod", "-deps", "-e", "-json=ImportPath,Name,Dir,Standard,Module,Error"}, moduleFlags(flags)...), patterns...)
	if stderr, err := run(ctx, t.space.tool.command(ctx, dir, list...), &out); err != nil {
		return failed("go list", stderr, err)
	}
	return t.addSources(c, &out)
}

// moduleFlags are those of the build flags that go get takes too.
func moduleFlags(flags []string) []string {
	var list []string
	for _, f := range flags {
		if strings.HasPrefix(f, "-modfile") || strings.HasPrefix(f, "-tags") {
			list = append(list, f)
		}
	}
	return list
}

type listedPackage struct {
	ImportPath, Name, Dir string
	Standard              bool
	Module                *struct {
		Path, Version string
		Main          bool
	}
	Error *struct{ Err string }
}

// addSources tells the session where the packages' sources are, and the person which there are.
func (t *Tools) addSources(c *session.Cell, r io.Reader) error {
	added := map[string][]string{} // module → packages
	var order []string
	for dec := json.NewDecoder(r); ; {
		var p listedPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return fmt.Errorf("go list: %w", err)
		}
		if p.Standard || p.Module == nil || p.Module.Main || p.Error != nil || p.Dir == "" {
			continue
		}
		if err := c.Session().AddSource(p.ImportPath, filepath.Clean(p.Dir)); err != nil {
			return err
		}
		key := p.Module.Path + " " + p.Module.Version
		if added[key] == nil {
			order = append(order, key)
		}
		if p.Name != "main" && !strings.Contains(p.ImportPath, "/internal/") {
			added[key] = append(added[key], p.ImportPath)
		}
	}
	if len(order) == 0 {
		return errors.New("the module has no packages for this system")
	}
	for _, key := range order {
		fmt.Fprintf(c.Stdout(), "%s: %s\n", key, strings.Join(added[key], " "))
	}
	return nil
}
