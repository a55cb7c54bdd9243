package zmtp

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"
)

// listener accepts peers for a socket and knows which are connected.
type listener struct {
	net.Listener
	cfg        Config
	socketType string
	serve      func(*peer) error // handles a peer until it ends

	mu     sync.Mutex
	peers  map[*peer]bool
	closed bool
}

// split reads an endpoint in ZeroMQ's notation: tcp://host:port, ipc://path, ipc://@abstract.
func split(endpoint string) (network, address string, err error) {
	if address, ok := strings.CutPrefix(endpoint, "tcp://"); ok {
		return "tcp", strings.Replace(address, "*:", ":", 1), nil
	}
	if address, ok := strings.CutPrefix(endpoint, "ipc://"); ok && address != "" {
		return "unix", address, nil
	}
	return "", "", fmt.Errorf("zmtp: endpoint %q: want tcp://host:port or ipc://path", endpoint)
}

func listen(endpoint, socketType string, cfg Config, serve func(*peer) error) (*listener, error) {
	network, address, err := split(endpoint)
	if err != nil {
		return nil, err
	}
	if network == "unix" {
		removeStale(address)
	}
	l := &listener{cfg: cfg, socketType: socketType, serve: serve, peers: map[*peer]bool{}}
	if l.Listener, err = net.Listen(network, address); err != nil {
		return nil, fmt.Errorf("zmtp: %v", err)
	}
	if network == "unix" && address[0] != '@' {
		if err := os.Chmod(address, 0o600); err != nil {
			l.Listener.Close()
			return nil, fmt.Errorf("zmtp: %v", err)
		}
	}
	go l.accept()
	return l, nil
}

// removeStale removes the socket file of a process that was killed.
func removeStale(path string) {
	conn, err := net.Dial("unix", path)
	if err == nil {
		conn.Close()
	} else if errors.Is(err, syscall.ECONNREFUSED) {
		os.Remove(path)
	}
}

func (l *listener) accept() {
	for {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			l.cfg.Log.Warn("zmtp: accept", "err", err)
			time.Sleep(10 * time.Millisecond) // out of descriptors: let some connection end
			continue
		}
		go l.handle(conn)
	}
}

func (l *listener) handle(conn net.Conn) {
	p, err := newPeer(conn, l.cfg, l.socketType, "")
	if err != nil {
		if !errors.Is(err, io.EOF) {
			l.cfg.Log.Warn("zmtp: handshake", "peer", conn.RemoteAddr().String(), "err", err)
		}
		return
	}
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		p.close()
		return
	}
	l.peers[p] = true
	l.mu.Unlock()
	go p.write()
	err = l.serve(p)
	l.mu.Lock()
	delete(l.peers, p)
	l.mu.Unlock()
	p.close()
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) && !errors.Is(err, syscall.ECONNRESET) {
		l.cfg.Log.Warn("zmtp: peer disconnected", "peer", p.name(), "err", err)
	}
}

// Flush waits until all queues are written, at most for the given time.
func (l *listener) Flush(limit time.Duration) {
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if l.drained() {
			return
		}
	}
}

func (l *listener) drained() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for p := range l.peers {
		if !p.drained() {
			return false
		}
	}
	return true
}

// Close stops listening, disconnects all peers and removes the socket's file.
func (l *listener) Close() error {
	err := l.Listener.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for p := range l.peers {
		p.close()
	}
	return err
}

// Endpoint is the address that peers dial, with the real port where 0 was asked for.
func (l *listener) Endpoint() string {
	if l.Addr().Network() == "unix" {
		return "ipc://" + l.Addr().String()
	}
	return "tcp://" + l.Addr().String()
}
