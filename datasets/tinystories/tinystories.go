// Package tinystories reads TinyStories: short stories in the words of a small child, written by GPT-3.5 and GPT-4.
package tinystories

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"quire/datasets"
	"quire/lib/corpus"
)

// Card describes the set.
var Card = datasets.Card{
	Name: "tinystories", Title: "TinyStories", Homepage: "https://huggingface.co/datasets/roneneldan/TinyStories", Licence: "CDLA-Sharing-1.0",
	Languages: []string{"en"}, Source: "Eldan, Li 2023, arXiv:2305.07759", Splits: "as published: train 2,119,719, validation 21,990",
	// SHA-256: the hub's object ids of this revision, as projects that read the set pin them (UOR-Foundation/uor-r4 the first of these).
	Files: []datasets.File{
		{Name: "TinyStoriesV2-GPT4-train.txt", Split: "train", Bytes: 2227753162, SHA256: "6418d412de72888f52b5142c761ac21a582f7d1166f0bfbdb5f03ccfdec90443", URL: hub + "TinyStoriesV2-GPT4-train.txt"},
		{Name: "TinyStoriesV2-GPT4-valid.txt", Split: "validation", Bytes: 22502601, SHA256: "6874bae9a4c1a4e7edcf0e53b86c17817e9cf881fc75ff2368da457b80c0585d", URL: hub + "TinyStoriesV2-GPT4-valid.txt"},
		{Name: "TinyStories-train.txt", Split: "train", Bytes: 1924281556, SHA256: "c5cf5e22ff13614e830afbe61a99fbcbe8bcb7dd72252b989fa1117a368d401f", URL: hub + "TinyStories-train.txt"},
		{Name: "TinyStories-valid.txt", Split: "validation", Bytes: 19447282, SHA256: "94e431816c4cce81ff71e4408ff8d3bda9a42e8d2663986697c3954288cb38b4", URL: hub + "TinyStories-valid.txt"},
		{Name: "TinyStories_all_data.tar.gz", Split: "all", Bytes: 1608001638, SHA256: "26cf7605aca15bc4ea6fa637256400d9d01317b28ed296172b2d1dd160cd7699", URL: hub + "TinyStories_all_data.tar.gz"},
	},
}

const hub = "https://huggingface.co/datasets/roneneldan/TinyStories/resolve/f54c09fd23315a6f9c86f9dc80f725de7d8f9c64/"

const separator = "<|endoftext|>"

// maxStory bounds what is read before a separator must come.
const maxStory = 4 << 20

// Read reads stories: text files with <|endoftext|> between them, or the columns "text" (Parquet) and "story" (the JSON archives).
func Read(ctx context.Context, patterns ...string) iter.Seq2[corpus.Document, error] {
	return func(yield func(corpus.Document, error) bool) {
		names, err := corpus.Glob(patterns...)
		if err != nil {
			yield(corpus.Document{}, err)
			return
		}
		for _, name := range names {
			read := stories
			switch filepath.Ext(name) {
			case ".json", ".gz", ".jsonl":
				read = table("story")
			case ".parquet":
				read = table("text")
			}
			for d, err := range read(ctx, name) {
				if !yield(d, err) {
					return
				}
			}
		}
	}
}

func table(field string) func(context.Context, string) iter.Seq2[corpus.Document, error] {
	return func(ctx context.Context, name string) iter.Seq2[corpus.Document, error] {
		return corpus.Read(ctx, corpus.Fields{Text: field}, name)
	}
}

func stories(ctx context.Context, name string) iter.Seq2[corpus.Document, error] {
	return func(yield func(corpus.Document, error) bool) {
		f, err := os.Open(name)
		if err != nil {
			yield(corpus.Document{}, fmt.Errorf("tinystories: %w", err))
			return
		}
		defer f.Close()
		s := bufio.NewScanner(f)
		s.Buffer(nil, maxStory)
		s.Split(split)
		for n := 1; s.Scan(); {
			if err := ctx.Err(); err != nil {
				yield(corpus.Document{}, err)
				return
			}
			text := strings.TrimSpace(s.Text())
			if text == "" {
				continue
			}
			place := name + ":" + strconv.Itoa(n)
			if !yield(corpus.Document{ID: place, Text: text, Source: place}, nil) {
				return
			}
			n++
		}
		if err := s.Err(); err != nil {
			yield(corpus.Document{}, fmt.Errorf("tinystories: %s: %w (stories end with %s)", name, err, separator))
		}
	}
}

func split(data []byte, atEOF bool) (advance int, token []byte, err error) {
	if i := bytes.Index(data, []byte(separator)); i >= 0 {
		return i + len(separator), data[:i], nil
	}
	if atEOF && len(data) > 0 {
		return len(data), data, nil
	}
	return 0, nil, nil
}
