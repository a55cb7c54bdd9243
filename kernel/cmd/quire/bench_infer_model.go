package main

import (
	"context"
	"fmt"
	"os"

	"quire/lib/checkpoint"
	"quire/lib/model"
	"quire/lib/token"
	"quire/simd/dtype"
	"quire/simd/tensor"
)

// tinyVocab is the vocabulary of TinyLlama, internVocab that of InternLM2.
const (
	tinyVocab, internVocab = 32000, 92544
	tinyHidden             = 2048
)

// writeTinyLlama writes random weights of TinyLlama's shape, with a vocabulary that means nothing: bytes and words of letters.
func writeTinyLlama(ctx context.Context, path string, dt dtype.Type, vocab int) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	c := model.Config{
		Family: model.Llama, HiddenSize: tinyHidden, IntermediateSize: 5632, NumLayers: 22, NumHeads: 32, NumKVHeads: 4, HeadDim: 64,
		VocabSize: vocab, MaxSeqLen: 16384, RMSNormEps: 1e-5, RopeTheta: 1e4, BOS: []uint32{1}, EOS: []uint32{2},
	}
	tokens, types, scores := []string{"<unk>", "<s>", "</s>"}, []int32{2, 3, 3}, make([]float32, c.VocabSize)
	for i := range 256 {
		tokens, types = append(tokens, fmt.Sprintf("<0x%02X>", i)), append(types, 6)
	}
	for len(tokens) < c.VocabSize {
		scores[len(tokens)] = -float32(len(tokens))
		tokens, types = append(tokens, fmt.Sprintf("▁w%d", len(tokens))), append(types, 1)
	}
	tok, err := token.GGUF(map[string]any{
		"tokenizer.ggml.model": "llama", "tokenizer.ggml.tokens": tokens, "tokenizer.ggml.token_type": types, "tokenizer.ggml.scores": scores,
		"tokenizer.ggml.bos_token_id": uint32(1), "tokenizer.ggml.eos_token_id": uint32(2),
	})
	if err != nil {
		return err
	}
	fmt.Println("writing", path)
	w := c.NewWeights(tensor.Heap, dtype.BF16)
	w.Init(c, 1)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return checkpoint.SaveGGUF(path, c, w, tok, func(string) dtype.Type { return dt })
}
