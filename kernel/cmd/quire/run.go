package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"quire/kernel/kernelspec"
	"quire/kernel/notebook"
)

type runCmd struct {
	Notebook    string        `arg:"" type:"existingfile" help:"Notebook to execute."`
	Output      string        `short:"o" type:"path" placeholder:"OUT.ipynb" help:"Write the executed notebook here."`
	HTML        string        `name:"html" type:"path" placeholder:"OUT.html" help:"Write a self-contained report here."`
	Timeout     time.Duration `placeholder:"D" help:"Time for one cell, such as 90s. None by default."`
	AllowErrors bool          `help:"Go on after a cell that fails."`
	Param       []string      `placeholder:"K=V" sep:"none" help:"Assign to a variable of the cell tagged 'parameters'. Repeatable."`
}

// Run executes a notebook in a fresh session. What was written holds the outputs up to an error.
func (c runCmd) Run(ctx context.Context) error {
	nb, err := notebook.ReadFile(c.Notebook)
	if err != nil {
		return err
	}
	var params []notebook.Param
	for _, s := range c.Param {
		p, err := notebook.ParseParam(s)
		if err != nil {
			return err
		}
		params = append(params, p)
	}
	if err := nb.Parametrize(params); err != nil {
		return err
	}
	nb.Metadata["kernelspec"] = map[string]any{"name": "quire", "display_name": "Go (Quire)", "language": "go"}
	nb.Metadata["language_info"] = kernelspec.LanguageInfo()
	executed, err := create(c.Output) // before the minutes that cells may take
	if err != nil {
		return err
	}
	defer executed.drop()
	report, err := create(c.HTML)
	if err != nil {
		return err
	}
	defer report.drop()
	failed := nb.Execute(ctx, startSession, notebook.Options{Timeout: c.Timeout, AllowErrors: c.AllowErrors, Progress: os.Stdout})
	err = errors.Join(executed.write(nb.Write), report.write(func(w io.Writer) error {
		return reportOf(strings.TrimSuffix(filepath.Base(c.Notebook), ".ipynb"), nb).WriteHTML(w)
	}))
	if cell, ok := errors.AsType[*notebook.CellError](failed); ok {
		fmt.Fprintln(os.Stderr, cell.Trace())
	}
	return errors.Join(failed, err)
}

// outFile is a file that is written as a whole or not at all. Nil is none.
type outFile struct {
	path string
	tmp  *os.File // beside it
}

// create makes sure that path can be written; "" gives nil.
func create(path string) (*outFile, error) {
	if path == "" {
		return nil, nil
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return nil, fmt.Errorf("%s is a folder: give the name of a file in it", path)
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if pe, ok := errors.AsType[*os.PathError](err); ok {
		return nil, fmt.Errorf("cannot write %s: %w: give a folder that exists and is yours", path, pe.Err)
	}
	return &outFile{path, tmp}, err
}

func (f *outFile) write(content func(io.Writer) error) error {
	if f == nil {
		return nil
	}
	if err := errors.Join(content(f.tmp), f.tmp.Chmod(0o644), f.tmp.Close()); err != nil {
		return err
	}
	return os.Rename(f.tmp.Name(), f.path)
}

// drop removes what write has not put in its place.
func (f *outFile) drop() {
	if f != nil {
		f.tmp.Close()
		os.Remove(f.tmp.Name())
	}
}
