// Package datasets says what is known of the data sets that Quire can read, one folder a set: where it comes from, its licence, its
// files with sizes and SHA-256, how it is split, and a loader of its published formats.
//
//	datasets/gosrc, arith     made here, from the Go toolchain and from arithmetic: nothing to download
//	datasets/wanjuan, c4, fineweb, wikitext, tinystories           texts           → corpus.Document
//	datasets/gsm8k, humaneval                                       problems        → their own types
//	datasets/mmlu, ceval, cmmlu, hellaswag                          multiple choice → Question
//	datasets/alpaca                                                 instructions    → chat.Conversation
//
// Loaders take the paths of files that the user has (see [corpus.Read] for patterns, archives and compression) and yield records one
// by one; a bad record is yielded as an error that names its place, and the walk goes on.
//
// Invariant: nothing is downloaded. [File.Verify] tells whether a file is the one that was published; [Sums] reads the publisher's digests
// of sets in thousands of files.
//
// Deliberately absent: prompts, few-shot examples and scoring, which belong to evaluation; packing, which belongs to training.
package datasets

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"iter"
	"os"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/zeebo/xxh3"

	"quire/lib/corpus"
	"quire/lib/show"
)

// Card is what is known of a data set.
type Card struct {
	Name      string
	Title     string
	Homepage  string
	Licence   string // SPDX where there is an identifier
	Languages []string
	Source    string // authors, year, arXiv
	Splits    string // the rule by which records are divided
	Files     []File
}

// File is one published file.
type File struct {
	Name    string
	URL     string
	Split   string
	Bytes   int64
	SHA256  string
	Records int
}

// Verify errors unless the file at path is the published one.
func (f File) Verify(path string) error {
	r, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("datasets: %w", err)
	}
	defer r.Close()
	h := sha256.New()
	n, err := io.Copy(h, r)
	if err != nil {
		return fmt.Errorf("datasets: %s: %w", path, err)
	}
	have := hex.EncodeToString(h.Sum(nil))
	switch {
	case f.Bytes > 0 && n != f.Bytes:
		return fmt.Errorf("datasets: %s has %d bytes, %s was published with %d: download it again", path, n, f.Name, f.Bytes)
	case f.SHA256 == "":
		return fmt.Errorf("datasets: %s: no SHA-256 of %s is known; this file's is %s", path, f.Name, have)
	case have != f.SHA256:
		return fmt.Errorf("datasets: %s has SHA-256 %s, %s was published with %s: download it again", path, have, f.Name, f.SHA256)
	}
	return nil
}

// MIMEBundle shows the card with its files.
func (c Card) MIMEBundle() map[string]any {
	var b strings.Builder
	fmt.Fprintf(&b, "**%s** (%s)\n\n%s\n\n- licence: %s\n- languages: %s\n- split: %s\n- %s\n", c.Title, c.Name, c.Source, c.Licence,
		strings.Join(c.Languages, ", "), c.Splits, c.Homepage)
	if len(c.Files) > 0 {
		b.WriteString("\n| file | split | bytes | records | SHA-256 |\n|---|---|---:|---:|---|\n")
		for _, f := range c.Files {
			fmt.Fprintf(&b, "| %s | %s | %d | %d | %.12s |\n", f.Name, f.Split, f.Bytes, f.Records, f.SHA256)
		}
	}
	return show.Markdown(b.String()).MIMEBundle()
}

// Split is the split of a record of the sets that are made here, by the hash of a key: "train" (90 %), "valid" (5 %) or "test" (5 %).
func Split(key string) string {
	switch h := xxh3.HashString(key) % 100; {
	case h < 90:
		return "train"
	case h < 95:
		return "valid"
	}
	return "test"
}

// Question is a question with answers to choose among.
type Question struct {
	ID      string
	Subject string
	Text    string // what stands before the choices
	Choices []string
	Answer  int // index of the right choice; −1 where the publisher withholds it
}

// Record is one record of a file: the document that corpus.Read makes of it, and its other fields.
type Record[T any] struct {
	corpus.Document
	Fields T
}

// Records reads records in any format that corpus.Read knows. text names the field that becomes Document.Text; T has the others by
// their JSON names. Strings of a record are its own.
func Records[T any](ctx context.Context, text string, patterns ...string) iter.Seq2[Record[T], error] {
	return func(yield func(Record[T], error) bool) {
		for d, err := range corpus.Read(ctx, corpus.Fields{Text: text}, patterns...) {
			r := Record[T]{Document: corpus.Document{ID: strings.Clone(d.ID), Text: strings.Clone(d.Text), Source: strings.Clone(d.Source)}}
			if err == nil && d.Meta != "" {
				if uerr := json.Unmarshal([]byte(d.Meta), &r.Fields); uerr != nil {
					err = fmt.Errorf("datasets: %s: %w", d.Source, uerr)
				}
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

// Map turns records into what a loader yields; an error of f is yielded with the record's place.
func Map[T, U any](records iter.Seq2[Record[T], error], f func(Record[T]) (U, error)) iter.Seq2[U, error] {
	return func(yield func(U, error) bool) {
		for r, err := range records {
			var u U
			if err == nil {
				if u, err = f(r); err != nil {
					err = fmt.Errorf("datasets: %s: %w", r.Source, err)
				}
			}
			if !yield(u, err) {
				return
			}
		}
	}
}

// Letter is the index of an answer that is written as a letter, A first; −1 for an empty one.
func Letter(s string) (int, error) {
	s = strings.TrimSpace(s)
	switch {
	case s == "":
		return -1, nil
	case len(s) == 1 && s[0] >= 'A' && s[0] <= 'Z':
		return int(s[0] - 'A'), nil
	}
	return 0, fmt.Errorf("answer %q is not a letter from A", s)
}
