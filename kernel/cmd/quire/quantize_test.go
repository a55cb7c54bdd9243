package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"quire/lib/checkpoint"
	"quire/lib/model"
	"quire/lib/token"
	"quire/simd/dtype"
	"quire/simd/tensor"
)

// quantizeModel saves a small random model with a trained tokenizer, and a text to calibrate on.
func quantizeModel(t *testing.T) (dir, text string) {
	t.Helper()
	dir = t.TempDir()
	tok, err := token.TrainBPE(t.Context(), slices.Values([]string{"a quire is a gathering of leaves, the unit that a book is sewn from"}), token.TrainConfig{VocabSize: 300})
	if err != nil {
		t.Fatal(err)
	}
	c := model.Depth(2)
	c.HiddenSize, c.IntermediateSize, c.HeadDim, c.MaxSeqLen, c.VocabSize = 256, 256, 64, 64, tok.VocabSize()
	c.NumHeads, c.NumKVHeads = 4, 2
	w := c.NewWeights(tensor.Heap, dtype.F32)
	w.Init(c, 1)
	if err := checkpoint.SaveHF(dir+"/model", c, w, checkpoint.SaveOptions{Tokenizer: tok}); err != nil {
		t.Fatal(err)
	}
	text = filepath.Join(dir, "calib.txt")
	if err := os.WriteFile(text, []byte(strings.Repeat("leaves of a book are sewn. ", 100)), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir, text
}

func TestQuantize(t *testing.T) {
	dir, text := quantizeModel(t)
	for _, c := range []quantizeCmd{
		{To: "q8_0", Method: "rtn", Out: dir + "/a.gguf"},
		{To: "q4_k", Method: "gptq", Out: dir + "/b.gguf", Calib: text},
		{To: "w4", Method: "awq", Out: dir + "/w4", Calib: text},
	} {
		c.Model, c.Windows, c.Length, c.Special = dir+"/model", 16, 32, "text"
		if err := c.Run(t.Context()); err != nil {
			t.Errorf("%+v: %v", c, err)
			continue
		}
		m, err := checkpoint.Load(c.Out)
		if err != nil {
			t.Errorf("%+v: %v", c, err)
			continue
		}
		if got, want := m.Weights.Layers[1].Down.Parts[0].DType(), quantizeTypes[c.To].matrices; got != want {
			t.Errorf("%s: %v, want %v", c.To, got, want)
		}
		tok, err := m.Tokenizer()
		if err != nil {
			t.Fatal(err)
		}
		if ids, err := tok.Encode("a book", token.Options{}); err != nil || tok.Decode(ids) != "a book" {
			t.Errorf("%s: the tokenizer gives %v (%v)", c.To, ids, err)
		}
		m.Close()
	}
}

func TestQuantizeRefuses(t *testing.T) {
	dir, text := quantizeModel(t)
	for want, c := range map[string]quantizeCmd{
		"want a name that ends in .gguf": {To: "q4_0", Method: "rtn", Out: dir + "/x"},
		"GGUF has no w4":                 {To: "w4", Method: "rtn", Out: dir + "/x.gguf"},
		"awq needs --calib":              {To: "q4_0", Method: "awq", Out: dir + "/x.gguf"},
		"--length of 2 or more":          {To: "q4_0", Method: "awq", Out: dir + "/x.gguf", Calib: text, Length: 1},
	} {
		c.Model = dir + "/model"
		if c.Windows = 1; c.Length == 0 {
			c.Length = 8
		}
		if err := c.Run(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
