package convert

import (
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"quire/lib/chat"
)

type alpaca struct {
	System      string      `json:"system,omitempty"`
	History     [][2]string `json:"history,omitempty"`
	Instruction string      `json:"instruction"`
	Input       string      `json:"input"`
	Output      *string     `json:"output"`
}

// Alpaca reads {"instruction","input","output"} with optional "system" and "history" of question and answer. The question is the
// instruction, and the input on a line of its own where there is one.
func Alpaca(record jsontext.Value) (chat.Conversation, error) {
	var in alpaca
	if err := json.Unmarshal(record, &in); err != nil {
		return chat.Conversation{}, err
	}
	if in.Instruction+in.Input == "" || in.Output == nil {
		return chat.Conversation{}, errors.New("an alpaca record needs instruction and output")
	}
	var out chat.Conversation
	add := func(role, text string) {
		out.Messages = append(out.Messages, chat.Message{Role: role, Content: text})
	}
	if in.System != "" {
		add(chat.System, in.System)
	}
	for _, h := range in.History {
		add(chat.User, h[0])
		add(chat.Assistant, h[1])
	}
	question := in.Instruction
	if in.Input != "" {
		question += "\n" + in.Input
	}
	add(chat.User, question)
	add(chat.Assistant, *in.Output)
	return out, nil
}

// ToAlpaca writes what Alpaca reads; earlier turns become the history.
func ToAlpaca(c chat.Conversation) (jsontext.Value, error) {
	var out alpaca
	messages := c.Messages
	if len(messages) > 0 && messages[0].Role == chat.System && messages[0].Content != "" {
		out.System, messages = messages[0].Content, messages[1:]
	}
	skipped := len(c.Messages) - len(messages)
	for i := range c.Messages {
		if err := plain(c, i, "alpaca"); err != nil {
			return nil, err
		}
		if c.Messages[i].NoLoss {
			return nil, fmt.Errorf("convert: message %d takes no loss: alpaca's format cannot say so", i+1)
		}
	}
	last := ""
	for i, m := range messages {
		if want := []string{chat.User, chat.Assistant}[i%2]; m.Role != want {
			return nil, misplaced(skipped+i, m, "alpaca")
		}
		last = m.Role
	}
	if n := len(messages); n >= 2 && last == chat.Assistant {
		if messages[n-2].Content == "" {
			return nil, misplaced(skipped+n-2, messages[n-2], "alpaca")
		}
		for i := 0; i < n-2; i += 2 {
			out.History = append(out.History, [2]string{messages[i].Content, messages[i+1].Content})
		}
		out.Instruction, out.Output = messages[n-2].Content, &messages[n-1].Content
	}
	return finish(out, last, "alpaca")
}
