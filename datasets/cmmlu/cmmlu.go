// Package cmmlu reads CMMLU: Chinese four-choice questions of 67 subjects.
package cmmlu

import (
	"context"
	"fmt"
	"iter"

	"quire/datasets"
	"quire/datasets/ceval"
)

// Card describes the set.
var Card = datasets.Card{
	Name: "cmmlu", Title: "CMMLU", Homepage: "https://github.com/haonan-li/CMMLU", Licence: "CC-BY-NC-SA-4.0", Languages: []string{"zh"},
	Source: "Li et al. 2023, arXiv:2306.09212", Splits: "as published: dev 335 (five a subject), test 11,582",
	Files: []datasets.File{{Name: "cmmlu_v1_0_1.zip", Split: "all", URL: "https://huggingface.co/datasets/haonan-li/cmmlu/resolve/main/cmmlu_v1_0_1.zip"}},
}

// Read reads the CSV files of the unpacked archive (test/agronomy.csv …), whose first column is a number without name. The subject is
// the file's name.
func Read(ctx context.Context, patterns ...string) iter.Seq2[datasets.Question, error] {
	type fields struct {
		A      string `json:"A"`
		B      string `json:"B"`
		C      string `json:"C"`
		D      string `json:"D"`
		Answer string `json:"Answer"`
	}
	return datasets.Map(datasets.Records[fields](ctx, "Question", patterns...), func(r datasets.Record[fields]) (datasets.Question, error) {
		q := datasets.Question{ID: r.Source, Subject: ceval.Subject(r.Source), Text: r.Text,
			Choices: []string{r.Fields.A, r.Fields.B, r.Fields.C, r.Fields.D}}
		var err error
		if q.Answer, err = datasets.Letter(r.Fields.Answer); err == nil && (q.Answer < 0 || q.Answer > 3) {
			err = fmt.Errorf("answer %q of 4 choices", r.Fields.Answer)
		}
		return q, err
	})
}
