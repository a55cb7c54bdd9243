package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"quire/lib/contam"
	"quire/lib/corpus"
)

// prose is a text that all rules keep, in words of its own for each k.
func prose(k uint64) string {
	rng := rand.New(rand.NewPCG(k, 1))
	words := strings.Fields("fox horse sailor child lawyer miller river window letter garden winter mountain paper silver doctor village evening market summer forest captain music teacher bridge")
	pick := func() string { return words[rng.IntN(len(words))] }
	var text strings.Builder
	for range 12 {
		fmt.Fprintf(&text, "The %s of the %s that we have seen with a %s goes to the %s, and the %s will never be %s enough for it.\n", pick(), pick(), pick(), pick(), pick(), pick())
	}
	return text.String()
}

// writeLines writes texts as JSON lines.
func writeLines(t *testing.T, path string, texts ...string) {
	t.Helper()
	var out strings.Builder
	for i, text := range texts {
		line, err := json.Marshal(map[string]string{"id": fmt.Sprint(i), "text": text})
		if err != nil {
			t.Fatal(err)
		}
		out.Write(append(line, '\n'))
	}
	if err := os.WriteFile(path, []byte(out.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// readIDs returns the identifiers and texts of a corpus file.
func readIDs(t *testing.T, path string) (ids, texts []string) {
	t.Helper()
	for d, err := range corpus.Read(t.Context(), corpus.Fields{}, path) {
		if err != nil {
			t.Fatal(err)
		}
		ids, texts = append(ids, strings.Clone(d.ID)), append(texts, strings.Clone(d.Text))
	}
	return ids, texts
}

func TestCorpusClean(t *testing.T) {
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in.jsonl"), filepath.Join(dir, "out.jsonl")
	writeLines(t, in, prose(1), "too short", prose(2), strings.Repeat("again and again\n", 60), strings.Repeat("Все люди рождаются свободными и равными в своем достоинстве. ", 20), prose(3))
	index, err := contam.New(contam.GPT3(), slices.Values([]contam.Item{{Set: "exam", ID: "1", Text: strings.Join(strings.Fields(prose(3))[:60], " ")}}))
	if err != nil {
		t.Fatal(err)
	}
	if err := index.Save(filepath.Join(dir, "exam.idx")); err != nil {
		t.Fatal(err)
	}
	clean := corpusCleanCmd{corpusInput: corpusInput{Files: []string{in}}, Out: out, Rules: []string{"gopher", "c4"}, Language: []string{"en"}, LanguageScore: 0.5,
		Repair: true, Lines: "none", Contam: filepath.Join(dir, "exam.idx")}
	r := capture(t, func() error { return clean.Run(t.Context()) })
	if r["input_documents"] != 6.0 || r["documents"] != 5.0 || r["kept"].(map[string]any)["documents"] != 2.0 {
		t.Errorf("report %v", r)
	}
	dropped := map[string]any{}
	for _, rule := range r["rules"].([]any) {
		rule := rule.(map[string]any)
		dropped[rule["rule"].(string)] = rule["dropped"]
	}
	if dropped["gopher.words"] != 1.0 || dropped["contam.keep"] != 1.0 || dropped["c4.sentences"] != 2.0 {
		t.Errorf("dropped %v", dropped)
	}
	if ids, _ := readIDs(t, out); !slices.Equal(ids, []string{"0", "2"}) {
		t.Errorf("kept %v", ids)
	}

	clean = corpusCleanCmd{corpusInput: corpusInput{Files: []string{in}}, Rules: []string{"gopher"}, Range: map[string]string{"gopher.words": "2:", "gopher.stop_words": ":"}}
	if r := capture(t, func() error { return clean.Run(t.Context()) }); r["kept"].(map[string]any)["documents"] != 6.0 {
		t.Errorf("with other ranges: %v", r)
	}
	for _, bad := range []map[string]string{{"no.rule": "1:2"}, {"gopher.words": "1"}, {"gopher.words": "a:b"}} {
		clean.Range = bad
		if err := clean.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "--range") {
			t.Errorf("%v: %v", bad, err)
		}
	}
}

func TestCorpusDedup(t *testing.T) {
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in.jsonl"), filepath.Join(dir, "out.arrow")
	near := strings.Replace(prose(1), "never", "hardly ever", 1)
	writeLines(t, in, prose(1), prose(2), prose(1), near, "A line.\n"+prose(3), "A line.\n")
	dedup := corpusDedupCmd{corpusInput: corpusInput{Files: []string{in}}, Out: out, Method: []string{"exact", "minhash", "lines"}, Settings: "datatrove",
		Keep: "longest", Index: filepath.Join(dir, "seen")}
	r := capture(t, func() error { return dedup.Run(t.Context()) })
	methods := r["methods"].([]any)
	for i, want := range []float64{1, 1, 1} {
		if m := methods[i].(map[string]any); m["dropped"] != want {
			t.Errorf("%v, want %v dropped", m, want)
		}
	}
	if m := methods[2].(map[string]any); m["cut_bytes"] != 8.0 {
		t.Errorf("lines: %v", m)
	}
	ids, texts := readIDs(t, out)
	if !slices.Equal(ids, []string{"1", "3", "4"}) || texts[1] != near {
		t.Errorf("kept %q", ids) // the longest of 0, 2 and 3 is 3
	}

	// what was seen is dropped the next time
	writeLines(t, in, prose(2), prose(9))
	dedup.Method = []string{"exact", "minhash"}
	capture(t, func() error { return dedup.Run(t.Context()) })
	if ids, _ := readIDs(t, out); !slices.Equal(ids, []string{"1"}) {
		t.Errorf("the second time, kept %q", ids)
	}
	writeLines(t, in, prose(4))
	dedup.Method, dedup.MinBytes = []string{"substrings"}, 100
	capture(t, func() error { return dedup.Run(t.Context()) })
	writeLines(t, in, "New words. "+prose(4)+"More of them.")
	capture(t, func() error { return dedup.Run(t.Context()) })
	if _, texts := readIDs(t, out); !slices.Equal(texts, []string{"New words. More of them."}) {
		t.Errorf("of what an index of substrings has, %q is left", texts)
	}
	dedup.Method = []string{"exact", "minhash"}
	dedup.Index, dedup.Keep = "", "no such column"
	if err := dedup.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "--keep") {
		t.Errorf("%v", err)
	}
}

func TestCorpusExtract(t *testing.T) {
	dir := t.TempDir()
	pages := filepath.Join(dir, "pages")
	if err := os.Mkdir(pages, 0o755); err != nil {
		t.Fatal(err)
	}
	article := "<p>" + strings.ReplaceAll(strings.TrimSpace(prose(1)), "\n", "</p>\n<p>") + "</p>"
	for name, page := range map[string]string{
		"a.html": "<!doctype html><html><head><title>The market</title></head><body><nav><a href=/>Home</a> <a href=/x>More</a></nav><article>" + article + "</article></body></html>",
		"b.html": "<html><body></body></html>",
		"c.txt":  "1 < 2, and no markup.",
	} {
		if err := os.WriteFile(filepath.Join(pages, name), []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	extract := corpusExtractCmd{corpusInput: corpusInput{Files: []string{pages}}, Out: filepath.Join(dir, "out.jsonl")}
	r := capture(t, func() error { return extract.Run(t.Context()) })
	if r["pages"] != 3.0 || r["documents"] != 2.0 || r["plain"] != 1.0 || r["empty"] != 1.0 {
		t.Errorf("report %v", r)
	}
	data, err := os.ReadFile(extract.Out)
	if err != nil {
		t.Fatal(err)
	}
	if s := string(data); !strings.Contains(s, `"title":"The market"`) || !strings.Contains(s, "that we have seen") || strings.Contains(s, "Home") || !strings.Contains(s, "1 < 2, and no markup.") {
		t.Errorf("extracted %s", s)
	}
}
