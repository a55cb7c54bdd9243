package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"quire/lib/token"
)

// tokenizeCmd reads JSON strings, one a line, and writes arrays of ids.
type tokenizeCmd struct {
	Model   string `short:"m" required:"" placeholder:"FILE" help:"Tokenizer: .model, tokenizer.json, .tiktoken, .gguf or a model's folder."`
	Special string `enum:"allow,forbid,text" default:"text" help:"What the text of a special token means: allow, forbid or text."`
}

// Run implements kong's command.
func (c *tokenizeCmd) Run(ctx context.Context) error {
	t, err := token.Load(c.Model)
	if err != nil {
		return err
	}
	policy, err := token.ParsePolicy(c.Special)
	if err != nil {
		return err
	}
	return eachLine(ctx, os.Stdin, os.Stdout, func(text string) ([]uint32, error) {
		return t.Encode(text, token.Options{Special: policy})
	})
}

// detokenizeCmd reads arrays of ids, one a line, and writes JSON strings.
type detokenizeCmd struct {
	Model string `short:"m" required:"" placeholder:"FILE" help:"Tokenizer: .model, tokenizer.json, .tiktoken, .gguf or a model's folder."`
}

// Run implements kong's command.
func (c *detokenizeCmd) Run(ctx context.Context) error {
	t, err := token.Load(c.Model)
	if err != nil {
		return err
	}
	return eachLine(ctx, os.Stdin, os.Stdout, func(ids []uint32) (string, error) { return t.DecodeAll(ids), nil })
}

// eachLine turns every JSON value of r, one a line, into one of w.
func eachLine[In, Out any](ctx context.Context, r io.Reader, w io.Writer, f func(In) (Out, error)) error {
	in, out := bufio.NewReaderSize(r, 1<<20), bufio.NewWriterSize(w, 1<<20)
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	for n := 1; ctx.Err() == nil; n++ {
		line, err := in.ReadBytes('\n')
		if len(line) > 1 || len(line) == 1 && line[0] != '\n' {
			var v In
			if err := json.Unmarshal(line, &v); err != nil {
				return errors.Join(fmt.Errorf("line %d: %w", n, err), out.Flush())
			}
			res, err := f(v)
			if err != nil {
				return errors.Join(fmt.Errorf("line %d: %w", n, err), out.Flush())
			}
			if err := enc.Encode(res); err != nil {
				return err
			}
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
	}
	return errors.Join(ctx.Err(), out.Flush())
}
