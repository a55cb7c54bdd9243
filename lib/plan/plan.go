// Package plan says before a run what it will take: memory, arithmetic, time, and what fits on this machine.
//
//	model.Config ─┐
//	Data ─────────┤
//	Goal ─────────┼─▶ For ─▶ Plan: a table of ways to train and to serve, the time, and the decisions in order
//	Hardware ─────┘
//	     ▲
//	  Measure: peak, bandwidth and the speed of one and of three real layers
//
// Bytes come from the code that allocates (lib/model lays out the same buffers); time is measured throughput, not a share of a data
// sheet's peak: a few real training steps of a model with one layer and of one with three give the time of a layer and of all that is no
// layer. Attention is counted causal: half of what PaLM's and InternEvo's formulas count.
//
// Invariant: a prediction names what it leaves out. A plan's bytes are those of tensors; the program itself, the Go heap's slack and a
// backend's scratch come on top and are in [Overhead].
//
// Deliberately absent: prices, clusters, and any search for hyper-parameters.
//
// Where the decisions come from: the InternLM chain's own path from a model to an application: is a ready model enough, does it need
// tuning, in full or in part, does it need tools, evaluate, deploy.
package plan

import (
	"fmt"
	"time"

	"quire/lib/model"
	"quire/simd/dtype"
)

// Overhead is added to the bytes of tensors before they are compared with the memory: a twelfth, and 256 MB for the program.
func Overhead(bytes int64) int64 { return bytes + bytes/12 + 256<<20 }

// Data is what a model shall learn, and in which portions. The zero value takes what suits the model.
type Data struct {
	Tokens      int64 // in all; 0 means 20 a parameter (Hoffmann et al. 2022, arXiv:2203.15556 §3)
	SeqLen      int   // of a row; 0 means the shorter of 256 and the model's
	MicroTokens int   // of one pass forward and backward; 0 means 16 rows
	BatchTokens int   // of an optimiser's step; 0 means MicroTokens
	Muon        bool  // the layers' matrices are stepped by Muon, all else by AdamW
}

func (d Data) defaults(c model.Config) Data {
	if d.Tokens == 0 {
		d.Tokens = 20 * c.Params()
	}
	if d.SeqLen == 0 {
		d.SeqLen = min(256, c.MaxSeqLen)
	}
	if d.MicroTokens == 0 {
		d.MicroTokens = 16 * d.SeqLen
	}
	if d.BatchTokens == 0 {
		d.BatchTokens = d.MicroTokens
	}
	return d
}

func (d Data) validate(c model.Config) error {
	switch {
	case d.Tokens < 0:
		return fmt.Errorf("plan: %d tokens", d.Tokens)
	case d.SeqLen < 1 || d.SeqLen > c.MaxSeqLen:
		return fmt.Errorf("plan: rows of %d tokens for a model of up to %d", d.SeqLen, c.MaxSeqLen)
	case d.MicroTokens < d.SeqLen || d.MicroTokens%d.SeqLen != 0:
		return fmt.Errorf("plan: a pass of %d tokens is no number of rows of %d", d.MicroTokens, d.SeqLen)
	case d.BatchTokens < d.MicroTokens || d.BatchTokens%d.MicroTokens != 0:
		return fmt.Errorf("plan: a step of %d tokens is no number of passes of %d", d.BatchTokens, d.MicroTokens)
	}
	return nil
}

// Goal is what is known of the task; it decides the path. The zero value trains a model from nothing.
type Goal struct {
	Needed   float64 // the score that the task needs on your own evaluation; 0: not known
	Ready    float64 // what a ready model scores there
	Examples int     // dialogues to tune a ready model on
	Tools    bool    // the task needs facts or actions that no text holds
	Rank     int     // of LoRA; 0 means 16
}

// Plan is what training and serving a model will take.
type Plan struct {
	Model    model.Config
	Data     Data
	Hardware Hardware
	Goal     Goal

	Params        int64
	FLOPsPerToken float64 // of training: three forward passes, attention causal
	FLOPs         float64 // of all Data.Tokens
	Steps         int64   // of the optimiser
	Time          time.Duration
	TokensPerSec  float64
	MFU           float64 // share of the measured peak
	Train         []Way   // full training with each recompute choice, LoRA, QLoRA
	Serve         []Way   // weights and cache in each format, one sequence of the model's full length
	Path          []Decision
}

// Way is one way to hold a model in memory.
type Way struct {
	Name        string
	Weights     int64
	Gradients   int64
	Optimizer   int64
	Activations int64
	Saving      int64 // the copy of weights and moments that is written while training goes on
	KV          int64
	Total       int64
	Fits        bool

	Learn        int64   // parameters that training changes
	TokensPerSec float64 // the most that one short sequence can decode, every weight read once a token; 0 where it is not known
}

// Decision is a step of the path from a model to an application.
type Decision struct{ Question, Answer, Because string }

// For makes the plan.
func For(c model.Config, d Data, h Hardware, g Goal) (*Plan, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if h.Memory <= 0 {
		return nil, fmt.Errorf("plan: Hardware.Memory is not known: Measure finds it, or set it in bytes")
	}
	d = d.defaults(c)
	if err := d.validate(c); err != nil {
		return nil, err
	}
	if g.Rank == 0 {
		g.Rank = 16
	}
	p := &Plan{Model: c, Data: d, Hardware: h, Goal: g, Params: c.Params(), FLOPsPerToken: c.TrainFLOPs(d.SeqLen)}
	p.FLOPs = p.FLOPsPerToken * float64(d.Tokens)
	p.Steps = (d.Tokens + int64(d.BatchTokens) - 1) / int64(d.BatchTokens)
	p.time()
	p.trainWays()
	p.serveWays()
	p.decide()
	return p, nil
}

func (p *Plan) time() {
	step := p.Hardware.step(p.Model, p.Data)
	if step <= 0 {
		return
	}
	p.TokensPerSec = float64(p.Data.BatchTokens) / step
	p.Time = time.Duration(float64(p.Data.Tokens) / p.TokensPerSec * float64(time.Second))
	if p.Hardware.PeakBF16 > 0 {
		p.MFU = p.FLOPsPerToken * p.TokensPerSec / p.Hardware.PeakBF16
	}
}

// trainWays counts training in full, and of low-rank adapters beside frozen weights.
func (p *Plan) trainWays() {
	c, o := p.Model, model.TrainOptions{Compute: dtype.BF16, MaxTokens: p.Data.MicroTokens}
	for _, r := range []model.Recompute{model.RecomputeNone, model.RecomputeSelective, model.RecomputeFull} {
		o.Recompute = r
		m := c.PlanTraining(o)
		moments, scratch := 2*m.Weights, int64(0)
		if p.Data.Muon {
			moments, scratch = moments-4*matrices(c), muonScratch(c) // it has one moment
		}
		p.Train = append(p.Train, p.way(Way{Name: fmt.Sprintf("full, recompute %v", r), Weights: m.Weights + m.Shadow, Gradients: m.Grads,
			Optimizer: moments + scratch, Activations: m.Activations, Saving: m.Weights + moments, Learn: p.Params}))
	}
	adapters := p.adapters()
	low := func(name string, dt dtype.Type) Way {
		return p.way(Way{Name: fmt.Sprintf("%s, rank %d", name, p.Goal.Rank), Weights: c.WeightBytes(dt) + 6*adapters, Gradients: 4 * adapters,
			Optimizer: 8 * adapters, Saving: 12 * adapters, Activations: c.PlanTraining(o).Activations, Learn: adapters})
	}
	p.Train = append(p.Train, low("LoRA", dtype.BF16), low("QLoRA", dtype.NF4))
}

// matrices is the number of parameters of the layers' matrices.
func matrices(c model.Config) int64 {
	hidden, heads := c.HiddenSize, c.NumHeads*c.HeadDim
	return int64(c.NumLayers) * int64(hidden) * int64(c.QKVRows()+heads+3*c.IntermediateSize)
}

// muonScratch is what [tensor.Muon] needs for the largest matrix in F32; an arena takes no less than 32 MiB.
func muonScratch(c model.Config) int64 {
	rows, cols := int64(max(c.IntermediateSize, c.NumHeads*c.HeadDim)), int64(c.HiddenSize)
	side := min(rows, cols)
	return max(32<<20, 4*(4*rows*cols+2*side*side))
}

// adapters is the number of parameters of LoRA's pairs at every matrix of the layers: Hu et al. 2021, arXiv:2106.09685.
func (p *Plan) adapters() int64 {
	c := p.Model
	hidden, inner, heads := c.HiddenSize, c.IntermediateSize, c.NumHeads*c.HeadDim
	pairs := (hidden + c.QKVRows()) + (heads + hidden) + (hidden + 2*inner) + (inner + hidden)
	return int64(c.NumLayers) * int64(p.Goal.Rank) * int64(pairs)
}

// serveWays counts weights and the cache of one sequence of full length, in the formats that go together.
func (p *Plan) serveWays() {
	c := p.Model
	for _, f := range []struct {
		name       string
		weights    dtype.Type
		kv         dtype.Type
		cacheShown string
	}{
		{"BF16", dtype.BF16, dtype.BF16, "BF16"},
		{"Q8_0", dtype.Q8_0, dtype.BF16, "BF16"},
		{"Q8_0", dtype.Q8_0, dtype.Q8_0, "int8"},
		{"W4 (Q4_0)", dtype.Q4_0, dtype.BF16, "BF16"},
		{"W4 (Q4_0)", dtype.Q4_0, dtype.Q4_0, "int4"},
	} {
		p.Serve = append(p.Serve, p.way(Way{Name: f.name + ", cache " + f.cacheShown, Weights: c.WeightBytes(f.weights),
			Activations: c.PlanForward(dtype.BF16, min(512, c.MaxSeqLen)), KV: c.KVBytes(f.kv, int64(c.MaxSeqLen)),
			TokensPerSec: p.Hardware.ReadBytes / float64(c.WeightBytes(f.weights))}))
	}
}

func (p *Plan) way(w Way) Way {
	w.Total = w.Weights + w.Gradients + w.Optimizer + w.Activations + w.Saving + w.KV
	w.Fits = Overhead(w.Total) <= p.Hardware.Memory
	return w
}
