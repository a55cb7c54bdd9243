package token

import (
	"context"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// goSource yields files of the Go tree until there are size bytes.
func goSource(t testing.TB, size int) (texts []string, total int) {
	//lint:ignore SA1019 tests run beside the toolchain that built them
	root := filepath.Join(runtime.GOROOT(), "src")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		texts = append(texts, string(data))
		if total += len(data); total >= size {
			return fs.SkipAll
		}
		return nil
	})
	if err != nil || total == 0 {
		t.Skip("GOROOT has no source: ", err)
	}
	return texts, total
}

type trainer func(context.Context, iter.Seq[string], TrainConfig) (*Tokenizer, error)

var trainers = map[string]trainer{"bytes": TrainBytes, "bpe": TrainBPE, "unigram": TrainUnigram}

// trainText is English, Chinese and code.
func trainText(t testing.TB) []string {
	texts, _ := goSource(t, 300_000)
	g := readGolden(t, "internlm2.json")
	for _, it := range g.Items {
		texts = append(texts, it.Text)
	}
	return texts
}

func TestTrain(t *testing.T) {
	texts := trainText(t)
	for name, train := range trainers {
		t.Run(name, func(t *testing.T) {
			cfg := TrainConfig{VocabSize: 3000, Special: []string{"<|end|>"}, Coverage: 0.99}
			calls := 0
			cfg.Progress = func(done, total int) {
				if calls++; done > total {
					t.Errorf("progress %d of %d", done, total)
				}
			}
			tok, err := train(t.Context(), slices.Values(texts), cfg)
			if err != nil {
				t.Fatal(err)
			}
			if calls == 0 {
				t.Error("no progress was reported")
			}
			if tok.VocabSize() != 3000 {
				t.Errorf("VocabSize %d, want 3000", tok.VocabSize())
			}
			checkRoundTrip(t, tok, texts)
			checkOneCore(t, train, texts, cfg, tok)
			reload(t, tok, name != "bytes", texts)
		})
	}
}

// checkRoundTrip wants Decode(Encode(s)) = s in clearly fewer tokens than bytes.
func checkRoundTrip(t *testing.T, tok *Tokenizer, texts []string) {
	t.Helper()
	bytes, tokens := 0, 0
	for _, s := range texts {
		ids, err := tok.Encode(s, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := tok.Decode(ids); got != s && !strings.Contains(s, spaceMark) {
			t.Fatalf("%.50q came back as %.50q", s, got)
		}
		bytes, tokens = bytes+len(s), tokens+len(ids)
	}
	if float64(bytes)/float64(tokens) < 2.2 {
		t.Errorf("%d tokens for %d bytes", tokens, bytes)
	}
	if ids, err := tok.Encode("a<|end|>b", Options{Special: Allow}); err != nil || len(ids) != 3 || !tok.IsSpecial(ids[1]) {
		t.Errorf("a<|end|>b: %v, %v", ids, err)
	}
}

// checkOneCore trains again on one core and wants the same pieces.
func checkOneCore(t *testing.T, train trainer, texts []string, cfg TrainConfig, want *Tokenizer) {
	t.Helper()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	cfg.Progress = nil
	tok, err := train(t.Context(), slices.Values(texts), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(tok.pieces, want.pieces) || !slices.Equal(tok.scores, want.scores) {
		t.Error("one core learns another vocabulary than two")
	}
}

// reload writes the tokenizer in every form it has and wants the same ids of what is read back.
func reload(t *testing.T, tok *Tokenizer, model bool, texts []string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tokenizer.json")
	if err := tok.WriteJSON(path); err != nil {
		t.Fatal(err)
	}
	paths := []string{path}
	if model {
		path = filepath.Join(t.TempDir(), "tokenizer.model")
		if err := tok.WriteModel(path); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	for _, path := range paths {
		back, err := Load(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range texts {
			want, _ := tok.Encode(s, Options{Special: Allow})
			got, err := back.Encode(s, Options{Special: Allow})
			if _, uni := tok.model.(*unigram); uni && path == paths[0] {
				// Hugging Face sums in float64 and SentencePiece in float32: equally good writings may be chosen
				// differently, but they decode to the same text.
				if n := len(got) - len(want); n*n > len(want)+4 || back.DecodeAll(got) != tok.DecodeAll(want) {
					t.Fatalf("%.50q: %d ids after reading tokenizer.json, %d before", s, len(got), len(want))
				}
				continue
			}
			if err != nil || !slices.Equal(got, want) {
				i := 0
				for i < min(len(got), len(want)) && got[i] == want[i] {
					i++
				}
				t.Fatalf("%s: %.50q differs at id %d: %v, want %v (%v)", filepath.Base(path), s, i, head(got[i:]), head(want[i:]), err)
			}
			if a, b := back.Decode(want), tok.Decode(want); a != b {
				t.Fatalf("%s: decodes %.50q, want %.50q", filepath.Base(path), a, b)
			}
		}
	}
}

func TestTrainRefuses(t *testing.T) {
	one := slices.Values([]string{"some text"})
	for name, train := range trainers {
		if _, err := train(t.Context(), one, TrainConfig{VocabSize: 100}); err == nil || !strings.Contains(err.Error(), "VocabSize 100") {
			t.Errorf("%s: too small a vocabulary: %v", name, err)
		}
		if _, err := train(t.Context(), slices.Values([]string{}), TrainConfig{VocabSize: 1000}); err == nil {
			t.Errorf("%s: no text, no error", name)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := train(ctx, one, TrainConfig{VocabSize: 1000}); err != context.Canceled {
			t.Errorf("%s: cancelled: %v", name, err)
		}
	}
}

func BenchmarkTrain(b *testing.B) {
	for name, train := range trainers {
		b.Run("kind="+name+"/vocab=32000", func(b *testing.B) {
			texts, total := goSource(b, 100e6)
			b.SetBytes(int64(total))
			for b.Loop() {
				if _, err := train(b.Context(), slices.Values(texts), TrainConfig{VocabSize: 32000, Coverage: 0.9995}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
