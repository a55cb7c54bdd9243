// Package mmlu reads MMLU: four-choice questions of 57 subjects.
package mmlu

import (
	"archive/tar"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path"
	"path/filepath"
	"strings"

	"quire/datasets"
	"quire/lib/corpus"
)

// Card describes the set.
var Card = datasets.Card{
	Name: "mmlu", Title: "Massive Multitask Language Understanding", Homepage: "https://github.com/hendrycks/test", Licence: "MIT",
	Languages: []string{"en"}, Source: "Hendrycks et al. 2021, arXiv:2009.03300",
	Splits: "as published: dev 285 (five a subject, for few-shot prompts), val 1,531, test 14,042, auxiliary_train 99,842",
	Files: []datasets.File{{Name: "data.tar", Split: "all", Bytes: 166184960, SHA256: "bec563ba4bac1d6aaf04141cd7d1605d7a5ca833e38f994051e818489592989b",
		URL: "https://people.eecs.berkeley.edu/~hendrycks/data.tar"}},
}

// Read reads the questions of one split ("dev", "val", "test", "auxiliary_train"; "" for all): from data.tar, from the folder that it
// unpacks to, from single CSV files of it, or from the Parquet files of cais/mmlu.
func Read(ctx context.Context, split string, patterns ...string) iter.Seq2[datasets.Question, error] {
	return func(yield func(datasets.Question, error) bool) {
		names, err := corpus.Glob(patterns...)
		if err != nil {
			yield(datasets.Question{}, err)
			return
		}
		w := &walk{ctx: ctx, split: split, yield: yield}
		for _, name := range names {
			if err := w.file(name); err != nil {
				if !errors.Is(err, errStopped) {
					yield(datasets.Question{}, err)
				}
				return
			}
		}
	}
}

var errStopped = errors.New("stopped")

type walk struct {
	ctx   context.Context
	split string
	yield func(datasets.Question, error) bool
}

func (w *walk) file(name string) error {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".tar":
		return w.tar(name)
	case ".csv":
		f, err := os.Open(name)
		if err != nil {
			return w.emit(datasets.Question{}, fmt.Errorf("mmlu: %w", err))
		}
		defer f.Close()
		return w.csv(f, filepath.ToSlash(name))
	case ".parquet", ".jsonl", ".json":
		if w.split != "" && !strings.Contains(filepath.Base(name), strings.TrimPrefix(w.split, "auxiliary_")) {
			return nil
		}
		for q, err := range records(w.ctx, name) {
			if err := w.emit(q, err); err != nil {
				return err
			}
		}
	}
	return nil // README and possibly_contaminated_urls.txt lie beside the questions
}

func (w *walk) emit(q datasets.Question, err error) error {
	if cerr := w.ctx.Err(); cerr != nil {
		return cerr
	}
	if !w.yield(q, err) {
		return errStopped
	}
	return nil
}

func (w *walk) tar(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return w.emit(datasets.Question{}, fmt.Errorf("mmlu: %w", err))
	}
	defer f.Close()
	for t := tar.NewReader(f); ; {
		h, err := t.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return w.emit(datasets.Question{}, fmt.Errorf("mmlu: %s: %w", name, err))
		}
		if h.Typeflag == tar.TypeReg && path.Ext(h.Name) == ".csv" {
			if err := w.csv(t, h.Name); err != nil {
				return err
			}
		}
	}
}

// csv reads question, four choices and a letter, without header. The subject is in the name: test/abstract_algebra_test.csv.
func (w *walk) csv(r io.Reader, name string) error {
	base := strings.TrimSuffix(path.Base(name), ".csv")
	split := path.Base(path.Dir(name))
	subject := strings.TrimSuffix(base, "_"+split)
	if i := strings.LastIndexByte(base, '_'); subject == base && i > 0 { // a file taken out of its folder
		subject, split = base[:i], base[i+1:]
	}
	if w.split != "" && split != w.split {
		return nil
	}
	t := csv.NewReader(r)
	t.FieldsPerRecord, t.LazyQuotes = -1, true
	for n := 1; ; n++ {
		rec, err := t.Read()
		if err == io.EOF {
			return nil
		}
		q := datasets.Question{ID: fmt.Sprintf("%s/%s/%d", split, subject, n), Subject: subject}
		switch {
		case err == nil && len(rec) != 6:
			err = fmt.Errorf("mmlu: %s: record %d has %d fields, want question, 4 choices, letter", name, n, len(rec))
		case err == nil:
			q.Text, q.Choices = rec[0], rec[1:5]
			if q.Answer, err = datasets.Letter(rec[5]); err != nil {
				err = fmt.Errorf("mmlu: %s: record %d: %w", name, n, err)
			}
		default:
			err = fmt.Errorf("mmlu: %s: %w", name, err)
		}
		if err := w.emit(q, err); err != nil {
			return err
		}
	}
}

func records(ctx context.Context, name string) iter.Seq2[datasets.Question, error] {
	type fields struct {
		Subject string   `json:"subject"`
		Choices []string `json:"choices"`
		Answer  int      `json:"answer"`
	}
	return datasets.Map(datasets.Records[fields](ctx, "question", name), func(r datasets.Record[fields]) (datasets.Question, error) {
		q := datasets.Question{ID: r.ID, Subject: r.Fields.Subject, Text: r.Text, Choices: r.Fields.Choices, Answer: r.Fields.Answer}
		if len(q.Choices) != 4 || q.Answer < 0 || q.Answer > 3 {
			return q, fmt.Errorf("answer %d of %d choices, want one of 4", q.Answer, len(q.Choices))
		}
		return q, nil
	})
}
