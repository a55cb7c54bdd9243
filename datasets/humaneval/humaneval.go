// Package humaneval reads HumanEval: 164 Python functions to complete from signature and docstring, each with a test.
package humaneval

import (
	"context"
	"errors"
	"iter"

	"quire/datasets"
)

// Card describes the set.
var Card = datasets.Card{
	Name: "humaneval", Title: "HumanEval", Homepage: "https://github.com/openai/human-eval", Licence: "MIT", Languages: []string{"en", "python"},
	Source: "Chen et al. 2021, arXiv:2107.03374", Splits: "one: test 164",
	Files: []datasets.File{{Name: "HumanEval.jsonl.gz", Split: "test", Bytes: 44877, Records: 164,
		SHA256: "b796127e635a67f93fb35c04f4cb03cf06f38c8072ee7cee8833d7bee06979ef",
		URL:    "https://raw.githubusercontent.com/openai/human-eval/master/data/HumanEval.jsonl.gz"}},
}

// Task is one function to write.
type Task struct {
	ID         string // "HumanEval/0"
	Prompt     string // imports, signature, docstring
	EntryPoint string // name of the function
	Solution   string // a body that passes
	Test       string // defines check(candidate)
}

// Program is the Python program that exits without error when completion is right: prompt, completion, test and the call of check.
func (t Task) Program(completion string) string {
	return t.Prompt + completion + "\n" + t.Test + "\ncheck(" + t.EntryPoint + ")\n"
}

// Read reads the published JSON lines, or the same columns as Parquet.
func Read(ctx context.Context, patterns ...string) iter.Seq2[Task, error] {
	type fields struct {
		ID         string `json:"task_id"`
		EntryPoint string `json:"entry_point"`
		Solution   string `json:"canonical_solution"`
		Test       string `json:"test"`
	}
	return datasets.Map(datasets.Records[fields](ctx, "prompt", patterns...), func(r datasets.Record[fields]) (Task, error) {
		t := Task{r.Fields.ID, r.Text, r.Fields.EntryPoint, r.Fields.Solution, r.Fields.Test}
		if t.ID == "" || t.EntryPoint == "" || t.Test == "" {
			return t, errors.New("a record of HumanEval has task_id, prompt, entry_point and test")
		}
		return t, nil
	})
}
