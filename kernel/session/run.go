package session

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/timandy/routine"

	"quire/kernel/cell"
	"quire/kernel/link"
)

// stopping counts the cells of the process that are being stopped: interpreted code looks for its own only while it is not zero.
var stopping atomic.Int32

// A stopped goroutine may run its deferred functions: it is stopped again after stopAgain, and from the stopsAtOnce-th time on without
// such a pause, so that code which recovers from everything ends too.
const (
	stopAgain   = 100 * time.Millisecond
	stopsAtOnce = 3
)

// stop is what a cell remembers of a goroutine that it has stopped.
type stop struct {
	at    time.Time
	times int
}

// poll stops the calling goroutine when its cell was cancelled.
func poll() {
	c := Current()
	if c == nil || c.ctx.Err() == nil {
		return
	}
	id, now := routine.Goid(), time.Now()
	last := stop{}
	if v, ok := c.stopped.Load(id); ok {
		last = v.(stop)
	}
	if last.times < stopsAtOnce && now.Sub(last.at) < stopAgain {
		return
	}
	c.stopped.Store(id, stop{now, last.times + 1})
	panic(stopped{})
}

// interrupt tells the goroutines of a cell to stop. It may be called more than once; the first cause stays.
func (c *Cell) interrupt(cause error) {
	if c.ctx.Err() != nil {
		return
	}
	stopping.Add(1)
	c.stop(cause)
}

// Execute implements link.Handler.
func (s *Session) Execute(ctx context.Context, req link.Execute, out link.Events) link.Executed {
	c := s.newCell(ctx, req, out)
	start := time.Now()
	unwatch := context.AfterFunc(ctx, func() { c.interrupt(errInterrupted) })
	s.running.add(c)
	defer s.running.remove(c)
	err := c.supervise()
	s.outputs.drain()
	if err == nil && len(req.Expressions) > 0 {
		c.expressions()
	}
	unwatch()
	if c.ctx.Err() != nil {
		c.calmDown()
	}
	s.remember(c, start, err)
	c.mu.Lock()
	defer c.mu.Unlock()
	return link.Executed{Err: err, Value: c.value, Pages: c.pages, NextInput: c.next, Expressions: c.values, Duration: c.spent}
}

func (s *Session) newCell(ctx context.Context, req link.Execute, out link.Events) *Cell {
	c := &Cell{s: s, req: req, out: out}
	c.ctx, c.stop = context.WithCancelCause(context.WithoutCancel(ctx))
	c.register()
	return c
}

func (s *Session) remember(c *Cell, start time.Time, err *link.Error) {
	if c.req.Silent {
		return
	}
	s.ranMu.Lock()
	defer s.ranMu.Unlock()
	s.ran = append(s.ran, Ran{c.req.Count, c.req.Code, err != nil, start, c.spent})
}

// supervise runs the cell in a goroutine of its own, and gives it up when it is stopped and does not end within the grace time.
func (c *Cell) supervise() *link.Error {
	done := make(chan *link.Error, 1)
	go func() {
		c.adopt()
		err := c.failure("Exit", "the cell called runtime.Goexit", nil)
		defer func() { done <- err }()
		err = c.parts(c.req.Code, 1)
	}()
	select {
	case err := <-done:
		return err
	case <-c.ctx.Done():
	}
	if c.compiling.Load() {
		return c.stopError(nil) // load drops what it compiles
	}
	// In turns, because a machine that does not run this goroutine does not run the cell's either.
	const turns = 10
	for turn := 0; turn < turns || c.awaiting.Load() > 0; turn++ {
		select {
		case err := <-done:
			return err
		case <-time.After(c.s.cfg.Grace / turns):
		}
	}
	c.abandoned.Store(true)
	err := c.stopError(nil)
	if err.Name == "Interrupt" {
		err.Value = "interrupted while it waited in compiled code, which goes on in the background; variables are kept"
		err.Traceback = []string{"Interrupt: " + err.Value}
	}
	return err
}

// calmDown ends the search for goroutines of this cell that shall stop, some time after the cell; goroutines of an abandoned cell are
// looked for as long as the process lives.
func (c *Cell) calmDown() {
	if c.abandoned.Load() {
		return
	}
	go func() {
		for range 20 { // in turns, as supervise waits
			time.Sleep(100 * time.Millisecond)
		}
		stopping.Add(-1)
	}()
}

// parts runs the parts of text, which begins at a line of the cell, up to the first that fails.
func (c *Cell) parts(text string, line int) *link.Error {
	parts := cell.Split(text)
	for i, p := range parts {
		p.Line += line - 1
		if c.takesRest(p) {
			return c.runMagic(restOf(text, p, line))
		}
		var err *link.Error
		switch p.Kind {
		case cell.Go:
			err = c.runGo(p.Text, p.Line, i == len(parts)-1)
		default:
			err = c.runMagic(p)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// takesRest reports whether a part is the first line of a magic that takes all that follows: a %%magic behind lines of others (%args),
// or a magic that has no line form, written with one % (%test).
func (c *Cell) takesRest(p cell.Part) bool {
	if p.Kind == cell.Go {
		return strings.HasPrefix(strings.TrimLeft(p.Text, " \t\r\n"), "%%")
	}
	m := c.s.magics[p.Name]
	return p.Kind == cell.Line && m != nil && m.Line == nil && p.Args != "%help" && p.Args != "--help"
}

// restOf is the %%magic that begins at the line of p and takes the rest of text.
func restOf(text string, p cell.Part, line int) cell.Part {
	for range p.Line - line {
		_, text, _ = strings.Cut(text, "\n")
	}
	whole := cell.Split("%%" + strings.TrimLeft(strings.TrimLeft(text, " \t\r\n"), "%"))[0]
	whole.Line = p.Line
	return whole
}

// runGo compiles and runs Go code that begins at a line of the cell. With shows set, the value of its last expression is the cell's.
func (c *Cell) runGo(text string, line int, shows bool) *link.Error {
	p, err := c.load(text, line, shows)
	if p == nil || err != nil {
		return err
	}
	runErr := p.exec()
	p.commit(runErr == nil)
	if runErr == nil && p.src.Shows {
		c.SetValue(p.results()...)
	}
	p.dropResults()
	return c.runError(runErr)
}

// load compiles text and declares its functions; the program is nil when there is nothing to run. A cell that is interrupted meanwhile
// does not wait for the compiler, and declares nothing.
func (c *Cell) load(text string, line int, shows bool) (*program, *link.Error) {
	chunks, err := cell.Chunks(text, line)
	if err != nil {
		se := err.(*cell.SyntaxError)
		var f fault
		f.pos.Filename, f.pos.Line, f.pos.Column, f.msg = c.position(), se.Line, se.Col, se.Msg
		return nil, c.compileError([]fault{f})
	}
	if len(chunks) == 0 {
		return nil, nil
	}
	c.compiling.Store(true)
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if c.ctx.Err() != nil {
		return nil, c.stopError(nil)
	}
	p, failed := c.s.compile(c, chunks, shows)
	c.compiling.Store(false)
	if failed == nil && c.ctx.Err() != nil {
		failed = c.stopError(nil)
	}
	if failed != nil {
		p.drop()
		return nil, failed
	}
	p.commitFuncs()
	return p, nil
}

// exec runs the statements of a program.
func (p *program) exec() (err error) {
	start := time.Now()
	defer func() {
		p.cell.mu.Lock()
		p.cell.spent += time.Since(start)
		p.cell.mu.Unlock()
	}()
	for _, fn := range p.inits {
		if err := p.callFunc(fn); err != nil {
			return err
		}
	}
	for _, f := range p.top.funcs {
		if f.Recv == nil && f.Name.Name == "init" {
			if err := p.call("init"); err != nil {
				return err
			}
			break
		}
	}
	defer p.forgetRun()
	return p.call(cell.Run)
}

func (p *program) results() []any {
	var list []any
	for _, v := range p.outs {
		list = append(list, p.memory(v).Elem().Interface())
	}
	return list
}

// dropResults lets go of the last expression's value, which the interpreter would otherwise hold as long as any function of the cell.
func (p *program) dropResults() {
	for _, v := range p.outs {
		p.memory(v).Elem().SetZero()
	}
}

// Run runs Go code as a part of the cell, for magics such as %time. The value of its last expression is the cell's.
func (c *Cell) Run(code string) error {
	if err := c.runGo(code, c.lineOf(code), true); err != nil {
		return err
	}
	return nil
}

// RunCell runs text as a cell of its own would be run, magics included.
func (c *Cell) RunCell(text string) error {
	if err := c.parts(text, c.lineOf(text)); err != nil {
		return err
	}
	return nil
}

// SetValue makes values those of the cell's last expression.
func (c *Cell) SetValue(values ...any) {
	if b := c.s.bundleOf(values); b != nil {
		c.mu.Lock()
		c.value = b
		c.mu.Unlock()
	}
}

// lineOf finds the line of the cell that code was taken from, so that errors point there.
func (c *Cell) lineOf(code string) int {
	if i := strings.Index(c.req.Code, code); i >= 0 {
		return 1 + strings.Count(c.req.Code[:i], "\n")
	}
	return 1
}

// Eval computes an expression in the session and returns its values.
func (c *Cell) Eval(expr string) ([]any, error) {
	p, err := c.load(expr, c.lineOf(expr), true)
	if err != nil {
		return nil, err
	}
	if p == nil || len(p.outs) == 0 {
		return nil, fmt.Errorf("%q is not an expression with a value", expr)
	}
	if err := c.runError(p.exec()); err != nil {
		return nil, err
	}
	values := p.results()
	p.dropResults()
	return values, nil
}

// expressions computes the user expressions of a request.
func (c *Cell) expressions() {
	c.values = map[string]link.Expression{}
	for key, expr := range c.req.Expressions {
		done := make(chan link.Expression, 1)
		go func() {
			c.adopt()
			done <- c.expression(expr)
		}()
		select {
		case c.values[key] = <-done:
		case <-c.ctx.Done():
			c.values[key] = link.Expression{Err: c.stopError(nil)}
		}
	}
	c.s.outputs.drain()
}

func (c *Cell) expression(expr string) link.Expression {
	values, err := c.Eval(expr)
	if err != nil {
		e, ok := err.(*link.Error)
		if !ok {
			e = &link.Error{Name: "CompileError", Value: err.Error(), Traceback: []string{err.Error()}}
		}
		return link.Expression{Err: e}
	}
	b := c.s.bundleOf(values)
	if b == nil {
		b = &link.Bundle{Data: map[string]any{"text/plain": "nil"}}
	}
	return link.Expression{Value: b}
}

// runningCells are the cells that run, oldest first.
type runningCells struct {
	list atomic.Pointer[[]*Cell]
	last atomic.Pointer[Cell] // the newest that ever ran
}

func (r *runningCells) change(f func([]*Cell) []*Cell) {
	for {
		old := r.list.Load()
		var list []*Cell
		if old != nil {
			list = slices.Clone(*old)
		}
		list = f(list)
		if r.list.CompareAndSwap(old, &list) {
			return
		}
	}
}

func (r *runningCells) add(c *Cell) {
	c.running.Store(true)
	r.last.Store(c)
	r.change(func(l []*Cell) []*Cell { return append(l, c) })
}

func (r *runningCells) remove(c *Cell) {
	c.running.Store(false)
	r.change(func(l []*Cell) []*Cell { return slices.DeleteFunc(l, func(x *Cell) bool { return x == c }) })
}

// newest is the cell that began last of those that run; nil when none does.
func (r *runningCells) newest() *Cell {
	l := r.list.Load()
	if l == nil || len(*l) == 0 {
		return nil
	}
	return (*l)[len(*l)-1]
}
