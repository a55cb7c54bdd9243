package zmtp

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"sync"
	"time"
)

// writeChunk is how many bytes one write deadline covers: a slow peer is fine, a stalled one is not.
const writeChunk = 1 << 20

// peer is one connection after its handshake.
type peer struct {
	conn     net.Conn
	r        *bufio.Reader
	cfg      Config
	identity string
	topics   map[string]bool // what it subscribed to; owned by Pub

	mu     sync.Mutex
	queue  [][]byte // encoded messages, oldest first
	bytes  int
	wake   chan struct{} // capacity 1: the queue has grown or the peer was closed
	closed bool
}

// newPeer shakes hands on conn.
func newPeer(conn net.Conn, cfg Config, socketType, identity string) (*peer, error) {
	p := &peer{conn: conn, r: bufio.NewReaderSize(conn, 64<<10), cfg: cfg, topics: map[string]bool{}, wake: make(chan struct{}, 1)}
	conn.SetDeadline(time.Now().Add(cfg.HandshakeTimeout))
	var err error
	if p.identity, err = shake(p.r, conn, socketType, identity); err != nil {
		conn.Close()
		return nil, err
	}
	conn.SetDeadline(time.Time{})
	return p, nil
}

// read returns the next message; commands are answered or given to onCommand, which may be nil.
func (p *peer) read(onCommand func(body []byte)) ([][]byte, error) {
	var frames [][]byte
	left := p.cfg.MaxMessage
	for {
		flags, body, err := readFrame(p.r, left)
		if err != nil {
			return nil, err
		}
		if flags&flagCommand != 0 {
			if ping, ok := bytes.CutPrefix(body, []byte("\x04PING")); ok && len(ping) >= 2 {
				p.send(appendFrame(nil, flagCommand, append([]byte("\x04PONG"), ping[2:]...)))
			} else if onCommand != nil {
				onCommand(body)
			}
			continue
		}
		left -= len(body)
		if frames = append(frames, body); len(frames) > p.cfg.MaxFrames {
			return nil, fmt.Errorf("zmtp: message of more than %d frames", p.cfg.MaxFrames)
		}
		if flags&flagMore == 0 {
			return frames, nil
		}
	}
}

// send queues an encoded message. A full queue closes the peer.
func (p *peer) send(message []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	// One message may be larger than the whole allowance: it is refused only behind others.
	if len(p.queue) > 0 && (p.bytes+len(message) > p.cfg.QueueBytes || len(p.queue) >= p.cfg.QueueMessages) {
		p.cfg.Log.Warn("zmtp: peer disconnected: it does not take its messages", "peer", p.name(), "waiting", len(p.queue), "bytes", p.bytes)
		p.closeLocked()
		return
	}
	p.queue = append(p.queue, message)
	p.bytes += len(message)
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// write sends the queue until the peer is closed.
func (p *peer) write() {
	for range p.wake {
		for {
			p.mu.Lock()
			if p.closed || len(p.queue) == 0 {
				closed := p.closed
				p.mu.Unlock()
				if closed {
					return
				}
				break
			}
			message := p.queue[0]
			p.mu.Unlock()
			if err := p.writeAll(message); err != nil {
				p.cfg.Log.Warn("zmtp: peer disconnected", "peer", p.name(), "err", err)
				p.close()
				return
			}
			p.mu.Lock()
			if len(p.queue) > 0 {
				p.queue[0] = nil
				p.queue = p.queue[1:]
				p.bytes -= len(message)
			}
			p.mu.Unlock()
		}
	}
}

func (p *peer) writeAll(message []byte) error {
	for len(message) > 0 {
		n := min(len(message), writeChunk)
		p.conn.SetWriteDeadline(time.Now().Add(p.cfg.WriteTimeout))
		if _, err := p.conn.Write(message[:n]); err != nil {
			return err
		}
		message = message[n:]
	}
	return nil
}

func (p *peer) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closeLocked()
}

func (p *peer) closeLocked() {
	if p.closed {
		return
	}
	p.closed, p.queue, p.bytes = true, nil, 0
	p.conn.Close()
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// drained reports whether everything queued was written.
func (p *peer) drained() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed || len(p.queue) == 0
}

func (p *peer) name() string { return p.conn.RemoteAddr().String() }
