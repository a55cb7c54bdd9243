package convert

import (
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"quire/lib/chat"
)

// OpenAI reads {"messages":[…],"tools":[…]} or a bare list of messages; tools may be packed in a text. It also takes parts whose
// text stands under "value", with reasoning and calls as parts of their own, and "loss_weight" of 0, as LLaMA-Factory writes them.
func OpenAI(record jsontext.Value) (chat.Conversation, error) {
	var in struct {
		Messages []openAIMessage `json:"messages"`
		Tools    jsontext.Value  `json:"tools"`
	}
	var err error
	if record.Kind() == '[' {
		err = json.Unmarshal(record, &in.Messages)
	} else {
		err = json.Unmarshal(record, &in)
	}
	if err != nil {
		return chat.Conversation{}, err
	}
	if len(in.Messages) == 0 {
		return chat.Conversation{}, errors.New("no messages")
	}
	out := chat.Conversation{}
	for _, m := range in.Messages {
		out.Messages = append(out.Messages, m.Message)
	}
	out.Tools, err = tools(in.Tools)
	return out, err
}

// ToOpenAI writes {"messages":[…],"tools":[…]}.
func ToOpenAI(c chat.Conversation) (jsontext.Value, error) { return json.Marshal(c) }

// tools reads a list of tools, or a text that holds one.
func tools(v jsontext.Value) ([]chat.Tool, error) {
	if v.Kind() == '"' {
		var s string
		if err := json.Unmarshal(v, &s); err != nil {
			return nil, err
		}
		if v = jsontext.Value(s); s == "" {
			return nil, nil
		}
	}
	if v == nil || v.Kind() == 'n' {
		return nil, nil
	}
	var out []chat.Tool
	if err := json.Unmarshal(v, &out); err != nil {
		return nil, fmt.Errorf("tools: %w", err)
	}
	return out, nil
}

type openAIMessage struct{ chat.Message }

func (m *openAIMessage) UnmarshalJSON(data []byte) error {
	if err := m.Message.UnmarshalJSON(data); err != nil {
		return err
	}
	var extra struct {
		LossWeight *float64 `json:"loss_weight"`
	}
	if err := json.Unmarshal(data, &extra); err != nil {
		return err
	}
	m.NoLoss = m.NoLoss || m.Role == chat.Assistant && extra.LossWeight != nil && *extra.LossWeight == 0
	var kept []chat.Part
	for _, p := range m.Parts {
		part, err := m.take(p)
		if err != nil {
			return err
		}
		if part != nil {
			kept = append(kept, *part)
		}
	}
	if m.Parts = kept; len(kept) == 1 && kept[0].Type == "text" {
		m.Content, m.Parts = kept[0].Text, nil
	}
	return nil
}

// take moves reasoning and calls out of the parts; nil when nothing is left of the part.
func (m *openAIMessage) take(p chat.Part) (*chat.Part, error) {
	var in struct {
		Value *string `json:"value"`
	}
	if p.Data == nil || json.Unmarshal(p.Data, &in) != nil || in.Value == nil {
		return &p, nil
	}
	switch p.Type {
	case "text":
		return &chat.Part{Type: "text", Text: *in.Value}, nil
	case "reasoning":
		m.ReasoningContent += *in.Value
		return nil, nil
	case "tool_call":
		calls, err := calls(*in.Value)
		m.ToolCalls = append(m.ToolCalls, calls...)
		return nil, err
	}
	return &p, nil
}

// calls reads {"name":…,"arguments":…} or a list of such objects.
func calls(s string) ([]chat.ToolCall, error) {
	v := jsontext.Value(s)
	var list []struct {
		Name       string         `json:"name"`
		Arguments  jsontext.Value `json:"arguments"`
		Parameters jsontext.Value `json:"parameters"`
	}
	if v.Kind() != '[' {
		v = append(append([]byte("["), v...), ']')
	}
	if err := json.Unmarshal(v, &list); err != nil {
		return nil, fmt.Errorf("tool call is no JSON: %.60s", s)
	}
	var out []chat.ToolCall
	for _, c := range list {
		if c.Name == "" {
			return nil, fmt.Errorf("tool call names no function: %.60s", s)
		}
		args := c.Arguments
		if args == nil {
			args = c.Parameters
		}
		call := chat.ToolCall{Name: c.Name, Arguments: string(args)}
		if args.Kind() == '"' {
			if err := json.Unmarshal(args, &call.Arguments); err != nil {
				return nil, err
			}
		}
		out = append(out, call)
	}
	return out, nil
}
