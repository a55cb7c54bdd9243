package link

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// bytesConn is a connection from which fixed bytes come.
type bytesConn struct {
	net.Conn
	r io.Reader
}

func (c bytesConn) Read(p []byte) (int, error) { return c.r.Read(p) }

func TestLineRoundTrip(t *testing.T) {
	a, b := net.Pipe()
	from, to := NewLine(a), NewLine(b)
	want := Stream{Name: "stdout", Text: strings.Repeat("世界\x00<&>", 1<<18)}
	go from.Send(KindStream, 7, "cell", want)
	m, err := to.Receive()
	if err != nil {
		t.Fatal(err)
	}
	var got Stream
	if err := decode(m, &got); err != nil || got != want || m.Seq != 7 || m.Cell != "cell" || m.Kind != KindStream {
		t.Errorf("got %s %d %s, %v", m.Kind, m.Seq, m.Cell, err)
	}
	from.Close()
	if _, err := to.Receive(); err != io.EOF {
		t.Errorf("after the end: %v, want EOF", err)
	}
}

// A length that lies allocates nothing, and a cut message is an error.
func TestLineRefuses(t *testing.T) {
	for _, size := range []uint32{MaxMessage + 1, MaxMessage, 10} {
		line := NewLine(bytesConn{r: bytes.NewReader(append(binary.LittleEndian.AppendUint32(nil, size), "{}"...))})
		if _, err := line.Receive(); err == nil || errors.Is(err, io.EOF) && size > 10 && err == io.EOF {
			t.Errorf("a length of %d with 2 bytes behind it: %v", size, err)
		}
	}
}

func FuzzReceive(f *testing.F) {
	f.Add([]byte("\x11\x00\x00\x00{\"kind\":\"stream\"}"))
	f.Add([]byte("\xff\xff\xff\x7f{"))
	f.Add([]byte("\x02\x00\x00\x00[]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		line := NewLine(bytesConn{r: bytes.NewReader(data)})
		for {
			if _, err := line.Receive(); err != nil {
				return
			}
		}
	})
}

// A session process of another version is refused, and calls to it fail at once.
func TestVersion(t *testing.T) {
	ours, theirs := net.Pipe()
	go NewLine(theirs).Send(KindReady, 0, "", Ready{PID: 1, Version: "0.0"})
	r := Attach(ours, "0.1", func(Message) {})
	select {
	case <-r.Ended():
	case <-time.After(time.Minute):
		t.Fatal("another version was accepted")
	}
	if cause := r.End().Cause; !strings.Contains(cause, "0.0") || !strings.Contains(cause, "restart") {
		t.Errorf("cause %q", cause)
	}
	if err := r.Call(t.Context(), KindComplete, "", Position{}, &Completion{}); !errors.Is(err, ErrEnded) {
		t.Errorf("call: %v, want ErrEnded", err)
	}
}
