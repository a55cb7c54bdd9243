package chat

import (
	"fmt"

	"quire/lib/chat/jinja"
	"quire/lib/chat/taint"
)

// internLM2Names are the names that a turn may carry, as chat_format.md writes them.
var internLM2Names = map[string]string{"plugin": "<|plugin|>", "interpreter": "<|interpreter|>", "file": "file"}

// renderInternLM2 is templates/internlm2.jinja in Go. The file is the definition and is what an exported model carries; this is
// its fast form.
func renderInternLM2(c Conversation, t *Template, open bool) (jinja.Output, error) {
	w := &internLM2{caller: "plugin"}
	w.b.Literal(t.BOS)
	tools := c.Tools
	for i := range c.Messages {
		m := &c.Messages[i]
		if len(tools) > 0 && (i > 0 || m.Role != System) {
			if err := w.declare(tools); err != nil {
				return jinja.Output{}, err
			}
			tools = nil
		}
		if err := w.message(t, m, i+1); err != nil {
			return jinja.Output{}, fmt.Errorf("message %d: %w", i+1, err)
		}
	}
	if len(tools) > 0 {
		if err := w.declare(tools); err != nil {
			return jinja.Output{}, err
		}
	}
	if open {
		w.open(taint.Literal(Assistant), "")
	}
	return jinja.Output{String: w.b.String(), Generation: w.written}, nil
}

type internLM2 struct {
	b       taint.Builder
	written []jinja.Range
	caller  string // what the last call went to, for results that do not name it
}

func (w *internLM2) open(role taint.String, name string) {
	w.b.Literal("<|im_start|>")
	w.b.Write(role)
	if written, ok := internLM2Names[name]; ok {
		w.b.Literal(" name=" + written)
	}
	w.b.Literal("\n")
}

func (w *internLM2) declare(tools []Tool) error {
	values, err := toolValues(tools)
	if err != nil {
		return err
	}
	for i, v := range values {
		values[i], _ = v.(*jinja.Dict).Get("function")
	}
	w.open(taint.Literal(System), "plugin")
	if err := jinja.WriteJSON(&w.b, values, jinja.JSONStyle{Indent: "    "}); err != nil {
		return err
	}
	w.b.Literal("\n<|im_end|>\n")
	return nil
}

func (w *internLM2) message(t *Template, m *Message, source int) error {
	text, err := m.Text()
	if err != nil {
		return err
	}
	switch m.Role {
	case Assistant:
		w.open(taint.Literal(Assistant), "")
		start := w.b.Len()
		w.b.Data(text, source)
		for _, call := range m.ToolCalls {
			if err := w.call(t, call, source); err != nil {
				return err
			}
		}
		w.b.Literal("<|im_end|>")
		w.written = append(w.written, jinja.Range{Start: start, End: w.b.Len()})
	case ToolRole, Environment:
		name := m.Name
		if _, ok := internLM2Names[name]; !ok {
			name = w.caller
		}
		w.open(taint.Literal(Environment), name)
		w.b.Data(text, source)
		w.b.Literal("<|im_end|>")
	default:
		w.open(taint.Data(m.Role, meta), m.Name)
		w.b.Data(text, source)
		w.b.Literal("<|im_end|>")
	}
	w.b.Literal("\n")
	return nil
}

func (w *internLM2) call(t *Template, c ToolCall, source int) error {
	if c.Code {
		w.caller = "interpreter"
		w.b.Literal("<|action_start|><|interpreter|>\n```python\n")
		w.b.Data(c.Arguments, source)
		w.b.Literal("\n```<|action_end|>")
		return nil
	}
	w.caller = "plugin"
	d := &jinja.Dict{}
	d.Set("name", taint.Data(c.Name, source))
	d.Set("parameters", t.arguments(c, source))
	w.b.Literal("<|action_start|><|plugin|>\n")
	if err := jinja.WriteJSON(&w.b, d, jinja.JSONStyle{}); err != nil {
		return err
	}
	w.b.Literal("<|action_end|>")
	return nil
}
