package zmtp

import (
	"fmt"
	"net"
)

// Conn is one connection to a listening socket, without reconnection. One goroutine may receive while others send.
type Conn struct {
	*peer
}

// Dial connects as a socket of a type: DEALER, SUB or REQ. The identity may be empty.
func Dial(endpoint, socketType, identity string, cfg Config) (*Conn, error) {
	network, address, err := split(endpoint)
	if err != nil {
		return nil, err
	}
	if accepts[socketType] == nil {
		return nil, fmt.Errorf("zmtp: socket type %q: want DEALER, SUB or REQ", socketType)
	}
	conn, err := net.Dial(network, address)
	if err != nil {
		return nil, fmt.Errorf("zmtp: %v", err)
	}
	p, err := newPeer(conn, cfg, socketType, identity)
	if err != nil {
		return nil, err
	}
	go p.write()
	return &Conn{p}, nil
}

// Send queues a message; a REQ must put an empty frame first.
func (c *Conn) Send(frames [][]byte) { c.send(encode(frames)) }

// Subscribe asks an XPUB socket for a topic.
func (c *Conn) Subscribe(topic string) { c.send(encode([][]byte{append([]byte{1}, topic...)})) }

// Receive returns the next message, or the error that ended the connection.
func (c *Conn) Receive() ([][]byte, error) { return c.read(nil) }

// Close ends the connection.
func (c *Conn) Close() { c.close() }
