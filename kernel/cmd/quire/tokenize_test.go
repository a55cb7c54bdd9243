package main

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"quire/lib/token"
)

// TestTokenizeLines sends lines through a trained tokenizer and back, as the two commands do.
func TestTokenizeLines(t *testing.T) {
	tok, err := token.TrainBytes(t.Context(), slices.Values([]string{"hello world"}), token.TrainConfig{VocabSize: 260, Special: []string{"<|end|>"}})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "tokenizer.json")
	if err := tok.WriteJSON(path); err != nil {
		t.Fatal(err)
	}
	if tok, err = token.Load(path); err != nil {
		t.Fatal(err)
	}
	in := "\"hello <b>\"\n\n\"你好<|end|>\"\n\"\"\n"
	var ids, back strings.Builder
	encode := func(s string) ([]uint32, error) { return tok.Encode(s, token.Options{Special: token.Allow}) }
	if err := eachLine(t.Context(), strings.NewReader(in), &ids, encode); err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(ids.String(), "\n[]\n") || strings.Count(ids.String(), "\n") != 3 {
		t.Errorf("ids %q", ids.String())
	}
	decode := func(ids []uint32) (string, error) { return tok.DecodeAll(ids), nil }
	if err := eachLine(t.Context(), strings.NewReader(ids.String()), &back, decode); err != nil {
		t.Fatal(err)
	}
	if want := strings.ReplaceAll(in, "\n\n", "\n"); back.String() != want {
		t.Errorf("back %q, want %q", back.String(), want)
	}
	if err := eachLine(context.Background(), strings.NewReader("\"a\"\n[1]\n"), &back, encode); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("a line that is no string: %v", err)
	}
}
