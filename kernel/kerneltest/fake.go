package kerneltest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode/utf8"

	"quire/kernel/link"
)

// Fake is a session whose cells are commands, one a line:
//
//	print TEXT   warn TEXT   raw TEXT (past the line)   lines N   value TEXT   page TEXT   next TEXT
//	display ID TEXT   update ID TEXT   clear   clearwait
//	set NAME VALUE   get NAME   input PROMPT   password PROMPT
//	sleep D (can be interrupted)   stuck D (cannot)   later NAME TEXT (prints when another cell sets NAME)
//	open ID   send ID TEXT   close ID (comms)   past (cells of the session before)
//	error NAME TEXT   panic   overflow   kill   exit N
//
// Completion knows the commands, inspection the commands and variables. A comm message is echoed.
type Fake struct {
	mu        sync.Mutex
	variables map[string]string
	later     map[string][]func() // by the variable that they wait for
	past      link.Recover
}

// NewFake makes an empty session.
func NewFake() *Fake { return &Fake{variables: map[string]string{}, later: map[string][]func(){}} }

// Execute runs the commands.
func (f *Fake) Execute(ctx context.Context, req link.Execute, out link.Events) (done link.Executed) {
	start := time.Now()
	defer func() { done.Duration = time.Since(start) }()
	for line := range strings.Lines(req.Code) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		if word == "" {
			continue
		}
		if err := f.command(ctx, req, out, word, rest, &done); err != nil {
			done.Err = err
			return done
		}
	}
	done.Expressions = map[string]link.Expression{}
	for name, x := range req.Expressions {
		f.mu.Lock()
		value, ok := f.variables[x]
		f.mu.Unlock()
		if ok {
			done.Expressions[name] = link.Expression{Value: text(value)}
		} else {
			done.Expressions[name] = link.Expression{Err: &link.Error{Name: "Undefined", Value: x}}
		}
	}
	return done
}

func text(s string) *link.Bundle { return &link.Bundle{Data: map[string]any{"text/plain": s}} }

func failed(name, value string) *link.Error {
	return &link.Error{Name: name, Value: value, Traceback: []string{name + ": " + value}}
}

func (f *Fake) command(ctx context.Context, req link.Execute, out link.Events, word, rest string, done *link.Executed) *link.Error {
	first, after, _ := strings.Cut(rest, " ")
	switch word {
	case "print":
		out.Stream(req.Cell, "stdout", rest+"\n")
	case "warn":
		out.Stream(req.Cell, "stderr", rest+"\n")
	case "raw":
		fmt.Println(rest)
	case "lines":
		n, _ := strconv.Atoi(rest)
		for i := range n {
			out.Stream(req.Cell, "stdout", "line "+strconv.Itoa(i)+"\n")
		}
	case "value":
		done.Value = text(rest)
	case "page":
		done.Pages = append(done.Pages, *text(rest))
	case "next":
		done.NextInput = &link.NextInput{Text: rest}
	case "display", "update":
		out.Display(req.Cell, link.Display{Bundle: *text(after), ID: first, Update: word == "update"})
	case "clear", "clearwait":
		out.Clear(req.Cell, word == "clearwait")
	case "set":
		f.mu.Lock()
		f.variables[first] = after
		waiting := f.later[first]
		delete(f.later, first)
		f.mu.Unlock()
		for _, print := range waiting {
			print()
		}
	case "later":
		f.mu.Lock()
		f.later[first] = append(f.later[first], func() { out.Stream(req.Cell, "stdout", after+"\n") })
		f.mu.Unlock()
	case "get":
		f.mu.Lock()
		value, ok := f.variables[first]
		f.mu.Unlock()
		if !ok {
			return failed("Undefined", first)
		}
		done.Value = text(value)
	case "past":
		var codes []string
		for _, c := range f.past.Cells {
			codes = append(codes, fmt.Sprintf("[%d] %s", c.Count, c.Code))
		}
		done.Value = text(f.past.Cause + "; " + strings.Join(codes, "; "))
	case "open", "send", "close":
		op := map[string]string{"open": "open", "send": "msg", "close": "close"}[word]
		data, _ := json.Marshal(map[string]string{"text": after})
		out.Comm(req.Cell, link.Comm{Op: op, ID: first, Target: map[bool]string{true: "fake"}[op == "open"], Data: data})
	case "input", "password":
		return f.input(ctx, req, out, rest, word == "password")
	default:
		return f.wait(ctx, req, out, word, rest)
	}
	return nil
}

func (f *Fake) input(ctx context.Context, req link.Execute, out link.Events, prompt string, password bool) *link.Error {
	line, err := out.Input(ctx, req.Cell, prompt, password)
	switch {
	case err == io.EOF:
		return failed("EOF", "no input")
	case err != nil:
		return failed("Interrupt", "interrupted")
	}
	out.Stream(req.Cell, "stdout", "got "+line+"\n")
	return nil
}

// wait runs the commands that take time or end the cell or the process.
func (f *Fake) wait(ctx context.Context, req link.Execute, out link.Events, word, rest string) *link.Error {
	first, after, _ := strings.Cut(rest, " ")
	d, _ := time.ParseDuration(first)
	switch word {
	case "sleep":
		select {
		case <-time.After(d):
		case <-ctx.Done():
			return failed("Interrupt", "interrupted")
		}
	case "stuck":
		time.Sleep(d)
	case "error":
		return failed(first, after)
	case "panic":
		go panic("fake panic")
		select {}
	case "overflow":
		debug.SetMaxStack(16 << 20) // the usual limit takes a gigabyte, and its report many seconds
		_ = overflow(0)
	case "kill":
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	case "exit":
		n, _ := strconv.Atoi(first)
		os.Exit(n)
	default:
		return failed("Unknown", word)
	}
	return nil
}

// overflow uses up the stack.
//
//lint:ignore SA5007 a stack overflow is what it is for
func overflow(n int) int { return overflow(n+1) + n }

var commands = []string{"print", "past", "page", "panic", "password"}

// Complete knows the commands that begin with p.
func (f *Fake) Complete(_ context.Context, p link.Position) link.Completion {
	before := string([]rune(p.Code)[:p.Cursor])
	word := before[strings.LastIndexAny(before, " \n")+1:]
	c := link.Completion{Start: p.Cursor - utf8.RuneCountInString(word), End: p.Cursor}
	for _, name := range commands {
		if strings.HasPrefix(name, word) {
			c.Matches = append(c.Matches, link.Match{Text: name, Type: "keyword", Sig: name + " TEXT"})
		}
	}
	return c
}

// Inspect describes commands and variables.
func (f *Fake) Inspect(_ context.Context, p link.Position) link.Inspection {
	word := strings.TrimSpace(string([]rune(p.Code)[:p.Cursor]))
	f.mu.Lock()
	defer f.mu.Unlock()
	if value, ok := f.variables[word]; ok {
		return link.Inspection{Found: true, Bundle: *text(word + " = " + value)}
	}
	return link.Inspection{Found: slices.Contains(commands, word), Bundle: *text("command " + word)}
}

// IsComplete wants another line after a backslash.
func (f *Fake) IsComplete(p link.Position) link.Completeness {
	switch {
	case strings.HasSuffix(p.Code, `\`):
		return link.Completeness{Status: "incomplete", Indent: "  "}
	case strings.HasPrefix(p.Code, "!"):
		return link.Completeness{Status: "invalid"}
	}
	return link.Completeness{Status: "complete"}
}

// Comm echoes messages.
func (f *Fake) Comm(c link.Comm, out link.Events) {
	if c.Op == "msg" {
		out.Comm("", link.Comm{Op: "msg", ID: c.ID, Data: c.Data, Buffers: c.Buffers})
	}
}

// Recover keeps the cells of the session before, for "past".
func (f *Fake) Recover(r link.Recover) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.past = r
}
