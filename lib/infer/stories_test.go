package infer

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"quire/lib/model"
	"quire/lib/token"
	"quire/simd"
)

// storiesDir is the folder of the stories260K model beside the project, or skips by name.
func storiesDir(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above the test")
		}
		dir = filepath.Dir(dir)
	}
	stories := filepath.Join(filepath.Dir(dir), "shared", "data", "weights", "stories260K")
	if _, err := os.Stat(stories); err != nil {
		t.Skip("shared/data/weights/stories260K is missing")
	}
	return stories
}

func openStories(t testing.TB, file string, cfg Config) *Engine {
	t.Helper()
	e, err := Open(filepath.Join(storiesDir(t), "gguf", file), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

// perplexity scores texts as the golden files do: each after its BOS, all tokens weighed alike.
func perplexity(t testing.TB, e *Engine, texts []string) float64 {
	t.Helper()
	var pairs []Pair
	for _, text := range texts {
		ids, err := e.Tokenizer().Encode(text, token.Options{Template: true})
		if err != nil {
			t.Fatal(err)
		}
		pairs = append(pairs, Pair{ids[:1], ids[1:min(len(ids), 513)]})
	}
	scores, err := e.Score(t.Context(), pairs)
	if err != nil {
		t.Fatal(err)
	}
	sum, n := 0.0, 0
	for _, s := range scores {
		sum += s.Sum
		n += len(s.LogProbs)
	}
	return math.Exp(-sum / float64(n))
}

// TestStoriesPerplexity: every file of the same weights has the perplexity that an independent implementation computed from the dequantised weights; products with blocks round activations to 8 bits,
// which may add 3 in a thousand.
func TestStoriesPerplexity(t *testing.T) {
	dir := storiesDir(t)
	data, err := os.ReadFile(filepath.Join(dir, "golden-pytorch", "texts.json"))
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	if err := json.Unmarshal(data, &texts); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]float64{"f32": 4.1456, "F16": 4.1455, "Q8_0": 4.1478, "Q5_1": 4.1870, "Q5_0": 4.2158, "Q4_1": 4.4129, "Q4_0": 4.4383} {
		e := openStories(t, "stories260K-"+file+".gguf", Config{MaxLen: 513}) // the files say 128
		got := perplexity(t, e, texts)
		t.Logf("%s: perplexity %.4f, golden %.4f", file, got, want)
		bound := 0.003
		if file == "f32" || file == "F16" {
			bound = 0.0001
		}
		if math.Abs(got/want-1) > bound {
			t.Errorf("%s: perplexity %.4f, golden %.4f", file, got, want)
		}
	}
}

// TestStoriesGreedy: the greedy text is llama.cpp's.
func TestStoriesGreedy(t *testing.T) {
	dir := storiesDir(t)
	golden, err := os.ReadFile(filepath.Join(dir, "gguf", "greedy_n100_f32.txt"))
	if err != nil {
		t.Fatal(err)
	}
	want := strings.TrimSpace(string(golden))
	for _, file := range []string{"f32", "F16"} {
		e := openStories(t, "stories260K-"+file+".gguf", Config{})
		got := complete(t, e, Request{Prompt: "Once upon a time", MaxTokens: 100})[0]
		if text := "Once upon a time" + got.Text; !strings.HasPrefix(text, want) {
			t.Errorf("%s: %q, llama.cpp wrote %q", file, text, want)
		}
	}
}

// TestStoriesGreedyOfEveryFormat: the numbers of every quantised file write the 60 tokens that an independent implementation wrote with them. So does the file itself, whose products round activations
// to 8 bits, or it goes its own way where two tokens are so near to each other that this rounding decides.
func TestStoriesGreedyOfEveryFormat(t *testing.T) {
	dir := storiesDir(t)
	data, err := os.ReadFile(filepath.Join(dir, "gguf", "dequant_reference.json"))
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Results map[string]struct {
			IDs []uint32 `json:"greedy60_ids"`
		}
	}
	if err := json.Unmarshal(data, &golden); err != nil {
		t.Fatal(err)
	}
	exact := 0
	for _, name := range []string{"f32", "F16", "Q8_0", "Q5_1", "Q5_0", "Q4_1", "Q4_0"} {
		want := golden.Results[name].IDs
		if len(want) != 61 {
			t.Fatalf("%s: %d golden ids: want 61", name, len(want))
		}
		file := "stories260K-" + name + ".gguf"
		r := Request{IDs: want[:1], MaxTokens: 60}
		c, w := dequantized(t, filepath.Join(dir, "gguf", file))
		m, err := model.New(simd.Default(), c, w)
		if err != nil {
			t.Fatal(err)
		}
		plain, err := New(m, nil, Config{})
		if err != nil {
			t.Fatal(err)
		}
		defer plain.Close()
		if got := complete(t, plain, r)[0].IDs(); !slices.Equal(got, want[1:]) {
			t.Errorf("%s, dequantised: %v, golden %v", name, got, want[1:])
		}
		e := openStories(t, file, Config{})
		got, same := complete(t, e, r)[0].IDs(), 0
		for same < len(got) && got[same] == want[same+1] {
			same++
		}
		if same == 60 {
			exact++
			continue
		}
		scores, err := plain.Score(t.Context(), []Pair{{want[:same+1], got[same : same+1]}, {want[:same+1], want[same+1 : same+2]}})
		if err != nil {
			t.Fatal(err)
		}
		if gap := scores[1].Sum - scores[0].Sum; gap > 0.05 {
			t.Errorf("%s: token %d is %d, golden %d, which is more likely by %.3f", name, same, got[same], want[same+1], gap)
		}
	}
	if exact < 4 {
		t.Errorf("%d of 7 files write their golden text whole: want at least 4", exact)
	}
}

// TestText: streamed text is the decoded text whole; stop strings end it and are left out, wherever tokens cut them.
func TestText(t *testing.T) {
	e := openStories(t, "stories260K-f32.gguf", Config{})
	whole := complete(t, e, Request{Prompt: "Once upon a time", MaxTokens: 60})[0]
	if want := e.Tokenizer().Decode(whole.IDs()); strings.TrimSpace(whole.Text) != strings.TrimSpace(want) {
		t.Errorf("streamed %q, decoded %q", whole.Text, want)
	}
	for _, stop := range []string{"Lily", "ily. She l", " to play", "e", "red ball"} {
		got := complete(t, e, Request{Prompt: "Once upon a time", MaxTokens: 60, Stop: []string{"no such text", stop}})[0]
		want := whole.Text[:strings.Index(whole.Text, stop)]
		if got.Text != want || got.Finish != Stop {
			t.Errorf("stop %q: text %q, finish %q; want %q", stop, got.Text, got.Finish, want)
		}
	}
}
