package datasets_test

import (
	"iter"
	"path/filepath"
	"strings"
	"testing"

	"quire/datasets/alpaca"
	"quire/datasets/ceval"
	"quire/datasets/gsm8k"
	"quire/datasets/hellaswag"
	"quire/datasets/humaneval"
	"quire/datasets/mmlu"
	"quire/datasets/tinystories"
	"quire/datasets/wanjuan"
	"quire/datasets/wikitext"
)

// names of files, each for a reader.
var fuzzed = []string{"a.txt", "b.raw", "dev/c_dev.csv", "d.tar", "e.txt", "val/f_val.csv", "g.jsonl", "h.json", "i.jsonl", "j.jsonl"}

// Any bytes are records or errors that name their file, by every loader that reads more than corpus.Read does.
func FuzzLoaders(f *testing.F) {
	for i, seed := range []string{"Once.\n<|endoftext|>\n", " \n = T = \n \n x\n", "Q,1,2,3,4,B\n", "", "X: a\n0\n1\n2\n3\n4\n", "id,question,A,B,C,D,answer\n0,q,1,2,3,4,A\n",
		`{"question":"q","answer":"#### 1"}`, `[{"instruction":"a","output":"b"}]`, `{"task_id":"a","prompt":"p","entry_point":"e","test":"t"}`, `{"id":"e","q_main":"1","option_a":"1","option_b":"2","std_ans":"B"}`} {
		f.Add(i, []byte(seed))
	}
	f.Fuzz(func(t *testing.T, which int, data []byte) {
		which = int(uint(which) % uint(len(fuzzed)))
		path := write(t, t.TempDir(), fuzzed[which], string(data))
		errs := []func() []error{
			func() []error { return errorsOf(tinystories.Read(ctx, path)) },
			func() []error { return errorsOf(wikitext.Read(ctx, path)) },
			func() []error { return errorsOf(mmlu.Read(ctx, "", path)) },
			func() []error { return errorsOf(mmlu.Read(ctx, "", path)) },
			func() []error { return errorsOf(hellaswag.ReadText(path)) },
			func() []error { return errorsOf(ceval.Read(ctx, path)) },
			func() []error { return errorsOf(gsm8k.Read(ctx, path)) },
			func() []error { return errorsOf(alpaca.Read(ctx, path)) },
			func() []error { return errorsOf(humaneval.Read(ctx, path)) },
			func() []error { return errorsOf(wanjuan.Exams(ctx, path)) },
		}[which]()
		for _, err := range errs {
			if !strings.Contains(err.Error(), filepath.Base(path)) && which != 3 { // errors in an archive name its members
				t.Errorf("%v", err)
			}
		}
	})
}

func errorsOf[T any](seq iter.Seq2[T, error]) (errs []error) {
	for _, err := range seq {
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}
