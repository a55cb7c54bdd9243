package session

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"quire/kernel/cell"
	"quire/kernel/link"
)

// Magics lists the commands of the session by name.
func (s *Session) Magics() []Magic {
	var list []Magic
	for _, n := range slices.Sorted(maps.Keys(s.magics)) {
		list = append(list, *s.magics[n])
	}
	return list
}

// runMagic runs a magic or shell line, or a %%magic.
func (c *Cell) runMagic(p cell.Part) (failed *link.Error) {
	defer func() {
		if r := recover(); r != nil {
			failed = c.runError(panicError(nil, r))
		}
	}()
	if c.ctx.Err() != nil {
		return c.stopError(nil)
	}
	m := c.s.magics[p.Name]
	var err error
	switch {
	case p.Name == "?":
		err = c.page(p.Args)
	case m == nil:
		text := "no magic " + mark(p) + p.Name + ": %help lists them"
		return &link.Error{Name: "MagicError", Value: text, Traceback: []string{fmt.Sprintf("%s:%d: %s", c.position(), p.Line, text)}}
	case p.Args == "%help" || p.Args == "--help":
		fmt.Fprintln(c.Stdout(), m.Help)
	case p.Kind == cell.Whole && m.Body != nil:
		err = m.Body(c, p.Args, p.Body)
	case p.Kind == cell.Whole:
		err = fmt.Errorf("%%%s is a line: write it with one %%, and Go below it", p.Name)
	case m.Line != nil:
		err = m.Line(c, p.Args)
	default:
		err = fmt.Errorf("%%%%%s takes a whole cell: write it with two %% in the first line", p.Name)
	}
	return c.magicError(p, err)
}

func mark(p cell.Part) string {
	if p.Kind == cell.Whole {
		return "%%"
	}
	return "%"
}

// magicError makes a cell's error of a magic's, which may be one already.
func (c *Cell) magicError(p cell.Part, err error) *link.Error {
	if err == nil {
		return nil
	}
	if e, ok := err.(*link.Error); ok {
		return e
	}
	if c.ctx.Err() != nil {
		return c.stopError(nil)
	}
	name := p.Name
	if name == "" || strings.Trim(name, "!?") != "" {
		name = mark(p) + name
	}
	text := err.Error()
	return &link.Error{Name: "MagicError", Value: name + ": " + text,
		Traceback: []string{fmt.Sprintf("%s:%d: %s: %s", c.position(), p.Line, name, text)}}
}
