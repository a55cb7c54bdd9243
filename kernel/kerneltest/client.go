// Package kerneltest holds what it takes to test a kernel from outside: a fake front end ([Client]), a kernel process ([Spawn]), a fake
// session ([Fake]) whose cells are written in a language of ten commands, and the runner of transcripts (txtar files of requests and
// the messages that must answer them; see the tests).
//
// The fake front end shares kernel/zmtp and kernel/wire with the kernel; that those speak to the real libzmq and jupyter_client is
// tested in their own packages and by jupyter_kernel_test.
package kerneltest

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"quire/kernel/wire"
	"quire/kernel/zmtp"
)

// Channel names one of a front end's sockets.
type Channel string

// The channels of received messages.
const (
	Shell   Channel = "shell"
	Control Channel = "control"
	Stdin   Channel = "stdin"
	IOPub   Channel = "iopub"
)

// Received is a message of the kernel with the channel on which it came.
type Received struct {
	wire.Message
	Channel Channel
	Parent  string // msg_id of the request that it belongs to
	At      time.Time
}

// Client is a fake front end connected to all sockets of a kernel. Goroutines may share it.
type Client struct {
	connection wire.Connection
	codec      *wire.Codec
	session    string
	conns      map[Channel]*zmtp.Conn
	beat       *zmtp.Conn

	mu       sync.Mutex
	messages []Received
	changed  chan struct{} // closed and replaced with each message
	open     int           // connections that may still bring something
	err      error         // of those that ended
}

const dialLimit = time.Minute

// errClosed is the error of waiting for a message when every connection has ended.
var errClosed = errors.New("kerneltest: the kernel has closed its sockets")

// Dial connects to a kernel and waits until it hears the kernel's iopub socket.
func Dial(c wire.Connection) (*Client, error) {
	cl, err := Connect(c)
	if err != nil {
		return nil, err
	}
	// Kernels without iopub_welcome are asked for something that they must publish, until that is heard.
	heard := func(m Received) bool { return m.Channel == IOPub }
	for end := time.Now().Add(dialLimit); ; {
		if _, err = cl.Wait(100*time.Millisecond, heard); err == nil {
			return cl, nil
		}
		if errors.Is(err, errClosed) || time.Now().After(end) {
			cl.Close()
			return nil, err
		}
		cl.Send(Shell, "kernel_info_request", struct{}{})
	}
}

// Connect connects to a kernel that may not be ready.
func Connect(c wire.Connection) (*Client, error) {
	codec, err := wire.NewCodec(c.Key, c.SignatureScheme)
	if err != nil {
		return nil, err
	}
	cl := &Client{connection: c, codec: codec, session: wire.NewID(), conns: map[Channel]*zmtp.Conn{}, changed: make(chan struct{})}
	cfg := zmtp.DefaultConfig()
	for _, s := range []struct {
		channel Channel
		kind    string
		port    int
	}{{IOPub, "SUB", c.IOPubPort}, {Shell, "DEALER", c.ShellPort}, {Control, "DEALER", c.ControlPort}, {Stdin, "DEALER", c.StdinPort}} {
		identity := cl.session
		if s.channel == IOPub {
			identity = ""
		}
		conn, err := zmtp.Dial(c.Endpoint(s.port), s.kind, identity, cfg)
		if err != nil {
			cl.Close()
			return nil, err
		}
		cl.conns[s.channel] = conn
	}
	if cl.beat, err = zmtp.Dial(c.Endpoint(c.HeartbeatPort), "REQ", "", cfg); err != nil {
		cl.Close()
		return nil, err
	}
	cl.open = len(cl.conns)
	for channel, conn := range cl.conns {
		go cl.receive(channel, conn)
	}
	cl.conns[IOPub].Subscribe("")
	return cl, nil
}

// Close ends all connections.
func (c *Client) Close() {
	for _, conn := range c.conns {
		conn.Close()
	}
	if c.beat != nil {
		c.beat.Close()
	}
}

func (c *Client) receive(channel Channel, conn *zmtp.Conn) {
	for {
		frames, err := conn.Receive()
		var m wire.Message
		if err == nil {
			m, err = c.codec.Decode(frames)
		}
		c.mu.Lock()
		if err != nil {
			c.open--
			c.err = errors.Join(c.err, fmt.Errorf("%s: %v", channel, err))
		} else {
			c.messages = append(c.messages, Received{Message: m, Channel: channel, Parent: m.ParentHeader().ID, At: time.Now()})
		}
		close(c.changed)
		c.changed = make(chan struct{})
		c.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// Send sends a request and returns its msg_id.
func (c *Client) Send(channel Channel, msgType string, content any, edit ...func(*wire.Message)) string {
	m := wire.New(msgType, c.session, nil, content)
	for _, f := range edit {
		f(&m)
	}
	c.conns[channel].Send(c.codec.Encode(m))
	return m.Header.ID
}

// SendFrames sends frames as they are, for bad input.
func (c *Client) SendFrames(channel Channel, frames [][]byte) { c.conns[channel].Send(frames) }

// Answer answers an input_request.
func (c *Client) Answer(request Received, value string) {
	m := wire.New("input_reply", c.session, request.RawHeader, map[string]string{"value": value})
	c.conns[Stdin].Send(c.codec.Encode(m))
}

// Beat sends a heartbeat and waits for its echo.
func (c *Client) Beat() error {
	c.beat.Send([][]byte{{}, []byte("ping")})
	m, err := c.beat.Receive()
	if err == nil && string(m[len(m)-1]) != "ping" {
		err = fmt.Errorf("kerneltest: heartbeat answered %q", m)
	}
	return err
}

// Messages lists what was received so far that belongs to a request.
func (c *Client) Messages(parent string) []Received {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(c.messages), func(m Received) bool { return m.Parent != parent })
}

// Wait returns the first message, received already or in time, that fits.
func (c *Client) Wait(limit time.Duration, fits func(Received) bool) (Received, error) {
	timeout := time.After(limit)
	seen := 0
	for {
		c.mu.Lock()
		for ; seen < len(c.messages); seen++ {
			if fits(c.messages[seen]) {
				m := c.messages[seen]
				c.mu.Unlock()
				return m, nil
			}
		}
		changed, open, err := c.changed, c.open, c.err
		c.mu.Unlock()
		if open == 0 {
			return Received{}, fmt.Errorf("%w: %v", errClosed, err)
		}
		select {
		case <-changed:
		case <-timeout:
			return Received{}, fmt.Errorf("kerneltest: no such message within %v", limit)
		}
	}
}

// Done waits for the reply and the idle status of a request and returns the reply.
func (c *Client) Done(id string, limit time.Duration) (Received, error) {
	end := time.Now().Add(limit)
	reply, err := c.Wait(limit, func(m Received) bool { return m.Parent == id && (m.Channel == Shell || m.Channel == Control) })
	if err != nil {
		return reply, fmt.Errorf("reply: %w", err)
	}
	if _, err = c.Wait(time.Until(end), func(m Received) bool { return m.Parent == id && m.isStatus("idle") }); err != nil {
		err = fmt.Errorf("idle: %w", err)
	}
	return reply, err
}

func (m Received) isStatus(state string) bool {
	return m.Header.Type == "status" && m.Get("execution_state") == state
}

// Get is a string or number in the content, as text; "" if there is none.
func (m Received) Get(name string) string {
	var content map[string]any
	if json.Unmarshal(m.Content, &content) != nil || content[name] == nil {
		return ""
	}
	return fmt.Sprint(content[name])
}

// Run sends a cell.
func (c *Client) Run(code string) (id string) {
	return c.Send(Shell, "execute_request", map[string]any{"code": code, "silent": false, "store_history": true,
		"user_expressions": map[string]string{}, "allow_stdin": true, "stop_on_error": true})
}

// Execute runs a cell and waits for its end.
func (c *Client) Execute(code string, limit time.Duration) (id string, reply Received, err error) {
	id = c.Run(code)
	reply, err = c.Done(id, limit)
	return id, reply, err
}
