// Package ceval reads C-Eval: Chinese four-choice questions of 52 subjects.
package ceval

import (
	"context"
	"fmt"
	"iter"
	"path/filepath"
	"strings"

	"quire/datasets"
)

// Card describes the set.
var Card = datasets.Card{
	Name: "ceval", Title: "C-Eval", Homepage: "https://github.com/hkust-nlp/ceval", Licence: "CC-BY-NC-SA-4.0", Languages: []string{"zh"},
	Source: "Huang et al. 2023, arXiv:2305.08322", Splits: "as published: dev 260 (five a subject, with explanations), val 1,346, test 12,342 without answers",
	// Size and SHA-256 of the archive of this revision are those that HuanYn/EvoMind pins (scripts/evomind_chinese_eval.py), and those of
	// the Git LFS pointer in the copy azz1990/myTest on the same hub (commit afac1360); other revisions hold other archives, or none.
	Files: []datasets.File{{Name: "ceval-exam.zip", Split: "all", Bytes: 1548171, SHA256: "68786deeea68ff089c56563ee48fab8160da857b77b913437bb504d681fd8e20",
		URL: "https://huggingface.co/datasets/ceval/ceval-exam/resolve/3923b519fd180e689d0961bf3a032ece929742f3/ceval-exam.zip"}},
}

// Read reads the CSV files of the unpacked archive (dev/accountant_dev.csv …), or the same columns as JSON lines or Parquet. The
// subject is in the file's name.
func Read(ctx context.Context, patterns ...string) iter.Seq2[datasets.Question, error] {
	return Questions(ctx, "question", patterns...)
}

// Questions reads files in the form of C-Eval's: a question in the column text, choices A to D, the letter of the answer, which may be
// withheld.
func Questions(ctx context.Context, text string, patterns ...string) iter.Seq2[datasets.Question, error] {
	type fields struct {
		A      string `json:"A"`
		B      string `json:"B"`
		C      string `json:"C"`
		D      string `json:"D"`
		Answer string `json:"answer,case:ignore"`
	}
	return datasets.Map(datasets.Records[fields](ctx, text, patterns...), func(r datasets.Record[fields]) (datasets.Question, error) {
		subject := Subject(r.Source)
		id := subject + "/" + r.ID
		if r.ID == "" {
			id = r.Source
		}
		q := datasets.Question{ID: id, Subject: subject, Text: r.Text, Choices: []string{r.Fields.A, r.Fields.B, r.Fields.C, r.Fields.D}}
		var err error
		if q.Answer, err = datasets.Letter(r.Fields.Answer); err == nil && q.Answer > 3 {
			err = fmt.Errorf("answer %q of 4 choices", r.Fields.Answer)
		}
		return q, err
	})
}

// Subject is the subject in a place such as "val/accountant_val.csv:7".
func Subject(source string) string {
	base := filepath.Base(source)
	if i := strings.IndexByte(base, '.'); i >= 0 {
		base = base[:i]
	}
	for _, split := range []string{"_dev", "_val", "_test"} {
		base = strings.TrimSuffix(base, split)
	}
	return base
}
