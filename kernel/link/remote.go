package link

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// ErrEnded is the error of a call that the session process did not live to answer.
var ErrEnded = errors.New("link: the session process has ended")

// End says how a session process ended.
type End struct {
	Cause  string // one line: "killed by signal 9", "stack overflow", "exit status 3"
	Stderr string // the last text that it wrote to its standard error by itself
	Asked  bool   // the front stopped it
}

// Starter starts a session process. Events go to events in order; text that the process writes past the line goes to output.
type Starter func(events func(Message), output func(name, text string)) (*Remote, error)

// Remote is the front's end of a session process. Goroutines may share it.
type Remote struct {
	line    *Line
	version string
	events  func(Message)
	process *process // nil for Attach

	mu      sync.Mutex
	queue   []outgoing    // in the order of Call and Send
	wake    chan struct{} // capacity 1: the queue has grown
	seq     uint64
	calls   map[uint64]chan Message
	asked   bool
	refusal string // why the front itself gave up on it
	ended   chan struct{}
	end     End
}

type outgoing struct {
	kind Kind
	seq  uint64
	cell string
	body any
}

// Attach makes a Remote of a connection whose other end is served in this or another process. Every event (a message that answers
// no call) goes to events, in order and in one goroutine; a call returns only after the events before its reply were handled.
func Attach(conn net.Conn, version string, events func(Message)) *Remote {
	r := newRemote(conn, version, events)
	r.run()
	return r
}

func newRemote(conn net.Conn, version string, events func(Message)) *Remote {
	return &Remote{line: NewLine(conn), version: version, events: events, wake: make(chan struct{}, 1),
		calls: map[uint64]chan Message{}, ended: make(chan struct{})}
}

func (r *Remote) run() {
	go r.send()
	go r.receive()
}

// Call sends a request and waits for its reply.
func (r *Remote) Call(ctx context.Context, kind Kind, cell string, request, reply any) error {
	answer := make(chan Message, 1)
	r.mu.Lock()
	r.seq++
	seq := r.seq
	r.calls[seq] = answer
	r.enqueue(outgoing{kind, seq, cell, request})
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		delete(r.calls, seq)
		r.mu.Unlock()
	}()
	select {
	case m := <-answer:
		return decode(m, reply)
	case <-ctx.Done():
		return ctx.Err()
	case <-r.ended:
	}
	select {
	case m := <-answer: // it answered and then ended
		return decode(m, reply)
	default:
		return ErrEnded
	}
}

// Send sends a message that has no reply. It does not wait, not even for a session process that does not read.
func (r *Remote) Send(kind Kind, cell string, body any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.enqueue(outgoing{kind, 0, cell, body})
}

func (r *Remote) enqueue(o outgoing) {
	r.queue = append(r.queue, o)
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// send writes the queue until the session process has ended.
func (r *Remote) send() {
	for {
		select {
		case <-r.wake:
		case <-r.ended:
			return
		}
		r.mu.Lock()
		queue := r.queue
		r.queue = nil
		r.mu.Unlock()
		for _, o := range queue {
			if err := r.line.Send(o.kind, o.seq, o.cell, o.body); err != nil {
				r.refuse(err)
				return
			}
		}
	}
}

// refuse ends a session process that breaks the line's rules.
func (r *Remote) refuse(err error) {
	if errors.Is(err, net.ErrClosed) {
		return
	}
	r.mu.Lock()
	if r.refusal == "" {
		r.refusal = err.Error()
	}
	r.mu.Unlock()
	r.stop()
}

func (r *Remote) stop() {
	if r.process != nil {
		r.process.kill()
	}
	r.line.Close()
}

// Kill ends the session process and what it started at once.
func (r *Remote) Kill() {
	r.mu.Lock()
	r.asked = true
	r.mu.Unlock()
	r.stop()
}

// Shutdown asks the session process to end and kills it after the grace time.
func (r *Remote) Shutdown(grace time.Duration) {
	r.mu.Lock()
	r.asked = true
	r.mu.Unlock()
	r.Send(KindShutdown, "", nil)
	select {
	case <-r.ended:
	case <-time.After(grace):
		r.stop()
		<-r.ended
	}
}

// Ended is closed when the session process has ended and all its events were handled.
func (r *Remote) Ended() <-chan struct{} { return r.ended }

// End says how it ended; valid once Ended is closed.
func (r *Remote) End() End {
	<-r.ended
	return r.end
}

// receive hands out what comes until the line closes, then collects the process.
func (r *Remote) receive() {
	err := r.receiveAll()
	r.line.Close()
	end := End{Cause: "the line closed"}
	if r.process != nil {
		end = r.process.wait()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refusal == "" && err != nil {
		r.refusal = err.Error()
	}
	if r.refusal != "" && !r.asked {
		end.Cause = r.refusal
	}
	end.Asked = r.asked
	r.end = end
	close(r.ended)
}

// receiveAll returns the error of a line that broke its rules, nil for one that closed.
func (r *Remote) receiveAll() error {
	for {
		m, err := r.line.Receive()
		if err != nil {
			var syntax *json.SyntaxError
			if errors.As(err, &syntax) {
				return err
			}
			return nil
		}
		switch m.Kind {
		case KindReady:
			var ready Ready
			if err := decode(m, &ready); err != nil {
				return err
			}
			if ready.Version != r.version {
				r.stop()
				return fmt.Errorf("the session process is quire %s, the kernel is quire %s: restart the kernel", ready.Version, r.version)
			}
		case KindReply:
			r.mu.Lock()
			answer := r.calls[m.Seq]
			delete(r.calls, m.Seq)
			r.mu.Unlock()
			if answer != nil {
				answer <- m
			}
		default:
			r.events(m)
		}
	}
}
