package token

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// shared finds a file of ../shared/data relative to the module's root, or skips the test by the file's name.
func shared(t testing.TB, name string) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			path := filepath.Join(dir, "..", "shared", "data", name)
			if _, err := os.Stat(path); err != nil {
				t.Skipf("shared/data/%s is not there", name)
			}
			return path
		}
	}
	t.Skip("no go.mod above the working directory")
	return ""
}

func load(t testing.TB, name string) *Tokenizer {
	t.Helper()
	if tok, ok := loaded[name]; ok {
		return tok
	}
	tok, err := Load(shared(t, name))
	if err != nil {
		t.Fatal(err)
	}
	loaded[name] = tok
	return tok
}

var loaded = map[string]*Tokenizer{}

type goldenFile struct {
	VocabSize int `json:"vocab_size"`
	Items     []struct {
		Text         string   `json:"text"`
		IDs          []uint32 `json:"ids"`
		DecodedEqual bool     `json:"decoded_equal"`
		Decoded      string   `json:"decoded"`
	} `json:"items"`
}

// goldenModels pairs each file of golden ids with the model that made it.
var goldenModels = map[string]string{
	"internlm.json":             "tokenizers/internlm/tokenizer_internlm.model",
	"internlm2.json":            "tokenizers/internlm/tokenizer_internlm2.model",
	"llama2.json":               "tokenizers/llama2/tokenizer.model",
	"tiktoken-cl100k_base.json": "tokenizers/tiktoken/cl100k_base.tiktoken",
	"tiktoken-o200k_base.json":  "tokenizers/tiktoken/o200k_base.tiktoken",
	"tiktoken-gpt2.json":        "tokenizers/gpt2",
}

func readGolden(t testing.TB, name string) goldenFile {
	t.Helper()
	data, err := os.ReadFile(shared(t, "tokenizers/golden/"+name))
	if err != nil {
		t.Fatal(err)
	}
	var g goldenFile
	if err := json.Unmarshal(data, &g); err != nil {
		t.Fatal(err)
	}
	if len(g.Items) == 0 {
		t.Fatalf("%s has no items", name)
	}
	return g
}

func TestGolden(t *testing.T) {
	for file, model := range goldenModels {
		t.Run(file, func(t *testing.T) {
			tok, g := load(t, model), readGolden(t, file)
			if g.VocabSize != 0 && tok.VocabSize() != g.VocabSize {
				t.Errorf("VocabSize %d, want %d", tok.VocabSize(), g.VocabSize)
			}
			for _, it := range g.Items {
				for range 2 { // the second time from the cache
					ids, err := tok.Encode(it.Text, Options{})
					if err != nil {
						t.Fatal(err)
					}
					if !slices.Equal(ids, it.IDs) {
						t.Errorf("%.60q: ids %v, want %v", it.Text, head(ids), head(it.IDs))
					}
				}
				want := it.Decoded
				if it.DecodedEqual {
					want = it.Text
				}
				if got := tok.Decode(it.IDs); got != want {
					t.Errorf("%.60q: decoded %.80q, want %.80q", it.Text, got, want)
				}
				ids, spans, err := tok.EncodeSpans(it.Text, Options{})
				if err != nil || !slices.Equal(ids, it.IDs) || len(spans) != len(ids) {
					t.Errorf("%.60q: EncodeSpans differs from Encode (%v)", it.Text, err)
				}
			}
		})
	}
}

func head(ids []uint32) []uint32 { return ids[:min(len(ids), 24)] }
