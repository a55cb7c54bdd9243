package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow/go/v17/arrow/array"

	"quire/lib/clean"
	"quire/lib/clean/fasttext"
	"quire/lib/contam"
	"quire/lib/corpus"
)

// corpusCleanCmd judges documents by rules and writes those that all rules keep. Text is changed first, where that is asked for, and
// judged as it will be written.
type corpusCleanCmd struct {
	corpusInput
	Out           string            `short:"o" placeholder:"PATH" help:"Where to write what is kept, with the rules' values: .arrow, .jsonl, .jsonl.gz, .jsonl.zst or .parquet; default: only report."`
	Rules         []string          `enum:"gopher,repetition,c4,fineweb,chinese" default:"gopher,repetition,c4,fineweb" help:"Sets of rules: gopher, repetition, c4, fineweb, chinese."`
	Range         map[string]string `placeholder:"RULE=MIN:MAX" help:"Another range for a rule, an end may be left out: gopher.words=20: or fineweb.short_lines=:0.8."`
	Language      []string          `placeholder:"CODE" help:"Keep documents of these languages, by ISO 639-1 codes; default: all."`
	LanguageScore float64           `default:"0.65" help:"How sure the language must be where --language is given."`
	LanguageModel string            `placeholder:"FILE" help:"fastText model (.ftz, .bin) that tells languages; default: the built-in classifier."`
	Repair        bool              `help:"Repair broken Unicode and compose it (NFC)."`
	Lines         string            `enum:"none,content,c4" default:"none" help:"Drop lines: none, content (boilerplate) or c4 (C4's rules about lines)."`
	Mask          bool              `help:"Mask e-mail addresses, public IP addresses, phone, card and identity numbers, keys."`
	Contam        string            `placeholder:"FILE" help:"Index of evaluation sets, made by contam.Index.Save: drop documents that hold their items."`
}

// cleanReport is what the command prints.
type cleanReport struct {
	Input          int         `json:"input_documents"`
	InputBytes     int64       `json:"input_bytes"`
	*corpus.WhatIf             // of the documents that have one of the languages
	Output         string      `json:"output,omitempty"`
	Seconds        float64     `json:"seconds"`
	Bad            *badRecords `json:"bad,omitempty"`
}

// Run implements kong's command.
func (c *corpusCleanCmd) Run(ctx context.Context) (err error) {
	start := time.Now()
	ops, ranges, err := c.judges()
	if err != nil {
		return err
	}
	in, im, done, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	report := cleanReport{Input: in.NumDocs(), Output: c.Out, Bad: badOf(im)}
	if report.InputBytes, err = textBytes(in); err != nil {
		return err
	}
	if change := c.change(); change != nil {
		var removed func() error
		in, removed, err = rewrite(ctx, in, func(b corpus.Batch, i int) (corpus.Document, bool) {
			d := b.Doc(i)
			d.Text = change(d.Text)
			return d, true
		})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, removed()) }()
	}
	if in, err = in.With(ctx, nil, ops...); err != nil {
		return err
	}
	if len(c.Language) > 0 {
		if in, err = c.ofLanguage(in); err != nil {
			return err
		}
	}
	what, err := corpus.Explore(ctx, in, ranges...)
	if err != nil {
		return err
	}
	if report.WhatIf, err = what.WhatIf(); err != nil {
		return err
	}
	if c.Out != "" {
		if err := what.Kept().Export(ctx, c.Out, corpus.ExportConfig{}); err != nil {
			return err
		}
	}
	report.Seconds = time.Since(start).Seconds()
	return printReport(report)
}

// judges returns the operators that judge documents and the ranges of their columns that are kept.
func (c *corpusCleanCmd) judges() ([]corpus.Operator, []corpus.Range, error) {
	rules, err := c.rules()
	if err != nil {
		return nil, nil, err
	}
	language, err := languageLabels(c.LanguageModel)
	if err != nil {
		return nil, nil, err
	}
	ops, ranges := []corpus.Operator{rules, language}, rules.Ranges()
	if c.Contam != "" {
		index, err := contam.Open(c.Contam)
		if err != nil {
			return nil, nil, err
		}
		ops, ranges = append(ops, index), append(ranges, corpus.Range{Column: "contam.keep", Min: 1, Max: math.Inf(1)})
	}
	return ops, ranges, nil
}

// rules returns the sets of rules with the ranges that were asked for.
func (c *corpusCleanCmd) rules() (rules clean.Rules, err error) {
	sets := map[string]func() clean.Rules{"gopher": clean.Gopher, "repetition": clean.GopherRepetition, "c4": clean.C4, "fineweb": clean.FineWeb, "chinese": clean.Chinese}
	for _, name := range c.Rules {
		rules = append(rules, sets[name]()...)
	}
	for name, text := range c.Range {
		k := slices.IndexFunc(rules, func(r clean.Rule) bool { return r.Name == name })
		if k < 0 {
			return nil, fmt.Errorf("quire corpus clean: --range: no rule %q in %s", name, strings.Join(c.Rules, ", "))
		}
		lo, hi, ok := strings.Cut(text, ":")
		low, high := math.Inf(-1), math.Inf(1)
		if lo != "" {
			low, err = strconv.ParseFloat(lo, 64)
		}
		if hi != "" && err == nil {
			high, err = strconv.ParseFloat(hi, 64)
		}
		if !ok || err != nil {
			return nil, fmt.Errorf("quire corpus clean: --range %s=%s: want MIN:MAX, MIN: or :MAX", name, text)
		}
		rules[k] = rules[k].With(low, high)
	}
	return rules, nil
}

// languageLabels tells languages by a fastText model, or by the built-in classifier where none is named.
func languageLabels(model string) (clean.Labels, error) {
	labels := clean.Labels{Name: "language", Best: clean.Language}
	if model == "" {
		return labels, nil
	}
	m, err := fasttext.Open(model)
	if err != nil {
		return labels, err
	}
	labels.Best = func(text string) (string, float64) {
		label, p := m.Best(text)
		return strings.TrimPrefix(label, "__label__"), p
	}
	return labels, nil
}

// ofLanguage returns the documents of the languages that are wanted.
func (c *corpusCleanCmd) ofLanguage(in *corpus.Corpus) (*corpus.Corpus, error) {
	name, score := in.Schema().FieldIndices("language")[0], in.Schema().FieldIndices("language_score")[0]
	return in.WhereRow(func(b corpus.Batch, i int) bool {
		row := b.Row(i)
		return slices.Contains(c.Language, b.Record.Column(name).(*array.String).Value(row)) &&
			float64(b.Record.Column(score).(*array.Float32).Value(row)) >= c.LanguageScore
	})
}

// change returns what is done to texts before they are judged, nil for nothing.
func (c *corpusCleanCmd) change() func(string) string {
	var steps []func(string) string
	if c.Repair {
		steps = append(steps, clean.Repair, clean.NFC)
	}
	switch c.Lines {
	case "content":
		steps = append(steps, clean.ContentLines)
	case "c4":
		steps = append(steps, clean.C4Lines)
	}
	if c.Mask {
		steps = append(steps, clean.Mask)
	}
	if steps == nil {
		return nil
	}
	return func(text string) string {
		for _, step := range steps {
			text = step(text)
		}
		return text
	}
}
