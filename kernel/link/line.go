package link

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// MaxMessage bounds one message on the line.
const MaxMessage = 512 << 20

const (
	sendTimeout = 10 * time.Second // the other side always reads; longer means that it is stuck
	trusted     = 1 << 20          // bytes allocated on the word of a length alone
)

// Line is one end of the line. Any goroutine may send; one receives.
type Line struct {
	conn net.Conn
	r    *bufio.Reader

	mu  sync.Mutex
	buf bytes.Buffer // the message being sent
}

// NewLine makes an end of the line out of a connection.
func NewLine(conn net.Conn) *Line {
	return &Line{conn: conn, r: bufio.NewReaderSize(conn, 64<<10)}
}

// Send writes one message. It fails when the line is closed or the other side does not read.
func (l *Line) Send(kind Kind, seq uint64, cell string, body any) error {
	m := Message{Kind: kind, Seq: seq, Cell: cell}
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("link: %s: %v", kind, err)
		}
		m.Body = raw
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buf.Reset()
	l.buf.Write(make([]byte, 4))
	if err := json.NewEncoder(&l.buf).Encode(m); err != nil {
		return fmt.Errorf("link: %s: %v", kind, err)
	}
	size := l.buf.Len() - 4
	if size > MaxMessage {
		return fmt.Errorf("link: %s of %d bytes, at most %d are allowed", kind, size, MaxMessage)
	}
	binary.LittleEndian.PutUint32(l.buf.Bytes(), uint32(size))
	l.conn.SetWriteDeadline(time.Now().Add(sendTimeout))
	_, err := l.conn.Write(l.buf.Bytes())
	if l.buf.Cap() > trusted {
		l.buf = bytes.Buffer{}
	}
	return err
}

// Receive reads the next message; io.EOF once the line has closed.
func (l *Line) Receive() (Message, error) {
	var m Message
	var length [4]byte
	if _, err := io.ReadFull(l.r, length[:]); err != nil {
		return m, err
	}
	size := binary.LittleEndian.Uint32(length[:])
	if size > MaxMessage {
		return m, fmt.Errorf("link: message of %d bytes, at most %d are allowed", size, MaxMessage)
	}
	var buf bytes.Buffer
	buf.Grow(int(min(size, trusted)))
	if _, err := io.CopyN(&buf, l.r, int64(size)); err != nil {
		return m, fmt.Errorf("link: message cut short: %w", err)
	}
	if err := json.Unmarshal(buf.Bytes(), &m); err != nil {
		return m, fmt.Errorf("link: %v", err)
	}
	return m, nil
}

// Close closes the line; the other side's Receive returns io.EOF.
func (l *Line) Close() error { return l.conn.Close() }
