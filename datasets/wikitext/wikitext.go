// Package wikitext reads WikiText-2 and WikiText-103: good articles of Wikipedia, one line a paragraph, headings between "=" signs.
package wikitext

import (
	"bufio"
	"context"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strings"

	"quire/datasets"
	"quire/lib/corpus"
)

// Card describes the set.
var Card = datasets.Card{
	Name: "wikitext", Title: "WikiText", Homepage: "https://blog.salesforceairesearch.com/the-wikitext-long-term-dependency-language-modeling-dataset/",
	Licence: "CC-BY-SA-4.0", Languages: []string{"en"}, Source: "Merity et al. 2016, arXiv:1609.07843",
	Splits: "as published: train, validation 60 articles, test 60 articles",
	Files: []datasets.File{
		{Name: "wikitext-2-raw-v1.zip", Split: "all", Bytes: 4721645, SHA256: "ef7edb566e3e2b2d31b29c1fdb0c89a4cc683597484c3dc2517919c615435a11"},
		{Name: "wikitext-103-raw-v1.zip", Split: "all", Bytes: 191984949, SHA256: "91c00ae287f0d699e18605c84afc9e45c192bc6b7797ff8837e5474655a33794"},
		{Name: "wikitext-2-v1.zip", Split: "all", Bytes: 4475746, SHA256: "92675f1d63015c1c8b51f1656a52d5bdbc33aafa60cc47a218a66e7ee817488c"},
		{Name: "wikitext-103-v1.zip", Split: "all", Bytes: 190229076, SHA256: "242ba0f20b329cfdf1ccc61e9e9e5b59becf189db7f7a81cd2a0e2fc31539590"},
	},
}

// Read reads articles: from the unpacked wiki.*.raw and wiki.*.tokens files, or from Parquet, whose rows are lines. The ID is the
// article's title; the text keeps its headings and its spaces before punctuation as published.
func Read(ctx context.Context, patterns ...string) iter.Seq2[corpus.Document, error] {
	return func(yield func(corpus.Document, error) bool) {
		names, err := corpus.Glob(patterns...)
		if err != nil {
			yield(corpus.Document{}, err)
			return
		}
		for _, name := range names {
			if !articles(lines(ctx, name), name, yield) {
				return
			}
		}
	}
}

// articles groups lines: an article begins at a heading of the first level that follows an empty line.
func articles(lines iter.Seq2[string, error], name string, yield func(corpus.Document, error) bool) bool {
	var title string
	var b strings.Builder
	afterEmpty := true
	flush := func() bool {
		text := strings.Trim(b.String(), "\n")
		b.Reset()
		return strings.TrimSpace(text) == "" || yield(corpus.Document{ID: title, Text: text, Source: name}, nil)
	}
	for line, err := range lines {
		if err != nil {
			return yield(corpus.Document{}, err)
		}
		trimmed := strings.TrimSpace(line)
		if t, ok := Title(trimmed); ok && afterEmpty {
			if !flush() {
				return false
			}
			title = t
		}
		afterEmpty = trimmed == ""
		b.WriteString(strings.TrimRight(line, "\n"))
		b.WriteByte('\n')
	}
	return flush()
}

// Title is the title in a line such as "= Valkyria Chronicles III =", but not in "= = Gameplay = =".
func Title(line string) (title string, ok bool) {
	inner, ok := strings.CutPrefix(line, "= ")
	if !ok {
		return "", false
	}
	inner, ok = strings.CutSuffix(inner, " =")
	return inner, ok && !strings.HasPrefix(inner, "= ") && inner != ""
}

func lines(ctx context.Context, name string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		if ext := filepath.Ext(name); ext == ".parquet" || ext == ".jsonl" || ext == ".arrow" {
			for d, err := range corpus.Read(ctx, corpus.Fields{Text: "text"}, name) {
				if !yield(d.Text, err) {
					return
				}
			}
			return
		}
		f, err := os.Open(name)
		if err != nil {
			yield("", fmt.Errorf("wikitext: %w", err))
			return
		}
		defer f.Close()
		s := bufio.NewScanner(f)
		s.Buffer(nil, 16<<20)
		for s.Scan() {
			if err := ctx.Err(); err != nil {
				yield("", err)
				return
			}
			if !yield(s.Text(), nil) {
				return
			}
		}
		if err := s.Err(); err != nil {
			yield("", fmt.Errorf("wikitext: %s: %w", name, err))
		}
	}
}
