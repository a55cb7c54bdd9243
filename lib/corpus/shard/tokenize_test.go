package shard

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"quire/lib/corpus"
	"quire/lib/token"
)

// sample is a corpus of n documents in several chunks, some of them left out, and a tokenizer trained on them.
func sample(t testing.TB, n int) (*corpus.Corpus, *token.Tokenizer, []corpus.Document) {
	t.Helper()
	var parts []*corpus.Corpus
	for part := range 3 {
		path := filepath.Join(t.TempDir(), fmt.Sprintf("%d.arrow", part))
		w, err := corpus.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		for i := range n {
			text := strings.Repeat(fmt.Sprintf("the %d-th document of part %d. ", i, part), i%50)
			if err := w.Append(corpus.Document{ID: fmt.Sprintf("%d/%d", part, i), Text: text}); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		c, err := corpus.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		parts = append(parts, c)
	}
	all, err := corpus.Concat(parts...)
	if err != nil {
		t.Fatal(err)
	}
	all, err = all.Where(func(d corpus.Document) bool { return !strings.HasSuffix(d.ID, "7") })
	if err != nil {
		t.Fatal(err)
	}
	var docs []corpus.Document
	for d, err := range all.Docs() {
		if err != nil {
			t.Fatal(err)
		}
		docs = append(docs, d)
	}
	tok, err := token.TrainBytes(t.Context(), slices.Values([]string{docs[40].Text}), token.TrainConfig{VocabSize: 300})
	if err != nil {
		t.Fatal(err)
	}
	return all, tok, docs
}

func files(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if all[e.Name()], err = os.ReadFile(filepath.Join(dir, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func sameFiles(t *testing.T, got, want map[string][]byte) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%d files, want %d", len(got), len(want))
	}
	for name := range want {
		if !bytes.Equal(got[name], want[name]) {
			t.Errorf("%s differs: %d bytes, want %d", name, len(got[name]), len(want[name]))
		}
	}
}

func TestTokenize(t *testing.T) {
	c, tok, docs := sample(t, 300)
	dir := t.TempDir()
	cfg := TokenizeConfig{ShardTokens: 20_000, Before: []uint32{1}, After: []uint32{2, 3}, Workers: 1, Meta: map[string]string{"corpus": "sample"}}
	shards, err := Tokenize(t.Context(), dir, c, tok, cfg)
	if err != nil {
		t.Fatal(err)
	}
	i := 0
	for _, s := range shards {
		defer s.Close()
		for d := range s.Docs() {
			ids, err := tok.Encode(docs[i].Text, token.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if want := slices.Concat([]uint32{1}, ids, []uint32{2, 3}); !slices.Equal(s.Append(nil, d), want) || s.ID(d) != docs[i].ID {
				t.Fatalf("document %d (%s) differs from %s", i, s.ID(d), docs[i].ID)
			}
			i++
		}
		if s.Width() != 2 || s.Meta()["corpus"] != "sample" {
			t.Errorf("width %d, meta %v", s.Width(), s.Meta())
		}
	}
	if i != len(docs) || len(shards) < 3 {
		t.Fatalf("%d documents of %d in %d shards", i, len(docs), len(shards))
	}

	want := files(t, dir)
	for _, workers := range []int{2, 5} {
		cfg.Workers = workers
		other := t.TempDir()
		if _, err := Tokenize(t.Context(), other, c, tok, cfg); err != nil {
			t.Fatal(err)
		}
		sameFiles(t, files(t, other), want)
	}
}

// TestTokenizeResumes cuts runs off, by cancellation and by taking files away, and compares what they make in the end.
func TestTokenizeResumes(t *testing.T) {
	c, tok, _ := sample(t, 300)
	cfg := TokenizeConfig{ShardTokens: 20_000}
	whole := t.TempDir()
	if _, err := Tokenize(t.Context(), whole, c, tok, cfg); err != nil {
		t.Fatal(err)
	}
	want := files(t, whole)

	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	cut := cfg
	cut.Workers = 1
	cut.Progress = func(docs, total int, tokens int64) {
		if total != c.NumDocs() || docs > total {
			t.Errorf("progress: %d of %d", docs, total)
		}
		cancel()
	}
	if _, err := Tokenize(ctx, dir, c, tok, cut); err == nil {
		t.Fatal("a cancelled run gives no error")
	}
	for name := range files(t, dir) {
		if strings.Contains(name, ".part-") {
			t.Errorf("left behind: %s", name)
		}
	}
	if _, err := Tokenize(t.Context(), dir, c, tok, cfg); err != nil {
		t.Fatal(err)
	}
	sameFiles(t, files(t, dir), want)

	// A killed process leaves an unfinished file; a corpus that grew has a last shard with room in it.
	names := slices.Sorted(func(yield func(string) bool) {
		for name := range want {
			if !yield(name) {
				return
			}
		}
	})
	last := filepath.Join(dir, names[len(names)-1])
	if err := os.Rename(last, last+".part-123"); err != nil {
		t.Fatal(err)
	}
	if _, err := Tokenize(t.Context(), dir, c, tok, cfg); err != nil {
		t.Fatal(err)
	}
	sameFiles(t, files(t, dir), want)
	small := t.TempDir()
	for _, part := range []*corpus.Corpus{c.Head(500), c} {
		if _, err := Tokenize(t.Context(), small, part, tok, cfg); err != nil {
			t.Fatal(err)
		}
	}
	sameFiles(t, files(t, small), want)

	for want, run := range map[string]func() error{
		"another tokenizer or configuration": func() error {
			_, err := Tokenize(t.Context(), dir, c, tok, TokenizeConfig{ShardTokens: 20_000, After: []uint32{1}})
			return err
		},
		"more documents than the corpus": func() error {
			_, err := Tokenize(t.Context(), dir, c.Head(10), tok, cfg)
			return err
		},
		`holds document "0/0" where the corpus has "0/1"`: func() error {
			other, err := c.Where(func(d corpus.Document) bool { return d.ID != "0/0" })
			if err != nil {
				return err
			}
			_, err = Tokenize(t.Context(), dir, other, tok, cfg)
			return err
		},
	} {
		if err := run(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, error %v", want, err)
		}
	}
}

func TestTokenizeNothing(t *testing.T) {
	c, tok, _ := sample(t, 50)
	shards, err := Tokenize(t.Context(), t.TempDir(), c.Head(0), tok, TokenizeConfig{})
	if err != nil || len(shards) != 1 || shards[0].Docs() != 0 {
		t.Errorf("%d shards, error %v", len(shards), err)
	}
}

// BenchmarkTokenize makes shards of English and Chinese with InternLM's tokenizer; MB/s are of text.
func BenchmarkTokenize(b *testing.B) {
	model := sharedFile(b, "data/tokenizers/internlm/tokenizer_internlm2.model")
	tok, err := token.Load(model)
	if err != nil {
		b.Fatal(err)
	}
	c, im, err := corpus.Build(b.Context(), filepath.Join(b.TempDir(), "c.arrow"), corpus.Fields{},
		sharedFile(b, "data/text/paul-graham"), sharedFile(b, "data/text/four-classic-novels"))
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	var tokens int64
	b.SetBytes(im.Bytes)
	for n := 0; b.Loop(); n++ {
		shards, err := Tokenize(b.Context(), filepath.Join(b.TempDir(), fmt.Sprint(n)), c, tok, TokenizeConfig{})
		if err != nil {
			b.Fatal(err)
		}
		for _, s := range shards {
			tokens += s.Tokens()
			s.Close()
		}
	}
	b.ReportMetric(float64(tokens)/b.Elapsed().Seconds()/1e6, "Mtok/s")
}

// sharedFile finds a file of the shared folder beside the module.
func sharedFile(tb testing.TB, name string) string {
	tb.Helper()
	for dir := "."; ; dir = filepath.Join("..", dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			path := filepath.Join(dir, "..", "shared", name)
			if _, err := os.Stat(path); err != nil {
				tb.Skipf("no ../shared/%s", name)
			}
			return path
		} else if len(dir) > 60 {
			tb.Skip("no go.mod above the package")
		}
	}
}
