// Package comm routes Jupyter's comm messages (widgets) between front ends and the session process: it translates them and knows
// which comms are open, so that comm_info is answered while a cell runs and a dead session's comms are closed.
package comm

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"quire/kernel/link"
	"quire/kernel/wire"
)

// content is that of comm_open, comm_msg and comm_close.
type content struct {
	ID     string          `json:"comm_id"`
	Target string          `json:"target_name,omitempty"`
	Data   json.RawMessage `json:"data"`
}

// FromFront reads a comm message of a front end.
func FromFront(m wire.Message) (link.Comm, error) {
	op, ok := strings.CutPrefix(m.Header.Type, "comm_")
	var c content
	if err := json.Unmarshal(m.Content, &c); err != nil || !ok || c.ID == "" {
		return link.Comm{}, fmt.Errorf("comm: %s without comm_id", m.Header.Type)
	}
	return link.Comm{Op: op, ID: c.ID, Target: c.Target, Data: c.Data, Metadata: m.Metadata, Buffers: m.Buffers}, nil
}

// ToFront gives the type and content of the message that carries c to the front ends.
func ToFront(c link.Comm) (msgType string, body any) {
	data := c.Data
	if len(data) == 0 {
		data = json.RawMessage("{}")
	}
	return "comm_" + c.Op, content{ID: c.ID, Target: c.Target, Data: data}
}

// Table is the set of open comms. The zero value is empty; goroutines may share it.
type Table struct {
	mu   sync.Mutex
	open map[string]string // id → target
}

// Note records what c opens or closes. It reports whether c belongs to an open comm, itself included.
func (t *Table) Note(c link.Comm) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c.Op == "open" {
		if t.open == nil {
			t.open = map[string]string{}
		}
		t.open[c.ID] = c.Target
		return true
	}
	_, known := t.open[c.ID]
	if c.Op == "close" {
		delete(t.open, c.ID)
	}
	return known
}

// List gives the open comms of a target, or all for "", as comm_info_reply holds them.
func (t *Table) List(target string) map[string]map[string]string {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := map[string]map[string]string{}
	for id, of := range t.open {
		if target == "" || of == target {
			list[id] = map[string]string{"target_name": of}
		}
	}
	return list
}

// Clear forgets all comms and returns a close message for each.
func (t *Table) Clear() []link.Comm {
	t.mu.Lock()
	defer t.mu.Unlock()
	var closes []link.Comm
	for _, id := range slices.Sorted(maps.Keys(t.open)) {
		closes = append(closes, link.Comm{Op: "close", ID: id})
	}
	t.open = nil
	return closes
}
