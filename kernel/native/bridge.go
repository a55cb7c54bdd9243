package native

import (
	"encoding/gob"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/janpfeifer/gonb/gonbui/protocol"

	"quire/kernel/link"
	"quire/kernel/session"
)

func init() {
	// What programs may put into metadata beyond what package protocol registers.
	gob.Register(map[string]any{})
	gob.Register([]any{})
}

// bridges connects the comms of the front end with the programs that run.
type bridges struct {
	sync.Mutex
	running map[*bridge]bool
	pages   pages
}

// bridge is one running program: its gonbui pipes and its standard input.
type bridge struct {
	all  *bridges
	cell *session.Cell

	stdin struct {
		sync.Mutex
		w io.WriteCloser
	}
	down struct {
		sync.Mutex
		enc *gob.Encoder
	}
	connected bool // a page was asked for; of receive's goroutine
	mu        sync.Mutex
	shown     map[string]bool // display ids in use
	addresses map[string]bool // that the program subscribed to
}

// serve starts the program with its pipes, and returns when it has ended and all it sent has been shown.
func (bs *bridges) serve(c *session.Cell, cmd *exec.Cmd, ask bool) error {
	upR, upW, err := os.Pipe()
	if err != nil {
		return err
	}
	downR, downW, err := os.Pipe()
	if err != nil {
		upR.Close()
		upW.Close()
		return err
	}
	defer upR.Close()
	defer downW.Close()
	cmd.ExtraFiles = []*os.File{upW, downR}
	cmd.Env = append(os.Environ(), protocol.GONB_PIPE_ENV+"=/dev/fd/3", protocol.GONB_PIPE_BACK_ENV+"=/dev/fd/4")
	b := &bridge{all: bs, cell: c, shown: map[string]bool{}, addresses: map[string]bool{}}
	b.down.enc = gob.NewEncoder(downW)
	if b.stdin.w, err = cmd.StdinPipe(); err == nil {
		err = cmd.Start()
	}
	upW.Close()
	downR.Close()
	if err != nil {
		return err
	}
	bs.add(b)
	defer bs.remove(b)
	ended := make(chan struct{})
	if ask {
		go b.askAlways(ended)
	} else {
		go b.askWhenWaiting(cmd.Process.Pid, ended)
	}
	drained := make(chan struct{})
	go func() {
		b.receive(upR)
		close(drained)
	}()
	err = cmd.Wait()
	close(ended)
	select {
	case <-drained:
	case <-time.After(5 * time.Second): // a process that the program left behind holds the pipe
		upR.Close()
		<-drained
	}
	return err
}

func (bs *bridges) add(b *bridge) {
	bs.Lock()
	defer bs.Unlock()
	if bs.running == nil {
		bs.running = map[*bridge]bool{}
	}
	bs.running[b] = true
}

func (bs *bridges) remove(b *bridge) {
	bs.Lock()
	defer bs.Unlock()
	delete(bs.running, b)
}

// receive shows what the program sends until it closes the pipe.
func (b *bridge) receive(r io.Reader) {
	dec := gob.NewDecoder(r)
	for {
		var d protocol.DisplayData
		err := dec.Decode(&d)
		if errors.Is(err, io.EOF) || errors.Is(err, os.ErrClosed) {
			return
		}
		if err != nil {
			fmt.Fprintf(b.cell.Stderr(), "gonbui: cannot read what the program shows: %v (send JSON as a string: other types must be known to encoding/gob on both sides)\n", err)
			io.Copy(io.Discard, r) // so that the program does not wait for a reader
			return
		}
		if err := b.dispatch(&d); err != nil {
			fmt.Fprintf(b.cell.Stderr(), "gonbui: %v\n", err)
		}
	}
}

// dispatch does what one message asks for.
func (b *bridge) dispatch(d *protocol.DisplayData) error {
	if v, ok := d.Data[protocol.MIMEJupyterInput]; ok {
		req, ok := v.(protocol.InputRequest)
		if !ok {
			return fmt.Errorf("an input request holds a %T", v)
		}
		go b.answer(req.Prompt, req.Password)
		return nil
	}
	if v, ok := d.Data[protocol.MIMECommValue]; ok {
		req, ok := v.(protocol.CommValue)
		if !ok {
			return fmt.Errorf("a comm value holds a %T", v)
		}
		return b.value(req)
	}
	if v, ok := d.Data[protocol.MIMECommSubscribe]; ok {
		req, ok := v.(protocol.CommSubscription)
		if !ok {
			return fmt.Errorf("a comm subscription holds a %T", v)
		}
		b.mu.Lock()
		b.addresses[req.Address] = !req.Unsubscribe
		b.mu.Unlock()
		if !req.Unsubscribe {
			b.connect()
		}
		return nil
	}
	b.show(d)
	return nil
}

// show displays a bundle. The first use of a display id shows it, later ones update it.
func (b *bridge) show(d *protocol.DisplayData) {
	out := link.Display{Bundle: link.Bundle{Data: map[string]any{}, Metadata: d.Metadata}, ID: d.DisplayID}
	for media, v := range d.Data {
		out.Data[string(media)] = displayed(string(media), v)
	}
	if d.DisplayID != "" {
		b.mu.Lock()
		out.Update = b.shown[d.DisplayID]
		b.shown[d.DisplayID] = true
		b.mu.Unlock()
	}
	b.cell.Display(out)
}

// displayed is v as Jupyter's messages hold it. JSON, which comes as text, is a value there; a []byte becomes base64.
func displayed(media string, v any) any {
	if text, ok := v.(string); ok && strings.HasPrefix(media, "application/") && strings.HasSuffix(media, "json") && json.Valid([]byte(text)) {
		return json.RawMessage(text)
	}
	return v
}

// value serves a comm value of the program: sync requests are answered here, all else goes to the front end.
func (b *bridge) value(req protocol.CommValue) error {
	if req.Address == protocol.GonbuiSyncAddress {
		return b.send(protocol.CommValue{Address: protocol.GonbuiSyncAckAddress, Value: req.Value})
	}
	b.connect()
	switch {
	case req.Address == protocol.GonbuiStartAddress:
		return nil
	case req.Request:
		return b.all.pages.send(b.cell, map[string]any{"address": req.Address, "read_request": true})
	}
	return b.all.pages.send(b.cell, map[string]any{"address": req.Address, "value": req.Value})
}

// connect connects a page, once for the program.
func (b *bridge) connect() {
	if !b.connected {
		b.connected = true
		b.all.pages.connect(b.cell)
	}
}

func (b *bridge) send(v protocol.CommValue) error {
	b.down.Lock()
	defer b.down.Unlock()
	return b.down.enc.Encode(&v)
}

// Comm takes a message of the front end; it reports whether it was one of gonbui's. It does not block on a program.
func (t *Tools) Comm(m link.Comm, out link.Events) bool {
	bs := &t.family.inputs
	if !bs.pages.note(m) {
		return false
	}
	if m.Op != "msg" {
		return true
	}
	var v struct {
		Address string          `json:"address"`
		Value   json.RawMessage `json:"value"`
	}
	if json.Unmarshal(m.Data, &v) != nil || v.Address == "" {
		return true
	}
	bs.Lock()
	defer bs.Unlock()
	for b := range bs.running {
		b.mu.Lock()
		wanted := b.addresses[v.Address]
		b.mu.Unlock()
		if wanted {
			go b.send(protocol.CommValue{Address: v.Address, Value: commValue(v.Value)})
		}
	}
	return true
}

// commValue makes of JSON what gonbui knows: a number, a string, or a list or map of one kind of them.
func commValue(text json.RawMessage) any {
	for _, to := range []any{new(int), new(float64), new(string), new([]int), new([]float64), new([]string), new(map[string]int), new(map[string]float64), new(map[string]string)} {
		if json.Unmarshal(text, to) == nil {
			switch v := to.(type) {
			case *int:
				return *v
			case *float64:
				return *v
			case *string:
				return *v
			case *[]int:
				return *v
			case *[]float64:
				return *v
			case *[]string:
				return *v
			case *map[string]int:
				return *v
			case *map[string]float64:
				return *v
			case *map[string]string:
				return *v
			}
		}
	}
	return string(text)
}
