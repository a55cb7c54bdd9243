package token

import (
	"errors"
	"fmt"
)

// ggufNames gives every pattern one name among those that GGUF files use.
var ggufNames = map[string]string{PatternGPT2: "gpt-2", PatternCL100K: "llama-bpe", PatternQwen2: "qwen2", PatternO200K: "gpt-4o"}

// GGUFMeta is the inverse of GGUF: the metadata that a GGUF file holds for the tokenizer, tokenizer.ggml.*. It fails for tokenizers that
// the format cannot express: all but SentencePiece models and byte-level BPE of the published patterns.
func (t *Tokenizer) GGUFMeta() (map[string]any, error) {
	types, tokens := make([]int32, len(t.pieces)), make([]string, len(t.pieces))
	for i, piece := range t.pieces {
		types[i], tokens[i] = int32(max(t.kinds[i], normal)), piece
	}
	for _, a := range t.added.list {
		if tokens[a.ID] = a.Text; types[a.ID] != int32(unknown) {
			types[a.ID] = int32(userDefined)
			if a.Special {
				types[a.ID] = int32(control)
			}
		}
	}
	meta := map[string]any{"tokenizer.ggml.tokens": tokens, "tokenizer.ggml.token_type": types,
		"tokenizer.ggml.add_bos_token": len(t.prefix) > 0, "tokenizer.ggml.add_eos_token": len(t.suffix) > 0}
	for name, id := range map[string]int{"bos": t.bos, "eos": t.eos, "unknown": t.unk, "padding": t.pad} {
		if id >= 0 {
			meta["tokenizer.ggml."+name+"_token_id"] = uint32(id)
		}
	}
	if err := t.ggufModel(meta); err != nil {
		return nil, fmt.Errorf("token: GGUFMeta: %w", err)
	}
	return meta, nil
}

// ggufModel adds what belongs to the kind of model.
func (t *Tokenizer) ggufModel(meta map[string]any) error {
	if t.sp != nil {
		meta["tokenizer.ggml.model"] = "llama"
		if t.sp.modelType == 1 {
			meta["tokenizer.ggml.model"] = "t5"
			meta["tokenizer.ggml.precompiled_charsmap"] = t.sp.charsmap
		}
		meta["tokenizer.ggml.scores"] = t.scores
		meta["tokenizer.ggml.add_space_prefix"] = t.sp.addDummyPrefix
		meta["tokenizer.ggml.remove_extra_whitespaces"] = t.sp.removeExtraSpace
		return nil
	}
	if m, ok := t.model.(*bpe); !ok || m.byByte == nil || m.affixed != nil || t.raw {
		return errors.New("only SentencePiece models and byte-level BPE can be written: use tokenizer.json")
	}
	name, ok := ggufNames[t.pattern]
	if !ok {
		return fmt.Errorf("GGUF has no name for the pattern %q: use tokenizer.json", t.pattern)
	}
	merges := []string{}
	for _, m := range t.Merges() {
		merges = append(merges, t.Piece(m.Left)+" "+t.Piece(m.Right))
	}
	meta["tokenizer.ggml.model"], meta["tokenizer.ggml.pre"], meta["tokenizer.ggml.merges"] = "gpt2", name, merges
	return nil
}
