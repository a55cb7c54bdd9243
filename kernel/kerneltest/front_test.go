package kerneltest

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"quire/kernel/wire"
	"quire/kernel/zmtp"
)

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// lockedBuffer is a log that can be read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// Bad signatures, truncated and oversized messages are dropped with a line in the log; the kernel goes on.
func TestBadMessages(t *testing.T) {
	log := &lockedBuffer{}
	c := inside(t, attachFake, slog.New(slog.NewTextHandler(log, nil)))
	foreign := must[*wire.Codec](t)(wire.NewCodec("another key", ""))
	m := wire.New("execute_request", "s", nil, map[string]string{"code": "print evil"})
	forged := foreign.Encode(m)
	truncated := c.codec.Encode(m)[:4]
	for _, channel := range []Channel{Shell, Control, Stdin} {
		c.SendFrames(channel, forged)
		c.SendFrames(channel, truncated)
		c.SendFrames(channel, [][]byte{{}})
	}
	_, reply, err := c.Execute("value 1", stepLimit)
	if err != nil || reply.Get("execution_count") != "1" {
		t.Fatalf("after bad messages: count %s, %v", reply.Get("execution_count"), err)
	}
	// The other channels have readers of their own, which may come later than the reply.
	logged := func() bool {
		return strings.Count(log.String(), "bad signature") == 3 && strings.Count(log.String(), "truncated message") == 6
	}
	for end := time.Now().Add(stepLimit); !logged(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the log should say \"bad signature\" 3 times and \"truncated message\" 6 times:\n%s", log)
		}
	}
}

// After something was answered beside a cell, the last status is busy again.
func TestBusyAgain(t *testing.T) {
	c := inside(t, attachFake, quiet())
	id := c.Send(Shell, "execute_request", map[string]any{"code": "print up\nsleep 60s"})
	must[Received](t)(c.Wait(stepLimit, func(m Received) bool { return m.Parent == id && m.Header.Type == "stream" }))
	must[Received](t)(c.Done(c.Send(Shell, "kernel_info_request", struct{}{}), stepLimit))
	end := time.Now().Add(stepLimit)
	for busy := 0; busy < 2; time.Sleep(time.Millisecond) {
		busy = 0
		for _, m := range c.Messages(id) {
			if m.isStatus("busy") {
				busy++
			}
		}
		if time.Now().After(end) {
			t.Fatal("the cell's busy was not repeated")
		}
	}
	c.Send(Control, "interrupt_request", struct{}{})
	must[Received](t)(c.Done(id, stepLimit))
}

// A front end that subscribes after the fact is greeted and learns that the kernel is idle again.
func TestLateSubscriber(t *testing.T) {
	_, early := spawnFake(t, "tcp")
	id, _, err := early.Execute("value 1", stepLimit)
	if err != nil {
		t.Fatal(err)
	}
	late := must[*Client](t)(Dial(early.connection))
	defer late.Close()
	must[Received](t)(late.Wait(stepLimit, func(m Received) bool { return m.Header.Type == "iopub_welcome" }))
	if _, err := late.Wait(stepLimit, func(m Received) bool { return m.Parent == id && m.isStatus("idle") }); err != nil {
		t.Errorf("idle of the earlier request: %v", err)
	}
}

// A front end that stops reading does not delay another one.
func TestStalledFrontEnd(t *testing.T) {
	_, c := spawnFake(t, "tcp")
	stalled := must[*zmtp.Conn](t)(zmtp.Dial(c.connection.Endpoint(c.connection.IOPubPort), "SUB", "", zmtp.DefaultConfig()))
	defer stalled.Close()
	stalled.Subscribe("") // and never receives
	big := strings.Repeat("x", 512<<10)
	var slowest time.Duration
	for range 40 {
		start := time.Now()
		if _, _, err := c.Execute("value "+big, stepLimit); err != nil {
			t.Fatal(err)
		}
		slowest = max(slowest, time.Since(start))
	}
	if slowest > 3*time.Second {
		t.Errorf("a cell took %v beside a stalled front end", slowest)
	}
}

// SIGINT to the kernel interrupts the cell, as front ends of interrupt mode "signal" do it.
func TestInterruptBySignal(t *testing.T) {
	p, c := spawnFake(t, "tcp")
	id := c.Send(Shell, "execute_request", map[string]any{"code": "set x 1\nprint up\nsleep 60s"})
	must[Received](t)(c.Wait(stepLimit, func(m Received) bool { return m.Parent == id && m.Header.Type == "stream" }))
	p.Cmd.Process.Signal(syscall.SIGINT)
	if reply := must[Received](t)(c.Done(id, stepLimit)); reply.Get("ename") != "Interrupt" {
		t.Errorf("reply %s", reply.Content)
	}
	if _, reply, err := c.Execute("get x", stepLimit); err != nil || reply.Get("status") != "ok" {
		t.Errorf("variables after an interrupt: %s, %v", reply.Content, err)
	}
}

func TestHeartbeat(t *testing.T) {
	_, c := spawnFake(t, "ipc")
	id := c.Send(Shell, "execute_request", map[string]any{"code": "print up\nstuck 300ms"})
	must[Received](t)(c.Wait(stepLimit, func(m Received) bool { return m.Parent == id && m.Header.Type == "stream" }))
	for range 3 {
		start := time.Now()
		if err := c.Beat(); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(start); d > 200*time.Millisecond {
			t.Errorf("a heartbeat took %v while a cell runs", d)
		}
	}
}

// 200,000 lines arrive complete, in at most 20 messages.
func TestStreamsAreJoined(t *testing.T) {
	c := inside(t, attachFake, quiet())
	id, _, err := c.Execute("lines 200000", stepLimit)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	messages := 0
	for _, m := range c.Messages(id) {
		if m.Header.Type == "stream" {
			messages++
			text.WriteString(m.Get("text"))
		}
	}
	if messages > 20 {
		t.Errorf("%d messages", messages)
	}
	var want strings.Builder
	for i := range 200000 {
		fmt.Fprintf(&want, "line %d\n", i)
	}
	if text.String() != want.String() {
		t.Errorf("%d bytes arrived, want %d", text.Len(), want.Len())
	}
}

// Shutdown ends the process and the session process, and leaves no socket file.
func TestShutdownEndsEverything(t *testing.T) {
	p, c := spawnFake(t, "ipc")
	session := Children(p.Cmd.Process.Pid)
	c.Send(Shell, "execute_request", map[string]any{"code": "stuck 60s"})
	c.Send(Control, "shutdown_request", map[string]bool{"restart": false})
	if err := p.Wait(10 * time.Second); err != nil {
		t.Fatal(err)
	}
	for _, pid := range session {
		if syscall.Kill(pid, 0) == nil {
			t.Errorf("session process %d lives on", pid)
		}
	}
	if left, _ := filepath.Glob(p.Connection.IP + "-*"); len(left) > 0 {
		t.Errorf("files left: %v", left)
	}
}

// The history of a session is there in the next one.
func TestHistoryFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "h.sqlite")
	for range 2 {
		p, c := spawn(t, []string{os.Args[0], "{connection_file}"}, []string{role + "=kernel", roleHistory + "=" + file}, "tcp")
		if _, _, err := c.Execute("set x 1", stepLimit); err != nil {
			t.Fatal(err)
		}
		c.Send(Control, "shutdown_request", struct{}{})
		if err := p.Wait(stepLimit); err != nil {
			t.Fatal(err)
		}
	}
	_, c := spawn(t, []string{os.Args[0], "{connection_file}"}, []string{role + "=kernel", roleHistory + "=" + file}, "tcp")
	reply := must[Received](t)(c.Done(c.Send(Shell, "history_request", map[string]any{"hist_access_type": "tail", "n": 9}), stepLimit))
	if got := reply.Get("history"); got != "[[1 1 set x 1] [2 1 set x 1]]" {
		t.Errorf("history %s", got)
	}
}
