package token

import (
	commandline "flag"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"quire/internal/gguf"
)

// Properties are tried on the same cases in every run; -rapid.seed asks for others.
func init() { commandline.Set("rapid.seed", "1") }

// tinyModels are small tokenizers of every kind, trained on a few lines, so that fuzzing needs no files.
func tinyModels(t testing.TB) map[string]*Tokenizer {
	t.Helper()
	texts := slices.Values([]string{"the quick brown fox's 123 jumps over the lazy dog.", "the dog and the fox", "你好，世界。你好！世界",
		"été naïve", "func main() {\n\treturn\n}"})
	out := map[string]*Tokenizer{}
	for name, train := range trainers {
		tok, err := train(t.Context(), texts, TrainConfig{VocabSize: 360, Special: []string{"<|x|>"}})
		if err != nil {
			t.Fatal(err)
		}
		out[name] = tok
	}
	for name, pattern := range map[string]string{"gpt2": PatternGPT2, "cl100k": PatternCL100K, "o200k": PatternO200K, "qwen2": PatternQwen2} {
		tok, err := TrainBytes(t.Context(), texts, TrainConfig{VocabSize: 320, Pattern: pattern})
		if err != nil {
			t.Fatal(err)
		}
		out[name] = tok
	}
	return out
}

// checkText holds every property of one encoding.
func checkText(t interface {
	Fatalf(string, ...any)
	Helper()
}, tok *Tokenizer, s string) {
	t.Helper()
	ids, err := tok.Encode(s, Options{})
	if err != nil {
		t.Fatalf("%q: %v", s, err)
	}
	again, spans, err := tok.EncodeSpans(s, Options{})
	if err != nil || !slices.Equal(ids, again) {
		t.Fatalf("%q: EncodeSpans gives %v, Encode %v (%v)", s, again, ids, err)
	}
	last := 0
	for i, sp := range spans {
		if sp.Start < last || sp.End < sp.Start || sp.End > len(s) {
			t.Fatalf("%q: span %d is %v after %d", s, i, sp, last)
		}
		last = sp.Start
	}
	got := tok.Decode(ids)
	want := s
	if tok.sp != nil {
		want = strings.ToValidUTF8(s, replacement)
		if !utf8.ValidString(s) {
			want = perByte(s)
		}
		want = unspace(want)
	}
	if got != want {
		t.Fatalf("%q: decoded %q, want %q", s, got, want)
	}
	var b strings.Builder
	stream := tok.Stream(false)
	for _, id := range ids {
		part := stream.Push(id)
		if utf8.ValidString(want) && !utf8.ValidString(part) {
			t.Fatalf("%q: the stream split a character: %q", s, part)
		}
		b.WriteString(part)
	}
	b.WriteString(stream.Flush())
	if b.String() != got {
		t.Fatalf("%q: streamed %q, decoded %q", s, b.String(), got)
	}
}

// perByte replaces every byte that is no UTF-8 by U+FFFD, as SentencePiece does.
func perByte(s string) string {
	var b strings.Builder
	for _, r := range s {
		b.WriteRune(r)
	}
	return b.String()
}

func FuzzRoundTrip(f *testing.F) {
	models := tinyModels(f)
	for _, s := range []string{"", " ", "Hello  world\n\n x", "你好 世界", "it's I'LL 12345", "\xff\xfe\xe4\xb8", "a\u0301\u0301b", "▁ ▁", "\U0001F468\u200d\U0001F469", "<|x|> <s>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, tok := range models {
			checkText(t, tok, s)
		}
	})
}

// TestSplitters compares the hand-written splitters with regexp2 on random text.
func TestSplitters(t *testing.T) {
	alphabet := []rune("aZ09 \t\n\r'’sSdDmMlLvVrReEtT.,/!?_-\u00a0\u3000\u0301\u0e31é你好ЖжǅʰªⅫ²\u2028\U0001F600\u200d\u00ad\x00")
	for _, pattern := range []string{PatternGPT2, PatternCL100K, PatternQwen2, PatternO200K, PatternDigits2} {
		split := knownSplitter(pattern)
		re, err := compile(pattern)
		if err != nil {
			t.Fatal(err)
		}
		rapid.Check(t, func(t *rapid.T) {
			s := rapid.OneOf(rapid.StringOfN(rapid.SampledFrom(alphabet), 0, 30, -1), rapid.String()).Draw(t, "text")
			want, err := matchAll(re, s)
			if err != nil {
				t.Fatal(err)
			}
			if got := splitAll(s, split); !slices.Equal(got, want) {
				t.Fatalf("%s: %q: %v, want %v", pattern, s, got, want)
			}
		})
	}
}

// TestRoundTrip checks the properties on the published models.
func TestRoundTrip(t *testing.T) {
	for _, m := range benchModels {
		t.Run(m.name, func(t *testing.T) {
			tok := load(t, m.path)
			rapid.Check(t, func(t *rapid.T) {
				s := rapid.String().Draw(t, "text")
				if tok.norm != nil && tok.sp == nil {
					s = tok.normalized(s)
				}
				checkText(t, tok, s)
			})
		})
	}
}

// FuzzFiles gives every reader malformed files: an error or a tokenizer that works, never a panic.
func FuzzFiles(f *testing.F) {
	for _, tok := range tinyModels(f) {
		dir := f.TempDir()
		if tok.WriteJSON(dir+"/t") == nil {
			data, _ := os.ReadFile(dir + "/t")
			f.Add(data)
		}
		if tok.sp != nil {
			f.Add(tok.sp.marshal())
		}
	}
	f.Add([]byte("AA== 0\nAQ== 1\n"))
	f.Add([]byte(`{"model":{"type":"WordPiece","vocab":{"a":0,"[UNK]":1},"unk_token":"[UNK]"},"pre_tokenizer":{"type":"BertPreTokenizer"}}`))
	f.Add([]byte("GGUF\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00a\x09\x00\x00\x00\x08\x00\x00\x00\xff\xff\xff\x00\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		use := func(tok *Tokenizer, err error) {
			if err != nil {
				if strings.Contains(err.Error(), "\n") {
					t.Fatalf("an error of several lines: %v", err)
				}
				return
			}
			ids, _ := tok.Encode("ab <s> 你\xff", Options{Special: Allow, Template: true})
			tok.DecodeAll(ids)
			tok.Decode([]uint32{0, 1, 1 << 31})
		}
		use(SentencePiece(data))
		use(JSON(data))
		use(Ranks(data, Encoding{Pattern: PatternGPT2}))
		use(GPT2(data, nil, nil))
		if meta, err := gguf.ParseMeta(data); err == nil {
			use(GGUF(meta))
		}
	})
}
