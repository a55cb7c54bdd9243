package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"

	"quire/lib/checkpoint"
	"quire/lib/infer"
	"quire/lib/infer/grammar"
	"quire/lib/infer/sample"
	"quire/lib/model"
	"quire/lib/token"
	"quire/simd"
	"quire/simd/dtype"
)

// generateCmd continues a text. The text goes to standard output as it comes, what it took to standard error.
type generateCmd struct {
	Model      string `short:"m" required:"" placeholder:"MODEL" help:"Hugging Face folder, .gguf file or llama2.c .bin file."`
	Prompt     string `short:"p" xor:"prompt" help:"Text to continue; default: standard input."`
	PromptFile string `short:"f" aliases:"file" xor:"prompt" placeholder:"F" help:"File with the text to continue."`

	N          int      `name:"n" short:"n" aliases:"n-predict,max-tokens" group:"Length" default:"256" help:"Most tokens to write; 0: as many as fit."`
	MinTokens  int      `group:"Length" default:"0" help:"Do not end before so many tokens."`
	Stop       []string `short:"r" sep:"none" aliases:"reverse-prompt" group:"Length" help:"End before this text; may be given several times."`
	IgnoreEOS  bool     `name:"ignore-eos" group:"Length" help:"Go on where the model would end."`
	Repetition int      `name:"repetition-ngram-size" default:"0" group:"Length" help:"End when the last so many tokens occur for the --repetition-ngram-threshold-th time; 0: off."`
	Times      int      `name:"repetition-ngram-threshold" default:"0" group:"Length" help:"See --repetition-ngram-size."`

	Temperature      float32            `aliases:"temp" default:"0.8" group:"Sampling" help:"0 takes the most likely token every time."`
	TopK             int                `default:"0" group:"Sampling" help:"Draw from the k most likely tokens; 0: all."`
	TopP             float32            `default:"0.95" group:"Sampling" help:"Draw from the most likely tokens that add up to this; 1: all."`
	MinP             float32            `default:"0" group:"Sampling" help:"Leave out what is less than this times as likely as the most likely token."`
	TypicalP         float32            `aliases:"typical" default:"1" group:"Sampling" help:"Draw from the tokens whose surprise is nearest to the mean and that add up to this; 1: all."`
	RepeatPenalty    float32            `aliases:"repetition-penalty" default:"1" group:"Sampling" help:"Above 1: tokens of the prompt and the text become less likely."`
	PresencePenalty  float32            `default:"0" group:"Sampling" help:"Taken from the logits of tokens that were written."`
	FrequencyPenalty float32            `default:"0" group:"Sampling" help:"Taken from the logits of tokens for each time that they were written."`
	NoRepeatNGram    int                `name:"no-repeat-ngram" default:"0" group:"Sampling" help:"No so many tokens in a row occur twice; 0: off."`
	LogitBias        map[uint32]float32 `short:"l" placeholder:"ID=BIAS" group:"Sampling" help:"Added to the logit of a token; -Inf bans it; may be given several times."`
	Seed             *uint64            `short:"s" group:"Sampling" help:"The same seed writes the same text; default: another one each time, told at the end."`

	Samples       int     `default:"1" group:"Several texts" help:"Write so many texts, with the seeds SEED, SEED+1 …, or the best so many beams."`
	Beams         int     `default:"0" group:"Several texts" help:"Beam search of this width: no drawing, the most likely whole texts."`
	LengthPenalty float32 `default:"1" group:"Several texts" help:"Beams are ranked by log-probability divided by length to this power."`

	JSONSchema string   `name:"json-schema" short:"j" xor:"grammar" placeholder:"F" group:"Form" help:"File with a JSON Schema that the text is held to."`
	Regexp     string   `xor:"grammar" placeholder:"EXPR" group:"Form" help:"Regular expression that the text is held to."`
	Choice     []string `sep:"none" xor:"grammar" group:"Form" help:"The text is one of these; may be given several times."`
	EBNF       string   `name:"ebnf" aliases:"grammar-file" xor:"grammar" placeholder:"F" group:"Form" help:"File with a grammar that the text is held to: lines NAME ::= …, of which root is the text."`
	JSON       bool     `name:"json" group:"Form" help:"Write one JSON object a text, when it has ended: text, finish, score, and with --logprobs its tokens."`
	LogProbs   *int     `name:"logprobs" placeholder:"K" group:"Form" help:"Tokens with their log-probabilities, and those of the K most likely; implies --json."`

	Context int    `short:"c" aliases:"ctx-size" default:"0" group:"Engine" help:"Longest text in tokens; 0: what the model was trained for."`
	KV      string `name:"kv" xor:"kv" placeholder:"TYPE" group:"Engine" help:"Type of the key-value cache: BF16, F32, Q8_0, Q4_0; default: the model's."`
	KVBits  int    `name:"kv-bits" xor:"kv" placeholder:"8|4" group:"Engine" help:"Keep keys and values in 8 or 4 bits, as LMDeploy's quant_policy does."`
	Lookup  int    `xor:"guess" placeholder:"N" group:"Engine" help:"Guess so many tokens at a time from repetitions in the text: faster where it repeats itself, and the same text."`
	Draft   string `short:"d" aliases:"model-draft" xor:"guess" placeholder:"MODEL" group:"Engine" help:"Guess with this smaller model of the same vocabulary: the same text."`
	Guess   int    `aliases:"draft-max" default:"0" group:"Engine" help:"How many tokens --draft guesses at a time; 0: 4."`
}

// Run implements kong's command.
func (c *generateCmd) Run(ctx context.Context) error {
	return c.run(ctx, os.Stdin, os.Stdout, os.Stderr)
}

func (c *generateCmd) run(ctx context.Context, in io.Reader, out, notes io.Writer) error {
	r, err := c.request(in)
	if err != nil {
		return err
	}
	cfg, closeDraft, err := c.config()
	if err != nil {
		return err
	}
	defer closeDraft()
	e, err := infer.Open(c.Model, cfg)
	if err != nil {
		return err
	}
	defer e.Close()
	if e.Tokenizer() == nil {
		_, err := token.Load(c.Model)
		return fmt.Errorf("generate: no tokenizer: put tokenizer.json or tokenizer.model beside the model: %v", err)
	}
	w := textWriter{e: e, out: out, notes: notes, json: c.JSON || c.LogProbs != nil}
	return w.write(ctx, r)
}

// request is what the flags ask for.
func (c *generateCmd) request(stdin io.Reader) (infer.Request, error) {
	r := infer.Request{
		Prompt: c.Prompt, MaxTokens: c.N, Stop: c.Stop, IgnoreEOS: c.IgnoreEOS, N: c.Samples, Beams: c.Beams, LengthPenalty: c.LengthPenalty,
		RepetitionNGram: c.Repetition, RepetitionLimit: c.Times,
		Params: sample.Params{
			Temperature: c.Temperature, TopK: c.TopK, TopP: c.TopP, MinP: c.MinP, TypicalP: c.TypicalP,
			RepetitionPenalty: c.RepeatPenalty, PresencePenalty: c.PresencePenalty, FrequencyPenalty: c.FrequencyPenalty,
			NoRepeatNGram: c.NoRepeatNGram, LogitBias: c.LogitBias, MinTokens: c.MinTokens, Seed: rand.Uint64(),
		},
	}
	if c.Beams > 0 && c.Samples > c.Beams {
		return r, fmt.Errorf("generate: --samples %d of --beams %d: want at least as many beams", c.Samples, c.Beams)
	}
	if c.Samples < 1 {
		return r, fmt.Errorf("generate: --samples %d: want 1 or more", c.Samples)
	}
	if c.Seed != nil {
		r.Seed = *c.Seed
	}
	if c.LogProbs != nil {
		r.LogProbs, r.TopLogProbs = true, *c.LogProbs
	}
	var text []byte
	var err error
	switch {
	case c.PromptFile != "":
		if text, err = os.ReadFile(c.PromptFile); err != nil {
			return r, fmt.Errorf("generate: --prompt-file: %w", err)
		}
		r.Prompt = string(text)
	case c.Prompt == "":
		if text, err = io.ReadAll(stdin); err != nil {
			return r, fmt.Errorf("generate: standard input: %w", err)
		}
		r.Prompt = string(text)
	}
	r.Grammar, err = c.grammar()
	return r, err
}

// grammar is what the text is held to, or nil.
func (c *generateCmd) grammar() (*grammar.Grammar, error) {
	switch {
	case c.JSONSchema != "":
		return grammarFile("--json-schema", c.JSONSchema, grammar.JSONSchema)
	case c.EBNF != "":
		return grammarFile("--ebnf", c.EBNF, func(source []byte) (*grammar.Grammar, error) { return grammar.EBNF(string(source)) })
	case c.Regexp != "":
		return grammar.Regexp(c.Regexp)
	case len(c.Choice) > 0:
		return grammar.Choice(c.Choice...)
	}
	return nil, nil
}

func grammarFile(flag, path string, compile func([]byte) (*grammar.Grammar, error)) (*grammar.Grammar, error) {
	source, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("generate: %s: %w", flag, err)
	}
	g, err := compile(source)
	if err != nil {
		return nil, fmt.Errorf("generate: %s %s: %w", flag, path, err)
	}
	return g, nil
}

// config is how the engine runs; done closes the draft model, if there is one.
func (c *generateCmd) config() (cfg infer.Config, done func() error, err error) {
	cfg = infer.Config{MaxLen: c.Context, KVBits: c.KVBits, Lookup: c.Lookup, Guess: c.Guess}
	done = func() error { return nil }
	if c.KV != "" {
		if cfg.KV, err = dtype.Parse(c.KV); err != nil {
			return cfg, done, fmt.Errorf("generate: --kv: %v", err)
		}
	}
	if c.Draft == "" {
		return cfg, done, nil
	}
	file, err := checkpoint.Load(c.Draft)
	if err != nil {
		return cfg, done, fmt.Errorf("generate: --draft: %w", err)
	}
	cfg.Backend = simd.Default()
	if cfg.Draft, err = model.New(cfg.Backend, file.Config, file.Weights); err != nil {
		return cfg, done, fmt.Errorf("generate: --draft: %w", errors.Join(err, file.Close()))
	}
	return cfg, file.Close, nil
}
