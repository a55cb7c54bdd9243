package token

import (
	"maps"
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

// ggufOf is the metadata that a converter writes for a tokenizer.
func ggufOf(tok *Tokenizer) map[string]any {
	meta := map[string]any{"tokenizer.ggml.tokens": tok.pieces, "tokenizer.ggml.scores": tok.scores}
	types := make([]int32, len(tok.kinds))
	for i, k := range tok.kinds {
		types[i] = int32(k)
	}
	meta["tokenizer.ggml.token_type"] = types
	return meta
}

func TestGGUFKinds(t *testing.T) {
	models := tinyModels(t)
	texts := []string{"the quick brown fox's", "你好，世界", "  two  spaces", "12345"}
	for name, kind := range map[string]string{"bpe": "llama", "unigram": "t5", "gpt2": "gpt2", "qwen2": "gpt2"} {
		tok := models[name]
		meta := ggufOf(tok)
		maps.Copy(meta, map[string]any{"tokenizer.ggml.model": kind, "tokenizer.ggml.add_space_prefix": false})
		if kind == "gpt2" {
			meta["tokenizer.ggml.pre"] = map[string]string{"gpt2": "gpt-2", "qwen2": "qwen2"}[name]
			var merges []string
			for _, m := range tok.Merges() {
				merges = append(merges, tok.Piece(m.Left)+" "+tok.Piece(m.Right))
			}
			meta["tokenizer.ggml.merges"] = merges
		}
		got, err := GGUF(meta)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, s := range texts {
			want, _ := tok.Encode(s, Options{})
			if ids, err := got.Encode(s, Options{}); err != nil || !slices.Equal(ids, want) {
				t.Errorf("%s: %q: %v, want %v (%v)", name, s, ids, want, err)
			}
		}
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
