package kerneltest

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"quire/kernel/notebook"
)

// expectation is what the outputs of a notebook must say, beyond that no cell fails.
type expectation struct {
	cell    string // part of its source
	mime    string // text/plain, "stream" for what it printed
	pattern string // with a group for a number, if it must lie between low and high
	low     float64
	high    float64
}

// notebookMeaning holds on the slowest machine too: the notebooks train for a number of steps, however long it takes.
var notebookMeaning = map[string][]expectation{
	"00_lifecycle.ipynb": {
		{cell: "plan.Measure", mime: "text/plain", pattern: `internlm2, 4 layers, hidden 256`},
		{cell: "track.SetBackend", mime: "stream", pattern: `(\d+) steps of 2048 tokens`, low: 150, high: 1e5},
		{cell: "gosrc.Documents", mime: "stream", pattern: `(\d+) documents to learn from`, low: 500, high: 12000},
		{cell: "rules.Judge", mime: "text/plain", pattern: `repetition\.`},
		{cell: "show.Funnel", mime: "stream", pattern: `(\d+) of \d+ documents are left`, low: 500, high: 12000},
		{cell: "show.Funnel", mime: "image/svg+xml", pattern: `no exam question`},
		{cell: "token.TrainBPE", mime: "text/plain", pattern: `InternLM2's size`},
		{cell: "run.Chart()", mime: "image/svg+xml", pattern: `<svg`},
		{cell: "parses(sample string)", mime: "stream", pattern: `parsed at first 0 %, at best (\d+) %`, low: 1, high: 100},
		{cell: "run.Evaluate", mime: "stream", pattern: `it fell by ([\d.]+)`, low: 3, high: 8},
		{cell: "run.Evaluate", mime: "stream", pattern: `held-out text: ([\d.]+) bits per byte`, low: 0.5, high: 3.2},
		{cell: "quant.Quantize", mime: "text/plain", pattern: `Q4_0, rtn`},
		{cell: "reports[2].Chart()", mime: "image/svg+xml", pattern: `<svg`},
		{cell: "grammar.JSONSchema", mime: "stream", pattern: `(\d+) of 20 answers fit the schema`, low: 20, high: 20},
		{cell: "engine.Score", mime: "text/plain", pattern: `n-grams of the same text`},
		{cell: "planned and measured", mime: "text/plain", pattern: `milliseconds a training step`},
		{cell: "planned and measured", mime: "text/plain", pattern: `MB in use while it trains +(\d+)`, low: 100, high: 1000},
		{cell: "shard.Nearest", mime: "text/plain", pattern: `made by run 1, corpus gosrc`},
		{cell: "store.Card", mime: "text/html", pattern: `download="report-card.html" href="data:text/html;base64,`},
		{cell: "store.Card", mime: "text/plain", pattern: `Lines of Go: (\d+)`, low: 10000, high: 1e6},
		{cell: "store.Card", mime: "stream", pattern: `this notebook: (\d+) s`, low: 1, high: 1e5},
	},
	"01_corpus.ipynb": {
		{cell: "corpus.Build(ctx", mime: "stream", pattern: `(\d+) pages, 0 bad records`, low: 9, high: 9},
		{cell: "clean.MainText", mime: "stream", pattern: `(\d+) of 9 pages have a main text`, low: 6, high: 9},
		{cell: "rules.Judge(shop.Text)", mime: "text/plain", pattern: `gopher\.words`},
		{cell: "explore.WhatIf()", mime: "stream", pattern: `the chosen ones (\d+) of`, low: 500, high: 5000},
		{cell: "dedup.MinHash(", mime: "stream", pattern: `documents, (\d+) without exact copies`, low: 400, high: 5000},
		{cell: "dedup.DataTrove().P", mime: "image/svg+xml", pattern: `<svg`},
		{cell: "contam.New", mime: "stream", pattern: `60 posts that quote one, (\d+) of them found`, low: 60, high: 60},
		{cell: "show.Funnel", mime: "image/svg+xml", pattern: `no exam question`},
		{cell: "shard.Tokenize", mime: "stream", pattern: `([\d.]+) bytes a token`, low: 1.8, high: 6},
		{cell: "stream.Restore(state)", mime: "text/plain", pattern: `^true$`},
		{cell: "corpus.DatasheetConfig", mime: "text/plain", pattern: `Go, cleaned: (\d+) documents`, low: 300, high: 5000},
		{cell: "clean.FindPII", mime: "stream", pattern: `email  jane\.doe@example\.com`},
	},
	"02_pretrain.ipynb": {
		{cell: "gosrc.Documents", mime: "stream", pattern: `(\d+) documents`, low: 200, high: 20000},
		{cell: "shard.Create", mime: "stream", pattern: `([\d.]+) million tokens`, low: 0.2, high: 100},
		{cell: "model.Depth(layers)", mime: "stream", pattern: `([\d.]+) million parameters`, low: 0.5, high: 8},
		{cell: "run.Chart()", mime: "image/svg+xml", pattern: `<svg`},
		{cell: "go/parser", mime: "image/svg+xml", pattern: `<svg`},
		{cell: "parser.ParseFile", mime: "stream", pattern: `drawn (\d+) times: `, low: 1, high: 1e4},
		{cell: "run.Wait(cell.Context())", mime: "stream", pattern: `it fell by ([\d.]+)`, low: 2, high: 8}, // ln 2048 is 7.6: the untrained loss
		{cell: "run.Wait(cell.Context())", mime: "text/plain", pattern: `finished: .* step=(\d+)`, low: 150, high: 1e6},
		{cell: "gzip.BestCompression", mime: "stream", pattern: `gzip ([\d.]+)`, low: 1, high: 4},
		{cell: "clean.TrainNGram", mime: "stream", pattern: `n-gram of \d+ tokens: ([\d.]+)`, low: 1, high: 6},
		{cell: "clean.TrainNGram", mime: "stream", pattern: `the model: ([\d.]+) bits per byte`, low: 0.5, high: 4.2}, // untrained: 4.9
		{cell: "clean.TrainNGram", mime: "stream", pattern: `it (?:beats|loses to) gzip by`},
		{cell: "os.RemoveAll(dir)", mime: "stream", pattern: `model/model\.safetensors`},
	},
	"03_tensors.ipynb": {
		{cell: "Act: tensor.ActReLU", mime: "text/plain", pattern: `^\[0 3 34 25\.5\]$`},
		{cell: "attempt(func()", mime: "stream", pattern: `tensor: MatMul: out F32 \[2 2\], a F32 \[2 3\], b F32 \[2 3\]`},
		{cell: "What a type costs", mime: "image/svg+xml", pattern: `<svg`},
		{cell: "probe.Probe", mime: "stream", pattern: `reading memory, GB/s +([\d.]+)`, low: 0, high: 1e5},
		{cell: "Roofline of this machine", mime: "image/svg+xml", pattern: `<svg`},
		{cell: "slices.Equal(all.Index(2).F32()", mime: "text/plain", pattern: `^true$`},
		{cell: "b.SoftmaxGrad", mime: "stream", pattern: `by difference -0\.400[89]\d, by the backward pass -0\.40090`},
		{cell: "ref.Backend", mime: "stream", pattern: `softmax 2: fast 0\.687\d+, by definition 0\.687`},
	},
	"04_infer.ipynb": {
		{cell: "gosrc.Documents", mime: "stream", pattern: `doc comments of (\d+) packages`, low: 100, high: 1e5},
		{cell: "checkpoint.SaveGGUF", mime: "stream", pattern: `BF16 +\d+ KB +perplexity +([\d.]+)`, low: 5, high: 1000},
		{cell: "checkpoint.SaveGGUF", mime: "stream", pattern: `Q4_0 +\d+ KB +perplexity +([\d.]+)`, low: 5, high: 1000},
		{cell: "What quantising costs", mime: "image/svg+xml", pattern: `<svg`},
		{cell: "grammar.JSONSchema", mime: "stream", pattern: `(\d+) of 8 answers are valid`, low: 8, high: 8},
		{cell: "session.Fork()", mime: "stream", pattern: `both ways on from it together (\d+)`, low: 60, high: 150},
		{cell: "Beams: 4", mime: "stream", pattern: `(?m)^-\d`},
	},
}

// notebookParams shorten what a person would wait for.
var notebookParams = map[string][]string{
	"00_lifecycle.ipynb": {"seconds=100"},
	"02_pretrain.ipynb":  {"minutes=0.1", "megabytes=5", "vocabulary=2048", "layers=2"},
	"04_infer.ipynb":     {"steps=40"},
}

// Every notebook of the project runs from a fresh kernel, and its outputs mean what its text says.
func TestNotebooks(t *testing.T) {
	if testing.Short() {
		t.Skip("runs every notebook: run without -short")
	}
	root, err := filepath.Abs("../..") // where README's commands are given
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(root, "notebooks", "*.ipynb"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no notebooks: %v", err)
	}
	b := quireBinary(t)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			want, known := notebookMeaning[filepath.Base(file)]
			if !known {
				t.Fatal("no expectations: add what its outputs must say to notebookMeaning")
			}
			out := filepath.Join(t.TempDir(), "out.ipynb")
			args := []string{"run", file, "-o", out}
			for _, p := range notebookParams[filepath.Base(file)] {
				args = append(args, "--param", p)
			}
			cmd := exec.Command(b.path, args...)
			cmd.Dir = root
			if text, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			data, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			nb, err := notebook.Read(data)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range want {
				e.check(t, nb)
			}
		})
	}
}

func (e expectation) check(t *testing.T, nb *notebook.Notebook) {
	t.Helper()
	var text strings.Builder
	for _, c := range nb.Cells {
		if c.Type != "code" || !strings.Contains(c.Source, e.cell) {
			continue
		}
		for _, o := range c.Outputs {
			if o.Type == "stream" && e.mime == "stream" {
				text.WriteString(o.Text)
			} else if s, ok := o.Data[e.mime].(string); ok {
				text.WriteString(s)
			}
		}
	}
	m := regexp.MustCompile(e.pattern).FindStringSubmatch(text.String())
	if m == nil {
		t.Errorf("the cell with %q shows no %s with %s, but %.300q", e.cell, e.mime, e.pattern, text.String())
		return
	}
	if len(m) > 1 {
		if v, err := strconv.ParseFloat(m[1], 64); err != nil || v < e.low || v > e.high {
			t.Errorf("the cell with %q: %s is not between %g and %g", e.cell, m[0], e.low, e.high)
		}
	}
}

// Notebooks are stored without outputs, which the report holds, and each ends with something to try.
func TestNotebooksAreStoredBare(t *testing.T) {
	files, _ := filepath.Glob("../../notebooks/*.ipynb")
	for _, file := range files {
		nb, err := notebook.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(nb.Cells, func(c *notebook.Cell) bool { return c.Type == "markdown" && strings.Contains(c.Source, "## Try this") }) {
			t.Errorf("%s: nothing to try", filepath.Base(file))
		}
		for i, c := range nb.Cells {
			if len(c.Outputs) > 0 || c.Count != 0 {
				t.Errorf("%s: cell %d has outputs", filepath.Base(file), i)
			}
		}
	}
}
