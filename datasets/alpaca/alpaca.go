// Package alpaca reads instruction sets in the form of Stanford Alpaca: instruction, optional input, output.
package alpaca

import (
	"context"
	"errors"
	"iter"

	"quire/datasets"
	"quire/lib/chat"
)

// Card describes the set that gave the form its name; many others use it.
var Card = datasets.Card{
	Name: "alpaca", Title: "Stanford Alpaca", Homepage: "https://github.com/tatsu-lab/stanford_alpaca", Licence: "CC-BY-NC-4.0", Languages: []string{"en"},
	Source: "Taori et al. 2023", Splits: "one: train 52,002",
	// The file of commit 761dc5bf, whose SHA-256 is as THGLab/GeomLlama and thc1006/qwen3.6-speculative-decoding-v100 pin it.
	Files: []datasets.File{{Name: "alpaca_data.json", Split: "train", Records: 52002, SHA256: "2eddafc6b977608d778aaab8dfc7e50e547b3af9826dfb9e909d9fc362e4a419",
		URL: "https://raw.githubusercontent.com/tatsu-lab/stanford_alpaca/761dc5bfbdeeffa89b8bff5d038781a4055f796a/alpaca_data.json"}},
}

// Read reads records as dialogues of two turns: the input follows the instruction on a line of its own. A system field and earlier
// turns in a history field, as LLaMA-Factory's sets have them, are kept.
func Read(ctx context.Context, patterns ...string) iter.Seq2[chat.Conversation, error] {
	type fields struct {
		Input   string      `json:"input"`
		Output  string      `json:"output"`
		System  string      `json:"system"`
		History [][2]string `json:"history"`
	}
	return datasets.Map(datasets.Records[fields](ctx, "instruction", patterns...), func(r datasets.Record[fields]) (c chat.Conversation, err error) {
		if r.Fields.System != "" {
			c.Messages = append(c.Messages, chat.Message{Role: chat.System, Content: r.Fields.System})
		}
		for _, turn := range r.Fields.History {
			c.Messages = append(c.Messages, chat.Message{Role: chat.User, Content: turn[0]}, chat.Message{Role: chat.Assistant, Content: turn[1]})
		}
		question := r.Text
		if r.Fields.Input != "" {
			question += "\n" + r.Fields.Input
		}
		c.Messages = append(c.Messages, chat.Message{Role: chat.User, Content: question}, chat.Message{Role: chat.Assistant, Content: r.Fields.Output})
		if question == "" || r.Fields.Output == "" {
			err = errors.New("no instruction or no output")
		}
		return c, err
	})
}
