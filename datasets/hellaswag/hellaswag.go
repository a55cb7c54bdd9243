// Package hellaswag reads HellaSwag: which of four endings continues a description.
package hellaswag

import (
	"bufio"
	"compress/bzip2"
	"context"
	"fmt"
	"io"
	"iter"
	"os"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"quire/datasets"
)

// Card describes the set.
var Card = datasets.Card{
	Name: "hellaswag", Title: "HellaSwag", Homepage: "https://rowanzellers.com/hellaswag", Licence: "MIT", Languages: []string{"en"},
	Source: "Zellers et al. 2019, arXiv:1905.07830", Splits: "as published: train 39,905, validation 10,042, test 10,003 without labels",
	Files: []datasets.File{
		{Name: "hellaswag_train.jsonl", Split: "train", Bytes: 47496131, Records: 39905, SHA256: "dae5e69249868cb9fe4e23ff925c60b66169564cfb7072d793cd7356a2b69f8d",
			URL: "https://github.com/rowanz/hellaswag/raw/master/data/hellaswag_train.jsonl"},
		{Name: "hellaswag_val.jsonl", Split: "validation", Bytes: 12246618, Records: 10042, SHA256: "0aa3b88843990f3f10a97b9575c94d7b71fb2205240ba04ae4884d9e9c992588",
			URL: "https://github.com/rowanz/hellaswag/raw/master/data/hellaswag_val.jsonl"},
		{Name: "hellaswag_test.jsonl", Split: "test", Bytes: 11752147, Records: 10003, SHA256: "da082b00543e422b8d25394614d102944586986def4de5cd1bd36d86bcb76261",
			URL: "https://github.com/rowanz/hellaswag/raw/master/data/hellaswag_test.jsonl"},
	},
}

// Read reads the published JSON lines, or the same columns as Parquet. Text is ctx as published, Subject the activity.
func Read(ctx context.Context, patterns ...string) iter.Seq2[datasets.Question, error] {
	type fields struct {
		Ind      jsontext.Value `json:"ind"`
		Activity string         `json:"activity_label"`
		Endings  []string       `json:"endings"`
		Label    jsontext.Value `json:"label"` // a number; in Parquet a string, empty where withheld
	}
	return datasets.Map(datasets.Records[fields](ctx, "ctx", patterns...), func(r datasets.Record[fields]) (datasets.Question, error) {
		q := datasets.Question{ID: string(r.Fields.Ind), Subject: r.Fields.Activity, Text: r.Text, Choices: r.Fields.Endings, Answer: -1}
		if label := strings.Trim(string(r.Fields.Label), `"`); label != "" && label != "null" {
			n, err := strconv.Atoi(label)
			if err != nil || n < 0 || n >= len(q.Choices) {
				return q, fmt.Errorf("label %s of %d endings", label, len(q.Choices))
			}
			q.Answer = n
		}
		if len(q.Choices) < 2 {
			return q, fmt.Errorf("%d endings", len(q.Choices))
		}
		return q, nil
	})
}

// ReadText reads the form that llama.cpp's perplexity tool takes, six lines a question: context with its activity in front, index of
// the right ending, four endings. A name that ends in .bz2 is compressed.
func ReadText(name string) iter.Seq2[datasets.Question, error] {
	return func(yield func(datasets.Question, error) bool) {
		f, err := os.Open(name)
		if err != nil {
			yield(datasets.Question{}, fmt.Errorf("hellaswag: %w", err))
			return
		}
		defer f.Close()
		var r io.Reader = f
		if strings.HasSuffix(name, ".bz2") {
			r = bzip2.NewReader(f)
		}
		lines := bufio.NewScanner(r)
		lines.Buffer(nil, 1<<20)
		var six []string
		for n := 1; lines.Scan(); n++ {
			if six = append(six, lines.Text()); len(six) < 6 {
				continue
			}
			q := datasets.Question{ID: strconv.Itoa(n / 6), Text: six[0], Choices: append([]string(nil), six[2:]...)}
			q.Subject, _, _ = strings.Cut(q.Text, ": ")
			q.Answer, err = strconv.Atoi(six[1])
			if err != nil || q.Answer < 0 || q.Answer > 3 {
				err = fmt.Errorf("hellaswag: %s:%d: the right ending is %q, want 0 to 3", name, n-4, six[1])
			}
			if !yield(q, err) {
				return
			}
			six = six[:0]
		}
		switch err := lines.Err(); {
		case err != nil:
			yield(datasets.Question{}, fmt.Errorf("hellaswag: %s: %w", name, err))
		case len(six) > 0:
			yield(datasets.Question{}, fmt.Errorf("hellaswag: %s ends with %d of a question's 6 lines", name, len(six)))
		}
	}
}
