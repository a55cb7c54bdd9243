package fasttext

import (
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// lid returns the model that tells 176 languages, or skips the test.
func lid(t testing.TB) *Model {
	m, err := Open(filepath.Join(shared(t), "data/weights/fasttext-lid176/lid.176.ftz"))
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("no ../shared/data/weights/fasttext-lid176")
	} else if err != nil {
		t.Fatal(err)
	}
	return m
}

// shared returns the folder of real samples beside the project, or skips the test.
func shared(t testing.TB) string {
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "shared/data")); err == nil {
			return filepath.Join(dir, "shared")
		}
	}
	t.Skip("no ../shared beside the project")
	return ""
}

// declaration returns sentences of the Universal Declaration of Human Rights by language.
func declaration(t testing.TB) map[string][]string {
	src, err := os.ReadFile("../udhr.tsv")
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string][]string{}
	for line := range strings.Lines(string(src)) {
		lang, text, _ := strings.Cut(strings.TrimSpace(line), "\t")
		texts[lang] = append(texts[lang], text)
	}
	return texts
}

func TestLanguages(t *testing.T) {
	m := lid(t)
	if n := len(m.Labels()); n != 176 {
		t.Fatalf("%d labels", n)
	}
	right, all, wrong := 0, 0, map[string]int{}
	texts := declaration(t)
	for lang, sentences := range texts {
		for _, s := range sentences {
			all++
			if got, _ := m.Best(s); got == lang {
				right++
			} else {
				wrong[lang+" as "+got]++
			}
		}
	}
	t.Logf("%d of %d sentences of %d languages: %.2f %%; wrong: %v", right, all, len(texts), 100*float64(right)/float64(all), wrong)
	if right*100 < all*97 {
		t.Errorf("%d of %d sentences", right, all)
	}
}

func TestPredict(t *testing.T) {
	m := lid(t)
	for _, text := range []string{"The quick brown fox jumps over the lazy dog.", "语料要先清洗，再去重。", "a\nb", ""} {
		guesses := m.Predict(text, 176)
		sum := 0.0
		for i, g := range guesses {
			sum += g.Prob
			if i > 0 && g.Prob > guesses[i-1].Prob {
				t.Errorf("%q: %v comes behind %v", text, g, guesses[i-1])
			}
		}
		if math.Abs(sum-1) > 1e-6 {
			t.Errorf("%q: the probabilities sum to %v", text, sum)
		}
		if label, p := m.Best(text); label != guesses[0].Label || math.Abs(p-guesses[0].Prob) > 1e-9 {
			t.Errorf("%q: Best is %s, %v; Predict's first %v", text, label, p, guesses[0])
		}
		if again := m.Predict(text, 1); len(again) != 1 || again[0] != guesses[0] {
			t.Errorf("%q: %v, then %v", text, guesses[0], again)
		}
	}
}

// BenchmarkBest times the language of documents of about 4,000 bytes.
func BenchmarkBest(b *testing.B) {
	m := lid(b)
	texts := declaration(b)
	for _, lang := range []string{"en", "de", "ru", "zh"} {
		doc := strings.Join(texts[lang], " ")
		b.Run("text="+lang, func(b *testing.B) {
			b.SetBytes(int64(len(doc)))
			for b.Loop() {
				m.Best(doc)
			}
		})
	}
	novels := readPieces(b, filepath.Join(shared(b), "data/text/four-classic-novels/红楼梦.txt"))
	stories := readPieces(b, filepath.Join(shared(b), "data/text/tinystories-wikitext-1000/wikitext_1000.json"))
	for name, docs := range map[string][]string{"novel-zh": novels, "wikitext": stories} {
		b.Run("text="+name, func(b *testing.B) {
			b.SetBytes(int64(len(docs) * 4000))
			begin := time.Now()
			n := 0
			for b.Loop() {
				for _, d := range docs {
					m.Best(d)
					n++
				}
			}
			b.ReportMetric(float64(n)/time.Since(begin).Seconds(), "docs/s")
		})
	}
}

func readPieces(b *testing.B, path string) (docs []string) {
	src, err := os.ReadFile(path)
	if err != nil {
		b.Skip(err)
	}
	for text := string(src); len(text) > 4000; text = text[4000:] {
		docs = append(docs, text[:4000])
	}
	return docs[:min(len(docs), 600)]
}
