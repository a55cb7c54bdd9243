package plan

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"quire/lib/model"
	"quire/simd/dtype"
	"quire/simd/tensor"
)

// Hardware is the machine that a plan is made for. Measure fills it in; fields that are 0 are not known, and what depends on them is
// left out of a plan.
type Hardware struct {
	Name      string
	Memory    int64   // bytes that may be used
	PeakBF16  float64 // operations a second
	PeakF32   float64
	ReadBytes float64 // a second
	Speed     Speed
}

// Speed is the measured time of training's parts, in seconds for one pass of MicroTokens tokens.
type Speed struct {
	Model       model.Config // that was measured: all but its number of layers holds for the plan's, or time is scaled by arithmetic
	SeqLen      int
	MicroTokens int
	Muon        bool    // whose steps were measured
	Rest        float64 // embedding, head and loss
	Layer       float64
	StepRest    float64 // of the optimiser, embedding and head
	StepLayer   float64
}

// step is the time of one optimiser's step; 0 where that optimiser was not measured.
func (h Hardware) step(c model.Config, d Data) float64 {
	s := h.Speed
	if s.MicroTokens == 0 || s.Muon != d.Muon {
		return 0
	}
	passes := float64(d.BatchTokens) / float64(s.MicroTokens)
	if s.fits(c, d) {
		layers := float64(c.NumLayers)
		return passes*(s.Rest+layers*s.Layer) + s.StepRest + layers*s.StepLayer
	}
	probe := s.Model
	layers := float64(probe.NumLayers)
	rate := probe.TrainFLOPs(s.SeqLen) * float64(s.MicroTokens) / (s.Rest + layers*s.Layer)
	grow := float64(c.Params()) / float64(probe.Params())
	if d.Muon {
		grow *= float64(c.HiddenSize) / float64(probe.HiddenSize) // its products are as wide as the model
	}
	return c.TrainFLOPs(d.SeqLen)*float64(d.BatchTokens)/rate + grow*(s.StepRest+layers*s.StepLayer)
}

// fits reports whether the measured layers are the plan's own.
func (s Speed) fits(c model.Config, d Data) bool {
	m := s.Model
	return m.HiddenSize == c.HiddenSize && m.IntermediateSize == c.IntermediateSize && m.NumHeads == c.NumHeads && m.NumKVHeads == c.NumKVHeads &&
		m.HeadDim == c.HeadDim && m.VocabSize == c.VocabSize && m.TieWordEmbeddings == c.TieWordEmbeddings && s.SeqLen == d.SeqLen
}

// Measure measures the machine, and the training speed of c's own layers with a few real steps of models of one and of three layers.
// Where those would take more than a quarter of the memory it measures a Depth(8) instead, and plans scale by arithmetic.
func Measure(ctx context.Context, b tensor.Backend, c model.Config, d Data) (Hardware, error) {
	info := b.Info()
	h := Hardware{Name: fmt.Sprintf("%s %s, %d threads", info.Name, info.Variant, info.Threads), Memory: memory()}
	h.peaks(b)
	if err := c.Validate(); err != nil {
		return h, err
	}
	d = d.defaults(c)
	if err := d.validate(c); err != nil {
		return h, err
	}
	if three := withLayers(c, 3); h.Memory > 0 && Overhead(three.PlanTraining(options(d)).Total()+2*three.WeightBytes(dtype.F32)) > h.Memory/4 {
		c = model.Depth(8)
		c.VocabSize, c.BOS, c.EOS = 8192, []uint32{1}, []uint32{2}
		d = Data{Muon: d.Muon}.defaults(c)
	}
	one, err := newProbe(b, withLayers(c, 1), d)
	if err != nil {
		return h, err
	}
	three, err := newProbe(b, withLayers(c, 3), d)
	if err != nil {
		return h, err
	}
	for began := time.Now(); len(one.passes) < probeRounds || len(one.passes) < mostRounds && time.Since(began) < probeTime; {
		if err := ctx.Err(); err != nil {
			return h, err
		}
		one.step(1)
		three.step(1)
	}
	h.Speed = speed(one, three)
	h.peaks(b)
	return h, nil
}

// speed splits the time of one and of three layers into that of a layer and that of the rest.
func speed(one, three *probe) Speed {
	s := Speed{Model: one.model, SeqLen: one.data.SeqLen, MicroTokens: one.data.MicroTokens, Muon: one.data.Muon}
	s.Layer, s.Rest = layerAndRest(median(one.passes), median(three.passes))
	s.StepLayer, s.StepRest = layerAndRest(median(one.steps), median(three.steps))
	return s
}

// layerAndRest splits the times of one and of three layers into a layer's and that of all else. On a machine so busy that three
// layers seem no slower than one, all the time is called the layers'.
func layerAndRest(one, three float64) (layer, rest float64) {
	layer = (three - one) / 2
	if layer <= 0 {
		return three / 3, 0
	}
	return layer, max(0, one-layer)
}

// peaks measures what the machine can do at most. A neighbour only lowers that, so of repeated measurements the highest holds.
func (h *Hardware) peaks(b tensor.Backend) {
	if p, ok := b.(tensor.Prober); ok {
		threads := b.Info().Threads
		h.PeakBF16 = max(h.PeakBF16, p.Probe(tensor.PeakBF16, threads))
		h.PeakF32 = max(h.PeakF32, p.Probe(tensor.PeakF32, threads))
		h.ReadBytes = max(h.ReadBytes, p.Probe(tensor.ReadBytes, threads))
	}
}

func withLayers(c model.Config, n int) model.Config {
	c.NumLayers = n
	return c
}

func options(d Data) model.TrainOptions {
	return model.TrainOptions{Compute: dtype.BF16, MaxTokens: d.MicroTokens}
}

// How long Measure measures, behind a round that warms up: at least probeRounds and, within mostRounds, at least probeTime, because a
// scheduler lets a process that has just begun to work go before its neighbours for a moment. The fastest pass counts for little on a busy
// machine, the slowest for nothing: medians are taken. Models take turns, so that a neighbour slows all of them.
const (
	probeRounds = 5
	mostRounds  = 60
	probeTime   = 2 * time.Second
)

// probe is a model with random weights and tokens whose training is timed.
type probe struct {
	model   model.Config
	data    Data
	backend tensor.Backend
	trainer *model.Trainer
	m, v    *model.Weights
	rows    model.Examples
	scratch tensor.Arena
	n       int

	passes, steps []float64 // seconds of a pass and of the optimiser's step, the first step left out
}

func newProbe(b tensor.Backend, c model.Config, d Data) (*probe, error) {
	w := c.NewWeights(tensor.Heap, dtype.F32)
	w.Init(c, 1)
	t, err := model.NewTrainer(b, c, w, options(d))
	if err != nil {
		return nil, err
	}
	return &probe{model: c, data: d, backend: b, trainer: t, m: c.NewWeights(tensor.Heap, dtype.F32), v: c.NewWeights(tensor.Heap, dtype.F32),
		rows: examples(c, d)}, nil
}

// step takes a step of the optimiser behind a number of passes.
func (p *probe) step(passes int) {
	start := time.Now()
	for range passes {
		p.trainer.Step(p.rows)
	}
	middle := time.Now()
	p.n++
	p.optimise()
	if p.n > 1 {
		p.passes = append(p.passes, middle.Sub(start).Seconds()/float64(passes))
		p.steps = append(p.steps, time.Since(middle).Seconds())
	}
}

func median(x []float64) float64 { return slices.Sorted(slices.Values(x))[len(x)/2] }

// examples are rows of random tokens, each row one document.
func examples(c model.Config, d Data) model.Examples {
	n := d.MicroTokens
	r := rand.New(rand.NewPCG(1, 2))
	ids, pos, labels, grad := make([]int32, n), make([]int32, n), make([]int32, n), make([]float32, n)
	cu := []int32{0}
	for i := range n {
		ids[i], labels[i], pos[i], grad[i] = r.Int32N(int32(c.VocabSize)), r.Int32N(int32(c.VocabSize)), int32(i%d.SeqLen), 1/float32(n)
		if (i+1)%d.SeqLen == 0 {
			cu = append(cu, int32(i+1))
		}
	}
	return model.Examples{IDs: tensor.FromI32(ids, n), Pos: tensor.FromI32(pos, n), Labels: tensor.FromI32(labels, n), Cu: cu, GradLoss: tensor.FromF32(grad, n)}
}

// optimise is an optimiser's step as lib/train takes it, the norm of the gradients included.
func (p *probe) optimise() {
	squares := tensor.New(dtype.F32, 1)
	for w := range p.trainer.Params() {
		p.backend.Reduce(tensor.SumSquares, squares.Reshape(), w.Grad.Reshape(-1))
	}
	moments := map[string][2]tensor.Tensor{}
	for name, m := range p.m.All() {
		moments[name] = [2]tensor.Tensor{*m}
	}
	for name, v := range p.v.All() {
		moments[name] = [2]tensor.Tensor{moments[name][0], *v}
	}
	for w := range p.trainer.Params() {
		mv := moments[w.Name]
		if p.data.Muon && w.Matrix {
			p.muon(w, mv[0])
			continue
		}
		p.backend.AdamW(tensor.AdamW{W: w.W, G: w.Grad, M: mv[0], V: mv[1], Out: w.Out, LR: 1e-4, Beta1: 0.9, Beta2: 0.95, Eps: 1e-8, Step: p.n})
	}
	p.trainer.Grads().Zero()
}

// muon steps the matrices that a weight holds, each for itself.
func (p *probe) muon(w model.Param, m tensor.Tensor) {
	rows, at := w.Rows, 0
	if rows == nil {
		rows = []int{w.W.Dim(0)}
	}
	for _, n := range rows {
		s := tensor.MuonStep{W: w.W.Slice(0, at, at+n), G: w.Grad.Slice(0, at, at+n), M: m.Slice(0, at, at+n), LR: 1e-4, Momentum: 0.95}
		if !w.Out.IsZero() {
			s.Out = w.Out.Slice(0, at, at+n)
		}
		mark := p.scratch.Mark()
		tensor.Muon(p.backend, &p.scratch, s)
		p.scratch.Release(mark)
		at += n
	}
}

// memory is what the system could give now; 0 where it does not tell.
func memory() int64 {
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "MemAvailable:"); ok {
			n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			if err == nil {
				return n << 10
			}
		}
	}
	return 0
}
