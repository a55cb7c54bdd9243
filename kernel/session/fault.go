package session

import (
	"context"
	"errors"
	"fmt"
	"go/token"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"github.com/goplus/ixgo"

	"quire/kernel/link"
)

// fault is one thing that is wrong with a cell's text.
type fault struct {
	pos token.Position
	msg string
}

// What ends a cell from inside. They travel as panics and as causes of the cell's context.
type (
	exitStatus    int      // os.Exit or log.Fatal
	deepRecursion uintptr  // bytes of stack
	stopped       struct{} // poll found the cell cancelled; the context's cause says why
	strayPanic    struct { // panic of another goroutine of the cell
		value any
		stack []byte
	}
)

func (e exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(e)) }
func (e deepRecursion) Error() string {
	return fmt.Sprintf("stack overflow: calls nested deeper than %d MiB of stack allow", e>>20)
}
func (stopped) Error() string       { return "the cell was stopped" }
func (p *strayPanic) Error() string { return "panic in a goroutine: " + panicText(p.value) }

var errInterrupted = errors.New("interrupted")

// position is what places in the cell are called.
func (c *Cell) position() string { return "cell[" + strconv.Itoa(c.req.Count) + "]" }

// compileError reports faults as the Go compiler does, each under its place in the cell.
func (c *Cell) compileError(faults []fault) *link.Error {
	e := &link.Error{Name: "CompileError"}
	seen := map[string]bool{}
	for _, f := range faults {
		line := f.msg
		if f.pos.Filename != "" {
			line = fmt.Sprintf("%s:%d:%d: %s", f.pos.Filename, f.pos.Line, f.pos.Column, f.msg)
		}
		if seen[line] {
			continue
		}
		seen[line] = true
		if e.Value == "" {
			e.Value = line
		}
		e.Traceback = append(e.Traceback, line)
		if f.pos.Filename == c.position() {
			e.Traceback = append(e.Traceback, c.excerpt(f.pos.Line, f.pos.Column)...)
		}
		if len(seen) == 10 && len(faults) > 10 {
			e.Traceback = append(e.Traceback, "too many errors")
			break
		}
	}
	return e
}

// excerpt shows a line of the cell, with a mark under col when it is positive.
func (c *Cell) excerpt(line, col int) []string {
	lines := strings.Split(c.req.Code, "\n")
	if line < 1 || line > len(lines) {
		return nil
	}
	text := lines[line-1]
	out := []string{"    " + text}
	if col >= 1 && col <= len(text)+1 {
		pad := strings.Map(func(r rune) rune {
			if r == '\t' {
				return r
			}
			return ' '
		}, text[:col-1])
		out = append(out, "    "+pad+"^")
	}
	return out
}

// cleanMessage removes the name of the machinery's package from a message of the type checker.
func cleanMessage(msg string) string { return strings.ReplaceAll(msg, cellPackage+".", "") }

// runError explains how the run of a program ended; nil when it ended well.
func (c *Cell) runError(err error) *link.Error {
	if err == nil {
		return nil
	}
	var value any = err
	var stack []byte
	switch e := err.(type) {
	case ixgo.PanicError:
		value, stack = e.Value, e.Stack()
	case ixgo.FatalError:
		value, stack = e.Value, e.Stack()
	}
	if _, ok := value.(stopped); ok {
		return c.stopError(stack)
	}
	return c.panicked(value, stack)
}

// stopError is the error of a cell that was told to stop: its context has the reason.
func (c *Cell) stopError(stack []byte) *link.Error {
	cause := context.Cause(c.ctx)
	switch cause := cause.(type) {
	case exitStatus:
		return c.failure("Exit", cause.Error(), stack)
	case *strayPanic:
		return c.panicked(cause.value, cause.stack)
	}
	return c.failure("Interrupt", "interrupted; variables are kept", stack)
}

func (c *Cell) panicked(value any, stack []byte) *link.Error {
	switch v := value.(type) {
	case exitStatus:
		return c.failure("Exit", v.Error(), stack)
	case deepRecursion:
		return c.failure("StackOverflow", v.Error(), stack)
	}
	return c.failure("Panic", panicText(value), stack)
}

// frameLine finds the places of interpreted code in a stack: function, then file:line on the next line.
var frameLine = regexp.MustCompile(`(?m)^(.*)\(\)\n\t(cell\[\d+\]):(\d+)`)

// failure makes an error with the places of cells in a stack.
func (c *Cell) failure(name, value string, stack []byte) *link.Error {
	e := &link.Error{Name: name, Value: value, Traceback: []string{name + ": " + value}}
	last, repeats := "", 0
	for _, m := range frameLine.FindAllStringSubmatch(string(stack), -1) {
		fn := strings.TrimPrefix(m[1], cellPath+".")
		if strings.HasPrefix(fn, "ǃ") {
			fn = ""
		} else {
			fn = "  in " + fn
		}
		place := fmt.Sprintf("%s:%s%s", m[2], m[3], fn)
		if place == last {
			repeats++
			continue
		}
		if repeats > 0 {
			e.Traceback = append(e.Traceback, fmt.Sprintf("    … and %d more of these", repeats))
			repeats = 0
		}
		if len(e.Traceback) > 40 {
			e.Traceback = append(e.Traceback, "…")
			break
		}
		e.Traceback = append(e.Traceback, place)
		if line, _ := strconv.Atoi(m[3]); last == "" && m[2] == c.position() {
			e.Traceback = append(e.Traceback, c.excerpt(line, 0)...)
		}
		last = place
	}
	if repeats > 0 {
		e.Traceback = append(e.Traceback, fmt.Sprintf("    … and %d more of these", repeats))
	}
	return e
}

// panicText is a panic's value as Go prints it.
func panicText(v any) (text string) {
	defer func() {
		if recover() != nil {
			text = fmt.Sprintf("%T whose text panics", v)
		}
	}()
	switch v := v.(type) {
	case ixgo.PanicError:
		return panicText(v.Value)
	case ixgo.FatalError:
		return panicText(v.Value)
	case *reflect.ValueError:
		return nilDereference // ixgo reaches memory through reflect
	case error:
		return goText(v.Error())
	case fmt.Stringer:
		return v.String()
	case string:
		return v
	}
	return fmt.Sprintf("%v (%T)", v, v)
}

const nilDereference = "runtime error: invalid memory address or nil pointer dereference"

// goText makes ixgo's texts of run-time errors Go's.
func goText(s string) string {
	s = strings.Replace(s, "runtime error: runtime error: ", "runtime error: ", 1)
	return strings.Replace(s, "runtime error: interface conversion: ", "interface conversion: ", 1)
}
