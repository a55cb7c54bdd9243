package clean

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// twoCorpora returns documents of prose and of code from GOROOT.
func twoCorpora(t *testing.T) (prose, code []string) {
	read := func(glob string) (docs []string) {
		//lint:ignore SA1019 tests run beside the toolchain that built them
		files, _ := filepath.Glob(filepath.Join(runtime.GOROOT(), "src", glob))
		for _, f := range files {
			src, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			for text := string(src); len(text) > 1000; text = text[1000:] {
				docs = append(docs, text[:1000])
			}
		}
		if len(docs) < 200 {
			t.Skipf("no %s under GOROOT/src", glob)
		}
		return docs
	}
	return read("testdata/Isaac.Newton-Opticks.txt"), read("net/http/h*.go")
}

func TestQuality(t *testing.T) {
	prose, code := twoCorpora(t)
	even := func(docs []string, rest int) (out []string) {
		for i, d := range docs {
			if i%2 == rest {
				out = append(out, d)
			}
		}
		return out
	}
	q, err := TrainQuality(slices.Values(even(prose, 0)), slices.Values(even(code, 0)), DefaultQuality())
	if err != nil {
		t.Fatal(err)
	}
	right, all := 0, 0
	for _, d := range even(prose, 1) {
		if all++; q.Score(d) > 0.5 {
			right++
		}
	}
	for _, d := range even(code, 1) {
		if all++; q.Score(d) < 0.5 {
			right++
		}
	}
	t.Logf("%d of %d texts that it was not trained on", right, all)
	if right*100 < all*98 {
		t.Errorf("%d of %d", right, all)
	}
	if !math.IsNaN(q.Score(" \n")) {
		t.Error("a text without words has a score")
	}
	rule := q.Rule("quality", 0.5)
	if v := (Rules{rule}).Judge(prose[1]); v[0].Margin < 0 {
		t.Errorf("prose is dropped: %+v", v)
	}
	data, err := q.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	var again Quality
	if err := again.UnmarshalBinary(data); err != nil {
		t.Fatal(err)
	}
	if a, b := q.Score(prose[0]), again.Score(prose[0]); a != b {
		t.Errorf("%v before and %v after it was stored", a, b)
	}
	if err := again.UnmarshalBinary(data[:len(data)-3]); err == nil || !strings.Contains(err.Error(), "cut") {
		t.Errorf("a cut file: %v", err)
	}
	if _, err := TrainQuality(slices.Values(prose), slices.Values([]string{}), DefaultQuality()); err == nil {
		t.Error("trained without bad texts")
	}
}

func FuzzQuality(f *testing.F) {
	data, _ := (&Quality{weights: make([]float32, 4)}).MarshalBinary()
	f.Add(data, "some text")
	f.Fuzz(func(t *testing.T, data []byte, text string) {
		var q Quality
		if q.UnmarshalBinary(data) == nil {
			q.Score(text)
		}
	})
}

// The probabilities of all words and of one unknown word sum to 1, whatever the history.
func TestNGramIsADistribution(t *testing.T) {
	m, err := TrainNGram(slices.Values([]string{"a b a c a b", "b a a b c"}), 3)
	if err != nil {
		t.Fatal(err)
	}
	for _, history := range []string{"", "a", "a b", "c a", "b b", "zz", "a zz"} {
		sum := 0.0
		for _, w := range []string{"a", "b", "c", "unknown"} {
			var s Stats
			s.Measure(history + " " + w)
			sum += m.probability(&s, s.Words-1)
		}
		if math.Abs(sum-1) > 1e-12 {
			t.Errorf("behind %q: %v", history, sum)
		}
	}
	// Unigrams by hand: a 5, b 4, c 2 of 11; three types; p(a) = (5 + 3/4)/14.
	one, _ := TrainNGram(slices.Values([]string{"a b a c a b", "b a a b c"}), 1)
	if got, want := one.Perplexity("a"), 14/5.75; math.Abs(got-want) > 1e-9 {
		t.Errorf("perplexity of a: %v, want %v", got, want)
	}
}

func TestPerplexityTellsTextsApart(t *testing.T) {
	prose, code := twoCorpora(t)
	m, err := TrainNGram(slices.Values(prose[:200]), 3)
	if err != nil {
		t.Fatal(err)
	}
	shuffled := strings.Fields(prose[250])
	slices.Sort(shuffled)
	like, sorted, other := m.Perplexity(prose[250]), m.Perplexity(strings.Join(shuffled, " ")), m.Perplexity(code[250])
	t.Logf("unseen prose %.0f, its words sorted %.0f, code %.0f", like, sorted, other)
	if !(like < sorted && sorted < other) {
		t.Errorf("perplexities %.0f, %.0f, %.0f are not in order", like, sorted, other)
	}
	if seen := m.Perplexity(prose[100]); seen >= like {
		t.Errorf("a training text has %.0f, an unseen one %.0f", seen, like)
	}
	rule := m.Rule("perplexity", 2*like)
	for text, want := range map[string]bool{prose[250]: true, code[250]: false} {
		if got := rule.Keeps(rule.Value(&Stats{text: text})); got != want {
			t.Errorf("%.20q is kept: %v", text, got)
		}
	}
	if !math.IsNaN(m.Perplexity("")) {
		t.Error("the empty text has a perplexity")
	}
	for _, order := range []int{0, 7} {
		if _, err := TrainNGram(slices.Values(prose), order); err == nil || !strings.Contains(err.Error(), fmt.Sprint(order)) {
			t.Errorf("order %d: %v", order, err)
		}
	}
}
