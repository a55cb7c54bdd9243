package host

import (
	"context"
	"strconv"
	"sync"

	"github.com/zeebo/xxh3"

	"quire/kernel/link"
	"quire/kernel/session"
	"quire/lib/show"
)

// sink takes what package show displays to the cell whose goroutine shows it. A timer's goroutine belongs to no cell: what it updates goes
// to the cell that showed it, all else to the cell that showed something last.
type sink struct {
	mu    sync.Mutex
	last  *session.Cell
	owner map[string]*session.Cell // by display id
}

func (s *sink) cell(id string) *session.Cell {
	c := session.Current()
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case c != nil:
		s.last = c
	case s.owner[id] != nil:
		c = s.owner[id]
	default:
		c = s.last
	}
	if id != "" && c != nil && s.owner[id] == nil {
		if s.owner == nil {
			s.owner = map[string]*session.Cell{}
		}
		s.owner[id] = c
	}
	return c
}

func (s *sink) display(id string, bundle map[string]any, update bool) error {
	if c := s.cell(id); c != nil {
		c.Display(link.Display{Bundle: link.Bundle{Data: bundle}, ID: id, Update: update})
	}
	return nil
}

// Display implements show.Sink.
func (s *sink) Display(id string, bundle map[string]any) error { return s.display(id, bundle, false) }

// Update implements show.Sink.
func (s *sink) Update(id string, bundle map[string]any) error { return s.display(id, bundle, true) }

// Clear implements show.Sink.
func (s *sink) Clear(wait bool) error {
	if c := s.cell(""); c != nil {
		c.Clear(wait)
	}
	return nil
}

// Input implements show.Sink.
func (s *sink) Input(ctx context.Context, prompt string, password bool) (string, error) {
	c := s.cell("")
	if c == nil {
		return "", show.ErrNoComms
	}
	return c.Input(prompt, password)
}

// Comm implements show.Sink.
func (s *sink) Comm(m show.Comm) error {
	c := s.cell("")
	if c == nil {
		return show.ErrNoComms
	}
	c.Comm(link.Comm(m))
	return nil
}

// Cell implements show.Sink.
func (s *sink) Cell() string {
	if c := s.cell(""); c != nil {
		return cellName(c.Code())
	}
	return ""
}

// cellName is the same for every run of the same code.
func cellName(code string) string { return strconv.FormatUint(xxh3.HashString(code), 36) }

// Execute implements link.Handler: what an interrupted cell showed as going on is marked as stopped.
func (s *Session) Execute(ctx context.Context, req link.Execute, out link.Events) link.Executed {
	done := s.Session.Execute(ctx, req, out)
	if ctx.Err() != nil {
		show.Interrupted(cellName(req.Code))
	}
	return done
}

// comm gives a message of the front end to whom it belongs; a comm that nobody knows is closed.
func (s *Session) comm(c link.Comm, out link.Events) {
	if s.tools.Comm(c, out) || show.Receive(show.Comm(c)) || c.Op != "open" {
		return
	}
	out.Comm("", link.Comm{Op: "close", ID: c.ID})
}
