package chat

import (
	"fmt"
	"strings"
	"time"

	"quire/lib/chat/jinja"
	"quire/lib/chat/taint"
)

// meta is the source of roles, names and ids: data, but nothing that a model writes. Message i has the source i+1.
const meta = 1 << 30

// Template renders conversations as one family of models wants them. It is immutable.
type Template struct {
	Name     string
	Source   string   // Jinja text, as tokenizer_config.json holds it under chat_template
	BOS, EOS string   // what the template's bos_token and eos_token stand for
	Stops    []string // strings that end the assistant's turn; EOS is one
	Calls    CallFormat

	prog          *jinja.Template
	native        func(c Conversation, t *Template, open bool) (jinja.Output, error)
	textOnly      bool // messages reach the template with their text parts joined
	textArguments bool // the template wants the arguments of a call as text
}

// Special are the strings that a Jinja template leaves to the tokenizer's configuration.
type Special struct {
	BOS, EOS string
	Stops    []string // beside EOS
	Calls    CallFormat
}

// Options of one rendering. The zero value renders the conversation and nothing more.
type Options struct {
	Open bool             // end with what opens the assistant's turn: the generation prompt
	Vars map[string]any   // the template's own variables, such as enable_thinking
	Now  func() time.Time // the clock for templates that print the date; nil is time.Now
}

// Rendered is a conversation as text. Spans tell which bytes came from messages; Loss are the ranges that the model writes.
type Rendered struct {
	taint.String
	Loss []jinja.Range
}

// Parse makes a template of Jinja text, for example of a model folder's chat_template. How its tool calls look is guessed from
// the text when special does not say it.
func Parse(name, source string, special Special) (*Template, error) {
	prog, err := jinja.Parse(name, source)
	if err != nil {
		return nil, err
	}
	t := &Template{Name: name, Source: source, BOS: special.BOS, EOS: special.EOS, Calls: special.Calls, prog: prog}
	for _, s := range append([]string{special.EOS}, special.Stops...) {
		if s != "" {
			t.Stops = append(t.Stops, s)
		}
	}
	if t.Calls == "" {
		t.Calls = guessFormat(source)
	}
	probe := Conversation{Messages: []Message{{Role: User, Content: "q"}, {Role: Assistant, ToolCalls: []ToolCall{{ID: "000000000", Name: "f", Arguments: "{}"}}}}}
	if _, err := t.run(probe, Options{}); err != nil {
		t.textArguments = true
		if _, err := t.run(probe, Options{}); err != nil {
			t.textArguments = false
		}
	}
	return t, nil
}

// Render writes the conversation as text.
func (t *Template) Render(c Conversation, o Options) (Rendered, error) {
	if len(c.Messages) == 1 && c.Messages[0].Role == Pretrain {
		return t.pretrain(&c.Messages[0])
	}
	if err := t.takes(c); err != nil {
		return Rendered{}, err
	}
	out, err := t.run(c, o)
	if err != nil {
		return Rendered{}, fmt.Errorf("chat: template %s: %w", t.Name, err)
	}
	r := Rendered{String: out.String, Loss: out.Generation}
	if t.prog != nil && !t.prog.HasGeneration() {
		r.Loss = t.findTurns(c, o, out.String)
	}
	r.Loss = withLoss(r, c.Messages)
	return r, nil
}

// takes says whether a built-in template has a place for all that is in the conversation. Others may leave things out silently,
// as their authors chose.
func (t *Template) takes(c Conversation) error {
	if !t.textOnly {
		return nil
	}
	if len(c.Tools) > 0 && !strings.Contains(t.Source, " tools") {
		return fmt.Errorf("chat: template %s has no place for tools: describe them in a system message, or take another template", t.Name)
	}
	for i, m := range c.Messages {
		if len(m.ToolCalls) > 0 && !strings.Contains(t.Source, "tool_calls") {
			return fmt.Errorf("chat: message %d calls a tool, and template %s has no form for calls", i+1, t.Name)
		}
	}
	return nil
}

// run renders by Go code where there is some and the template's variables are left alone, else by Jinja.
func (t *Template) run(c Conversation, o Options) (jinja.Output, error) {
	if t.native != nil && len(o.Vars) == 0 {
		return t.native(c, t, o.Open)
	}
	vars, err := t.variables(c, o)
	if err != nil {
		return jinja.Output{}, err
	}
	return t.prog.Render(vars, jinja.Config{Now: o.Now})
}

// pretrain is a text to learn as a whole, between the tokens that begin and end a document.
func (t *Template) pretrain(m *Message) (Rendered, error) {
	text, err := m.Text()
	if err != nil {
		return Rendered{}, err
	}
	var b taint.Builder
	b.Literal(t.BOS)
	b.Data(text, 1)
	b.Literal(t.EOS)
	return Rendered{b.String(), []jinja.Range{{Start: len(t.BOS), End: b.Len()}}}, nil
}

// variables are what the template sees. What callers and messages hold is data; only the special tokens are the template's own.
func (t *Template) variables(c Conversation, o Options) (*jinja.Dict, error) {
	vars := &jinja.Dict{}
	vars.Set("documents", nil) // transformers passes None too
	for name, v := range o.Vars {
		value, err := jinja.Value(v, meta)
		if err != nil {
			return nil, fmt.Errorf("variable %s: %w", name, err)
		}
		vars.Set(name, value)
	}
	messages := make([]any, len(c.Messages))
	for i := range c.Messages {
		m, err := t.message(&c.Messages[i], i+1)
		if err != nil {
			return nil, fmt.Errorf("message %d: %w", i+1, err)
		}
		messages[i] = m
	}
	vars.Set("messages", messages)
	if len(c.Tools) > 0 {
		tools, err := toolValues(c.Tools)
		if err != nil {
			return nil, err
		}
		vars.Set("tools", tools)
	} else {
		vars.Set("tools", nil)
	}
	vars.Set("bos_token", taint.Literal(t.BOS))
	vars.Set("eos_token", taint.Literal(t.EOS))
	vars.Set("add_generation_prompt", o.Open)
	return vars, nil
}

func toolValues(tools []Tool) ([]any, error) {
	out := make([]any, len(tools))
	for i, tool := range tools {
		v, err := jinja.FromJSON(tool.spec, meta)
		if err != nil {
			return nil, fmt.Errorf("tool %d: %w", i+1, err)
		}
		out[i] = v
	}
	return out, nil
}

// message is one message as templates know it: absent fields are not there at all, as in the dicts that Python users write.
func (t *Template) message(m *Message, source int) (*jinja.Dict, error) {
	d := &jinja.Dict{}
	d.Set("role", taint.Data(m.Role, meta))
	content, err := t.content(m, source)
	if err != nil {
		return nil, err
	}
	d.Set("content", content)
	if m.Name != "" {
		d.Set("name", taint.Data(m.Name, meta))
	}
	if m.ReasoningContent != "" {
		d.Set("reasoning_content", taint.Data(m.ReasoningContent, source))
	}
	if len(m.ToolCalls) > 0 {
		calls := make([]any, len(m.ToolCalls))
		for i, c := range m.ToolCalls {
			calls[i] = t.call(c, source)
		}
		d.Set("tool_calls", calls)
	}
	if m.ToolCallID != "" {
		d.Set("tool_call_id", taint.Data(m.ToolCallID, meta))
	}
	return d, nil
}

func (t *Template) content(m *Message, source int) (any, error) {
	if m.Parts != nil && !t.textOnly {
		parts := make([]any, len(m.Parts))
		for i, p := range m.Parts {
			data, err := p.MarshalJSON()
			if err != nil {
				return nil, err
			}
			if parts[i], err = jinja.FromJSON(data, source); err != nil {
				return nil, err
			}
		}
		return parts, nil
	}
	text, err := m.Text()
	if err != nil || text == "" && len(m.ToolCalls) > 0 {
		return nil, err
	}
	return taint.Data(text, source), nil
}

func (t *Template) call(c ToolCall, source int) *jinja.Dict {
	d, inner := &jinja.Dict{}, &jinja.Dict{}
	if c.ID != "" {
		d.Set("id", taint.Data(c.ID, meta))
	}
	if c.Code {
		d.Set("type", taint.Literal("code_interpreter"))
		inner.Set("input", taint.Data(c.Arguments, source))
		d.Set("code_interpreter", inner)
		return d
	}
	d.Set("type", taint.Literal("function"))
	inner.Set("name", taint.Data(c.Name, source))
	inner.Set("arguments", t.arguments(c, source))
	d.Set("function", inner)
	return d
}

// arguments are a dict where the text is a JSON object and the template takes one.
func (t *Template) arguments(c ToolCall, source int) any {
	if !t.textArguments {
		if v, err := jinja.FromJSON([]byte(c.Arguments), source); err == nil {
			return v
		}
	}
	return taint.Data(c.Arguments, source)
}

// Prompt is what opens the assistant's turn after the conversation: what Options.Open adds.
func (t *Template) Prompt(c Conversation, o Options) (string, error) {
	o.Open = false
	closed, err := t.Render(c, o)
	if err != nil {
		return "", err
	}
	o.Open = true
	open, err := t.Render(c, o)
	if err != nil {
		return "", err
	}
	return strings.TrimPrefix(open.Text, closed.Text), nil
}
