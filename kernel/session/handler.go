package session

import (
	"context"

	"quire/kernel/cell"
	"quire/kernel/link"
)

// IsComplete implements link.Handler.
func (s *Session) IsComplete(p link.Position) link.Completeness {
	status, indent := cell.IsComplete(p.Code)
	return link.Completeness{Status: string(status), Indent: indent}
}

// Comm implements link.Handler.
func (s *Session) Comm(m link.Comm, out link.Events) {
	if s.cfg.Comm != nil {
		s.cfg.Comm(m, out)
	}
}

// Complete implements link.Handler.
func (s *Session) Complete(ctx context.Context, p link.Position) link.Completion {
	return link.Completion{Start: p.Cursor, End: p.Cursor}
}

// Inspect implements link.Handler.
func (s *Session) Inspect(ctx context.Context, p link.Position) link.Inspection {
	return link.Inspection{}
}

func (c *Cell) page(name string) error { return nil }
