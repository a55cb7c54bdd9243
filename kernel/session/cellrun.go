package session

import (
	"context"
	"io"
	"runtime/pprof"
	"sync"
	"sync/atomic"
	"time"

	"quire/kernel/link"
)

// Cell is one run of a cell: what magics are given, and what package cell shows to user code. It stays valid after the cell has
// ended, because goroutines outlive cells; output then still goes to it.
type Cell struct {
	s      *Session
	serial uint64         // of this run in the process; names the cell in goroutine labels
	label  [20]byte       // the serial in digits
	labels pprof.LabelSet // made of it
	req    link.Execute
	ctx    context.Context
	stop   context.CancelCauseFunc
	out    link.Events

	mu      sync.Mutex // guards the six below
	pages   []link.Bundle
	next    *link.NextInput
	value   *link.Bundle
	values  map[string]link.Expression
	spent   time.Duration
	capture func(name, text string) // set while output is captured

	running   atomic.Bool
	compiling atomic.Bool  // or waits for its turn to
	awaiting  atomic.Int32 // commands
	abandoned atomic.Bool
	stopped   sync.Map // goroutine id → stop
	inputOnce sync.Once
	stdin     *stdin
}

// ID is the identity under which the front end knows the cell.
func (c *Cell) ID() string { return c.req.Cell }

// Count is the execution count, as positions show it: cell[Count]:line.
func (c *Cell) Count() int { return c.req.Count }

// Code is the text of the whole cell.
func (c *Cell) Code() string { return c.req.Code }

// Session is the session that the cell runs in.
func (c *Cell) Session() *Session { return c.s }

// Context is cancelled when the cell is interrupted, not when it ends: goroutines that outlive the cell keep it.
func (c *Cell) Context() context.Context { return c.ctx }

// Stdout and Stderr write to the cell's output. Writes are coalesced, and sent at the latest after 100 ms.
func (c *Cell) Stdout() io.Writer { return streamWriter{c, "stdout"} }

// Stderr is Stdout's sibling; the order between both is kept.
func (c *Cell) Stderr() io.Writer { return streamWriter{c, "stderr"} }

// Display shows a bundle in the cell's output, after the text that was written before. With d.Update set it replaces what was shown
// under d.ID.
func (c *Cell) Display(d link.Display) {
	c.s.outputs.flush()
	c.out.Display(c.ID(), d)
}

// Show displays a value as the last expression of a cell would be.
func (c *Cell) Show(v any) {
	if b := c.s.bundle(v); b != nil {
		c.Display(link.Display{Bundle: *b})
	}
}

// Clear removes the cell's output, with wait set only when the next output arrives.
func (c *Cell) Clear(wait bool) {
	c.s.outputs.flush()
	c.out.Clear(c.ID(), wait)
}

// Comm sends a comm message to the front end.
func (c *Cell) Comm(m link.Comm) {
	c.s.outputs.flush()
	c.out.Comm(c.ID(), m)
}

// Input asks the person for a line: io.EOF when the front end cannot answer, the context's error when the cell is interrupted.
func (c *Cell) Input(prompt string, password bool) (string, error) {
	if !c.req.AllowStdin {
		return "", io.EOF
	}
	c.s.outputs.flush()
	return c.out.Input(c.ctx, c.ID(), prompt, password)
}

// Page shows a bundle in the front end's pager when the cell has ended.
func (c *Cell) Page(b link.Bundle) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pages = append(c.pages, b)
}

// SetNextInput puts text into the next cell, or with replace set into this one.
func (c *Cell) SetNextInput(text string, replace bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.next = &link.NextInput{Text: text, Replace: replace}
}

// Capture sends the cell's text output to f instead of the front end until the returned function is called.
func (c *Cell) Capture(f func(name, text string)) (restore func()) {
	c.s.outputs.flush()
	c.mu.Lock()
	old := c.capture
	c.capture = f
	c.mu.Unlock()
	return func() {
		c.s.outputs.flush()
		c.mu.Lock()
		c.capture = old
		c.mu.Unlock()
	}
}
