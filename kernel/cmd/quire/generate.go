package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"time"

	"quire/lib/infer"
	"quire/lib/infer/grammar"
	"quire/lib/infer/sample"
	"quire/simd/dtype"
)

// generateCmd continues a text. The text goes to standard output as it comes, what it took to standard error.
type generateCmd struct {
	Model       string   `short:"m" required:"" placeholder:"MODEL" help:"Hugging Face folder, .gguf file or llama2.c .bin file."`
	Prompt      string   `short:"p" help:"Text to continue; default: standard input."`
	N           int      `name:"n" default:"256" help:"Most tokens to write."`
	Temperature float32  `default:"0.8" help:"0 takes the most likely token every time."`
	TopK        int      `name:"top-k" default:"0" help:"Draw from the k most likely tokens; 0: all."`
	TopP        float32  `name:"top-p" default:"0.95" help:"Draw from the most likely tokens that add up to this."`
	MinP        float32  `name:"min-p" default:"0" help:"Leave out what is less than this times as likely as the most likely token."`
	Seed        *uint64  `help:"The same seed writes the same text; default: another one each time, told at the end."`
	Stop        []string `sep:"none" help:"End before this text; may be given several times."`
	JSONSchema  string   `name:"json-schema" placeholder:"F" help:"File with a JSON Schema that the text is held to."`
	Regexp      string   `xor:"grammar" help:"Regular expression that the text is held to."`
	KV          string   `name:"kv" default:"" placeholder:"TYPE" help:"Type of the key-value cache: BF16, F32, Q8_0, Q4_0; default: the model's."`
	Lookup      int      `default:"0" help:"Guess so many tokens at a time from repetitions in the text: faster where it repeats itself, and the same text."`
}

// Run implements kong's command.
func (c *generateCmd) Run(ctx context.Context) error {
	r := infer.Request{
		Prompt: c.Prompt, MaxTokens: c.N, Stop: c.Stop,
		Params: sample.Params{Temperature: c.Temperature, TopK: c.TopK, TopP: c.TopP, MinP: c.MinP, Seed: rand.Uint64()},
	}
	if c.Seed != nil {
		r.Seed = *c.Seed
	}
	var err error
	if r.Grammar, err = c.grammar(); err != nil {
		return err
	}
	cfg := infer.Config{Lookup: c.Lookup}
	if c.KV != "" {
		if cfg.KV, err = dtype.Parse(c.KV); err != nil {
			return fmt.Errorf("generate: --kv: %v", err)
		}
	}
	if c.Prompt == "" {
		text, err := io.ReadAll(os.Stdin)
		if err != nil {
			return fmt.Errorf("generate: standard input: %w", err)
		}
		r.Prompt = string(text)
	}
	e, err := infer.Open(c.Model, cfg)
	if err != nil {
		return err
	}
	defer e.Close()
	if e.Tokenizer() == nil {
		return fmt.Errorf("generate: %s has no tokenizer: put tokenizer.json or tokenizer.model beside it", c.Model)
	}
	return c.write(ctx, e, r, os.Stdout, os.Stderr)
}

func (c *generateCmd) grammar() (*grammar.Grammar, error) {
	switch {
	case c.JSONSchema != "":
		schema, err := os.ReadFile(c.JSONSchema)
		if err != nil {
			return nil, fmt.Errorf("generate: --json-schema: %w", err)
		}
		return grammar.JSONSchema(schema)
	case c.Regexp != "":
		return grammar.Regexp(c.Regexp)
	}
	return nil, nil
}

func (c *generateCmd) write(ctx context.Context, e *infer.Engine, r infer.Request, out, notes io.Writer) error {
	w := bufio.NewWriter(out)
	start, first, n := time.Now(), time.Time{}, 0
	finish := infer.Unfinished
	for tok, err := range e.Generate(ctx, r) {
		if err != nil {
			w.WriteString("\n")
			w.Flush()
			return err
		}
		if n++; n == 1 {
			first = time.Now()
		}
		w.WriteString(tok.Text)
		if err := w.Flush(); err != nil {
			return err
		}
		finish = tok.Finish
	}
	w.WriteString("\n")
	if err := w.Flush(); err != nil {
		return err
	}
	rate := ""
	if n > 1 {
		rate = fmt.Sprintf(", %.1f tok/s", float64(n-1)/time.Since(first).Seconds())
	}
	s := e.Stats()
	_, err := fmt.Fprintf(notes, "%d tokens, first after %v%s, finish %s, seed %d%s\n", n, first.Sub(start).Round(time.Millisecond), rate, finish, r.Seed, guesses(s))
	return err
}

func guesses(s infer.Stats) string {
	if s.Guessed == 0 {
		return ""
	}
	return fmt.Sprintf(", %d of %d guesses right", s.Accepted, s.Guessed)
}
