package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"time"

	"quire/lib/corpus"
	"quire/lib/corpus/shard"
	"quire/lib/token"
)

// corpusConvertCmd writes what it reads in another format. What the output is called says which.
type corpusConvertCmd struct {
	corpusInput
	Out   string `short:"o" required:"" placeholder:"PATH" help:"Where to: .arrow, .jsonl, .jsonl.gz, .jsonl.zst or .parquet; a folder for WanJuan's layout; with --model, a folder or .tok for token shards, .bin for InternEvo, .ds for datatrove. Token files (.tok, .bin, .ds) become one another without a model."`
	Model string `short:"m" placeholder:"FILE" help:"Tokenizer: .model, tokenizer.json, .tiktoken, .gguf or a model's folder."`
	BOS   bool   `name:"bos" help:"Begin every document with the tokenizer's BOS, as InternEvo wants it; Quire's own packing adds it itself."`
	EOS   bool   `name:"eos" help:"End every document with the tokenizer's EOS, as InternEvo and datatrove want it."`
	Shard int64  `default:"0" placeholder:"TOKENS" help:"Tokens after which the next shard of a folder begins; default: 2³⁰."`
}

// convertReport is what the command prints.
type convertReport struct {
	Output    string      `json:"output"`
	Documents int         `json:"documents"`
	Bytes     int64       `json:"bytes,omitempty"` // of text
	Tokens    int64       `json:"tokens,omitempty"`
	Seconds   float64     `json:"seconds"`
	Bad       *badRecords `json:"bad,omitempty"`
}

// Run implements kong's command.
func (c *corpusConvertCmd) Run(ctx context.Context) error {
	start := time.Now()
	report := convertReport{Output: c.Out}
	var err error
	switch {
	case len(c.Files) == 1 && isTokens(c.Files[0]):
		err = c.tokens(&report)
	case c.Model != "":
		err = c.tokenize(ctx, &report)
	case isTokens(c.Out):
		return fmt.Errorf("quire corpus convert: %s holds tokens: name a tokenizer with --model", c.Out)
	default:
		err = c.text(ctx, &report)
	}
	if err != nil {
		return err
	}
	report.Seconds = time.Since(start).Seconds()
	return printReport(report)
}

func isTokens(path string) bool {
	switch filepath.Ext(path) {
	case ".tok", ".bin", ".ds":
		return true
	}
	return false
}

// text writes documents as documents. A corpus file is written without an intermediate one.
func (c *corpusConvertCmd) text(ctx context.Context, report *convertReport) error {
	if filepath.Ext(c.Out) == ".arrow" {
		out, im, err := corpus.Build(ctx, c.Out, corpus.Fields{ID: c.ID, Text: c.Text}, c.Files...)
		if err != nil {
			return err
		}
		report.Documents, report.Bytes, report.Bad = im.Docs, im.Bytes, badOf(im)
		return out.Close()
	}
	in, im, done, err := c.open(ctx)
	if err != nil {
		return err
	}
	bar := progress{name: "write"}
	cfg := corpus.ExportConfig{Progress: bar.set}
	if filepath.Ext(c.Out) == "" {
		err = in.ExportWanJuan(ctx, c.Out, cfg)
	} else {
		err = in.Export(ctx, c.Out, cfg)
	}
	bar.end()
	report.Documents, report.Bytes, report.Bad = in.NumDocs(), im.Bytes, badOf(im)
	return errors.Join(err, done())
}

// tokenize writes documents as tokens.
func (c *corpusConvertCmd) tokenize(ctx context.Context, report *convertReport) error {
	tok, err := token.Load(c.Model)
	if err != nil {
		return err
	}
	cfg := shard.TokenizeConfig{ShardTokens: c.Shard, Meta: map[string]string{"model": filepath.Base(c.Model)}}
	if cfg.Before, err = asked(c.BOS, tok.BOS, "BOS"); err != nil {
		return err
	}
	if cfg.After, err = asked(c.EOS, tok.EOS, "EOS"); err != nil {
		return err
	}
	in, im, done, err := c.open(ctx)
	if err != nil {
		return err
	}
	dir := c.Out
	if isTokens(c.Out) {
		if dir, err = os.MkdirTemp(filepath.Dir(c.Out), ".quire-tokens-*"); err != nil {
			return errors.Join(err, done())
		}
		defer os.RemoveAll(dir)
	}
	bar := progress{name: "tokenise"}
	cfg.Progress = func(docs, total int, _ int64) { bar.set(docs, total) }
	shards, err := shard.Tokenize(ctx, dir, in, tok, cfg)
	bar.end()
	report.Documents, report.Bytes, report.Bad = in.NumDocs(), im.Bytes, badOf(im)
	if err = errors.Join(err, done()); err != nil {
		return err
	}
	for _, s := range shards {
		defer s.Close()
		report.Tokens += s.Tokens()
	}
	if !isTokens(c.Out) {
		return nil
	}
	return writeTokens(c.Out, shard.Options{VocabSize: tok.VocabSize(), Meta: map[string]string{"tokenizer": filepath.Base(c.Model)}}, allOf(shards))
}

func asked(want bool, token func() (uint32, bool), name string) ([]uint32, error) {
	if !want {
		return nil, nil
	}
	id, ok := token()
	if !ok {
		return nil, fmt.Errorf("quire corpus convert: the tokenizer has no %s", name)
	}
	return []uint32{id}, nil
}

func allOf(shards []*shard.Shard) iter.Seq2[shard.Tokens, error] {
	return func(yield func(shard.Tokens, error) bool) {
		for _, s := range shards {
			for d, err := range s.All() {
				if !yield(d, err) {
					return
				}
			}
		}
	}
}

// tokens turns one format of token files into another. Ids are as wide as the largest needs.
func (c *corpusConvertCmd) tokens(report *convertReport) error {
	if !isTokens(c.Out) {
		return fmt.Errorf("quire corpus convert: tokens can become .tok, .bin or .ds, not %s", c.Out)
	}
	docs, done, err := readTokens(c.Files[0])
	if err != nil {
		return err
	}
	largest := uint32(0)
	good := func(yield func(shard.Tokens, error) bool) {
		*report = convertReport{Output: c.Out, Bad: &badRecords{}}
		for d, err := range docs {
			var bad *corpus.BadRecord
			if errors.As(err, &bad) {
				report.Bad.add(bad)
				continue
			}
			report.Documents++
			report.Tokens += int64(len(d.IDs))
			for _, id := range d.IDs {
				largest = max(largest, id)
			}
			if !yield(d, err) {
				return
			}
		}
	}
	for _, err := range good {
		if err != nil {
			return errors.Join(err, done())
		}
	}
	err = writeTokens(c.Out, shard.Options{VocabSize: int(largest) + 1}, good)
	if report.Bad.Count == 0 {
		report.Bad = nil
	}
	return errors.Join(err, done())
}

func readTokens(path string) (docs iter.Seq2[shard.Tokens, error], done func() error, err error) {
	none := func() error { return nil }
	switch filepath.Ext(path) {
	case ".bin":
		return shard.ReadInternEvo(path), none, nil
	case ".ds":
		return shard.ReadDatatrove(path), none, nil
	}
	s, err := shard.Open(path)
	if err != nil {
		return nil, nil, err
	}
	return s.All(), s.Close, nil
}

func writeTokens(path string, o shard.Options, docs iter.Seq2[shard.Tokens, error]) error {
	switch {
	case strings.HasSuffix(path, ".bin"):
		return shard.WriteInternEvo(path, docs)
	case strings.HasSuffix(path, ".ds"):
		return shard.WriteDatatrove(path, o, docs)
	}
	return shard.Write(path, o, docs)
}
