package infer

import (
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"
	"testing"

	"quire/lib/infer/sample"
	"quire/lib/model"
	"quire/simd"
	"quire/simd/dtype"
	"quire/simd/tensor"
)

// tinyConfig is a model small enough for many steps a second, with grouped heads.
func tinyConfig() model.Config {
	return model.Config{
		Family: model.Llama, HiddenSize: 64, IntermediateSize: 96, NumLayers: 2, NumHeads: 4, NumKVHeads: 2, HeadDim: 32,
		VocabSize: 96, MaxSeqLen: 512, RMSNormEps: 1e-5, RopeTheta: 1e4,
	}
}

// tinyModel has random weights, drawn wide so that its texts are not all alike.
func tinyModel(t testing.TB, c model.Config, dt dtype.Type, seed uint64) *model.Model {
	t.Helper()
	w := c.NewWeights(tensor.Heap, dt)
	w.Init(c, seed)
	for _, x := range w.All() {
		if x.Rank() == 2 {
			v := x.Floats()
			for i := range v {
				v[i] *= 8
			}
			x.SetFloats(v)
		}
	}
	m, err := model.New(simd.Default(), c, w)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func tinyEngine(t testing.TB, cfg Config) *Engine {
	t.Helper()
	e, err := New(tinyModel(t, tinyConfig(), dtype.F32, 1), nil, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

// prompt is n ids that differ by seed.
func prompt(n int, seed uint32) []uint32 {
	ids := make([]uint32, n)
	for i := range ids {
		ids[i] = (uint32(i)*7 + seed*13 + uint32(i*i)%5*seed) % 96
	}
	return ids
}

// dense are the logits of all positions, computed without a cache in one pass.
func dense(m *model.Model, ids []uint32) [][]float32 {
	n := len(ids)
	in, pos := make([]int32, n), make([]int32, n)
	for i, id := range ids {
		in[i], pos[i] = int32(id), int32(i)
	}
	m = m.Fork()
	out := tensor.New(dtype.F32, n, m.Config().VocabSize)
	m.Logits(out, m.Forward(model.Batch{IDs: tensor.FromI32(in, n), Pos: tensor.FromI32(pos, n)}))
	rows := make([][]float32, n)
	for i := range rows {
		rows[i] = out.Index(i).F32()
	}
	return rows
}

func complete(t testing.TB, e *Engine, r Request) []Text {
	t.Helper()
	texts, err := e.Complete(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return texts
}

// TestGreedyIsDense: what the engine generates step by step, in chunks over a paged cache, is the argmax of one dense pass over the whole text, and so are its log-probabilities.
func TestGreedyIsDense(t *testing.T) {
	for _, n := range []int{1, 5, 63, 64, 65, 200} {
		e := tinyEngine(t, Config{StepTokens: 64})
		got := complete(t, e, Request{IDs: prompt(n, 3), MaxTokens: 70, Params: sample.Params{LogProbs: true}})[0]
		if len(got.Tokens) != 70 || got.Finish != Length {
			t.Fatalf("prompt of %d: %d tokens, finish %q", n, len(got.Tokens), got.Finish)
		}
		all := append(prompt(n, 3), got.IDs()...)
		rows := dense(e.main.m, all)
		for i, tok := range got.Tokens {
			best, lse := summary(rows[n-1+i])
			if best != tok.ID {
				t.Fatalf("prompt of %d: token %d is %d, the dense pass says %d", n, i, tok.ID, best)
			}
			if want := float32(float64(rows[n-1+i][best]) - lse); tok.LogProb-want > 1e-4 || want-tok.LogProb > 1e-4 {
				t.Fatalf("prompt of %d: token %d: log-probability %v, the dense pass says %v", n, i, tok.LogProb, want)
			}
		}
	}
}

// summary is the most likely id of a row, the lowest of equals, and the logarithm of the sum of its exponentials.
func summary(logits []float32) (best uint32, lse float64) {
	most := float32(math.Inf(-1))
	for i, v := range logits {
		if v > most {
			best, most = uint32(i), v
		}
	}
	var sum float64
	for _, v := range logits {
		sum += math.Exp(float64(v - most))
	}
	return best, float64(most) + math.Log(sum)
}

// requests are of all kinds, so that a batch of them mixes chunks of prompts with decoding.
func requests() []Request {
	var all []Request
	for i := range 12 {
		r := Request{IDs: prompt(1+i*i*3, uint32(i)), MaxTokens: 5 + i*7, Params: sample.Params{LogProbs: true}}
		if i%2 == 1 {
			r.Params = sample.Params{Temperature: 1, TopP: 0.9, Seed: uint64(i), RepetitionPenalty: 1.1, LogProbs: true}
		}
		all = append(all, r)
	}
	return all
}

func sameTexts(t *testing.T, what string, got, want []Text) {
	t.Helper()
	for i := range want {
		if !slices.Equal(got[i].IDs(), want[i].IDs()) {
			t.Fatalf("%s: text %d: %v, alone %v", what, i, got[i].IDs(), want[i].IDs())
		}
		for k, tok := range want[i].Tokens {
			if got[i].Tokens[k].LogProb != tok.LogProb {
				t.Fatalf("%s: text %d: token %d has log-probability %v, alone %v", what, i, k, got[i].Tokens[k].LogProb, tok.LogProb)
			}
		}
	}
}

// together runs requests at once, in this order, and returns their texts: the engine takes its first step when it has all of them, and ready has run.
func together(t *testing.T, e *Engine, all []Request, ready func()) []Text {
	t.Helper()
	texts := make([]Text, len(all))
	held, gate := make(chan struct{}), make(chan struct{})
	if err := e.do(func() { close(held); <-gate }); err != nil {
		t.Fatal(err)
	}
	<-held
	var wg sync.WaitGroup
	for i, r := range all {
		wg.Go(func() {
			got, err := e.Complete(t.Context(), r)
			if err != nil {
				t.Error(err)
				return
			}
			texts[i] = got[0]
		})
		for waiting := 0; waiting <= i && !t.Failed(); runtime.Gosched() {
			e.mu.Lock()
			waiting = len(e.inbox)
			e.mu.Unlock()
		}
	}
	if ready != nil {
		if err := e.do(ready); err != nil {
			t.Error(err)
		}
	}
	close(gate)
	wg.Wait()
	return texts
}

// countsOf are the counters with all that has happened: Stats are as of the last step.
func countsOf(t *testing.T, e *Engine) (s Stats) {
	t.Helper()
	if err := e.call(func() { s = e.now() }); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestBatchAlone: a text has the same tokens and the same bits of log-probability alone, in any batch, in chunks of any size, from the prefix cache, with speculation, and when it is
// evicted and computed again, whatever the cache keeps of keys and values.
func TestBatchAlone(t *testing.T) {
	for _, c := range []Config{{KV: dtype.F32}, {KV: dtype.BF16}, {KV: dtype.Q8_0}, {KVBits: 8}, {KVBits: 4}} {
		kv := fmt.Sprint(c.KV)
		if c.KVBits > 0 {
			kv = fmt.Sprintf("%d bits", c.KVBits)
		}
		alone := tinyEngine(t, Config{StepTokens: 2048, NoPrefix: true, KV: c.KV, KVBits: c.KVBits})
		var want []Text
		for _, r := range requests() {
			want = append(want, complete(t, alone, r)...)
		}
		row := tensor.KVConfig{PageSize: BlockTokens, KVHeads: 2, HeadDim: 32, DType: c.KV, Bits: c.KVBits}
		if c.KVBits > 0 {
			row.DType = dtype.F32
		}
		perPage := int64(tinyConfig().NumLayers * 2 * BlockTokens * 2 * row.RowBytes())
		for name, cfg := range map[string]Config{
			"batch":          {StepTokens: 2048},
			"chunks of 64":   {StepTokens: 64},
			"chunks of 100":  {StepTokens: 100, MaxSeqs: 3},
			"without prefix": {NoPrefix: true},
			"lookup":         {Lookup: 4},
			"draft":          {Draft: tinyModel(t, tinyConfig(), dtype.F32, 2)},
			"perfect draft":  {Draft: tinyModel(t, tinyConfig(), dtype.F32, 1)},
			"eviction":       {CacheBytes: 9 * perPage, StepTokens: 128},
		} {
			cfg.KV, cfg.KVBits = c.KV, c.KVBits
			e := tinyEngine(t, cfg)
			for round := range 2 {
				sameTexts(t, fmt.Sprintf("%s, %s, round %d", kv, name, round), together(t, e, requests(), nil), want)
			}
			s := countsOf(t, e)
			if name == "eviction" && s.Evictions == 0 {
				t.Errorf("%s: nothing was evicted: the test proves nothing", kv)
			}
			if name == "perfect draft" && s.Accepted == 0 {
				t.Errorf("%s: no guess of the model itself was accepted of %d", kv, s.Guessed)
			}
			if name == "batch" && s.CachedTokens == 0 {
				t.Errorf("%s: the second round took nothing from the prefix cache", kv)
			}
			noLeak(t, e)
		}
	}
}

// noLeak fails unless every page of an engine without work is free or cached.
func noLeak(t *testing.T, e *Engine) {
	t.Helper()
	if err := e.call(func() {
		if n := e.pages.available(); n != len(e.pages.refs) {
			t.Errorf("%d of %d pages are available when nothing runs", n, len(e.pages.refs))
		}
		for page, refs := range e.pages.refs {
			if refs != 0 {
				t.Errorf("page %d has %d references when nothing runs", page, refs)
			}
		}
		if d, ok := e.drafter.(*modelDrafter); ok && (len(d.seqs) > 0 || d.pages.available() != len(d.pages.refs)) {
			t.Errorf("the drafter keeps %d texts", len(d.seqs))
		}
	}); err != nil {
		t.Fatal(err)
	}
}
