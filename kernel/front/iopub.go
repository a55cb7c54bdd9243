package front

import (
	"encoding/json"
	"sync"
	"time"

	"quire/kernel/wire"
)

const (
	firstDelay = 15 * time.Millisecond  // how long the first text of a stream waits for more
	lastDelay  = 250 * time.Millisecond // to which the wait doubles while text keeps coming
	streamCap  = 4 << 20                // bytes at which a stream is sent before its time
	headersCap = 4096                   // cells whose late output still finds its place
)

// publisher sends to the iopub socket. Goroutines may share it.
//
// Text that follows text of the same cell and stream is joined; anything else sends the waiting text first.
type publisher struct {
	codec *wire.Codec
	id    string
	send  func([][]byte)

	mu     sync.Mutex
	parent json.RawMessage // of the waiting text
	name   string
	text   []byte
	delay  time.Duration
	timer  *time.Timer
	armed  bool

	lastStatus [][]byte // for late subscribers

	headers map[string]json.RawMessage // of the cells, by id
	order   []string                   // the ids, oldest first
}

func newPublisher(codec *wire.Codec, id string) *publisher {
	p := &publisher{codec: codec, id: id, send: func([][]byte) {}, delay: firstDelay, headers: map[string]json.RawMessage{}}
	p.timer = time.AfterFunc(time.Hour, p.flush)
	p.timer.Stop()
	p.lastStatus = p.encode("status", nil, nil, map[string]string{"execution_state": "starting"}, nil)
	return p
}

// encode makes the frames of a message; its topic is its type.
func (p *publisher) encode(msgType string, parent, metadata json.RawMessage, content any, buffers [][]byte) [][]byte {
	m := wire.New(msgType, p.id, parent, content)
	m.Idents, m.Metadata, m.Buffers = [][]byte{[]byte(msgType)}, metadata, buffers
	return p.codec.Encode(m)
}

// welcome greets a new subscriber and tells it the kernel's state, which it may have missed.
func (p *publisher) welcome(topic string) [][][]byte {
	m := wire.New("iopub_welcome", p.id, nil, map[string]string{"subscription": topic})
	m.Idents = [][]byte{[]byte(topic)}
	p.mu.Lock()
	defer p.mu.Unlock()
	return [][][]byte{p.codec.Encode(m), p.lastStatus}
}

// publish sends a message behind the text that came before it.
func (p *publisher) publish(msgType string, parent json.RawMessage, content any) {
	p.publishFull(msgType, parent, nil, content, nil)
}

func (p *publisher) publishFull(msgType string, parent, metadata json.RawMessage, content any, buffers [][]byte) {
	frames := p.encode(msgType, parent, metadata, content, buffers)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.flushLocked()
	p.delay = firstDelay
	p.send(frames)
}

// status publishes busy or idle of a request.
func (p *publisher) status(parent json.RawMessage, state string) {
	frames := p.encode("status", parent, nil, map[string]string{"execution_state": state}, nil)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.flushLocked()
	p.lastStatus = frames
	p.send(frames)
}

// stream publishes text, sooner or later.
func (p *publisher) stream(parent json.RawMessage, name, text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if name != p.name || string(parent) != string(p.parent) {
		p.flushLocked()
		p.parent, p.name, p.delay = parent, name, firstDelay
	}
	p.text = append(p.text, text...)
	if len(p.text) >= streamCap {
		p.flushLocked()
	} else if !p.armed {
		p.armed = true
		p.timer.Reset(p.delay)
	}
}

// flush sends the waiting text.
func (p *publisher) flush() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.armed = false
	p.flushLocked()
	p.delay = min(2*p.delay, lastDelay)
}

func (p *publisher) flushLocked() {
	if len(p.text) > 0 {
		p.send(p.encode("stream", p.parent, nil, map[string]string{"name": p.name, "text": string(p.text)}, nil))
		p.text = p.text[:0]
	}
}

// addCell makes output of a cell find its parent, also long after the cell has ended.
func (p *publisher) addCell(id string, header json.RawMessage) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, known := p.headers[id]; !known {
		p.order = append(p.order, id)
	}
	p.headers[id] = header
	if len(p.order) > headersCap {
		delete(p.headers, p.order[0])
		p.order = p.order[1:]
	}
}

// header is the parent of a cell's output: that of the last cell if this one is not known.
func (p *publisher) header(cell string) json.RawMessage {
	p.mu.Lock()
	defer p.mu.Unlock()
	if h, ok := p.headers[cell]; ok || len(p.order) == 0 {
		return h
	}
	return p.headers[p.order[len(p.order)-1]]
}
