// Package gsm8k reads GSM8K: grade-school word problems whose solutions end in "#### number" and mark each calculation as <<48/2=24>>.
package gsm8k

import (
	"context"
	"fmt"
	"iter"
	"regexp"
	"strings"

	"quire/datasets"
)

// Card describes the set.
var Card = datasets.Card{
	Name: "gsm8k", Title: "GSM8K", Homepage: "https://github.com/openai/grade-school-math", Licence: "MIT", Languages: []string{"en"},
	Source: "Cobbe et al. 2021, arXiv:2110.14168", Splits: "as published: train 7,473, test 1,319",
	Files: []datasets.File{
		{Name: "train.jsonl", Split: "train", Bytes: 4166206, Records: 7473, SHA256: "17f347dc51477c50d4efb83959dbb7c56297aba886e5544ee2aaed3024813465",
			URL: "https://raw.githubusercontent.com/openai/grade-school-math/master/grade_school_math/data/train.jsonl"},
		{Name: "test.jsonl", Split: "test", Bytes: 749738, Records: 1319, SHA256: "3730d312f6e3440559ace48831e51066acaca737f6eabec99bccb9e4b3c39d14",
			URL: "https://raw.githubusercontent.com/openai/grade-school-math/master/grade_school_math/data/test.jsonl"},
	},
}

// Problem is one word problem.
type Problem struct {
	Question string
	Solution string // the steps as written, calculator marks and final line included
	Answer   string // the final number without commas
}

// Read reads the published JSON lines, or the same columns as Parquet.
func Read(ctx context.Context, patterns ...string) iter.Seq2[Problem, error] {
	type fields struct {
		Answer string `json:"answer"`
	}
	return datasets.Map(datasets.Records[fields](ctx, "question", patterns...), func(r datasets.Record[fields]) (Problem, error) {
		p := Problem{Question: r.Text, Solution: r.Fields.Answer}
		var ok bool
		if p.Answer, ok = Answer(p.Solution); !ok {
			return p, fmt.Errorf("the answer has no line \"#### number\": %.60q", p.Solution)
		}
		return p, nil
	})
}

// The pattern of the published grader.
var final = regexp.MustCompile(`#### (-?[0-9.,]+)`)

// Answer is the number after "####", commas removed, as the published grader takes it.
func Answer(solution string) (number string, ok bool) {
	m := final.FindStringSubmatch(solution)
	if m == nil {
		return "", false
	}
	return strings.ReplaceAll(m[1], ",", ""), true
}

var mark = regexp.MustCompile(`<<[^<>]*>>`)

// Plain is a solution without calculator marks.
func Plain(solution string) string { return mark.ReplaceAllString(solution, "") }
