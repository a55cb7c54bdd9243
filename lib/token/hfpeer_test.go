package token

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// hfVocab is a vocabulary of whole words, parts and all characters of the sample texts.
func hfVocab(part func(word, rest string) string, extra ...string) map[string]int {
	vocab := map[string]int{}
	put := func(s string) {
		if _, ok := vocab[s]; !ok {
			vocab[s] = len(vocab)
		}
	}
	for _, s := range extra {
		put(s)
	}
	for _, r := range "abcdefghijklmnopqrstuvwxyz0123456789.,!?'-()你好世界" {
		put(string(r))
		put(part("", string(r)))
	}
	for _, w := range []string{"the", "quick", "brown", "token", "izer", "un", "want", "ed", "run", "ning", "hello", "world"} {
		put(w)
		put(part("", w))
	}
	return vocab
}

var hfTexts = []string{"", " ", "Hello world", "the quick brown tokenizer", "unwanted, running!", "  The  QUICK (brown) don't  ", "你好 世界!", "naïve Ünwanted é",
	"[MASK] the [SEP]unwanted", "a[MASK]b [MASK] c", "hello  <x> world<x>", "un <w> ed", "tabs\tand\nlines", "12345 0.5", "the.the,the", "▁the hello", "hello<n>World"}

var hfAddedTokens = []hfAdded{
	{Content: "[MASK]", LStrip: true, Special: true}, {Content: "[SEP]", Special: true}, {Content: "<x>", RStrip: true},
	{Content: "<w>", SingleWord: true}, {Content: "<n>", Normalized: true},
}

func hfCase(model object, norm, pre, dec any, vocab int) object {
	added := slices.Clone(hfAddedTokens)
	for i := range added {
		added[i].ID = vocab + i
	}
	return object{"version": "1.0", "added_tokens": added, "normalizer": norm, "pre_tokenizer": pre, "post_processor": nil, "decoder": dec, "model": model}
}

func hfCases() map[string]object {
	cases := map[string]object{}
	wp := hfVocab(func(_, s string) string { return "##" + s }, "[UNK]", "[PAD]")
	cases["wordpiece bert"] = hfCase(object{"type": "WordPiece", "vocab": wp, "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100},
		object{"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": nil, "lowercase": true},
		object{"type": "BertPreTokenizer"}, object{"type": "WordPiece", "prefix": "##", "cleanup": false}, len(wp))
	scored := []any{[]any{"<unk>", 0}}
	for i, w := range sortedKeys(hfVocab(func(_, s string) string { return spaceMark + s }, spaceMark)) {
		scored = append(scored, []any{w, -2 - float64(i)/7 + float64(len(w))})
	}
	for _, scheme := range []string{"always", "never"} {
		cases["unigram metaspace "+scheme] = hfCase(object{"type": "Unigram", "unk_id": 0, "vocab": scored},
			object{"type": "Sequence", "normalizers": []any{object{"type": "NFKC"}, object{"type": "Lowercase"}}},
			object{"type": "Metaspace", "replacement": spaceMark, "prepend_scheme": scheme, "split": true},
			object{"type": "Metaspace", "replacement": spaceMark, "prepend_scheme": scheme, "add_prefix_space": scheme == "always", "split": true}, len(scored))
	}
	suffix := hfVocab(func(_, s string) string { return s + "</w>" }, "<unk>", "th", "he</w>", "the</w>", "hel", "lo</w>")
	cases["bpe with a suffix"] = hfCase(object{"type": "BPE", "vocab": suffix, "unk_token": "<unk>", "end_of_word_suffix": "</w>", "fuse_unk": false,
		"merges": []string{"t h", "t he</w>", "h e</w>", "th e</w>"}},
		object{"type": "Sequence", "normalizers": []any{object{"type": "NFC"}, object{"type": "Replace", "pattern": object{"Regex": `\s+`}, "content": " "}, object{"type": "Lowercase"}}},
		object{"type": "Sequence", "pretokenizers": []any{object{"type": "WhitespaceSplit"}, object{"type": "Punctuation", "behavior": "Isolated"}, object{"type": "Digits", "individual_digits": true}}},
		object{"type": "BPEDecoder", "suffix": "</w>"}, len(suffix))
	return cases
}

func sortedKeys(m map[string]int) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// TestPeerHuggingFace compares tokenizer.json files of every kind of component with @huggingface/tokenizers.
func TestPeerHuggingFace(t *testing.T) {
	for name, file := range hfCases() {
		t.Run(name, func(t *testing.T) {
			data, err := json.Marshal(file)
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(t.TempDir(), "tokenizer.json")
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
			comparePeer(t, path, hfTexts)
		})
	}
}

func comparePeer(t *testing.T, path string, texts []string) {
	t.Helper()
	tok, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	ans := npm(t, peerRequest{Library: "hf", File: path, Texts: texts})
	if strings.HasSuffix(t.Name(), "never") {
		ans.Decoded = nil // the peer takes the first space off whatever the scheme; the Rust library does not
	}
	compare(t, tok, texts, ans, Options{Special: Allow})
}

// TestPeerHuggingFaceWritten wants Hugging Face's library to read what is written here.
func TestPeerHuggingFaceWritten(t *testing.T) {
	texts := randomTexts(t, 300, false)
	texts = slices.DeleteFunc(texts, func(s string) bool { return strings.ContainsAny(s, spaceMark+"\ufeff") }) // the peer drops byte-order marks
	for _, name := range []string{"bytes", "bpe"} {
		t.Run(name, func(t *testing.T) {
			tok, err := trainers[name](t.Context(), slices.Values(trainText(t)), TrainConfig{VocabSize: 2500, Coverage: 0.99, Special: []string{"<|end|>"}})
			if err != nil {
				t.Fatal(err)
			}
			writeAndCompare(t, tok, append(texts, "a<|end|> b"))
		})
	}
	for _, m := range []string{"tokenizers/qwen2.5", "tokenizers/llama2/tokenizer.model", "tokenizers/internlm/tokenizer_internlm2.model"} {
		t.Run(filepath.Base(m), func(t *testing.T) { writeAndCompare(t, load(t, m), append(texts, "<|im_start|>user\nhi<|im_end|>")) })
	}
}

func writeAndCompare(t *testing.T, tok *Tokenizer, texts []string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tokenizer.json")
	if err := tok.WriteJSON(path); err != nil {
		t.Fatal(err)
	}
	comparePeer(t, path, texts)
	back, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range texts {
		want, _ := tok.Encode(s, Options{Special: Allow})
		if got, err := back.Encode(s, Options{Special: Allow}); err != nil || !slices.Equal(got, want) {
			t.Fatalf("%.100q: %v after reading back, %v before", s, head(got), head(want))
		}
	}
}

// TestSingleWord holds Hugging Face's rule, which its JavaScript library leaves out.
func TestSingleWord(t *testing.T) {
	data, err := json.Marshal(hfCases()["wordpiece bert"])
	if err != nil {
		t.Fatal(err)
	}
	tok, err := JSON(data)
	if err != nil {
		t.Fatal(err)
	}
	w, _ := tok.ID("<w>")
	for text, want := range map[string]bool{"<w>": true, "a <w> b": true, "(<w>)": true, "a<w>": false, "<w>b": false, "_<w>": false} {
		ids, err := tok.Encode(text, Options{})
		if err != nil || slices.Contains(ids, w) != want {
			t.Errorf("%q: %v (%v), want the token: %v", text, ids, err, want)
		}
	}
}
