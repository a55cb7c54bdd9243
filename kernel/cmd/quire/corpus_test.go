package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"quire/lib/corpus/shard"
	"quire/lib/token"
)

// capture runs a command and returns the report that it prints.
func capture(t *testing.T, run func() error) (report map[string]any) {
	t.Helper()
	stdout := os.Stdout
	defer func() { os.Stdout = stdout }()
	f, err := os.Create(filepath.Join(t.TempDir(), "report.json"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	os.Stdout = f
	if err := run(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(f.Name())
	if err == nil {
		err = json.Unmarshal(b, &report)
	}
	if err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	return report
}

// TestCorpusCommands takes documents through every format that has a command, and tokens back to what a tokenizer says.
func TestCorpusCommands(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	texts := []string{"the first document", "and the second"}
	lines := `{"id":"a","text":"the first document","lang":"en"}` + "\nbroken\n" + `{"id":"b","text":"and the second","lang":"en"}` + "\n"
	if err := os.WriteFile(at("in.jsonl"), []byte(lines), 0o644); err != nil {
		t.Fatal(err)
	}
	tok, err := token.TrainBytes(t.Context(), slices.Values(texts), token.TrainConfig{VocabSize: 260, Special: []string{"</s>"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := tok.WriteJSON(at("tokenizer.json")); err != nil {
		t.Fatal(err)
	}

	convert := func(in, out, model string) map[string]any {
		t.Helper()
		c := corpusConvertCmd{corpusInput: corpusInput{Files: []string{at(in)}}, Out: at(out)}
		if model != "" {
			c.Model = at(model)
		}
		return capture(t, func() error { return c.Run(t.Context()) })
	}
	r := convert("in.jsonl", "c.arrow", "")
	if bad, ok := r["bad"].(map[string]any); !ok || bad["count"] != 1.0 || r["documents"] != 2.0 || !strings.Contains(bad["first"].([]any)[0].(string), "in.jsonl:2: not JSON") {
		t.Errorf("report %v", r)
	}
	in := "c.arrow"
	for _, out := range []string{"c.jsonl.gz", "c.parquet", "c.jsonl.zst", "wanjuan", "d.arrow"} {
		if r := convert(in, out, ""); r["documents"] != 2.0 || r["bad"] != nil {
			t.Errorf("%s to %s: %v", in, out, r)
		}
		in = out
	}
	stats := corpusStatsCmd{corpusInput: corpusInput{Files: []string{at("d.arrow")}}, Model: at("tokenizer.json"), Part: "none"}
	r = capture(t, func() error { return stats.Run(t.Context()) })
	if r["documents"] != 2.0 || r["bytes"] != 32.0 || r["tokens"].(float64) < 2 || r["languages"].([]any)[0].(map[string]any)["name"] != "en" {
		t.Errorf("stats %v", r)
	}

	if err := os.WriteFile(at("texts.json"), []byte(`["It was the best of times, it was the worst of times.", "Es war einmal ein König, der hatte eine schöne Tochter."]`), 0o644); err != nil {
		t.Fatal(err)
	}
	bare := corpusStatsCmd{corpusInput: corpusInput{Files: []string{at("texts.json")}}, Part: "none"}
	if got := capture(t, func() error { return bare.Run(t.Context()) }); got["documents"] != 2.0 || got["bad"] != nil ||
		got["languages"].([]any)[0].(map[string]any)["name"] != "de" || got["languages"].([]any)[1].(map[string]any)["name"] != "en" {
		t.Errorf("stats of texts that do not say their languages: %v", got)
	}

	tokens := r["tokens"]
	convert("d.arrow", "shards", "tokenizer.json")
	convert("d.arrow", "d.bin", "tokenizer.json")
	convert("d.bin", "d.ds", "")
	if r := convert("d.ds", "d.tok", ""); r["tokens"] != tokens || r["documents"] != 2.0 {
		t.Errorf("tokens %v, want %v", r, tokens)
	}
	for _, path := range []string{at("d.tok"), filepath.Join(at("shards"), "00000.tok")} {
		s, err := shard.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		for i, text := range texts {
			if got := tok.Decode(s.Append(nil, i)); got != text {
				t.Errorf("%s: document %d is %q, want %q", path, i, got, text)
			}
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".quire") || strings.Contains(e.Name(), ".part-") {
			t.Errorf("left behind: %s", e.Name())
		}
	}
}
