package train

import (
	"context"
	"go/build"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"quire/lib/corpus/shard"
	"quire/lib/model"
	"quire/lib/token"
)

// goSource is a real corpus that every machine with Go has: the files of a few packages, and a tokenizer of 512 tokens learned from them.
var goSource = sync.OnceValues(func() (c struct {
	texts []string
	tok   *token.Tokenizer
}, err error) {
	for _, pkg := range []string{"strings", "bytes", "sort", "strconv", "errors", "bufio", "path/filepath"} {
		files, err := filepath.Glob(filepath.Join(build.Default.GOROOT, "src", filepath.FromSlash(pkg), "*.go"))
		if err != nil {
			return c, err
		}
		for _, f := range files {
			data, err := os.ReadFile(f)
			if err != nil {
				return c, err
			}
			c.texts = append(c.texts, string(data))
		}
	}
	c.tok, err = token.TrainBPE(context.Background(), slices.Values(c.texts[:40]), token.TrainConfig{VocabSize: 512})
	return c, err
})

// tinyModel has 2 layers and about 100,000 parameters.
func tinyModel() model.Config {
	c := model.Depth(2)
	c.HiddenSize, c.IntermediateSize, c.NumHeads, c.NumKVHeads, c.HeadDim = 64, 128, 4, 2, 16
	c.VocabSize, c.MaxSeqLen = 512, 128
	return c
}

// tiny is a run of a tiny model on Go source, in two sources.
func tiny(t testing.TB, steps int) Config {
	t.Helper()
	corpus, err := goSource()
	if err != nil {
		t.Skipf("no Go source to train on: %v", err)
	}
	dir := t.TempDir()
	tok := filepath.Join(dir, "tokenizer.model")
	if err := corpus.tok.WriteModel(tok); err != nil {
		t.Fatal(err)
	}
	c := DefaultConfig(tinyModel(), steps)
	c.Dir, c.Tokenizer = filepath.Join(dir, "run"), tok
	c.BOS, c.EOS = c.Model.BOS, c.Model.EOS
	c.SeqLen, c.Rows, c.MicroRows, c.HoldOut, c.Shuffle = 64, 8, 8, 0.1, 50
	c.Schedule.LR, c.Schedule.MinLR = 3e-3, 3e-4
	c.EvalEvery, c.EvalTokens, c.SaveEvery = 0, 4096, 0
	for _, name := range []string{"code", "test"} {
		path := filepath.Join(dir, name+".tok")
		w, err := shard.Create(path, shard.Options{VocabSize: 512})
		if err != nil {
			t.Fatal(err)
		}
		for i, text := range corpus.texts {
			if strings.Contains(text, "import \"testing\"") || strings.Contains(text, "\t\"testing\"") != (name == "test") {
				continue
			}
			ids, err := corpus.tok.Encode(text[:min(len(text), 20000)], token.Options{})
			if err == nil {
				err = w.Append(string(rune('a'+i%26))+string(rune('a'+i/26)), ids)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		c.Data = append(c.Data, Source{Name: name, Language: "go", Shards: []string{path}, Weight: 1})
	}
	return c
}
