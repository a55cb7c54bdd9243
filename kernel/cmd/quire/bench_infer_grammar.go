package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"quire/lib/infer"
	"quire/lib/infer/grammar"
	"quire/lib/infer/sample"
	"quire/simd/dtype"
)

// benchSchema is an object that no turn comes to the end of: keys, which leave no choice, and strings, in which most of a vocabulary is allowed.
const benchSchema = `{"type":"object","properties":{"name":{"type":"string","maxLength":80},"age":{"type":"integer","minimum":0,"maximum":150},
	"kind":{"enum":["person","company","place"]},"notes":{"type":"array","items":{"type":"string","maxLength":200},"minItems":50}},
	"required":["name","age","kind","notes"],"additionalProperties":false}`

// constrained compares decoding that is held to a JSON Schema with free decoding of the same model, in turns, with the vocabularies of Llama 2 and of InternLM2. The first turn computes the masks of
// the states that it meets; it counts like the others.
func (b *inferBench) constrained(ctx context.Context, dt dtype.Type) error {
	for _, vocab := range []int{tinyVocab, internVocab} {
		name := fmt.Sprintf("constrained %d", vocab)
		if !b.only.MatchString(name) {
			continue
		}
		if vocab == tinyVocab {
			if err := b.grammar(ctx, name, b.e); err != nil {
				return err
			}
			continue
		}
		path := filepath.Join(b.c.Dir, fmt.Sprintf("%v-%d.gguf", dt, vocab))
		if err := writeTinyLlama(ctx, path, dt, vocab); err != nil {
			return err
		}
		e, err := infer.Open(path, infer.Config{CacheBytes: 1 << 28, PackedDir: filepath.Join(b.c.Dir, "packed")})
		if err != nil {
			return err
		}
		if err := errors.Join(b.grammar(ctx, name, e), e.Close()); err != nil {
			return err
		}
	}
	return nil
}

func (b *inferBench) grammar(ctx context.Context, name string, e *infer.Engine) error {
	g, err := grammar.JSONSchema([]byte(benchSchema))
	if err != nil {
		return err
	}
	var free, held, ratios []float64
	for i := range b.c.Rounds {
		r := infer.Request{IDs: b.ids(32), MaxTokens: 2 * benchTokens, Params: sample.Params{Temperature: 0.8, TopP: 0.95, Seed: uint64(i)}}
		for _, speeds := range []*[]float64{&free, &held} {
			first, last, n, err := b.streamOf(ctx, e, r)
			if err != nil {
				return err
			}
			*speeds = append(*speeds, float64(n-1)/(last-first).Seconds())
			r.IDs, r.Grammar = b.ids(32), g
		}
		ratios = append(ratios, held[i]/free[i])
	}
	r := middle(ratios)
	verdict := map[bool]string{true: "met", false: "not met"}[r >= 0.95]
	fmt.Printf("%-22s %12s %12s %9s %9s  ≥ 0.95 × free decoding  %s\n", name, fmt.Sprintf("%.1f tok/s", middle(held)), fmt.Sprintf("free %.1f", middle(free)), fmt.Sprintf("%.3f ×", r), "", verdict)
	b.c.record.add(fmt.Sprintf("inference, %s, %s", filepath.Base(b.path), name), fmt.Sprintf("%.1f tok/s", middle(held)), fmt.Sprintf("%.1f tok/s free", middle(free)), r)
	return nil
}
