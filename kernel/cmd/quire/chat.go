package main

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"quire/lib/chat"
	"quire/lib/chat/convert"
)

// chatCmd groups what has to do with conversations.
type chatCmd struct {
	Render chatRenderCmd `cmd:"" help:"Turn conversations into text, token ids and loss mask."`
}

// chatRenderCmd reads conversations and writes one JSON object a line: text, ids, and mask, which is 1 where the model writes.
type chatRenderCmd struct {
	Model    string            `short:"m" required:"" placeholder:"FILE" help:"Tokenizer: .model, tokenizer.json, .tiktoken, .gguf or a model's folder."`
	Template string            `short:"t" placeholder:"NAME" help:"Built-in template or .jinja file; default: the one in the model's folder."`
	Open     bool              `help:"End with what opens the assistant's turn."`
	Var      map[string]string `help:"Variable of the template, as JSON or text: --var enable_thinking=false."`
}

// rendering is one line of output.
type rendering struct {
	Text string   `json:"text"`
	IDs  []uint32 `json:"ids"`
	Mask []int    `json:"mask"`
}

// Run implements kong's command.
func (c *chatRenderCmd) Run(ctx context.Context) error {
	ch, err := chat.Load(c.Model, c.Template)
	if err != nil {
		return err
	}
	opt := chat.Options{Open: c.Open}
	for name, text := range c.Var {
		if opt.Vars == nil {
			opt.Vars = map[string]any{}
		}
		var v any
		if json.Unmarshal([]byte(text), &v) != nil {
			v = text
		}
		opt.Vars[name] = v
	}
	return renderAll(ctx, ch, opt, os.Stdin, os.Stdout)
}

// renderAll goes on behind a conversation that cannot be rendered and tells about all of them in the end.
func renderAll(ctx context.Context, ch *chat.Chat, opt chat.Options, r io.Reader, w io.Writer) error {
	enc := jsontext.NewEncoder(w)
	var errs []error
	for conv, err := range convert.Read(r, "standard input", convert.Any) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var e *chat.Encoded
		if err == nil {
			e, err = ch.Encode(conv, opt)
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		out := rendering{Text: e.Text, IDs: e.IDs, Mask: make([]int, len(e.Mask))}
		for i, m := range e.Mask {
			if m {
				out.Mask[i] = 1
			}
		}
		if err := json.MarshalEncode(enc, out); err != nil {
			return err
		}
	}
	return errors.Join(errs...)
}
