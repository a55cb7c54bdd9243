// Package hosttest runs cells in a full session, for the tests of magics, native cells and registration.
package hosttest

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"quire/kernel/host"
	"quire/kernel/link"
)

// Kit is a session and a front end that writes down what it gets.
type Kit struct {
	*host.Session
	t     testing.TB
	count int

	mu      sync.Mutex
	now     *Result
	Answers []string // for input requests, in order; none left is io.EOF
}

// Result is what one cell gave.
type Result struct {
	Stdout, Stderr string
	Displays       []link.Display
	Comms          []link.Comm
	Prompts        []string
	link.Executed
}

// Plain is the text of the last expression.
func (r *Result) Plain() string {
	if r.Value == nil {
		return ""
	}
	return fmt.Sprint(r.Value.Data["text/plain"])
}

// New starts a session that ends with the test.
func New(t testing.TB) *Kit {
	t.Helper()
	s, err := host.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	k := &Kit{Session: s, t: t}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return k
}

// Try runs a cell.
func (k *Kit) Try(code string) *Result { return k.TryContext(context.Background(), code) }

// TryContext runs a cell that ctx interrupts.
func (k *Kit) TryContext(ctx context.Context, code string) *Result {
	k.mu.Lock()
	k.count++
	r := &Result{}
	k.now = r
	count := k.count
	k.mu.Unlock()
	done := k.Execute(ctx, link.Execute{Cell: fmt.Sprintf("c%d", count), Code: code, Count: count, AllowStdin: true}, k)
	k.mu.Lock()
	defer k.mu.Unlock()
	r.Executed = done
	return r
}

// Run runs a cell that must succeed.
func (k *Kit) Run(code string) *Result {
	k.t.Helper()
	r := k.Try(code)
	if r.Err != nil {
		k.t.Fatalf("cell:\n%s\nfailed: %v\n%s\nstderr: %s", code, r.Err, strings.Join(r.Err.Traceback, "\n"), r.Stderr)
	}
	return r
}

// Fail runs a cell that must fail with want in its error's value, and returns the error.
func (k *Kit) Fail(code, want string) *link.Error {
	k.t.Helper()
	r := k.Try(code)
	if r.Err == nil {
		k.t.Fatalf("cell:\n%s\nsucceeded; want an error with %q", code, want)
	}
	if !strings.Contains(r.Err.Error(), want) {
		k.t.Fatalf("cell:\n%s\nerror %q, want one with %q", code, r.Err, want)
	}
	return r.Err
}

// Stream implements link.Events.
func (k *Kit) Stream(cell, name, text string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if name == "stderr" {
		k.now.Stderr += text
	} else {
		k.now.Stdout += text
	}
}

// Display implements link.Events.
func (k *Kit) Display(cell string, d link.Display) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.now.Displays = append(k.now.Displays, d)
}

// Clear implements link.Events.
func (k *Kit) Clear(cell string, wait bool) {}

// Comm implements link.Events.
func (k *Kit) Comm(cell string, c link.Comm) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.now.Comms = append(k.now.Comms, c)
}

// Input implements link.Events.
func (k *Kit) Input(ctx context.Context, cell, prompt string, password bool) (string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.now.Prompts = append(k.now.Prompts, prompt)
	if len(k.Answers) == 0 {
		return "", io.EOF
	}
	a := k.Answers[0]
	k.Answers = k.Answers[1:]
	return a, nil
}

// WaitPrinted waits until the cell that runs now has written text to its standard output.
func (k *Kit) WaitPrinted(text string) {
	k.t.Helper()
	const limit = 2 * time.Minute
	for end := time.Now().Add(limit); ; time.Sleep(time.Millisecond) {
		k.mu.Lock()
		printed := ""
		if k.now != nil {
			printed = k.now.Stdout
		}
		k.mu.Unlock()
		if strings.Contains(printed, text) {
			return
		}
		if time.Now().After(end) {
			k.t.Fatalf("the cell did not print %q within %v, but %q", text, limit, printed)
		}
	}
}

// Shown is what the cell that runs now has displayed.
func (k *Kit) Shown() []link.Display {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.now == nil {
		return nil
	}
	return slices.Clone(k.now.Displays)
}

// Sent is the comm messages of the cell that runs now.
func (k *Kit) Sent() []link.Comm {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.now == nil {
		return nil
	}
	return slices.Clone(k.now.Comms)
}
