package show

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"unicode/utf8"
)

// ErrNoComms is the error of a Sink that has no comm channel to a front end.
var ErrNoComms = errors.New("show: no widgets here: run this in a Jupyter notebook with the Quire kernel")

// terminal prints the text form of values. On a screen the last output can be updated in place; in a pipe updates are dropped,
// so that logs hold each value once.
type terminal struct {
	mu     sync.Mutex
	w      io.Writer
	screen bool
	lastID string // id of the output that the cursor stands below
	lines  int    // of that output
}

// NewTerminal returns a sink that prints to w. Outputs are updated in place when w is a terminal.
func NewTerminal(w io.Writer) Sink {
	t := &terminal{w: w}
	if f, ok := w.(*os.File); ok {
		info, err := f.Stat()
		t.screen = err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
	}
	return t
}

func (t *terminal) Display(id string, bundle map[string]any) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := plainOf(bundle)
	_, err := fmt.Fprintln(t.w, text)
	t.lastID, t.lines = id, strings.Count(text, "\n")+1
	return err
}

func (t *terminal) Update(id string, bundle map[string]any) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.screen || id == "" || id != t.lastID {
		return nil
	}
	text := plainOf(bundle)
	_, err := fmt.Fprintf(t.w, "\x1b[%dA\r\x1b[J%s\n", t.lines, text)
	t.lines = strings.Count(text, "\n") + 1
	return err
}

func (t *terminal) Clear(bool) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.screen || t.lines == 0 {
		return nil
	}
	_, err := fmt.Fprintf(t.w, "\x1b[%dA\r\x1b[J", t.lines)
	t.lastID, t.lines = "", 0
	return err
}

func (t *terminal) Input(ctx context.Context, prompt string, _ bool) (string, error) {
	fmt.Fprint(t.w, prompt)
	return readLine(ctx, os.Stdin)
}

func (*terminal) Comm(Comm) error { return ErrNoComms }
func (*terminal) Cell() string    { return "" }

// plainOf picks what a terminal can show of a bundle. Control characters other than tab, newline and our own colours are made
// visible, so that a hostile label can't drive the terminal.
func plainOf(bundle map[string]any) string {
	for _, mime := range []string{"text/plain", "text/markdown", "text/latex"} {
		if s, ok := bundle[mime].(string); ok {
			return visible(strings.TrimRight(s, "\n"))
		}
	}
	for mime := range bundle {
		return "(" + mime + ")"
	}
	return ""
}

// visible replaces the control characters of s by their Unicode pictures.
func visible(s string) string {
	bad := func(r rune) bool {
		return r < ' ' && r != '\n' && r != '\t' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == utf8.RuneError || bidi(r)
	}
	if strings.IndexFunc(s, bad) < 0 {
		return s
	}
	return strings.Map(func(r rune) rune {
		switch {
		case !bad(r):
			return r
		case r < ' ':
			return 0x2400 + r
		case r == 0x7f:
			return 0x2421
		}
		return utf8.RuneError
	}, s)
}

// bidi reports the characters that reorder the text after them.
func bidi(r rune) bool { return r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 }
