package front

import (
	"errors"
	"log/slog"
	"sync"
	"time"

	"quire/kernel/link"
)

var errClosing = errors.New("the kernel is shutting down")

// engine keeps one session process alive and replaces it when it ends.
type engine struct {
	start  link.Starter
	events func(link.Message)
	output func(name, text string)
	lost   func()
	log    *slog.Logger

	mu      sync.Mutex
	remote  *link.Remote
	err     error  // why there is none
	cause   string // how the last one ended, "" before any did
	past    []link.Past
	closing bool
}

// newEngine starts the first session process. Lost is called after each one that ends unasked or by an interrupt.
func newEngine(start link.Starter, events func(link.Message), output func(name, text string), lost func(), log *slog.Logger) *engine {
	e := &engine{start: start, events: events, output: output, lost: lost, log: log}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.startLocked()
	return e
}

func (e *engine) startLocked() {
	e.remote, e.err = e.start(e.events, e.output)
	if e.err != nil {
		e.log.Error("front: no session process", "err", e.err)
		return
	}
	if e.cause != "" {
		e.remote.Send(link.KindRecover, "", link.Recover{Cause: e.cause, Cells: e.past})
	}
	go e.watch(e.remote, time.Now())
}

// eagerLife is how long a session process must have lived to be replaced before it is needed again: one that cannot even start must
// not keep the machine busy.
const eagerLife = time.Second

func (e *engine) watch(remote *link.Remote, started time.Time) {
	end := remote.End()
	e.lost()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closing || e.remote != remote {
		return
	}
	e.log.Warn("front: the session process has ended", "cause", end.Cause)
	if e.remote, e.cause = nil, end.Cause; time.Since(started) >= eagerLife {
		e.startLocked()
	}
}

// get returns the session process, a new one if the last has ended.
func (e *engine) get() (*link.Remote, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closing {
		return nil, errClosing
	}
	if e.remote != nil {
		select {
		case <-e.remote.Ended():
			e.cause = e.remote.End().Cause
			e.startLocked()
		default:
		}
	} else {
		e.startLocked()
	}
	if e.err != nil {
		return nil, e.err
	}
	return e.remote, nil
}

// succeeded notes a cell for %recover.
func (e *engine) succeeded(count int, code string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.past = append(e.past, link.Past{Count: count, Code: code})
}

func (e *engine) current() *link.Remote {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.remote
}

func (e *engine) shutdown(grace time.Duration) {
	e.mu.Lock()
	e.closing = true
	remote := e.remote
	e.mu.Unlock()
	if remote != nil {
		remote.Shutdown(grace)
	}
}

func (e *engine) close() { e.shutdown(0) }
