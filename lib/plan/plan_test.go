package plan

import (
	"context"
	"math"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"quire/lib/checkpoint"
	"quire/lib/model"
	"quire/lib/show"
	"quire/simd"
	"quire/simd/dtype"
	"quire/simd/tensor"
)

func small(layers int) model.Config {
	c := model.Depth(4)
	c.NumLayers, c.VocabSize, c.MaxSeqLen, c.BOS, c.EOS = layers, 2048, 256, []uint32{1}, []uint32{2}
	return c
}

// TestPublished holds the plan of InternLM2-7B against the figures that its authors' formulas give.
func TestPublished(t *testing.T) {
	c, err := model.Preset("internlm2-7b")
	if err != nil {
		t.Fatal(err)
	}
	p, err := For(c, Data{Tokens: 1e9, SeqLen: 4096, MicroTokens: 4096}, Hardware{Memory: 64 << 30}, Goal{Needed: 0.8, Ready: 0.5, Examples: 1000, Tools: true})
	if err != nil {
		t.Fatal(err)
	}
	near := func(what string, got, want, share float64) {
		t.Helper()
		if math.Abs(got/want-1) > share {
			t.Errorf("%s: %.5g, want %.5g", what, got, want)
		}
	}
	near("parameters", float64(p.Params), 7.738e9, 0.001)
	bf16 := p.Serve[0]
	near("BF16 weights", float64(bf16.Weights), 2*7.738e9, 0.001)
	near("BF16 cache", float64(bf16.KV), 128*1024*float64(c.MaxSeqLen), 1e-9)
	near("full training's weights, gradients, moments", float64(p.Train[0].Weights+p.Train[0].Gradients+p.Train[0].Optimizer), 18*7.738e9, 0.01)
	// PaLM's 6N + 12·L·C·T counts every key; causal attention reads half of them. Embedding rows are not multiplied.
	near("FLOPs a token", p.FLOPsPerToken, 6*(7.738e9-92544*4096)+6*32*4096*4096, 0.002)
	if p.Train[0].Fits || p.Train[3].Fits != (Overhead(p.Train[3].Total) <= 64<<30) || !p.Serve[4].Fits {
		t.Errorf("in 64 GiB fit: %+v", p.Train)
	}
	answers := map[string]string{}
	for _, d := range p.Path {
		answers[d.Question] = d.Answer
	}
	if answers["Is a ready model enough?"] != "no" || !strings.Contains(answers["In full or in part?"], "LoRA") || answers["Does it need tools?"] != "yes: an agent" {
		t.Errorf("path %+v", p.Path)
	}
	text := p.MIMEBundle()["text/markdown"].(string)
	for _, want := range []string{"7.74 B parameters", "| LoRA, rank 16 |", "| Deploy |", "W4 (Q4_0), cache int4"} {
		if !strings.Contains(text, want) {
			t.Errorf("the plan lacks %q:\n%s", want, text)
		}
	}
}

func TestPath(t *testing.T) {
	for _, c := range []struct {
		memory int64
		goal   Goal
		want   string // an answer of the path
	}{
		{1 << 40, Goal{}, "no: train from nothing"},
		{1 << 40, Goal{}, "full, recompute none"},
		{2 << 30, Goal{}, "not on this machine"},
		{1 << 40, Goal{Needed: 0.5, Ready: 0.6}, "yes"},
		{1 << 40, Goal{Tools: true}, "measure it first"},
		{1 << 40, Goal{Needed: 0.9, Ready: 0.6}, "yes, and examples first"},
		{5 << 30, Goal{Needed: 0.9, Ready: 0.6, Examples: 10}, "QLoRA, rank 16"},
	} {
		m, err := model.Preset("internlm2-1_8b")
		if err != nil {
			t.Fatal(err)
		}
		p, err := For(m, Data{}, Hardware{Memory: c.memory}, c.goal)
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, d := range p.Path {
			found = found || d.Answer == c.want
		}
		if !found {
			t.Errorf("%s, %+v: no answer %q in %+v", show.Size(c.memory), c.goal, c.want, p.Path)
		}
	}
}

// TestMemory compares the plan with what the allocator holds once a model trains.
func TestMemory(t *testing.T) {
	c := small(4)
	d := Data{SeqLen: 128, MicroTokens: 2048}
	p, err := For(c, d, Hardware{Memory: 8 << 30}, Goal{})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := probe(context.Background(), simd.Default(), c, p.Data); err != nil { // the backend's scratch is not the model's
		t.Fatal(err)
	}
	defer debug.SetGCPercent(debug.SetGCPercent(10))
	held := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := held()
	w := c.NewWeights(tensor.Heap, dtype.F32)
	w.Init(c, 1)
	tr, err := model.NewTrainer(simd.Default(), c, w, options(p.Data))
	if err != nil {
		t.Fatal(err)
	}
	m, v := c.NewWeights(tensor.Heap, dtype.F32), c.NewWeights(tensor.Heap, dtype.F32)
	saver := checkpoint.NewSaver(t.TempDir(), 1)
	saver.Reserve(int(3 * c.WeightBytes(dtype.F32)))
	tr.Step(examples(c, p.Data))
	adamW(simd.Default(), tr, m, v, 1)
	got := held() - before
	runtime.KeepAlive(tr)
	runtime.KeepAlive(m)
	runtime.KeepAlive(v)
	runtime.KeepAlive(saver)
	want := p.Train[0].Total
	t.Logf("planned %s, held %s: %+.1f %%", show.Size(want), show.Size(got), 100*(float64(got)/float64(want)-1))
	if r := float64(got) / float64(want); r < 0.9 || r > 1.1 {
		t.Errorf("planned %s, the allocator holds %s", show.Size(want), show.Size(got))
	}
}

// TestTime compares the plan with the clock, on a model of more layers than were measured. A neighbour on the machine can spoil a try.
func TestTime(t *testing.T) {
	c := small(6)
	d := Data{SeqLen: 64, MicroTokens: 512, BatchTokens: 1024}
	var off []float64
	for range 6 {
		h, err := Measure(context.Background(), simd.Default(), c, d)
		if err != nil {
			t.Log(err)
			continue
		}
		p, err := For(c, Data{SeqLen: d.SeqLen, MicroTokens: d.MicroTokens, BatchTokens: d.BatchTokens, Tokens: 10 * 1024}, h, Goal{})
		if err != nil {
			t.Fatal(err)
		}
		took := train(t, c, p.Data)
		r := took.Seconds() / p.Time.Seconds()
		t.Logf("planned %v, took %v, MFU %.2f", p.Time, took, p.MFU)
		if r > 0.9 && r < 1.1 {
			return
		}
		off = append(off, r)
	}
	t.Errorf("the clock says %.3g of the planned time, in six tries", off)
}

// train takes the plan's steps and says how long they took.
func train(t *testing.T, c model.Config, d Data) time.Duration {
	w := c.NewWeights(tensor.Heap, dtype.F32)
	w.Init(c, 1)
	tr, err := model.NewTrainer(simd.Default(), c, w, options(d))
	if err != nil {
		t.Fatal(err)
	}
	m, v := c.NewWeights(tensor.Heap, dtype.F32), c.NewWeights(tensor.Heap, dtype.F32)
	e := examples(c, d)
	tr.Step(e)
	start := time.Now()
	for step := range d.Tokens / int64(d.BatchTokens) {
		for range d.BatchTokens / d.MicroTokens {
			tr.Step(e)
		}
		adamW(simd.Default(), tr, m, v, int(step)+1)
	}
	return time.Since(start)
}

// TestScaled plans a model that is too large to be measured here.
func TestScaled(t *testing.T) {
	h := Hardware{Memory: 1 << 40, PeakBF16: 1e12, Speed: Speed{Model: small(2), SeqLen: 256, MicroTokens: 4096, Rest: 0.1, Layer: 0.2, StepRest: 0.01, StepLayer: 0.01}}
	big, err := model.Preset("internlm2-1_8b")
	if err != nil {
		t.Fatal(err)
	}
	p, err := For(big, Data{Tokens: 1e6}, h, Goal{})
	if err != nil {
		t.Fatal(err)
	}
	rate := small(2).TrainFLOPs(256) * 4096 / 0.5
	want := p.FLOPs/rate + float64(p.Steps)*float64(big.Params())/float64(small(2).Params())*0.03
	if got := p.Time.Seconds(); math.Abs(got/want-1) > 0.01 {
		t.Errorf("%v seconds, want %v", got, want)
	}
}

func TestErrors(t *testing.T) {
	for name, f := range map[string]func() (*Plan, error){
		"rows of 512 tokens": func() (*Plan, error) { return For(small(2), Data{SeqLen: 512}, Hardware{Memory: 1}, Goal{}) },
		"is no number of rows": func() (*Plan, error) {
			return For(small(2), Data{SeqLen: 100, MicroTokens: 250}, Hardware{Memory: 1}, Goal{})
		},
		"is no number of passes": func() (*Plan, error) {
			return For(small(2), Data{SeqLen: 100, MicroTokens: 200, BatchTokens: 300}, Hardware{Memory: 1}, Goal{})
		},
		"Memory is not known": func() (*Plan, error) { return For(small(2), Data{}, Hardware{}, Goal{}) },
		"model: ":             func() (*Plan, error) { return For(model.Config{}, Data{}, Hardware{Memory: 1}, Goal{}) },
	} {
		if _, err := f(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%v, want %q", err, name)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Measure(ctx, simd.Default(), small(2), Data{}); err == nil {
		t.Error("a cancelled measurement ends well")
	}
}
