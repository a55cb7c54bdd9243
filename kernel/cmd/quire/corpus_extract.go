package main

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"quire/lib/clean"
	"quire/lib/corpus"
)

// corpusExtractCmd makes text of web pages. A document that has no markup is text already and stays as it is.
type corpusExtractCmd struct {
	corpusInput
	Out string `short:"o" required:"" placeholder:"PATH" help:"Where to: .arrow, .jsonl, .jsonl.gz, .jsonl.zst or .parquet."`
}

// extractReport is what the command prints.
type extractReport struct {
	Output    string      `json:"output"`
	Pages     int64       `json:"pages"`
	Bytes     int64       `json:"bytes"`
	Documents int         `json:"documents"` // that have text
	TextBytes int64       `json:"text_bytes"`
	Plain     int64       `json:"plain"` // documents without markup
	Empty     int64       `json:"empty"` // pages without an article
	Seconds   float64     `json:"seconds"`
	Bad       *badRecords `json:"bad,omitempty"`
}

// Run implements kong's command.
func (c *corpusExtractCmd) Run(ctx context.Context) (err error) {
	start := time.Now()
	in, im, done, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	report := extractReport{Output: c.Out, Pages: int64(in.NumDocs()), Bad: badOf(im)}
	var plain, empty, size atomic.Int64
	out, removed, err := rewrite(ctx, in, func(b corpus.Batch, i int) (corpus.Document, bool) {
		d := b.Doc(i)
		size.Add(int64(len(d.Text)))
		if !hasMarkup(d.Text) {
			plain.Add(1)
			return d, true
		}
		title, text, ok := clean.MainText(d.Text)
		if !ok {
			empty.Add(1)
			return d, false
		}
		d.Text, d.Meta = text, withTitle(d.Meta, title)
		return d, true
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, removed()) }()
	if report.TextBytes, err = textBytes(out); err != nil {
		return err
	}
	if err := out.Export(ctx, c.Out, corpus.ExportConfig{}); err != nil {
		return err
	}
	report.Bytes, report.Plain, report.Empty, report.Documents = size.Load(), plain.Load(), empty.Load(), out.NumDocs()
	report.Seconds = time.Since(start).Seconds()
	return printReport(report)
}

// hasMarkup reports whether a text is a page: one of the elements that every page has begins in it.
func hasMarkup(text string) bool {
	for rest := text; ; {
		at := strings.IndexByte(rest, '<')
		if at < 0 {
			return false
		}
		rest = rest[at+1:]
		for _, name := range []string{"!doctype", "html", "head", "body", "div", "p>", "p ", "article", "title", "h1", "table"} {
			if len(rest) >= len(name) && strings.EqualFold(rest[:len(name)], name) {
				return true
			}
		}
	}
}

// withTitle returns a document's other fields with its title, where they have none.
func withTitle(meta, title string) string {
	if title == "" {
		return meta
	}
	fields := map[string]json.RawMessage{}
	if meta != "" && json.Unmarshal([]byte(meta), &fields) != nil || fields["title"] != nil {
		return meta
	}
	value, err := json.Marshal(title)
	if err != nil {
		return meta
	}
	fields["title"] = value
	out, err := json.Marshal(fields)
	if err != nil {
		return meta
	}
	return string(out)
}
