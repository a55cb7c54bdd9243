package front

import (
	"encoding/json"
	"sync"
	"time"

	"quire/kernel/link"
	"quire/kernel/wire"
)

// inputs knows which cells may ask for input and which do. The zero value is empty.
type inputs struct {
	mu    sync.Mutex
	cells map[string]request // running cells whose front end answers input requests
	asked map[string]string  // msg_id of an input_request → cell
}

// allow notes a cell that begins.
func (in *inputs) allow(r request, yes bool) {
	if !yes {
		return
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.cells == nil {
		in.cells, in.asked = map[string]request{}, map[string]string{}
	}
	in.cells[r.Header.ID] = r
}

// end forgets a cell and its questions.
func (in *inputs) end(cell string) {
	in.mu.Lock()
	defer in.mu.Unlock()
	delete(in.cells, cell)
	for id, of := range in.asked {
		if of == cell {
			delete(in.asked, id)
		}
	}
}

// ask notes a question; ok is false if nobody answers the cell's questions.
func (in *inputs) ask(cell, question string) (r request, ok bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if r, ok = in.cells[cell]; ok {
		in.asked[question] = cell
	}
	return r, ok
}

// answer gives the cell that asked; an answer that names no question belongs to the only one there is.
func (in *inputs) answer(question string) (cell string, ok bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if _, known := in.asked[question]; !known && len(in.asked) == 1 {
		for question = range in.asked {
		}
	}
	cell, ok = in.asked[question]
	delete(in.asked, question)
	return cell, ok
}

// waits reports whether the cell that asked still runs and has no answer.
func (in *inputs) waits(question string) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	_, ok := in.asked[question]
	return ok
}

// stdinLimit is how long a front end that runs a cell may take to connect its stdin socket too.
const stdinLimit = 10 * time.Second

// askInput sends a cell's question to the front end that runs the cell.
func (k *Kernel) askInput(cell string, in link.Input) {
	m := wire.New("input_request", k.id, nil, map[string]any{"prompt": in.Prompt, "password": in.Password})
	r, ok := k.inputs.ask(cell, m.Header.ID)
	if !ok {
		k.noInput(cell)
		return
	}
	k.iopub.flush() // what was printed before the question is part of it
	m.Idents, m.Parent = r.Idents, r.RawHeader
	question := k.codec.Encode(m)
	if k.stdin.Send(question) == nil {
		return
	}
	go func() { // so that what other cells show does not wait
		for end := time.Now().Add(stdinLimit); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			if !k.inputs.waits(m.Header.ID) || k.stdin.Send(question) == nil {
				return
			}
		}
		k.log.Warn("front: the front end that runs the cell has no stdin socket: its input ends")
		k.inputs.answer(m.Header.ID)
		k.noInput(cell)
	}()
}

// noInput tells a cell that nobody answers.
func (k *Kernel) noInput(cell string) {
	if remote := k.engine.current(); remote != nil {
		remote.Send(link.KindInput, cell, link.Input{EOF: true})
	}
}

// onStdin takes an answer to a question.
func (k *Kernel) onStdin(r request) {
	var reply struct {
		Value string `json:"value"`
	}
	if err := content(r, &reply); err != nil || r.Header.Type != "input_reply" {
		k.log.Warn("front: message on stdin dropped", "type", r.Header.Type, "err", err)
		return
	}
	cell, ok := k.inputs.answer(r.ParentHeader().ID)
	if !ok {
		k.log.Warn("front: input that nobody waits for dropped")
		return
	}
	if remote := k.engine.current(); remote != nil {
		remote.Send(link.KindInput, cell, link.Input{Value: reply.Value})
	}
}

// body decodes the body of a message of the session process.
func body[T any](m link.Message) (v T, err error) {
	err = json.Unmarshal(m.Body, &v)
	return v, err
}
