package notebook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"
	"time"

	"quire/kernel/link"
)

// Options say how to execute a notebook.
type Options struct {
	Timeout     time.Duration // of one cell; 0 for none
	AllowErrors bool          // go on after a cell that fails
	Progress    io.Writer     // gets a line for each cell; nil for none
}

// CellError is the error of a cell that failed.
type CellError struct {
	Cell   int // index among the notebook's cells
	Count  int // execution count
	Err    link.Error
	Stderr string // what the cell wrote there: log.Fatal's reason, say
}

func (e *CellError) Error() string {
	return fmt.Sprintf("cell %d failed: %s: %s", e.Cell+1, e.Err.Name, e.Err.Value)
}

// Trace is what the cell wrote to stderr and the traceback, as plain text.
func (e *CellError) Trace() string { return stripANSI(e.Stderr + strings.Join(e.Err.Traceback, "\n")) }

var ansi = regexp.MustCompile("\x1b\\[[0-9;]*[A-Za-z]")

func stripANSI(s string) string { return ansi.ReplaceAllString(s, "") }

// stopGrace is how long a cell may take to stop at its timeout before its session process is killed.
const stopGrace = 2 * time.Second

// Execute runs every code cell in a fresh session process and replaces the outputs. It stops at the first cell that fails with a
// *CellError; a cell tagged raises-exception may fail.
func (nb *Notebook) Execute(ctx context.Context, start link.Starter, opt Options) error {
	r := &runner{start: start}
	defer r.close()
	total, n := 0, 0
	for _, c := range nb.Cells {
		if c.Type == "code" {
			c.Outputs, c.Count = nil, 0
			total++
		}
	}
	for i, c := range nb.Cells {
		if c.Type != "code" {
			continue
		}
		n++
		if strings.TrimSpace(c.Source) == "" {
			continue
		}
		began := time.Now()
		failure, err := r.cell(ctx, c, n, opt.Timeout)
		if err != nil {
			return err
		}
		if opt.Progress != nil {
			fmt.Fprintf(opt.Progress, "[%d/%d] %7.3f s  %s%s\n", n, total, time.Since(began).Seconds(), firstLine(c.Source), mark(failure))
		}
		if failure != nil && !opt.AllowErrors && !c.HasTag("raises-exception") {
			r.mu.Lock()
			defer r.mu.Unlock()
			return &CellError{Cell: i, Count: c.Count, Err: *failure, Stderr: c.stderr()}
		}
	}
	return nil
}

func mark(failure *link.Error) string {
	if failure == nil {
		return ""
	}
	return "  ✗ " + failure.Name
}

func firstLine(source string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(source), "\n")
	if r := []rune(line); len(r) > 80 {
		return string(r[:79]) + "…"
	}
	return line
}

// runner runs cells in one session process after the other: a new one only when the last has died.
type runner struct {
	start  link.Starter
	remote *link.Remote

	mu       sync.Mutex // over all outputs while cells and what they leave running write them
	cells    map[string]*Cell
	last     *Cell
	displays map[string][]*Output
	clear    map[*Cell]bool // cells whose outputs go with the next one
}

func (r *runner) close() {
	if r.remote != nil {
		r.remote.Shutdown(stopGrace)
	}
}

// cell runs one cell. An error that is the cell's own is returned as failure and among its outputs.
func (r *runner) cell(ctx context.Context, c *Cell, count int, timeout time.Duration) (failure *link.Error, err error) {
	if r.remote == nil {
		r.mu.Lock()
		r.cells, r.displays, r.clear = map[string]*Cell{}, map[string][]*Output{}, map[*Cell]bool{}
		r.mu.Unlock()
		if r.remote, err = r.start(r.event, r.output); err != nil {
			return nil, err
		}
	}
	r.mu.Lock()
	r.cells[c.ID], r.last = c, c
	c.Count = count
	r.mu.Unlock()
	began := time.Now()
	done, err := r.call(ctx, c, count, timeout)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if v := done.Value; v != nil {
		r.add(c, &Output{Type: "execute_result", Data: v.Data, Metadata: v.Metadata, Count: count})
	}
	if e := done.Err; e != nil {
		r.add(c, &Output{Type: "error", EName: e.Name, EValue: e.Value, Trace: e.Traceback})
	}
	c.Metadata["execution"] = map[string]any{
		"iopub.execute_input": stamp(began), "shell.execute_reply": stamp(time.Now())}
	return done.Err, nil
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }

// call executes a cell and watches its time.
func (r *runner) call(ctx context.Context, c *Cell, count int, timeout time.Duration) (link.Executed, error) {
	var done link.Executed
	answered := make(chan error, 1)
	remote := r.remote
	go func() {
		answered <- remote.Call(context.Background(), link.KindExecute, c.ID, link.Execute{Cell: c.ID, Code: c.Source, Count: count}, &done)
	}()
	var expired, kill <-chan time.Time
	if timeout > 0 {
		expired = time.After(timeout)
	}
	cancelled := ctx.Done()
	late := false
	for {
		select {
		case err := <-answered:
			return r.answer(done, err, ctx, late, timeout)
		case <-expired:
			late = true
			remote.Send(link.KindInterrupt, c.ID, nil)
			kill = time.After(stopGrace)
		case <-cancelled:
			cancelled = nil
			remote.Send(link.KindInterrupt, c.ID, nil)
			kill = time.After(stopGrace)
		case <-kill:
			remote.Kill()
		}
	}
}

// answer turns the end of a cell, or of its session process, into its result.
func (r *runner) answer(done link.Executed, err error, ctx context.Context, late bool, timeout time.Duration) (link.Executed, error) {
	if errors.Is(err, link.ErrEnded) {
		end := r.remote.End()
		r.remote = nil
		done, err = link.Executed{Err: &link.Error{Name: "Crash", Value: "the session process has ended: " + end.Cause}}, nil
		done.Err.Traceback = []string{done.Err.Error(), end.Stderr}
	}
	if err != nil {
		return done, err
	}
	if ctx.Err() != nil {
		return done, errors.New("notebook: interrupted")
	}
	if late {
		value := fmt.Sprintf("the cell took longer than %v: raise --timeout", timeout)
		done.Err = &link.Error{Name: "Timeout", Value: value, Traceback: []string{"Timeout: " + value}}
	}
	return done, nil
}

// event collects what the session process reports.
func (r *runner) event(m link.Message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.cells[m.Cell]
	if c == nil {
		c = r.last
	}
	switch m.Kind {
	case link.KindStream:
		var s link.Stream
		if json.Unmarshal(m.Body, &s) == nil {
			r.add(c, &Output{Type: "stream", Name: s.Name, Text: s.Text})
		}
	case link.KindDisplay:
		var d link.Display
		if json.Unmarshal(m.Body, &d) != nil {
			return
		}
		if d.Update {
			for _, o := range r.displays[d.ID] {
				o.Data, o.Metadata = d.Data, d.Metadata
			}
			return
		}
		o := &Output{Type: "display_data", Data: d.Data, Metadata: d.Metadata}
		r.add(c, o)
		if d.ID != "" {
			r.displays[d.ID] = append(r.displays[d.ID], o)
		}
	case link.KindClear:
		var clear link.Clear
		if json.Unmarshal(m.Body, &clear) == nil && !clear.Wait {
			c.Outputs = nil
		} else {
			r.clear[c] = true
		}
	case link.KindInput:
		r.remote.Send(link.KindInput, m.Cell, link.Input{EOF: true})
	}
}

// output takes what the session process writes past the line.
func (r *runner) output(name, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.last != nil {
		r.add(r.last, &Output{Type: "stream", Name: name, Text: text})
	}
}

// add appends an output; text that follows text of the same stream is joined to it.
func (r *runner) add(c *Cell, o *Output) {
	if r.clear[c] {
		delete(r.clear, c)
		c.Outputs = nil
	}
	if n := len(c.Outputs); o.Type == "stream" && n > 0 && c.Outputs[n-1].Type == "stream" && c.Outputs[n-1].Name == o.Name {
		c.Outputs[n-1].Text += o.Text
		return
	}
	c.Outputs = append(c.Outputs, o)
}
