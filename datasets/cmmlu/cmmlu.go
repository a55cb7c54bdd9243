// Package cmmlu reads CMMLU: Chinese four-choice questions of 67 subjects.
package cmmlu

import (
	"context"
	"iter"

	"quire/datasets"
	"quire/datasets/ceval"
)

// Card describes the set.
var Card = datasets.Card{
	Name: "cmmlu", Title: "CMMLU", Homepage: "https://github.com/haonan-li/CMMLU", Licence: "CC-BY-NC-SA-4.0", Languages: []string{"zh"},
	Source: "Li et al. 2023, arXiv:2306.09212", Splits: "as published: dev 335 (five a subject), test 11,582",
	// Revision ("v1.0.1" in the hub's history), size and SHA-256 are those that HuanYn/EvoMind pins (scripts/evomind_chinese_eval.py). The
	// hub redirects from here to lmlmcat/cmmlu, as the repository is called now.
	Files: []datasets.File{{Name: "cmmlu_v1_0_1.zip", Split: "all", Bytes: 1078656, SHA256: "22ecf70b28bef447ee7d8aa5fe144f56996762f901a8537b03b7693773c672a6",
		URL: "https://huggingface.co/datasets/haonan-li/cmmlu/resolve/efcc940752ea4a1ea94d2727f11f83858d64fc8e/cmmlu_v1_0_1.zip"}},
}

// Read reads the CSV files of the unpacked archive (test/agronomy.csv …), whose first column is a number without name. The subject is
// the file's name.
func Read(ctx context.Context, patterns ...string) iter.Seq2[datasets.Question, error] {
	return ceval.Questions(ctx, "Question", patterns...)
}
