package chat

import (
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Roles of messages. Templates may know others.
const (
	System      = "system"
	User        = "user"
	Assistant   = "assistant"
	ToolRole    = "tool"
	Environment = "environment" // InternLM2's name for what tools and interpreters answer
	Pretrain    = "pretrain"    // a text to learn as it is: alone in its conversation, without template
)

// Conversation is a dialogue and the tools that the model may call in it. The zero value is empty.
type Conversation struct {
	Messages []Message `json:"messages"`
	Tools    []Tool    `json:"tools,omitempty"`
}

// Message is one turn. Content is its text; Parts replace Content where a message has pictures, sound or several texts.
type Message struct {
	Role             string
	Content          string
	Parts            []Part
	Name             string // InternLM2: plugin, interpreter or file; else who speaks, or which tool answers
	ReasoningContent string
	ToolCalls        []ToolCall
	ToolCallID       string // which call a tool message answers
	NoLoss           bool   // training takes no loss on this message of the assistant
}

// Part is one piece of a message's content. Data is the whole JSON object of a part that is no text.
type Part struct {
	Type string
	Text string
	Data jsontext.Value
}

// ToolCall is a call that the model asks for. Arguments is a JSON object, or program text when Code is set.
type ToolCall struct {
	ID        string
	Name      string
	Arguments string
	Code      bool // for the code interpreter
}

// Tool is a function that the model may call, kept as the JSON that describes it: templates print it with its own order of keys.
type Tool struct{ spec jsontext.Value }

// Text is the text of a message, of all its text parts together; it fails on a part that is no text.
func (m *Message) Text() (string, error) {
	if m.Parts == nil {
		return m.Content, nil
	}
	var b strings.Builder
	for _, p := range m.Parts {
		if p.Type != "text" {
			return "", fmt.Errorf("chat: a message of %s has a part of type %q, only text can be used here", m.Role, p.Type)
		}
		b.WriteString(p.Text)
	}
	return b.String(), nil
}

// NewTool describes a function by name, description and the JSON Schema of its arguments.
func NewTool(name, description string, parameters jsontext.Value) (Tool, error) {
	var fn struct {
		Name        string         `json:"name"`
		Description string         `json:"description"`
		Parameters  jsontext.Value `json:"parameters"`
	}
	fn.Name, fn.Description, fn.Parameters = name, description, parameters
	data, err := json.Marshal(fn)
	if err != nil {
		return Tool{}, fmt.Errorf("chat: tool %q: parameters: %w", name, err)
	}
	var t Tool
	return t, t.UnmarshalJSON(data)
}

// Name is the name that the model calls the tool by.
func (t Tool) Name() string { return t.field("name") }

// Description says what the tool is for.
func (t Tool) Description() string { return t.field("description") }

func (t Tool) field(name string) string {
	var spec struct {
		Function map[string]jsontext.Value `json:"function"`
	}
	var s string
	if json.Unmarshal(t.spec, &spec) != nil || json.Unmarshal(spec.Function[name], &s) != nil {
		return ""
	}
	return s
}

// Parameters is the JSON Schema of the arguments; nil when the tool declares none.
func (t Tool) Parameters() jsontext.Value {
	var spec struct {
		Function map[string]jsontext.Value `json:"function"`
	}
	if json.Unmarshal(t.spec, &spec) != nil {
		return nil
	}
	return spec.Function["parameters"]
}

// MarshalJSON gives {"type":"function","function":{…}}.
func (t Tool) MarshalJSON() ([]byte, error) {
	if t.spec == nil {
		return nil, fmt.Errorf("chat: a tool without description: make it by NewTool or from JSON")
	}
	return t.spec, nil
}

// UnmarshalJSON reads {"type":"function","function":{"name":…}} or the inner object alone.
func (t *Tool) UnmarshalJSON(data []byte) error {
	var outer struct {
		Function jsontext.Value `json:"function"`
	}
	if err := json.Unmarshal(data, &outer); err != nil {
		return fmt.Errorf("chat: tool: %w", err)
	}
	if outer.Function == nil {
		data = append(append([]byte(`{"type":"function","function":`), data...), '}')
	}
	spec := jsontext.Value(data).Clone()
	if err := spec.Compact(); err != nil {
		return fmt.Errorf("chat: tool: %w", err)
	}
	if (Tool{spec}).Name() == "" {
		return fmt.Errorf("chat: tool has no name: %.60s", data)
	}
	t.spec = spec
	return nil
}

type messageJSON struct {
	Role             string         `json:"role"`
	Content          jsontext.Value `json:"content"`
	Name             string         `json:"name,omitempty"`
	ReasoningContent string         `json:"reasoning_content,omitempty"`
	ToolCalls        []ToolCall     `json:"tool_calls,omitempty"`
	ToolCallID       string         `json:"tool_call_id,omitempty"`
	Loss             *bool          `json:"loss,omitempty"`
}

// MarshalJSON writes OpenAI's shape; content is null where a call stands without text.
func (m Message) MarshalJSON() ([]byte, error) {
	out := messageJSON{Role: m.Role, Name: m.Name, ReasoningContent: m.ReasoningContent, ToolCalls: m.ToolCalls, ToolCallID: m.ToolCallID}
	if m.NoLoss {
		out.Loss = new(bool)
	}
	var content any = m.Content
	switch {
	case m.Parts != nil:
		content = m.Parts
	case m.Content == "" && len(m.ToolCalls) > 0:
		content = nil
	}
	var err error
	if out.Content, err = json.Marshal(content); err != nil {
		return nil, err
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads OpenAI's shape; fields that it does not know are passed over.
func (m *Message) UnmarshalJSON(data []byte) error {
	var in messageJSON
	if err := json.Unmarshal(data, &in); err != nil {
		return fmt.Errorf("chat: message: %w", err)
	}
	if in.Role == "" {
		return fmt.Errorf("chat: message has no role: %.60s", data)
	}
	*m = Message{Role: in.Role, Name: in.Name, ReasoningContent: in.ReasoningContent, ToolCalls: in.ToolCalls, ToolCallID: in.ToolCallID}
	m.NoLoss = in.Loss != nil && !*in.Loss
	switch in.Content.Kind() {
	case 'n', 0:
		return nil
	case '[':
		m.Parts = []Part{}
		return json.Unmarshal(in.Content, &m.Parts)
	case '"':
		return json.Unmarshal(in.Content, &m.Content)
	}
	return fmt.Errorf("chat: content of a message is neither text nor a list of parts: %.60s", in.Content)
}

// MarshalJSON writes {"type":"text","text":…} or the part as it was read.
func (p Part) MarshalJSON() ([]byte, error) {
	if p.Data != nil {
		return p.Data, nil
	}
	var out struct {
		Type string `json:"type"`
		Text string `json:"text"`
	}
	out.Type, out.Text = "text", p.Text
	return json.Marshal(out)
}

// UnmarshalJSON reads a part; a bare string is a text.
func (p *Part) UnmarshalJSON(data []byte) error {
	var in struct {
		Type string  `json:"type"`
		Text *string `json:"text"`
	}
	if jsontext.Value(data).Kind() == '"' {
		in.Type, in.Text = "text", new(string)
		if err := json.Unmarshal(data, in.Text); err != nil {
			return err
		}
	} else if err := json.Unmarshal(data, &in); err != nil {
		return fmt.Errorf("chat: part of a message: %w", err)
	}
	*p = Part{Type: in.Type}
	if in.Type == "text" && in.Text != nil {
		p.Text = *in.Text
		return nil
	}
	p.Data = jsontext.Value(data).Clone()
	return nil
}

type callJSON struct {
	ID       string    `json:"id,omitempty"`
	Type     string    `json:"type"`
	Function *funcJSON `json:"function,omitempty"`
	Code     *codeJSON `json:"code_interpreter,omitempty"`
}

type funcJSON struct {
	Name      string         `json:"name"`
	Arguments jsontext.Value `json:"arguments"`
}

type codeJSON struct {
	Input string `json:"input"`
}

// MarshalJSON writes OpenAI's shape: arguments are a string, program text is the input of a code_interpreter.
func (c ToolCall) MarshalJSON() ([]byte, error) {
	if c.Code {
		return json.Marshal(callJSON{ID: c.ID, Type: "code_interpreter", Code: &codeJSON{c.Arguments}})
	}
	arguments, err := json.Marshal(c.Arguments)
	if err != nil {
		return nil, err
	}
	return json.Marshal(callJSON{ID: c.ID, Type: "function", Function: &funcJSON{c.Name, arguments}})
}

// UnmarshalJSON reads a call whose arguments are a string or a JSON value.
func (c *ToolCall) UnmarshalJSON(data []byte) error {
	var in callJSON
	if err := json.Unmarshal(data, &in); err != nil {
		return fmt.Errorf("chat: tool call: %w", err)
	}
	*c = ToolCall{ID: in.ID}
	switch {
	case in.Code != nil:
		c.Code, c.Arguments = true, in.Code.Input
	case in.Function == nil || in.Function.Name == "":
		return fmt.Errorf("chat: tool call names no function: %.60s", data)
	default:
		c.Name = in.Function.Name
		if in.Function.Arguments.Kind() == '"' {
			return json.Unmarshal(in.Function.Arguments, &c.Arguments)
		}
		c.Arguments = string(in.Function.Arguments)
	}
	return nil
}
