// Package front is the process that speaks Jupyter. It never runs user code: that is the session process, at the other end of a
// [link.Remote].
//
//	shell   ─▶ shell.go     execute requests ─▶ queue.go, one queue a subshell ─▶ session process
//	                        complete, inspect, is_complete, history, comm_info, kernel_info ─▶ answered beside running cells
//	control ─▶ control.go   interrupt, shutdown, subshells: never behind anything else
//	stdin   ◀▶ input.go     lines of input for running cells
//	iopub   ◀─ iopub.go     everything that cells show, streams joined, in order
//
// Every request is framed by the statuses busy and idle of its own; after the idle of one that was answered beside a running cell the
// cell's busy is repeated, so that the last status is the kernel's.
//
// Invariant: no state of the session process (busy, stuck, dead, starting) delays control, heartbeat, kernel_info, comm_info or history.
// Invariant: whatever ends the session process ends only the running cells, each with an error that says what happened.
// Invariant: an execute request that arrives before the error reply of an earlier one is aborted, if that one asked for it.
package front

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"quire/kernel/comm"
	"quire/kernel/history"
	"quire/kernel/link"
	"quire/kernel/wire"
	"quire/kernel/zmtp"
)

// Config says how a front process is connected.
type Config struct {
	Connection wire.Connection
	Version    string // of quire, as kernel_info tells it
	Start      link.Starter
	History    string       // file of the history; "" for memory
	Log        *slog.Logger // nil for the default
}

// Kernel is a front process.
type Kernel struct {
	cfg         Config
	log         *slog.Logger
	codec       *wire.Codec
	id          string // session id of our messages
	engine      *engine
	iopub       *publisher
	history     *history.Log
	comms       comm.Table
	inputs      inputs
	offsets     offsets
	count       counter
	interrupted interrupts
	stop        chan struct{} // closed by shutdown
	once        sync.Once

	shell, control, stdin *zmtp.Router
	pub                   *zmtp.Pub
	heartbeat             *zmtp.Echo

	losing sync.Mutex // held while the comms of a lost session are closed

	mu        sync.Mutex
	subshells map[string]*queue // "" is the main shell
}

// New starts the session process and opens the sockets.
func New(cfg Config) (*Kernel, error) {
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	k := &Kernel{cfg: cfg, log: cfg.Log, id: wire.NewID(), stop: make(chan struct{}), subshells: map[string]*queue{}}
	var err error
	if k.codec, err = wire.NewCodec(cfg.Connection.Key, cfg.Connection.SignatureScheme); err != nil {
		return nil, err
	}
	k.iopub = newPublisher(k.codec, k.id)
	// First, so that it gets ready while the sockets open and the front end connects.
	k.engine = newEngine(cfg.Start, k.event, k.output, k.sessionLost, k.log)
	if err := k.listen(); err != nil {
		k.engine.close()
		k.closeSockets()
		return nil, err
	}
	k.iopub.send = k.pub.Publish
	k.history = history.Open(cfg.History, k.log)
	k.newQueue("")
	return k, nil
}

func (k *Kernel) listen() error {
	c, cfg := k.cfg.Connection, zmtp.DefaultConfig()
	cfg.Log = k.log
	pubConfig := cfg
	pubConfig.Welcome = k.iopub.welcome
	var errs [5]error
	k.shell, errs[0] = zmtp.ListenRouter(c.Endpoint(c.ShellPort), cfg)
	k.control, errs[1] = zmtp.ListenRouter(c.Endpoint(c.ControlPort), cfg)
	k.stdin, errs[2] = zmtp.ListenRouter(c.Endpoint(c.StdinPort), cfg)
	k.pub, errs[3] = zmtp.ListenPub(c.Endpoint(c.IOPubPort), pubConfig)
	k.heartbeat, errs[4] = zmtp.ListenEcho(c.Endpoint(c.HeartbeatPort), cfg)
	return errors.Join(errs[:]...)
}

func (k *Kernel) closeSockets() {
	for _, r := range []*zmtp.Router{k.shell, k.control, k.stdin} {
		if r != nil {
			r.Close()
		}
	}
	if k.pub != nil {
		k.pub.Close()
	}
	if k.heartbeat != nil {
		k.heartbeat.Close()
	}
}

// Ready waits until the session process can take a cell.
func (k *Kernel) Ready(ctx context.Context) error {
	remote, err := k.engine.get()
	if err != nil {
		return err
	}
	return remote.Call(ctx, link.KindIsComplete, "", link.Position{}, &link.Completeness{})
}

const (
	shutdownGrace = time.Second            // for the session process to end by itself
	flushLimit    = 300 * time.Millisecond // for the last messages to leave
)

// Serve answers front ends until one asks for shutdown or ctx ends. The session process has ended when it returns.
func (k *Kernel) Serve(ctx context.Context) error {
	var readers sync.WaitGroup
	readers.Go(func() { k.receive(k.shell, k.onShell) })
	readers.Go(func() { k.receive(k.control, k.onControl) })
	readers.Go(func() { k.receive(k.stdin, k.onStdin) })
	select {
	case <-ctx.Done():
	case <-k.stop:
	case <-orphaned(k.stop):
		k.log.Warn("front: the Jupyter server has died")
	}
	k.shutdown()
	k.engine.shutdown(shutdownGrace)
	k.iopub.flush()
	for _, r := range []*zmtp.Router{k.shell, k.control, k.stdin} {
		r.Flush(flushLimit)
	}
	k.pub.Flush(flushLimit)
	k.closeSockets()
	readers.Wait()
	k.history.Close()
	return nil
}

func (k *Kernel) shutdown() { k.once.Do(func() { close(k.stop) }) }

// orphaned is closed when the process that started us dies. Jupyter asks for that by JPY_PARENT_PID.
func orphaned(stop <-chan struct{}) <-chan struct{} {
	gone := make(chan struct{})
	parent := os.Getppid()
	if os.Getenv("JPY_PARENT_PID") == "" {
		return gone
	}
	go func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for os.Getppid() == parent {
			select {
			case <-tick.C:
			case <-stop:
				return
			}
		}
		close(gone)
	}()
	return gone
}

// request is a message together with the socket that it came on.
type request struct {
	wire.Message
	socket *zmtp.Router
}

// receive decodes what comes on a socket; what does not decode is dropped and logged.
func (k *Kernel) receive(socket *zmtp.Router, handle func(request)) {
	for {
		frames, err := socket.Receive()
		if errors.Is(err, io.EOF) {
			return
		}
		m, err := k.codec.Decode(frames)
		if err != nil {
			k.log.Warn("front: message dropped", "err", err)
			continue
		}
		handle(request{m, socket})
	}
}

// reply answers a request on its socket.
func (k *Kernel) reply(r request, msgType string, content any, metadata json.RawMessage) {
	m := wire.New(msgType, k.id, r.RawHeader, content)
	m.Idents, m.Metadata = r.Idents, metadata
	if err := r.socket.Send(k.codec.Encode(m)); err != nil {
		k.log.Warn("front: reply dropped", "type", msgType, "err", err)
	}
}

// answer frames the answer to a request by busy and idle.
func (k *Kernel) answer(r request, msgType string, content func() any) {
	k.iopub.status(r.RawHeader, "busy")
	k.reply(r, msgType, content(), nil)
	k.iopub.status(r.RawHeader, "idle")
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, q := range k.subshells {
		if cell := q.current(); cell != nil {
			k.iopub.status(cell.RawHeader, "busy")
			return
		}
	}
}

// failure is the content of a reply that refuses a request.
func failure(name string, err error) any {
	return map[string]any{"status": "error", "ename": name, "evalue": err.Error(), "traceback": []string{}}
}

// content decodes the content of a request into v; fields that are absent keep their values.
func content(r request, v any) error {
	if err := json.Unmarshal(r.Content, v); err != nil {
		return fmt.Errorf("%s: %v", r.Header.Type, err)
	}
	return nil
}
