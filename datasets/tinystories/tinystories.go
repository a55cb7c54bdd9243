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
	Files: []datasets.File{
		{Name: "TinyStoriesV2-GPT4-train.txt", Split: "train", URL: "https://huggingface.co/datasets/roneneldan/TinyStories/resolve/main/TinyStoriesV2-GPT4-train.txt"},
		{Name: "TinyStoriesV2-GPT4-valid.txt", Split: "validation", URL: "https://huggingface.co/datasets/roneneldan/TinyStories/resolve/main/TinyStoriesV2-GPT4-valid.txt"},
	},
}

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
