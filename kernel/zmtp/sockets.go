package zmtp

import (
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
)

// Router is a ROUTER socket: it receives from all peers and sends to the one named by the first frame.
type Router struct {
	*listener
	in   chan [][]byte
	done chan struct{}
	next atomic.Uint32 // for identities of peers that name none

	mu   sync.Mutex
	byID map[string]*peer
	once sync.Once
}

// ListenRouter opens a ROUTER socket.
func ListenRouter(endpoint string, cfg Config) (*Router, error) {
	r := &Router{in: make(chan [][]byte), done: make(chan struct{}), byID: map[string]*peer{}}
	var err error
	r.listener, err = listen(endpoint, "ROUTER", cfg, r.servePeer)
	if err != nil {
		return nil, err
	}
	return r, nil
}

func (r *Router) servePeer(p *peer) error {
	if p.identity == "" {
		p.identity = string(binary.BigEndian.AppendUint32([]byte{0}, r.next.Add(1)))
	}
	r.mu.Lock()
	if old := r.byID[p.identity]; old != nil {
		old.close() // the peer has reconnected before we saw its old connection end
	}
	r.byID[p.identity] = p
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		if r.byID[p.identity] == p {
			delete(r.byID, p.identity)
		}
		r.mu.Unlock()
	}()
	for {
		frames, err := p.read(nil)
		if err != nil {
			return err
		}
		select {
		case r.in <- append([][]byte{[]byte(p.identity)}, frames...):
		case <-r.done:
			return nil
		}
	}
}

// Receive returns the next message behind the identity of its sender; io.EOF once the socket is closed.
func (r *Router) Receive() ([][]byte, error) {
	select {
	case m := <-r.in:
		return m, nil
	case <-r.done:
		return nil, io.EOF
	}
}

// Send queues a message for the peer that the first frame names. It is an error if none is connected.
func (r *Router) Send(frames [][]byte) error {
	if len(frames) < 2 {
		return fmt.Errorf("zmtp: a ROUTER message of %d frames: identity and content are needed", len(frames))
	}
	r.mu.Lock()
	p := r.byID[string(frames[0])]
	r.mu.Unlock()
	if p == nil {
		return fmt.Errorf("zmtp: no peer with identity %q is connected", frames[0])
	}
	p.send(encode(frames[1:]))
	return nil
}

// Close closes the socket; Receive then returns io.EOF.
func (r *Router) Close() error {
	r.once.Do(func() { close(r.done) })
	return r.listener.Close()
}

// Pub is an XPUB socket: every peer gets the messages whose first frame begins with a topic that it subscribed to.
type Pub struct {
	*listener
	mu sync.Mutex // over all peers' topics, so that Welcome comes before what is published later
}

// ListenPub opens an XPUB socket.
func ListenPub(endpoint string, cfg Config) (*Pub, error) {
	p := &Pub{}
	var err error
	p.listener, err = listen(endpoint, "XPUB", cfg, p.servePeer)
	if err != nil {
		return nil, err
	}
	return p, nil
}

func (s *Pub) servePeer(p *peer) error {
	for {
		frames, err := p.read(func(command []byte) {
			if topic, ok := strings.CutPrefix(string(command), "\x09SUBSCRIBE"); ok {
				s.subscribe(p, topic, true)
			} else if topic, ok := strings.CutPrefix(string(command), "\x06CANCEL"); ok {
				s.subscribe(p, topic, false)
			}
		})
		if err != nil {
			return err
		}
		if len(frames) == 1 && len(frames[0]) > 0 && frames[0][0] <= 1 {
			s.subscribe(p, string(frames[0][1:]), frames[0][0] == 1)
		}
	}
}

// maxTopics bounds the subscriptions of one peer; Jupyter's front ends have one.
const maxTopics = 1024

func (s *Pub) subscribe(p *peer, topic string, on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !on {
		delete(p.topics, topic)
		return
	}
	if len(p.topics) >= maxTopics {
		return
	}
	p.topics[topic] = true
	if s.cfg.Welcome != nil {
		for _, m := range s.cfg.Welcome(topic) {
			p.send(encode(m))
		}
	}
}

// Publish queues a message for every subscriber. It never waits.
func (s *Pub) Publish(frames [][]byte) {
	if len(frames) == 0 {
		return
	}
	message := encode(frames)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listener.mu.Lock()
	defer s.listener.mu.Unlock()
	for p := range s.peers {
		if p.wants(string(frames[0])) {
			p.send(message)
		}
	}
}

func (p *peer) wants(topic string) bool {
	for t := range p.topics {
		if strings.HasPrefix(topic, t) {
			return true
		}
	}
	return false
}

// Echo is a REP socket that answers each request with its own content: Jupyter's heartbeat.
type Echo struct{ *listener }

// ListenEcho opens a REP socket.
func ListenEcho(endpoint string, cfg Config) (*Echo, error) {
	l, err := listen(endpoint, "REP", cfg, func(p *peer) error {
		for {
			frames, err := p.read(nil)
			if err != nil {
				return err
			}
			p.send(encode(frames))
		}
	})
	if err != nil {
		return nil, err
	}
	return &Echo{l}, nil
}
