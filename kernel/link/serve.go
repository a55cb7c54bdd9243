package link

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// Serve answers the requests on conn with h until the line closes or the front asks for the end. It then cancels what still runs
// and returns without waiting for it: the caller ends the process. A nil error means the end was asked for.
//
// The package comment names the requests. Complete, Inspect, IsComplete and Execute each run in a goroutine of their own; Comm is
// called in the order of arrival.
func Serve(conn net.Conn, version string, h Handler) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s := &server{line: NewLine(conn), h: h, cells: map[string]context.CancelFunc{}, early: map[string]bool{}, inputs: map[string]chan Input{}}
	s.out.line = s.line
	defer s.line.Close()
	if err := s.line.Send(KindReady, 0, "", Ready{PID: os.Getpid(), Version: version}); err != nil {
		return err
	}
	for {
		m, err := s.line.Receive()
		if err != nil {
			return err
		}
		if m.Kind == KindShutdown {
			s.out.flush()
			return nil
		}
		if err := s.handle(ctx, m); err != nil {
			return err
		}
	}
}

// server is the session side of a line.
type server struct {
	line *Line
	h    Handler
	out  outbox

	mu     sync.Mutex
	cells  map[string]context.CancelFunc // running cells
	early  map[string]bool               // interrupted before they came
	inputs map[string]chan Input         // cells that wait for a line of input
}

func (s *server) handle(ctx context.Context, m Message) error {
	switch m.Kind {
	case KindExecute:
		var req Execute
		if err := decode(m, &req); err != nil {
			return err
		}
		cell, cancel := context.WithCancel(ctx)
		s.mu.Lock()
		s.cells[req.Cell] = cancel
		if s.early[req.Cell] {
			delete(s.early, req.Cell)
			cancel()
		}
		s.mu.Unlock()
		go s.execute(cell, m.Seq, req)
	case KindComplete, KindInspect, KindIsComplete:
		var p Position
		if err := decode(m, &p); err != nil {
			return err
		}
		go s.ask(ctx, m, p)
	case KindInterrupt:
		s.interrupt(m.Cell)
	case KindInput:
		var in Input
		if err := decode(m, &in); err != nil {
			return err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if wait := s.inputs[m.Cell]; wait != nil {
			wait <- in
			delete(s.inputs, m.Cell)
		}
	case KindComm:
		var c Comm
		if err := decode(m, &c); err != nil {
			return err
		}
		s.h.Comm(c, s)
	case KindRecover:
		var r Recover
		if err := decode(m, &r); err != nil {
			return err
		}
		if h, ok := s.h.(Recoverer); ok {
			h.Recover(r)
		}
	}
	return nil
}

// interrupt cancels a cell: one that has not come yet as soon as it comes.
func (s *server) interrupt(cell string) {
	const most = 100 // of those that had ended already, which never come
	s.mu.Lock()
	defer s.mu.Unlock()
	if cancel := s.cells[cell]; cancel != nil {
		cancel()
		return
	}
	if len(s.early) >= most {
		clear(s.early)
	}
	s.early[cell] = true
}

func decode(m Message, into any) error {
	if err := json.Unmarshal(m.Body, into); err != nil {
		return fmt.Errorf("link: %s: %v", m.Kind, err)
	}
	return nil
}

func (s *server) execute(ctx context.Context, seq uint64, req Execute) {
	done := s.h.Execute(ctx, req, s)
	s.mu.Lock()
	s.cells[req.Cell]()
	delete(s.cells, req.Cell)
	s.mu.Unlock()
	if err := s.out.send(KindReply, seq, req.Cell, done); err != nil {
		// A value that JSON cannot hold must not leave the front waiting.
		s.out.send(KindReply, seq, req.Cell, Executed{Err: &Error{Name: "DisplayError", Value: err.Error()}, Duration: done.Duration})
	}
}

func (s *server) ask(ctx context.Context, m Message, p Position) {
	var answer any
	switch m.Kind {
	case KindComplete:
		answer = s.h.Complete(ctx, p)
	case KindInspect:
		answer = s.h.Inspect(ctx, p)
	default:
		answer = s.h.IsComplete(p)
	}
	s.line.Send(KindReply, m.Seq, "", answer)
}

func (s *server) Stream(cell, name, text string) { s.out.stream(cell, name, text) }
func (s *server) Display(cell string, d Display) { s.event(KindDisplay, cell, d) }
func (s *server) Clear(cell string, wait bool)   { s.event(KindClear, cell, Clear{Wait: wait}) }
func (s *server) Comm(cell string, c Comm)       { s.event(KindComm, cell, c) }
func (s *server) event(kind Kind, cell string, body any) {
	if err := s.out.send(kind, 0, cell, body); err != nil && !errors.Is(err, net.ErrClosed) {
		s.out.stream(cell, "stderr", err.Error()+"\n")
	}
}

func (s *server) Input(ctx context.Context, cell, prompt string, password bool) (string, error) {
	wait := make(chan Input, 1)
	s.mu.Lock()
	s.inputs[cell] = wait
	s.mu.Unlock()
	if err := s.out.send(KindInput, 0, cell, Input{Prompt: prompt, Password: password}); err != nil {
		return "", io.EOF
	}
	select {
	case in := <-wait:
		if in.EOF {
			return "", io.EOF
		}
		return in.Value, nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

const (
	streamDelay = 5 * time.Millisecond // how long text that follows other text may wait for more of it
	streamBytes = 256 << 10            // at which it is sent at once
)

// outbox joins text that follows text into one Stream and keeps the order of everything else. The first text goes at once, so that
// it is seen even if the process crashes next.
type outbox struct {
	line *Line

	mu    sync.Mutex
	cell  string
	name  string
	text  []byte
	timer *time.Timer
	armed bool
	sent  time.Time // of the last text
}

func (o *outbox) stream(cell, name, text string) {
	if text == "" {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if cell != o.cell || name != o.name {
		o.flushLocked()
		o.cell, o.name = cell, name
	}
	o.text = append(o.text, text...)
	if o.armed && len(o.text) < streamBytes {
		return
	}
	if len(o.text) >= streamBytes || time.Since(o.sent) > streamDelay {
		o.flushLocked()
		return
	}
	o.armed = true
	if o.timer == nil {
		o.timer = time.AfterFunc(streamDelay, o.flush)
	} else {
		o.timer.Reset(streamDelay)
	}
}

func (o *outbox) flush() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.armed = false
	o.flushLocked()
}

func (o *outbox) flushLocked() {
	if len(o.text) > 0 {
		o.line.Send(KindStream, 0, o.cell, Stream{Name: o.name, Text: string(o.text)})
		o.text = o.text[:0]
		o.sent = time.Now()
	}
}

// send sends a message behind the text that came before it.
func (o *outbox) send(kind Kind, seq uint64, cell string, body any) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.flushLocked()
	return o.line.Send(kind, seq, cell, body)
}
