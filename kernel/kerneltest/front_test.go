package kerneltest

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
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

// When everything was answered the last status is idle, however close a cell's end and another answer were.
func TestIdleAtLast(t *testing.T) {
	c := inside(t, attachFake, quiet())
	for range 300 {
		requests := []string{c.Run("value 1"), c.Send(Shell, "kernel_info_request", struct{}{}), c.Send(Control, "kernel_info_request", struct{}{})}
		for _, id := range requests {
			must[Received](t)(c.Done(id, stepLimit))
		}
		c.mu.Lock()
		messages := slices.Clone(c.messages)
		c.mu.Unlock()
		for i, m := range slices.Backward(messages) {
			if m.Header.Type == "status" {
				if !m.isStatus("idle") {
					t.Fatalf("message %d, the last status, is %s", i, m.Content)
				}
				break
			}
		}
	}
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

// A front end that stops reading does not stop another one. (That it does not delay it either, zmtp.TestStalledSubscriber has.)
func TestStalledFrontEnd(t *testing.T) {
	_, c := spawnFake(t, "tcp")
	stalled := must[*zmtp.Conn](t)(zmtp.Dial(c.connection.Endpoint(c.connection.IOPubPort), "SUB", "", zmtp.DefaultConfig()))
	defer stalled.Close()
	stalled.Subscribe("") // and never receives
	big := strings.Repeat("x", 512<<10)
	for range 40 {
		if _, _, err := c.Execute("value "+big, stepLimit); err != nil {
			t.Fatal(err)
		}
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

// The heartbeat is answered while the session process is stuck.
func TestHeartbeat(t *testing.T) {
	_, c := spawnFake(t, "ipc")
	id := c.Send(Shell, "execute_request", map[string]any{"code": "print up\nstuck 600s"})
	must[Received](t)(c.Wait(stepLimit, func(m Received) bool { return m.Parent == id && m.Header.Type == "stream" }))
	for range 3 {
		beat := make(chan error, 1)
		go func() { beat <- c.Beat() }()
		select {
		case err := <-beat:
			if err != nil {
				t.Fatal(err)
			}
		case <-time.After(stepLimit):
			t.Fatal("no heartbeat while a cell runs")
		}
	}
}

// 200,000 lines arrive complete, in at most 20 messages, and four more for each second that a busy machine takes.
func TestStreamsAreJoined(t *testing.T) {
	c := inside(t, attachFake, quiet())
	start := time.Now()
	id, _, err := c.Execute("lines 200000", stepLimit)
	if err != nil {
		t.Fatal(err)
	}
	most := 20 + int(4*time.Since(start).Seconds())
	var text strings.Builder
	messages := 0
	for _, m := range c.Messages(id) {
		if m.Header.Type == "stream" {
			messages++
			text.WriteString(m.Get("text"))
		}
	}
	if messages > most {
		t.Errorf("%d messages, want at most %d", messages, most)
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
	if err := p.Wait(stepLimit); err != nil {
		t.Fatal(err)
	}
	for _, pid := range session {
		if !gone(pid) {
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

// A cell may ask before its front end's stdin socket is there: the question waits for it.
func TestStdinComesLate(t *testing.T) {
	c := inside(t, attachFake, quiet())
	dial := func(port int) *zmtp.Conn {
		conn := must[*zmtp.Conn](t)(zmtp.Dial(c.connection.Endpoint(port), "DEALER", "late", zmtp.DefaultConfig()))
		t.Cleanup(conn.Close)
		return conn
	}
	cell := wire.New("execute_request", "late", nil, map[string]any{"code": "print up\ninput name?", "allow_stdin": true})
	dial(c.connection.ShellPort).Send(c.codec.Encode(cell))
	must[Received](t)(c.Wait(stepLimit, func(m Received) bool { return m.Parent == cell.Header.ID && m.Header.Type == "stream" }))
	time.Sleep(50 * time.Millisecond) // most likely it has asked
	stdin := dial(c.connection.StdinPort)
	question := must[wire.Message](t)(c.codec.Decode(must[[][]byte](t)(stdin.Receive())))
	stdin.Send(c.codec.Encode(wire.New("input_reply", "late", question.RawHeader, map[string]string{"value": "Ann"})))
	if _, err := c.Wait(stepLimit, func(m Received) bool { return m.Parent == cell.Header.ID && m.Get("text") == "got Ann\n" }); err != nil {
		t.Errorf("the answer: %v", err)
	}
}
