// Package notebook reads, executes and writes Jupyter notebooks (nbformat 4) without Jupyter.
//
//	file ─▶ Read ─▶ Notebook ─▶ Parametrize ─▶ Execute (a fresh session process) ─▶ Write
//
// Invariant: what a notebook holds beyond this package's knowledge (metadata, attachments) is written as it was read.
// Invariant: Write gives the bytes that Jupyter gives for the same notebook: keys sorted, an indent of one, text as lists of lines.
package notebook

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
)

// Notebook is a notebook of format 4.5.
type Notebook struct {
	Cells    []*Cell
	Metadata map[string]any
}

// Cell is one cell.
type Cell struct {
	ID          string
	Type        string // code, markdown or raw
	Source      string
	Metadata    map[string]any
	Attachments map[string]any // of markdown and raw cells
	Outputs     []*Output      // of code cells
	Count       int            // of code cells: 0 when it has not run
}

// Output is one output of a code cell.
type Output struct {
	Type     string         // stream, display_data, execute_result or error
	Name     string         // of a stream: stdout or stderr
	Text     string         // of a stream
	Data     map[string]any // of the displays: media type → content
	Metadata map[string]any // of the displays
	Count    int            // of an execute_result
	EName    string         // of an error, like the next two
	EValue   string
	Trace    []string
}

// stderr is what the cell has written there.
func (c *Cell) stderr() string {
	var b strings.Builder
	for _, o := range c.Outputs {
		if o.Type == "stream" && o.Name == "stderr" {
			b.WriteString(o.Text)
		}
	}
	return b.String()
}

// HasTag reports whether the cell's metadata list a tag.
func (c *Cell) HasTag(tag string) bool {
	tags, _ := c.Metadata["tags"].([]any)
	for _, t := range tags {
		if t == tag {
			return true
		}
	}
	return false
}

// text is a string that nbformat may split into a list of lines.
type text string

func (t *text) UnmarshalJSON(data []byte) error {
	var lines []string
	if json.Unmarshal(data, &lines) == nil {
		*t = text(strings.Join(lines, ""))
		return nil
	}
	return json.Unmarshal(data, (*string)(t))
}

func (t text) lines() []string {
	lines := []string{}
	for l := range strings.Lines(string(t)) {
		lines = append(lines, l)
	}
	return lines
}

type rawNotebook struct {
	Cells    []rawCell      `json:"cells"`
	Metadata map[string]any `json:"metadata"`
	Major    int            `json:"nbformat"`
}

type rawCell struct {
	ID          string         `json:"id"`
	Type        string         `json:"cell_type"`
	Source      text           `json:"source"`
	Metadata    map[string]any `json:"metadata"`
	Attachments map[string]any `json:"attachments"`
	Outputs     []rawOutput    `json:"outputs"`
	Count       *int           `json:"execution_count"`
}

type rawOutput struct {
	Type     string                     `json:"output_type"`
	Name     string                     `json:"name"`
	Text     text                       `json:"text"`
	Data     map[string]json.RawMessage `json:"data"`
	Metadata map[string]any             `json:"metadata"`
	Count    *int                       `json:"execution_count"`
	EName    string                     `json:"ename"`
	EValue   string                     `json:"evalue"`
	Trace    []string                   `json:"traceback"`
}

// ReadFile reads a notebook file.
func ReadFile(path string) (*Notebook, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("notebook: %v", err)
	}
	nb, err := Read(data)
	if err != nil {
		return nil, fmt.Errorf("notebook: %s: %v", path, err)
	}
	return nb, nil
}

// Read reads a notebook of format 4; cells without id get one.
func Read(data []byte) (*Notebook, error) {
	var raw rawNotebook
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(&raw); err != nil {
		return nil, err
	}
	if raw.Major != 4 {
		return nil, fmt.Errorf("format %d: open the notebook in Jupyter and save it to get format 4", raw.Major)
	}
	nb := &Notebook{Metadata: orEmpty(raw.Metadata)}
	for i, c := range raw.Cells {
		if c.Type != "code" && c.Type != "markdown" && c.Type != "raw" {
			return nil, fmt.Errorf("cell %d: type %q is none of code, markdown, raw", i+1, c.Type)
		}
		cell := &Cell{ID: c.ID, Type: c.Type, Source: string(c.Source), Metadata: orEmpty(c.Metadata), Attachments: c.Attachments, Count: number(c.Count)}
		if cell.ID == "" {
			cell.ID = strings.ToLower(rand.Text()[:8])
		}
		for _, o := range c.Outputs {
			out, err := o.output()
			if err != nil {
				return nil, fmt.Errorf("cell %d: %v", i+1, err)
			}
			cell.Outputs = append(cell.Outputs, out)
		}
		nb.Cells = append(nb.Cells, cell)
	}
	return nb, nil
}

func orEmpty(m map[string]any) map[string]any {
	if m == nil {
		return map[string]any{}
	}
	return m
}

func number(n *int) int {
	if n == nil {
		return 0
	}
	return *n
}

func (o rawOutput) output() (*Output, error) {
	out := &Output{Type: o.Type, Name: o.Name, Text: string(o.Text), Metadata: o.Metadata, Count: number(o.Count),
		EName: o.EName, EValue: o.EValue, Trace: o.Trace}
	for mime, raw := range o.Data {
		if out.Data == nil {
			out.Data = map[string]any{}
		}
		var t text
		if !isJSON(mime) && t.UnmarshalJSON(raw) == nil {
			out.Data[mime] = string(t)
			continue
		}
		var v any
		d := json.NewDecoder(bytes.NewReader(raw))
		d.UseNumber()
		if err := d.Decode(&v); err != nil {
			return nil, err
		}
		out.Data[mime] = v
	}
	return out, nil
}

func isJSON(mime string) bool { return mime == "application/json" || strings.HasSuffix(mime, "+json") }

// Write writes a notebook of format 4.5.
func (nb *Notebook) Write(w io.Writer) error {
	cells := []any{}
	for _, c := range nb.Cells {
		m := map[string]any{"id": c.ID, "cell_type": c.Type, "source": text(c.Source).lines(), "metadata": orEmpty(c.Metadata)}
		if c.Attachments != nil {
			m["attachments"] = c.Attachments
		}
		if c.Type == "code" {
			outputs := []any{}
			for _, o := range c.Outputs {
				outputs = append(outputs, o.raw())
			}
			m["outputs"], m["execution_count"] = outputs, count(c.Count)
		}
		cells = append(cells, m)
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	return e.Encode(map[string]any{"cells": cells, "metadata": orEmpty(nb.Metadata), "nbformat": 4, "nbformat_minor": 5})
}

// count is an execution count, null for 0.
func count(n int) any {
	if n == 0 {
		return nil
	}
	return n
}

func (o *Output) raw() map[string]any {
	m := map[string]any{"output_type": o.Type}
	switch o.Type {
	case "stream":
		m["name"], m["text"] = o.Name, text(o.Text).lines()
	case "error":
		m["ename"], m["evalue"], m["traceback"] = o.EName, o.EValue, append([]string{}, o.Trace...)
	default:
		data := map[string]any{}
		for mime, v := range o.Data {
			if s, ok := v.(string); ok && !isJSON(mime) && !strings.HasPrefix(mime, "image/") || ok && mime == "image/svg+xml" {
				data[mime] = text(s).lines()
			} else {
				data[mime] = v
			}
		}
		m["data"], m["metadata"] = data, orEmpty(o.Metadata)
		if o.Type == "execute_result" {
			m["execution_count"] = count(o.Count)
		}
	}
	return m
}
