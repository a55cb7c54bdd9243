package token

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestGGUFFile reads the vocabulary of a real file and round-trips prose through it.
func TestGGUFFile(t *testing.T) {
	files, _ := filepath.Glob(filepath.Join(shared(t, "weights/stories260K/gguf"), "*.gguf"))
	if len(files) == 0 {
		t.Skip("shared/data/weights/stories260K/gguf has no .gguf file")
	}
	tok, err := Load(files[0])
	if err != nil {
		t.Fatal(err)
	}
	if tok.VocabSize() != 512 {
		t.Errorf("VocabSize %d, want 512", tok.VocabSize())
	}
	ids, err := tok.Encode("Once upon a time, there was a little girl.", Options{Template: true})
	if bos, ok := tok.BOS(); err != nil || !ok || ids[0] != bos || len(ids) > 30 {
		t.Errorf("ids %v (%v)", ids, err)
	}
	checkText(t, tok, "Once upon a time 你好")
}

func TestGGUFKinds(t *testing.T) {
	models := tinyModels(t)
	texts := []string{"the quick brown fox's", "你好，世界", "  two  spaces", "12345", "a<|x|>b"}
	for _, name := range []string{"bpe", "unigram", "gpt2", "qwen2", "cl100k", "o200k"} {
		tok := models[name]
		meta, err := tok.GGUFMeta()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, err := GGUF(meta)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, s := range texts {
			for _, o := range []Options{{}, {Special: Allow, Template: true}} {
				want, _ := tok.Encode(s, o)
				if ids, err := got.Encode(s, o); err != nil || !slices.Equal(ids, want) || got.DecodeAll(ids) != tok.DecodeAll(want) {
					t.Errorf("%s: %q: %v, want %v (%v)", name, s, ids, want, err)
				}
			}
		}
	}
}

func TestGGUFMetaRefuses(t *testing.T) {
	tok, err := JSON([]byte(`{"model":{"type":"WordPiece","vocab":{"a":0,"[UNK]":1},"unk_token":"[UNK]"},"pre_tokenizer":{"type":"BertPreTokenizer"}}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tok.GGUFMeta(); err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("WordPiece: %v", err)
	}
}

func TestGGUFRefuses(t *testing.T) {
	for want, meta := range map[string]map[string]any{
		"tokens is missing": {},
		"model is \"rwkv\"": {"tokenizer.ggml.model": "rwkv", "tokenizer.ggml.tokens": []string{"a"}},
		"pre is \"odd\"":    {"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.tokens": []string{"a"}, "tokenizer.ggml.pre": "odd"},
		"token types":       {"tokenizer.ggml.model": "llama", "tokenizer.ggml.tokens": []string{"a"}, "tokenizer.ggml.token_type": []int32{1, 1}},
	} {
		if _, err := GGUF(meta); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", meta, err, want)
		}
	}
}
