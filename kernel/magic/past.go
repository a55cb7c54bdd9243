package magic

import (
	"errors"
	"fmt"
	"go/token"
	"reflect"
	"strconv"
	"strings"
	"sync"

	"quire/kernel/session"
)

func past(lost *Lost) []session.Magic {
	return []session.Magic{
		{Name: "history", Line: history, Help: `%history [CELLS | TEXT] lists the cells that this session ran.

	%history          all
	%history 3-5 9    these execution counts
	%history load     those that contain the text`},
		{Name: "recover", Line: lost.recover, Help: `%recover runs the cells again that succeeded before the session process was lost.

It stops at the first one that fails. Cells with %recover itself are left out.`},
		{Name: "capture", Body: capture, Help: `%%capture [NAME] runs the cell without showing its text output; the output becomes the string variable NAME.`},
	}
}

// ranges reads execution counts such as "1-4 7"; an empty list keeps all.
func ranges(text string) (keep func(int) bool, err error) {
	type span struct{ from, to int }
	var spans []span
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == ',' }) {
		first, last, two := strings.Cut(word, "-")
		from, err := strconv.Atoi(first)
		to := from
		if err == nil && two {
			to, err = strconv.Atoi(last)
		}
		if err != nil || from < 1 || to < from {
			return nil, fmt.Errorf("%q is no range of cells: write 3 or 1-4", word)
		}
		spans = append(spans, span{from, to})
	}
	return func(n int) bool {
		for _, s := range spans {
			if s.from <= n && n <= s.to {
				return true
			}
		}
		return len(spans) == 0
	}, nil
}

func history(c *session.Cell, args string) error {
	keep, err := ranges(args)
	text := ""
	if err != nil {
		keep, text = func(int) bool { return true }, args
	}
	for _, r := range c.Session().History() {
		if !keep(r.Count) || !strings.Contains(r.Code, text) {
			continue
		}
		state := ""
		if r.Failed {
			state = "   // failed"
		}
		fmt.Fprintf(c.Stdout(), "[%d] %s%s\n", r.Count, strings.ReplaceAll(strings.TrimRight(r.Code, "\n"), "\n", "\n    "), state)
	}
	return nil
}

func capture(c *session.Cell, args, body string) error {
	if args != "" && !token.IsIdentifier(args) {
		return usage("%%capture [NAME]")
	}
	var text strings.Builder
	restore := c.Capture(func(_, t string) { text.WriteString(t) })
	err := c.RunCell(body)
	restore()
	if args == "" {
		return err
	}
	value := text.String()
	if e := c.Session().Define(args, reflect.ValueOf(&value)); err == nil {
		err = e
	}
	return err
}

// Lost is what a session process had run well before it died. The zero Lost is that of a first process.
type Lost struct {
	mu    sync.Mutex
	cause string
	cells []string
}

// Set tells how the process ended and what it had run well, oldest first.
func (l *Lost) Set(cause string, cells []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cause, l.cells = cause, cells
}

// recover runs the lost cells. Those that did not run, because one before them failed, stay for the next %recover.
func (l *Lost) recover(c *session.Cell, args string) error {
	if args != "" {
		return usage("%recover, without arguments")
	}
	l.mu.Lock()
	cells := l.cells
	l.mu.Unlock()
	if len(cells) == 0 {
		return errors.New("nothing was lost: %recover runs the cells of a session process that ended")
	}
	done := 0
	for i, code := range cells {
		if !strings.HasPrefix(strings.TrimSpace(code), "%recover") {
			fmt.Fprintf(c.Stdout(), "[%d/%d] %s\n", i+1, len(cells), oneLine(code, 70))
			if err := c.RunCell(code); err != nil {
				l.Set(l.cause, cells[i:])
				return err
			}
			done++
		}
	}
	l.Set("", nil)
	fmt.Fprintf(c.Stdout(), "%d cells recovered\n", done)
	return nil
}
