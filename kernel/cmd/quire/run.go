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
	failed := nb.Execute(ctx, startSession, notebook.Options{Timeout: c.Timeout, AllowErrors: c.AllowErrors, Progress: os.Stdout})
	err = errors.Join(c.write(c.Output, nb.Write), c.write(c.HTML, func(w io.Writer) error {
		return notebook.DefaultReport(strings.TrimSuffix(filepath.Base(c.Notebook), ".ipynb")).Write(w, nb)
	}))
	if cell, ok := errors.AsType[*notebook.CellError](failed); ok {
		fmt.Fprintln(os.Stderr, cell.Trace())
	}
	return errors.Join(failed, err)
}

// write writes a file as a whole or not at all; nothing for an empty path.
func (runCmd) write(path string, content func(io.Writer) error) error {
	if path == "" {
		return nil
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	err = errors.Join(content(f), f.Chmod(0o644), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
