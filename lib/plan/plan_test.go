package plan

import (
	"context"
	"math"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"quire/lib/checkpoint"
	"quire/lib/model"
	"quire/lib/show"
	"quire/lib/train/optim"
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

// TestMemory compares the plan with what the allocator holds once a model trains, with the optimiser of lib/train.
func TestMemory(t *testing.T) {
	for method, muon := range map[optim.Method]bool{optim.AdamW: false, optim.Muon: true} {
		t.Run(string(method), func(t *testing.T) {
			c := small(4)
			p, err := For(c, Data{SeqLen: 128, MicroTokens: 2048, Muon: muon}, Hardware{Memory: 8 << 30}, Goal{})
			if err != nil {
				t.Fatal(err)
			}
			if warm, err := newProbe(simd.Default(), c, p.Data); err != nil {
				t.Fatal(err)
			} else {
				warm.step(1) // the backend's scratch is not the model's
			}
			defer debug.SetGCPercent(debug.SetGCPercent(10))
			held := func() int64 {
				runtime.GC()
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				return int64(m.HeapAlloc)
			}
			before := held()
			training := begin(t, c, p.Data, method)
			got := held() - before
			runtime.KeepAlive(training)
			want := p.Train[0].Total
			t.Logf("planned %s, held %s: %+.1f %%", show.Size(want), show.Size(got), 100*(float64(got)/float64(want)-1))
			if r := float64(got) / float64(want); r < 0.9 || r > 1.1 {
				t.Errorf("planned %s, the allocator holds %s", show.Size(want), show.Size(got))
			}
		})
	}
}

// begin takes the first step of training and returns what it holds.
func begin(t *testing.T, c model.Config, d Data, method optim.Method) []any {
	w := c.NewWeights(tensor.Heap, dtype.F32)
	w.Init(c, 1)
	tr, err := model.NewTrainer(simd.Default(), c, w, options(d))
	if err != nil {
		t.Fatal(err)
	}
	var params []optim.Param
	for p := range tr.Params() {
		kind := optim.Norm
		if p.Matrix {
			kind = optim.Matrix
		}
		params = append(params, optim.Param{Name: p.Name, Kind: kind, W: p.W, G: p.Grad, Out: p.Out, Rows: p.Rows})
	}
	cfg := optim.DefaultConfig()
	cfg.Method = method
	o, err := optim.New(simd.Default(), cfg, params)
	if err != nil {
		t.Fatal(err)
	}
	saved := int(c.WeightBytes(dtype.F32))
	o.Moments(func(_ string, m tensor.Tensor) { saved += m.NumBytes() })
	saver := checkpoint.NewSaver(t.TempDir(), 1)
	saver.Reserve(saved)
	tr.Step(examples(c, d))
	o.Step(1e-4, 1)
	return []any{tr, o, saver}
}

// TestTime compares the plan with the clock, on a model of more layers than are measured. The models take turns, step by step, so that
// whatever else the machine does slows all of them alike, and each round gives one ratio of the clock's time to the planned time. Their
// median has to be within 10 % of 1. Rounds go on until the median's own confidence interval is narrow. Where the time for that is up, an
// interval that lies beyond 10 % still fails, and one that reaches across the limit says only that the machine was too busy to tell.
func TestTime(t *testing.T) {
	t.Run("adamw", func(t *testing.T) { testTime(t, false) })
	t.Run("muon", func(t *testing.T) { testTime(t, true) })
}

func testTime(t *testing.T, muon bool) {
	const rounds, most, narrow, limit = 15, 60, 0.1, 15 * time.Second
	d := Data{SeqLen: 64, MicroTokens: 512, BatchTokens: 1024, Tokens: 10 * 1024, Muon: muon}
	models := map[int]*probe{1: nil, 3: nil, 6: nil}
	for layers := range models {
		var err error
		if models[layers], err = newProbe(simd.Default(), small(layers), d); err != nil {
			t.Fatal(err)
		}
	}
	last := func(p *probe) *probe { // the latest round alone
		return &probe{model: p.model, data: p.data, passes: p.passes[len(p.passes)-1:], steps: p.steps[len(p.steps)-1:]}
	}
	var ratios []float64
	low, high, begun := 0.0, math.Inf(1), time.Now()
	for len(ratios) < most && (len(ratios) < rounds || high-low > narrow) && time.Since(begun) < limit {
		models[1].step(1)
		models[3].step(1)
		models[6].step(2)
		if models[6].n == 1 {
			continue // it warms up
		}
		took := last(models[6])
		p, err := For(small(6), d, Hardware{Memory: 8 << 30, Speed: speed(last(models[1]), last(models[3]))}, Goal{})
		if err != nil {
			t.Fatal(err)
		}
		ratios = append(ratios, float64(p.Steps)*(2*took.passes[0]+took.steps[0])/p.Time.Seconds())
		low, high = medianInterval(ratios)
	}
	got := median(ratios)
	t.Logf("the clock says %.3f of the planned time, 95 %% interval %.3f to %.3f, %d rounds", got, low, high, len(ratios))
	switch {
	case got > 0.9 && got < 1.1:
	case high < 0.9 || low > 1.1:
		t.Errorf("the clock says %.3f of the planned time, and surely not within 10 %%", got)
	default:
		t.Skipf("the machine is too busy to tell: the clock says between %.3f and %.3f of the planned time", low, high)
	}
}

// medianInterval is the 95 % confidence interval of the median, from the order of the values alone.
func medianInterval(x []float64) (low, high float64) {
	n := float64(len(x))
	at := max(0, int((n-1.96*math.Sqrt(n))/2))
	sorted := slices.Sorted(slices.Values(x))
	return sorted[at], sorted[len(sorted)-1-at]
}

// TestMeasure measures this machine and plans with it.
func TestMeasure(t *testing.T) {
	d := Data{SeqLen: 64, MicroTokens: 512}
	h, err := Measure(context.Background(), simd.Default(), small(6), d)
	if err != nil {
		t.Fatal(err)
	}
	p, err := For(small(6), d, h, Goal{})
	if err != nil {
		t.Fatal(err)
	}
	if h.Memory <= 0 || h.Speed.Layer <= 0 || p.TokensPerSec <= 0 || p.Time <= 0 || h.PeakBF16 > 0 && (p.MFU <= 0 || p.Serve[0].TokensPerSec <= 0) {
		t.Errorf("measured %+v, planned %v at %v tokens/s", h, p.Time, p.TokensPerSec)
	}
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
	if p, err = For(big, Data{Tokens: 1e6, Muon: true}, h, Goal{}); err != nil || p.Time != 0 {
		t.Errorf("from AdamW's time Muon's is planned: %v, %v", p.Time, err)
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

// TestBusyMachine wants a plan also where noise has turned the measured times round.
func TestBusyMachine(t *testing.T) {
	for _, c := range []struct{ one, three, layer, rest float64 }{{2, 4, 1, 1}, {1, 6, 2.5, 0}, {3, 3, 1, 0}, {4, 3, 1, 0}} {
		if layer, rest := layerAndRest(c.one, c.three); layer != c.layer || rest != c.rest {
			t.Errorf("%v and %v: %v a layer and %v, want %v and %v", c.one, c.three, layer, rest, c.layer, c.rest)
		}
	}
}
