package session

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

const (
	flushAfter = 100 * time.Millisecond // the longest that text waits
	flushAt    = 4 << 20                // bytes that do not wait
)

// outputs gathers the text of all cells, in the order in which it was written, and sends it in few pieces.
type outputs struct {
	s      *Session
	mu     sync.Mutex // guards what follows; never held while sending
	texts  []text
	size   int
	timer  *time.Timer
	send   sync.Mutex // held while sending, so that pieces keep their order
	pipes  [2]*pipe
	before [3]*os.File
	unlog  func()
}

// text is consecutive output of one cell to one stream.
type text struct {
	cell *Cell
	name string
	buf  []byte
}

// streamWriter is a stream of a cell.
type streamWriter struct {
	c    *Cell
	name string
}

func (w streamWriter) Write(b []byte) (int, error) {
	w.c.s.outputs.write(w.c, w.name, b)
	return len(b), nil
}

func (w streamWriter) WriteString(s string) (int, error) {
	w.c.s.outputs.write(w.c, w.name, []byte(s))
	return len(s), nil
}

func (o *outputs) write(c *Cell, name string, b []byte) {
	if len(b) == 0 {
		return
	}
	o.mu.Lock()
	n := len(o.texts)
	if n == 0 || o.texts[n-1].cell != c || o.texts[n-1].name != name {
		o.texts = append(o.texts, text{cell: c, name: name})
		n++
	}
	o.texts[n-1].buf = append(o.texts[n-1].buf, b...)
	o.size += len(b)
	full := o.size >= flushAt
	if o.timer == nil && !full {
		o.timer = time.AfterFunc(flushAfter, func() { o.flushText(false) })
	}
	o.mu.Unlock()
	if full {
		o.flushText(false)
	}
}

// flush sends all text that was written.
func (o *outputs) flush() { o.flushText(true) }

// flushText sends text. Unless all is set, an unfinished character at the end waits for its rest.
func (o *outputs) flushText(all bool) {
	o.send.Lock()
	defer o.send.Unlock()
	o.mu.Lock()
	if o.timer != nil {
		o.timer.Stop()
		o.timer = nil
	}
	texts := o.texts
	o.texts, o.size = nil, 0
	if n := len(texts); n > 0 && !all {
		last := &texts[n-1]
		if k := unfinished(last.buf); k > 0 {
			o.texts = []text{{last.cell, last.name, append([]byte(nil), last.buf[len(last.buf)-k:]...)}}
			o.size = k
			last.buf = last.buf[:len(last.buf)-k]
			o.timer = time.AfterFunc(flushAfter, func() { o.flushText(true) })
		}
	}
	o.mu.Unlock()
	for _, t := range texts {
		t.deliver()
	}
}

// unfinished is the number of bytes at the end of b that begin a character without ending it.
func unfinished(b []byte) int {
	for k := 1; k <= min(len(b), utf8.UTFMax-1); k++ {
		if c := b[len(b)-k]; utf8.RuneStart(c) {
			if c >= utf8.RuneSelf && !utf8.FullRune(b[len(b)-k:]) {
				return k
			}
			return 0
		}
	}
	return 0
}

func (t text) deliver() {
	if len(t.buf) == 0 {
		return
	}
	s := strings.ToValidUTF8(string(t.buf), "\uFFFD")
	t.cell.mu.Lock()
	capture := t.cell.capture
	t.cell.mu.Unlock()
	if capture != nil {
		capture(t.name, s)
		return
	}
	t.cell.out.Stream(t.cell.ID(), t.name, s)
}

// pipe stands in for a standard stream of the process: what compiled code writes there is output of the newest running cell.
type pipe struct {
	o    *outputs
	name string
	r, w *os.File

	mu    sync.Mutex
	marks map[string]chan struct{}
	next  int
}

// markPrefix begins a mark: what drain writes into a pipe to learn that all before it was read.
const markPrefix = "\x00quire mark "

func newPipe(o *outputs, name string) (*pipe, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("session: %s: %w", name, err)
	}
	p := &pipe{o: o, name: name, r: r, w: w, marks: map[string]chan struct{}{}}
	go p.read()
	return p, nil
}

func (p *pipe) read() {
	buf := make([]byte, 64<<10)
	var held []byte
	for {
		n, err := p.r.Read(buf)
		held = p.take(append(held, buf[:n]...))
		if err != nil {
			return
		}
	}
}

// take passes on text and answers marks; it returns what may be the beginning of a mark.
func (p *pipe) take(b []byte) []byte {
	for {
		i := strings.Index(string(b), markPrefix)
		if i < 0 {
			break
		}
		p.text(b[:i])
		j := strings.IndexByte(string(b[i:]), '\n')
		if j < 0 {
			return append([]byte(nil), b[i:]...)
		}
		key := string(b[i : i+j+1])
		p.mu.Lock()
		if ch := p.marks[key]; ch != nil {
			close(ch)
			delete(p.marks, key)
		}
		p.mu.Unlock()
		b = b[i+j+1:]
	}
	keep := 0
	for k := min(len(b), len(markPrefix)-1); k > 0; k-- {
		if strings.HasPrefix(markPrefix, string(b[len(b)-k:])) {
			keep = k
			break
		}
	}
	p.text(b[:len(b)-keep])
	return append([]byte(nil), b[len(b)-keep:]...)
}

func (p *pipe) text(b []byte) {
	if len(b) == 0 {
		return
	}
	c := p.o.s.running.newest()
	if c == nil {
		c = p.o.s.running.last.Load()
	}
	if c != nil {
		p.o.write(c, p.name, b)
	}
}

// drain returns when all that was written into the pipe has been passed on.
func (p *pipe) drain() {
	p.mu.Lock()
	p.next++
	key := fmt.Sprintf("%s%d\n", markPrefix, p.next)
	ch := make(chan struct{})
	p.marks[key] = ch
	p.mu.Unlock()
	if _, err := io.WriteString(p.w, key); err != nil {
		return
	}
	select {
	case <-ch:
	case <-time.After(time.Second):
	}
}

// takeOutputs replaces the standard streams of the process.
func takeOutputs(s *Session) (*outputs, error) {
	o := &outputs{s: s, before: [3]*os.File{os.Stdin, os.Stdout, os.Stderr}}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, fmt.Errorf("session: %w", err)
	}
	for i, name := range []string{"stdout", "stderr"} {
		if o.pipes[i], err = newPipe(o, name); err != nil {
			return nil, err
		}
	}
	os.Stdin, os.Stdout, os.Stderr = null, o.pipes[0].w, o.pipes[1].w
	o.unlog = redirectLog()
	return o, nil
}

// drain sends everything that was written so far.
func (o *outputs) drain() {
	for _, p := range o.pipes {
		p.drain()
	}
	o.flush()
}

func (o *outputs) close() error {
	o.drain()
	o.unlog()
	os.Stdin.Close()
	os.Stdin, os.Stdout, os.Stderr = o.before[0], o.before[1], o.before[2]
	for _, p := range o.pipes {
		p.w.Close()
	}
	return nil
}
