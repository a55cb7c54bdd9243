package show

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"os"
	"strings"
	"time"

	"github.com/janpfeifer/gonb/gonbui"
	"github.com/janpfeifer/gonb/gonbui/protocol"
)

// gonb shows values in a GoNB notebook, over the pipe that its kernel gives to every program. The kernel there reads a gob stream
// of media types; a value of a type unknown to gob would end the display of the whole program, so everything is sent as a string.
type gonb struct{}

// syncWait bounds the wait for the kernel to confirm a display: without confirmation the output of a program that ends at once
// may be lost, but a kernel that never confirms must not stop the program.
const syncWait = 2 * time.Second

func (gonb) Display(id string, bundle map[string]any) error {
	if err := (gonb{}).send(id, bundle); err != nil {
		return err
	}
	done := make(chan struct{})
	go func() { defer close(done); gonbui.Sync() }()
	select {
	case <-done:
	case <-time.After(syncWait):
	}
	return gonbui.Error()
}

func (gonb) Update(id string, bundle map[string]any) error { return (gonb{}).send(id, bundle) }

func (gonb) send(id string, bundle map[string]any) error {
	data := make(map[protocol.MIMEType]any, len(bundle))
	for mime, v := range bundle {
		s, ok := v.(string)
		if !ok {
			text, err := json.Marshal(v)
			if err != nil {
				return err
			}
			s = string(text)
		}
		data[protocol.MIMEType(mime)] = s
	}
	gonbui.SendData(&protocol.DisplayData{Data: data, Metadata: map[string]any{}, DisplayID: id})
	return gonbui.Error()
}

// Clear does nothing: the protocol has no message for it.
func (gonb) Clear(bool) error { return nil }

func (gonb) Input(ctx context.Context, prompt string, password bool) (string, error) {
	gonbui.RequestInput(prompt, password)
	return readLine(ctx, os.Stdin)
}

func (gonb) Comm(Comm) error { return ErrNoComms }

// Cell is the process: every cell of a GoNB notebook is a new one.
func (gonb) Cell() string { return "" }

// readLine reads one line; when ctx ends first, the reading goroutine lives on until its line comes.
func readLine(ctx context.Context, r io.Reader) (string, error) {
	type result struct {
		line string
		err  error
	}
	done := make(chan result, 1)
	go func() {
		line, err := bufio.NewReader(oneByte{r}).ReadString('\n')
		if err == io.EOF && line != "" {
			err = nil
		}
		done <- result{strings.TrimRight(line, "\r\n"), err}
	}()
	select {
	case r := <-done:
		return r.line, r.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// oneByte keeps a buffered reader from taking more than its line.
type oneByte struct{ r io.Reader }

func (o oneByte) Read(p []byte) (int, error) {
	if len(p) > 1 {
		p = p[:1]
	}
	return o.r.Read(p)
}
