package show

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"sync"
)

// Versions of ipywidgets' data model: the messages, and the modules that draw the models.
const (
	widgetProtocol  = "2.1.0"
	controlsModule  = "@jupyter-widgets/controls"
	controlsVersion = "2.0.0"
	baseModule      = "@jupyter-widgets/base"
	baseVersion     = "2.0.0"
	outputModule    = "@jupyter-widgets/output"
	outputVersion   = "1.0.0"
)

// model is the kernel's half of a widget: a state that both sides change, over a comm of its own.
type model struct {
	mu      sync.Mutex
	id      string
	state   map[string]any
	parts   []*model // opened before it: layout, style, children
	open    bool
	changed func(keys map[string]json.RawMessage) // by the front end; runs one call at a time
	clicked func()
	events  []func() // waiting to run, in order
	working bool     // a goroutine runs events
}

// newModel makes a model with its view; kind is the name without Model and View.
func newModel(module, version, kind string, state map[string]any, parts ...*model) *model {
	m := &model{id: newID(), state: state, parts: parts}
	for k, v := range map[string]any{"_model_module": module, "_model_module_version": version, "_model_name": kind + "Model",
		"_view_module": module, "_view_module_version": version, "_view_name": kind + "View", "_view_count": nil} {
		if _, ok := state[k]; !ok {
			state[k] = v
		}
	}
	return m
}

// ref is how one model's state names another model.
func (m *model) ref() string { return "IPY_MODEL_" + m.id }

// opened opens the model and its parts in the front end.
func (m *model) opened() error {
	for _, p := range m.parts {
		if err := p.opened(); err != nil {
			return err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.open {
		return nil
	}
	data, err := json.Marshal(map[string]any{"state": m.state, "buffer_paths": []any{}})
	if err != nil {
		return fmt.Errorf("show: widget: %w", err)
	}
	register(m.id, commEnd{target: widgetTarget, receive: m.receive, model: m})
	err = sink().Comm(Comm{Op: "open", ID: m.id, Target: widgetTarget, Data: data,
		Metadata: json.RawMessage(`{"version":"` + widgetProtocol + `"}`)})
	m.open = err == nil
	return err
}

// set changes the state on both sides.
func (m *model) set(key string, value any) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if reflect.DeepEqual(m.state[key], value) {
		return nil
	}
	m.state[key] = value
	if !m.open {
		return nil
	}
	return m.send(map[string]any{key: value})
}

func (m *model) get(key string) any {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.state[key]
}

// send tells the front end a part of the state; the caller holds mu.
func (m *model) send(state map[string]any) error {
	data, err := json.Marshal(map[string]any{"method": "update", "state": state, "buffer_paths": []any{}})
	if err != nil {
		return fmt.Errorf("show: widget: %w", err)
	}
	return sink().Comm(Comm{Op: "msg", ID: m.id, Data: data})
}

// receive handles a message of the front end. A malformed one is dropped.
func (m *model) receive(c Comm) {
	if c.Op == "close" {
		m.mu.Lock()
		m.open = false
		m.mu.Unlock()
		return
	}
	var msg struct {
		Method  string                     `json:"method"`
		State   map[string]json.RawMessage `json:"state"`
		Content struct {
			Event string `json:"event"`
		} `json:"content"`
	}
	if json.Unmarshal(c.Data, &msg) != nil {
		return
	}
	switch msg.Method {
	case "request_state":
		m.mu.Lock()
		m.send(m.state)
		m.mu.Unlock()
	case "update":
		m.update(msg.State)
	case "custom":
		if msg.Content.Event == "click" {
			m.later(m.clicked)
		}
	}
}

// update takes the keys that the state has, as values of the same kind.
func (m *model) update(state map[string]json.RawMessage) {
	m.mu.Lock()
	for key, text := range state {
		old, known := m.state[key]
		if !known {
			continue
		}
		v := reflect.New(reflect.TypeFor[any]())
		if old != nil {
			v = reflect.New(reflect.TypeOf(old))
		}
		if json.Unmarshal(text, v.Interface()) == nil {
			m.state[key] = v.Elem().Interface()
		}
	}
	changed := m.changed
	m.mu.Unlock()
	if changed != nil {
		m.later(func() { changed(state) })
	}
}

// later runs f after what is already waiting, on a goroutine of the model's.
func (m *model) later(f func()) {
	if f == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.events = append(m.events, f)
	if !m.working {
		m.working = true
		go m.work()
	}
}

func (m *model) work() {
	for {
		m.mu.Lock()
		if len(m.events) == 0 {
			m.working = false
			m.mu.Unlock()
			return
		}
		f := m.events[0]
		m.events = m.events[1:]
		m.mu.Unlock()
		f()
	}
}

// openControl serves a front end that asks for all models at once, as one does after a reload.
func openControl(c Comm) bool {
	register(c.ID, commEnd{target: controlTarget, receive: func(msg Comm) {
		var ask struct {
			Method string `json:"method"`
		}
		if json.Unmarshal(msg.Data, &ask) != nil || ask.Method != "request_states" {
			return
		}
		states := map[string]any{}
		for id, m := range openModels() {
			m.mu.Lock()
			states[id] = map[string]any{"model_name": m.state["_model_name"], "model_module": m.state["_model_module"],
				"model_module_version": m.state["_model_module_version"], "state": maps.Clone(m.state)}
			m.mu.Unlock()
		}
		data, err := json.Marshal(map[string]any{"method": "update_states", "states": states, "buffer_paths": []any{}})
		if err == nil {
			sink().Comm(Comm{Op: "msg", ID: msg.ID, Data: data})
		}
	}})
	return true
}
