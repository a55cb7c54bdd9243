package magic

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"quire/kernel/cell"
	"quire/kernel/link"
	"quire/kernel/session"
)

func files() []session.Magic {
	return []session.Magic{
		{Name: "load", Line: load, Complete: completePath, Help: `%load FILE or URL puts a file's text into this cell, ready to be edited and run.`},
		{Name: "save", Line: save, Complete: completePath, Help: `%save [-a] FILE [CELLS] writes the code of cells that succeeded to a file.

	%save work.go           all of them
	%save work.go 1-4 7     these execution counts
	%save -a work.go 9      at the file's end`},
		{Name: "writefile", Body: writeFile, Complete: completePath, Help: `%%writefile [-a] FILE writes the rest of the cell to a file; -a adds it at the end.`},
	}
}

// largestLoad bounds what %load puts into a cell.
const largestLoad = 1 << 20

func load(c *session.Cell, args string) error {
	if args == "" {
		return usage("%load FILE or URL")
	}
	text, err := fetch(c.Context(), strings.Trim(args, `"'`))
	if err != nil {
		return err
	}
	switch {
	case len(text) > largestLoad:
		return fmt.Errorf("%s is over 1 MB: too large for a cell; read it with os.ReadFile", args)
	case !utf8.Valid(text):
		return fmt.Errorf("%s is not UTF-8 text", args)
	}
	c.SetNextInput(fmt.Sprintf("// %%load %s\n%s", args, text), true)
	return nil
}

// fetch reads a little more than largestLoad at most.
func fetch(ctx context.Context, from string) ([]byte, error) {
	if !strings.HasPrefix(from, "http://") && !strings.HasPrefix(from, "https://") {
		f, err := os.Open(from)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		return io.ReadAll(io.LimitReader(f, largestLoad+1))
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", from, resp.Status)
	}
	return io.ReadAll(io.LimitReader(resp.Body, largestLoad+1))
}

// target reads [-a] FILE REST.
func target(args, form string) (path, rest string, flags int, err error) {
	flags = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	list, err := cell.Words(args)
	if err != nil {
		return "", "", 0, err
	}
	if len(list) > 0 && list[0] == "-a" {
		flags = os.O_WRONLY | os.O_CREATE | os.O_APPEND
		list = list[1:]
	}
	if len(list) == 0 {
		return "", "", 0, usage(form)
	}
	return list[0], strings.Join(list[1:], " "), flags, nil
}

func write(c *session.Cell, path, text string, flags int) error {
	f, err := os.OpenFile(path, flags, 0o666)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		fmt.Fprintf(c.Stdout(), "%s: %d bytes written\n", path, len(text))
	}
	return err
}

func writeFile(c *session.Cell, args, body string) error {
	path, rest, flags, err := target(args, "%%writefile [-a] FILE")
	if err != nil {
		return err
	}
	if rest != "" {
		return usage("%%writefile [-a] FILE, a name with spaces in quotes")
	}
	return write(c, path, body, flags)
}

func save(c *session.Cell, args string) error {
	path, rest, flags, err := target(args, "%save [-a] FILE [CELLS]")
	if err != nil {
		return err
	}
	keep, err := ranges(rest)
	if err != nil {
		return err
	}
	var b strings.Builder
	for _, r := range c.Session().Succeeded() {
		if keep(r.Count) && !strings.HasPrefix(strings.TrimSpace(r.Code), "%save") {
			fmt.Fprintf(&b, "// cell %d\n%s\n\n", r.Count, strings.TrimRight(r.Code, "\n"))
		}
	}
	if b.Len() == 0 {
		return fmt.Errorf("no cell that succeeded to save: %%history lists them")
	}
	return write(c, path, b.String(), flags)
}

// completePath completes the last argument as a path.
func completePath(_ *session.Session, args string) []link.Match {
	last := args[strings.LastIndexByte(args, ' ')+1:]
	found, _ := filepath.Glob(escapeGlob(last) + "*")
	var list []link.Match
	for _, path := range found {
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			path += string(filepath.Separator)
		}
		list = append(list, link.Match{Text: path, Type: "path"})
	}
	return list
}

func escapeGlob(s string) string {
	return strings.NewReplacer(`*`, `\*`, `?`, `\?`, `[`, `\[`, `\`, `\\`).Replace(s)
}
