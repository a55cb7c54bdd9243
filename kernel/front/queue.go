package front

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"time"

	"quire/kernel/link"
)

const (
	queueCap = 10_000 // waiting execute requests of one subshell; more are aborted
	// abortSettle is how long an error waits before its reply, so that the requests of "run all", which a front end sends one by one
	// without waiting, have arrived and are aborted rather than run.
	abortSettle = 10 * time.Millisecond
)

// queue runs the execute requests of one subshell, one after the other.
type queue struct {
	wake chan struct{} // capacity 1

	mu      sync.Mutex
	items   []request
	running *request
	closed  bool
}

// counter is the execution count; subshells share it.
type counter struct {
	mu sync.Mutex
	n  int
}

// next gives the number of a cell that is about to run, and takes it if the cell is kept.
func (c *counter) next(keep bool) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if keep {
		c.n++
		return c.n
	}
	return c.n + 1
}

func (k *Kernel) newQueue(id string) {
	q := &queue{wake: make(chan struct{}, 1)}
	k.mu.Lock()
	k.subshells[id] = q
	k.mu.Unlock()
	go func() {
		for {
			select {
			case <-q.wake:
			case <-k.stop:
				return
			}
			for {
				r, ok := q.take()
				if !ok {
					break
				}
				k.execute(q, r)
			}
			if q.isClosed() {
				return
			}
		}
	}()
}

func (q *queue) add(r request) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || len(q.items) >= queueCap {
		return false
	}
	q.items = append(q.items, r)
	q.poke()
	return true
}

func (q *queue) poke() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (q *queue) take() (request, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.items) == 0 {
		return request{}, false
	}
	r := q.items[0]
	q.items = q.items[1:]
	q.running = &r
	return r, true
}

// end publishes that a cell has ended. From then on nothing repeats its busy.
func (k *Kernel) end(q *queue, r request) {
	k.mu.Lock() // as answer holds it from its question what runs to its answer
	defer k.mu.Unlock()
	q.mu.Lock()
	q.running = nil
	q.mu.Unlock()
	k.iopub.status(r.RawHeader, "idle")
}

// current is the request that runs, nil for none.
func (q *queue) current() *request {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.running
}

func (q *queue) drain() []request {
	q.mu.Lock()
	defer q.mu.Unlock()
	items := q.items
	q.items = nil
	return items
}

func (q *queue) close() []request {
	q.mu.Lock()
	q.closed = true
	q.poke()
	q.mu.Unlock()
	return q.drain()
}

func (q *queue) isClosed() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed
}

// executeRequest is the content of execute_request, with the defaults of absent fields set before decoding.
type executeRequest struct {
	Code            string            `json:"code"`
	Silent          bool              `json:"silent"`
	StoreHistory    *bool             `json:"store_history"` // by default the opposite of Silent
	UserExpressions map[string]string `json:"user_expressions"`
	AllowStdin      bool              `json:"allow_stdin"`
	StopOnError     bool              `json:"stop_on_error"`
}

// keep reports whether the cell counts and goes to the history.
func (e executeRequest) keep() bool {
	return !e.Silent && (e.StoreHistory == nil || *e.StoreHistory) && strings.TrimSpace(e.Code) != ""
}

func (k *Kernel) execute(q *queue, r request) {
	k.iopub.status(r.RawHeader, "busy")
	defer k.end(q, r)
	req := executeRequest{AllowStdin: true, StopOnError: true}
	if err := content(r, &req); err != nil {
		k.reply(r, "execute_reply", failure("BadRequest", err), nil)
		return
	}
	started := time.Now()
	count := k.count.next(req.keep())
	k.iopub.addCell(r.Header.ID, r.RawHeader)
	if !req.Silent {
		k.iopub.publish("execute_input", r.RawHeader, map[string]any{"code": req.Code, "execution_count": count})
	}
	k.inputs.allow(r, req.AllowStdin)
	done := k.runCell(r.Header.ID, count, req)
	k.inputs.end(r.Header.ID)
	if done.Value != nil && !req.Silent {
		k.iopub.publish("execute_result", r.RawHeader, map[string]any{
			"execution_count": count, "data": done.Value.Data, "metadata": object(done.Value.Metadata)})
	}
	if req.keep() {
		k.history.Add(count, req.Code, plain(done.Value))
	}
	metadata, _ := json.Marshal(map[string]string{"started": started.UTC().Format(time.RFC3339Nano)})
	if done.Err == nil {
		if req.keep() {
			k.engine.succeeded(count, req.Code)
		}
		k.reply(r, "execute_reply", replyContent(count, done), metadata)
		return
	}
	k.iopub.publish("error", r.RawHeader, errorContent(done.Err))
	if !req.StopOnError {
		k.reply(r, "execute_reply", replyContent(count, done), metadata)
		return
	}
	time.Sleep(abortSettle)
	aborted := q.drain()
	k.reply(r, "execute_reply", replyContent(count, done), metadata)
	for _, later := range aborted {
		k.abort(later)
	}
}

func (k *Kernel) abort(r request) {
	k.iopub.status(r.RawHeader, "busy")
	k.reply(r, "execute_reply", map[string]string{"status": "aborted"}, nil)
	k.iopub.status(r.RawHeader, "idle")
}

// runCell runs a cell in the session process; the end of that process becomes the cell's error.
func (k *Kernel) runCell(id string, count int, req executeRequest) link.Executed {
	remote, err := k.engine.get()
	if err != nil {
		return link.Executed{Err: &link.Error{Name: "NoSession", Value: "no session process: " + err.Error(), Traceback: []string{err.Error()}}}
	}
	var done link.Executed
	err = remote.Call(context.Background(), link.KindExecute, id, link.Execute{Cell: id, Code: req.Code, Count: count,
		Silent: req.Silent, AllowStdin: req.AllowStdin, Expressions: req.UserExpressions}, &done)
	if errors.Is(err, link.ErrEnded) {
		k.sessionLost()
		return link.Executed{Err: crash(remote.End())}
	}
	if err != nil {
		return link.Executed{Err: &link.Error{Name: "NoSession", Value: err.Error(), Traceback: []string{err.Error()}}}
	}
	return done
}

// crash is the error of a cell whose session process has ended.
func crash(end link.End) *link.Error {
	const next = "All variables are lost. The next cell starts afresh; %recover runs the cells again that had succeeded."
	e := &link.Error{Name: "Crash", Value: "the session process has ended: " + end.Cause}
	if end.Asked {
		e.Name, e.Value = "Interrupt", "the cell did not stop and its session process was ended"
	}
	e.Traceback = []string{e.Name + ": " + e.Value, next}
	if text := strings.TrimSpace(end.Stderr); text != "" && !end.Asked {
		e.Traceback = append(e.Traceback, "Its last words:", shorten(text))
	}
	return e
}

// shorten keeps the beginning of long text: crash reports list every goroutine.
func shorten(text string) string {
	const most = 2000
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "\n…"
}

func errorContent(e *link.Error) map[string]any {
	trace := e.Traceback
	if len(trace) == 0 {
		trace = []string{e.Error()}
	}
	return map[string]any{"ename": e.Name, "evalue": e.Value, "traceback": trace}
}

func replyContent(count int, done link.Executed) map[string]any {
	payload := []map[string]any{}
	for _, p := range done.Pages {
		payload = append(payload, map[string]any{"source": "page", "data": p.Data, "start": 0})
	}
	if n := done.NextInput; n != nil {
		payload = append(payload, map[string]any{"source": "set_next_input", "text": n.Text, "replace": n.Replace})
	}
	c := map[string]any{"status": "ok"}
	if done.Err != nil {
		c = errorContent(done.Err)
		c["status"] = "error"
	}
	expressions := map[string]any{}
	for name, x := range done.Expressions {
		if x.Err != nil {
			failed := errorContent(x.Err)
			failed["status"] = "error"
			expressions[name] = failed
		} else if x.Value != nil {
			expressions[name] = map[string]any{"status": "ok", "data": x.Value.Data, "metadata": object(x.Value.Metadata)}
		}
	}
	c["execution_count"], c["payload"], c["user_expressions"] = count, payload, expressions
	return c
}

func object(m map[string]any) map[string]any {
	if m == nil {
		return map[string]any{}
	}
	return m
}

// plain is the text of a value for the history.
func plain(b *link.Bundle) string {
	if b == nil {
		return ""
	}
	text, _ := b.Data["text/plain"].(string)
	return text
}
