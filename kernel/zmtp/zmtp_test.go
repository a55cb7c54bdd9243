package zmtp

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// limit is how long a test waits for what must come.
const limit = time.Minute

// endpoints are where each test listens: both transports.
func endpoints(t *testing.T) map[string]string {
	return map[string]string{"tcp": "tcp://127.0.0.1:0", "ipc": "ipc://" + filepath.Join(t.TempDir(), "s")}
}

// logged is a config whose log can be read.
func logged() (Config, *logBuffer) {
	b := &logBuffer{}
	cfg := DefaultConfig()
	cfg.Log = slog.New(slog.NewTextHandler(b, nil))
	return cfg, b
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) waitFor(t *testing.T, text string) {
	t.Helper()
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		l.mu.Lock()
		s := l.b.String()
		l.mu.Unlock()
		if strings.Contains(s, text) {
			return
		}
	}
	t.Errorf("the log never said %q", text)
}

func dial(t *testing.T, endpoint, kind, id string) *Conn {
	t.Helper()
	c, err := Dial(endpoint, kind, id, DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func receive(t *testing.T, c *Conn) []string {
	t.Helper()
	c.conn.SetReadDeadline(time.Now().Add(limit))
	frames, err := c.Receive()
	if err != nil {
		t.Fatal(err)
	}
	return text(frames)
}

func text(frames [][]byte) []string {
	s := make([]string, len(frames))
	for i, f := range frames {
		s[i] = string(f)
	}
	return s
}

func frames(parts ...string) [][]byte {
	f := make([][]byte, len(parts))
	for i, p := range parts {
		f[i] = []byte(p)
	}
	return f
}

func TestRouter(t *testing.T) {
	for name, endpoint := range endpoints(t) {
		t.Run(name, func(t *testing.T) {
			r, err := ListenRouter(endpoint, DefaultConfig())
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			named, anonymous := dial(t, r.Endpoint(), "DEALER", "ann"), dial(t, r.Endpoint(), "DEALER", "")
			long := strings.Repeat("x", 3<<20)
			for _, c := range []*Conn{named, anonymous} {
				c.Send(frames("a", "", long))
				m, err := r.Receive()
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff([]string{"a", "", long}, text(m[1:])); diff != "" {
					t.Error("message changed on its way")
				}
				if c == named && string(m[0]) != "ann" {
					t.Errorf("identity %q, want ann", m[0])
				}
				if err := r.Send([][]byte{m[0], []byte("b"), []byte(long)}); err != nil {
					t.Fatal(err)
				}
				if got := receive(t, c); got[0] != "b" || got[1] != long {
					t.Error("reply changed on its way")
				}
			}
			if err := r.Send(frames("nobody", "x")); err == nil {
				t.Error("a message to nobody is no error")
			}
			again := dial(t, r.Endpoint(), "DEALER", "ann")
			again.Send(frames("hello"))
			if _, err := r.Receive(); err != nil {
				t.Fatal(err)
			}
			if err := r.Send(frames("ann", "new")); err != nil {
				t.Fatal(err)
			}
			if got := receive(t, again); got[0] != "new" {
				t.Errorf("a reconnected peer got %q", got)
			}
		})
	}
}

func TestPubTopicsAndWelcome(t *testing.T) {
	for name, endpoint := range endpoints(t) {
		t.Run(name, func(t *testing.T) {
			cfg := DefaultConfig()
			cfg.Welcome = func(topic string) [][][]byte { return [][][]byte{frames(topic, "welcome")} }
			p, err := ListenPub(endpoint, cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			all, some := dial(t, p.Endpoint(), "SUB", ""), dial(t, p.Endpoint(), "SUB", "")
			all.Subscribe("")
			some.Subscribe("b")
			for c, want := range map[*Conn]string{all: "", some: "b"} {
				if got := receive(t, c); got[0] != want || got[1] != "welcome" {
					t.Fatalf("first message %q, want the welcome to %q", got, want)
				}
			}
			p.Publish(frames("a1", "x"))
			p.Publish(frames("b1", "y"))
			if got := receive(t, all); got[0] != "a1" {
				t.Errorf("got %q, want a1", got)
			}
			if got := receive(t, some); got[0] != "b1" {
				t.Errorf("got %q, want b1", got)
			}
		})
	}
}

// A subscriber that stops reading is disconnected when its queue is full; the other one and the publisher never wait for it.
func TestStalledSubscriber(t *testing.T) {
	cfg, log := logged()
	cfg.QueueBytes, cfg.WriteTimeout = 8<<20, time.Hour // who waited for the stalled one would never end
	p, err := ListenPub("tcp://127.0.0.1:0", cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	stalled, healthy := dial(t, p.Endpoint(), "SUB", ""), dial(t, p.Endpoint(), "SUB", "")
	stalled.Subscribe("")
	healthy.Subscribe("")
	waitSubscribed(t, p, 2)
	const n, size = 256, 256 << 10
	healthy.conn.SetReadDeadline(time.Now().Add(limit))
	got := make(chan int, n)
	go func() {
		defer close(got)
		for i := range n {
			m, err := healthy.Receive()
			if err != nil || string(m[1]) != fmt.Sprint(i) {
				t.Errorf("healthy subscriber: message %d: %v", i, err)
				return
			}
			got <- i
		}
	}()
	big := string(make([]byte, size))
	published := make(chan bool)
	go func() {
		defer close(published)
		for i := range n {
			p.Publish(frames("t", fmt.Sprint(i), big))
			if i >= 8 {
				<-got // keep at most 8 messages in flight to the healthy one
			}
		}
		for range got {
		}
	}()
	select {
	case <-published:
	case <-time.After(limit):
		t.Fatal("the publisher waits for a stalled subscriber")
	}
	log.waitFor(t, "disconnected")
}

// A subscriber that stops reading is disconnected when a message takes too long to leave.
func TestWriteDeadline(t *testing.T) {
	cfg, log := logged()
	cfg.WriteTimeout = 50 * time.Millisecond
	p, err := ListenPub("tcp://127.0.0.1:0", cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	stalled := dial(t, p.Endpoint(), "SUB", "")
	stalled.Subscribe("")
	waitSubscribed(t, p, 1)
	p.Publish(frames("t", string(make([]byte, 48<<20)))) // more than the sockets between them hold
	log.waitFor(t, "disconnected")
}

// A peer that says nothing is dropped, too.
func TestSilentPeer(t *testing.T) {
	cfg, log := logged()
	cfg.HandshakeTimeout = 50 * time.Millisecond
	r, err := ListenRouter("tcp://127.0.0.1:0", cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	conn, err := net.Dial("tcp", r.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	log.waitFor(t, "handshake")
}

func waitSubscribed(t *testing.T, p *Pub, n int) {
	t.Helper()
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		p.mu.Lock()
		p.listener.mu.Lock()
		have := 0
		for peer := range p.peers {
			have += len(peer.topics)
		}
		p.listener.mu.Unlock()
		p.mu.Unlock()
		if have == n {
			return
		}
	}
	t.Fatalf("fewer than %d subscriptions", n)
}

func TestEcho(t *testing.T) {
	e, err := ListenEcho("tcp://127.0.0.1:0", DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	c := dial(t, e.Endpoint(), "REQ", "")
	c.Send(frames("", "ping"))
	if diff := cmp.Diff([]string{"", "ping"}, receive(t, c)); diff != "" {
		t.Error(diff)
	}
}

// Bad peers are dropped with a reason in the log, and the socket goes on.
func TestBadPeers(t *testing.T) {
	cfg, log := logged()
	cfg.MaxMessage, cfg.MaxFrames, cfg.HandshakeTimeout = 1000, 4, limit
	r, err := ListenRouter("tcp://127.0.0.1:0", cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	hello := string(greeting()) + string(ready("DEALER", ""))
	for bytes, reason := range map[string]string{
		"GET / HTTP/1.1\r\n\r\n": "does not speak ZMTP",
		"\xff":                   "handshake",
		string(greeting()) + string(ready("SUB", "")):                           "SUB peer cannot talk to a ROUTER",
		string(greeting()) + string(ready("DEALER", string(make([]byte, 300)))): "identity of 300 bytes",
		hello + "\x02\x00\x00\x00\x00\x7f\x00\x00\x00":                          "oversized",
		hello + strings.Repeat("\x01\x01a", 9):                                  "more than 4 frames",
		hello + "\x00\x10short":                                                 "unexpected EOF",
		hello + "\xf0\x01a":                                                     "flags 0xf0",
	} {
		conn, err := net.Dial("tcp", r.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(conn, bytes)
		conn.(*net.TCPConn).CloseWrite()
		log.waitFor(t, reason)
		conn.Close()
	}
	dial(t, r.Endpoint(), "DEALER", "").Send(frames("still here"))
	if m, err := r.Receive(); err != nil || string(m[1]) != "still here" {
		t.Errorf("after bad peers: %q, %v", m, err)
	}
}

func TestStaleSocketFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	r, err := ListenRouter("ipc://"+path, DefaultConfig())
	if err != nil {
		t.Fatalf("behind a stale file: %v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("socket file: %v, %v", info.Mode(), err)
	}
	if _, err := ListenRouter("ipc://"+path, DefaultConfig()); err == nil {
		t.Error("a socket in use was taken over")
	}
	r.Close()
	if _, err := os.Stat(path); err == nil {
		t.Error("the socket file outlives the socket")
	}
}

// libzmq, through pyzmq, talks to all three sockets.
func TestLibzmq(t *testing.T) {
	python := "/usr/bin/python3"
	if exec.Command(python, "-c", "import zmq").Run() != nil {
		t.Skip("python3-zmq is missing")
	}
	for name, endpoint := range endpoints(t) {
		t.Run(name, func(t *testing.T) {
			cfg := DefaultConfig()
			cfg.Welcome = func(topic string) [][][]byte { return [][][]byte{frames("hi", topic)} }
			suffix := func(i int) string {
				if name == "ipc" {
					return fmt.Sprint(i)
				}
				return ""
			}
			r, err := ListenRouter(endpoint+suffix(1), cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			p, err := ListenPub(endpoint+suffix(2), cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			e, err := ListenEcho(endpoint+suffix(3), cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			go func() {
				for {
					m, err := r.Receive()
					if err != nil {
						return
					}
					r.Send(m)
				}
			}()
			const script = `
import sys, zmq
c = zmq.Context()
def sock(kind, end, **opts):
    s = c.socket(kind); s.linger = 0; s.rcvtimeo = 60000
    for k, v in opts.items(): setattr(s, k, v)
    s.connect(end); return s
d = sock(zmq.DEALER, sys.argv[1], identity=b'me', heartbeat_ivl=50, heartbeat_timeout=60000)
for n in (0, 1, 255, 256, 5000000):
    d.send_multipart([b'', b'x' * n]); assert d.recv_multipart() == [b'', b'x' * n], n
s = sock(zmq.SUB, sys.argv[2]); s.subscribe(b'h'); assert s.recv_multipart() == [b'hi', b'h']
q = sock(zmq.REQ, sys.argv[3]); q.send(b'ping'); assert q.recv() == b'ping'
import time; time.sleep(0.3)
d.send(b'after heartbeats'); assert d.recv() == b'after heartbeats'
print('ok')`
			out, err := exec.Command(python, "-c", script, r.Endpoint(), p.Endpoint(), e.Endpoint()).CombinedOutput()
			if err != nil || string(out) != "ok\n" {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

func FuzzHandshake(f *testing.F) {
	f.Add(append(greeting(), ready("DEALER", "id")...))
	f.Add(append(greeting(), "\x04\x06\x05ERROR"...))
	f.Add([]byte("\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f\x01"))
	f.Add(append(greeting(), "\x04\x14\x05READY\x0bSocket-Type\xff\xff\xff\xff"...))
	f.Fuzz(func(t *testing.T, data []byte) {
		id, err := shake(bufio.NewReader(bytes.NewReader(data)), io.Discard, "ROUTER", "")
		if err == nil && len(id) > maxIdentity {
			t.Errorf("identity of %d bytes", len(id))
		}
	})
}

func FuzzFrames(f *testing.F) {
	f.Add(encode(frames("a", "", strings.Repeat("b", 300))))
	f.Add([]byte("\x02\xff\xff\xff\xff\xff\xff\xff\xff"))
	f.Add([]byte("\x04\x07\x04PING\x00\x01"))
	f.Fuzz(func(t *testing.T, data []byte) {
		cfg := DefaultConfig()
		cfg.MaxMessage, cfg.MaxFrames = 1<<16, 16
		p := &peer{r: bufio.NewReader(bytes.NewReader(data)), cfg: cfg, wake: make(chan struct{}, 1)}
		m, err := p.read(nil)
		if err != nil {
			return
		}
		back := &peer{r: bufio.NewReader(bytes.NewReader(encode(m))), cfg: cfg, wake: make(chan struct{}, 1)}
		again, err := back.read(nil)
		if err != nil || !cmp.Equal(m, again) {
			t.Errorf("%q became %q, %v", m, again, err)
		}
	})
}
