package convert

import (
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"quire/lib/chat"
)

type shareGPTTurn struct {
	From  string `json:"from"`
	Value string `json:"value"`
}

type shareGPT struct {
	Conversations []shareGPTTurn `json:"conversations"`
	System        string         `json:"system,omitempty"`
	Tools         string         `json:"tools,omitempty"`
}

// speakers are the names that ShareGPT records use for the roles.
var speakers = map[string]string{
	"human": chat.User, "user": chat.User, "gpt": chat.Assistant, "chatgpt": chat.Assistant, "assistant": chat.Assistant,
	"model": chat.Assistant, "bing": chat.Assistant, "bard": chat.Assistant, "system": chat.System,
	"observation": chat.ToolRole, "tool": chat.ToolRole, "function_response": chat.ToolRole,
}

// ShareGPT reads {"conversations":[{"from","value"}],"system","tools"} or a bare list of turns. A turn of function_call holds its
// calls as JSON.
func ShareGPT(record jsontext.Value) (chat.Conversation, error) {
	var in struct {
		Conversations []shareGPTTurn `json:"conversations"`
		System        string         `json:"system"`
		Tools         jsontext.Value `json:"tools"`
	}
	var err error
	if record.Kind() == '[' {
		err = json.Unmarshal(record, &in.Conversations)
	} else {
		err = json.Unmarshal(record, &in)
	}
	if err != nil {
		return chat.Conversation{}, err
	}
	if len(in.Conversations) == 0 {
		return chat.Conversation{}, errors.New("no turns under conversations")
	}
	var out chat.Conversation
	if in.System != "" {
		out.Messages = append(out.Messages, chat.Message{Role: chat.System, Content: in.System})
	}
	for i, t := range in.Conversations {
		m, err := fromTurn(t)
		if err != nil {
			return chat.Conversation{}, fmt.Errorf("turn %d: %w", i+1, err)
		}
		out.Messages = append(out.Messages, m)
	}
	out.Tools, err = tools(in.Tools)
	return out, err
}

func fromTurn(t shareGPTTurn) (chat.Message, error) {
	if t.From == "function_call" {
		calls, err := calls(t.Value)
		return chat.Message{Role: chat.Assistant, ToolCalls: calls}, err
	}
	role, ok := speakers[t.From]
	if !ok {
		return chat.Message{}, fmt.Errorf("from %q, want human, gpt, system, function_call or observation", t.From)
	}
	return chat.Message{Role: role, Content: t.Value}, nil
}

// ToShareGPT writes what ShareGPT reads.
func ToShareGPT(c chat.Conversation) (jsontext.Value, error) {
	var out shareGPT
	for i, m := range c.Messages {
		t, err := toTurn(m)
		if err != nil {
			return nil, fmt.Errorf("convert: message %d: %w", i+1, err)
		}
		out.Conversations = append(out.Conversations, t)
	}
	if len(out.Conversations) == 0 {
		return nil, errors.New("convert: no messages")
	}
	if len(c.Tools) > 0 {
		list, err := json.Marshal(c.Tools)
		if err != nil {
			return nil, err
		}
		out.Tools = string(list)
	}
	return json.Marshal(out)
}

func toTurn(m chat.Message) (shareGPTTurn, error) {
	if m.Parts != nil || m.Name != "" || m.ReasoningContent != "" || m.ToolCallID != "" || m.NoLoss {
		return shareGPTTurn{}, errors.New("ShareGPT's format holds a text or calls, nothing more")
	}
	if len(m.ToolCalls) > 0 {
		return callTurn(m)
	}
	from, ok := map[string]string{chat.User: "human", chat.Assistant: "gpt", chat.System: "system", chat.ToolRole: "observation"}[m.Role]
	if !ok {
		return shareGPTTurn{}, fmt.Errorf("ShareGPT's format has no role %s", m.Role)
	}
	return shareGPTTurn{from, m.Content}, nil
}

func callTurn(m chat.Message) (shareGPTTurn, error) {
	type call struct {
		Name      string `json:"name"`
		Arguments string `json:"arguments"`
	}
	var list []call
	for _, c := range m.ToolCalls {
		if c.Code || c.ID != "" || m.Content != "" || m.Role != chat.Assistant || c.Name == "" {
			return shareGPTTurn{}, errors.New("ShareGPT's format holds calls by name and arguments only, without text")
		}
		list = append(list, call{c.Name, c.Arguments})
	}
	data, err := json.Marshal(list)
	return shareGPTTurn{"function_call", string(data)}, err
}
