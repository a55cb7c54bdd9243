package model

import (
	"math"
	"math/rand/v2"
	"testing"

	"quire/simd/dtype"
	"quire/simd/tensor"
)

// reference is the model in plain float64 loops, written from the papers and not from the package: what forward and backward are held against.
type reference struct {
	c Config
	w map[string][]float64
}

func newReference(c Config, w *Weights) *reference {
	r := &reference{c, map[string][]float64{}}
	for name, t := range w.All() {
		var x []float64
		for _, v := range t.Floats() {
			x = append(x, float64(v))
		}
		r.w[name] = x
	}
	return r
}

// logits of one document.
func (r *reference) logits(ids []int32) [][]float64 {
	c := r.c
	var xs [][]float64
	for _, id := range ids {
		xs = append(xs, append([]float64(nil), r.w["model.embed_tokens.weight"][int(id)*c.HiddenSize:][:c.HiddenSize]...))
	}
	for i := range c.NumLayers {
		r.layer("model.layers."+string(rune('0'+i))+".", xs)
	}
	head := r.w["lm_head.weight"]
	if c.TieWordEmbeddings {
		head = r.w["model.embed_tokens.weight"]
	}
	out := make([][]float64, len(xs))
	for t, x := range xs {
		h := r.norm(x, r.w["model.norm.weight"])
		for v := range c.VocabSize {
			row := head[v*c.HiddenSize:][:c.HiddenSize]
			z := dot(row, h)
			if c.NormHead {
				z /= math.Sqrt(dot(row, row))
			}
			out[t] = append(out[t], z)
		}
	}
	return out
}

func dot(a, b []float64) (s float64) {
	for i := range a {
		s += a[i] * b[i]
	}
	return s
}

func (r *reference) norm(x, w []float64) []float64 {
	scale := 1 / math.Sqrt(dot(x, x)/float64(len(x))+r.c.RMSNormEps)
	out := make([]float64, len(x))
	for i := range x {
		out[i] = x[i] * scale * w[i]
	}
	return out
}

func (r *reference) times(name string, x []float64) []float64 {
	w, bias := r.w[name+".weight"], r.w[name+".bias"]
	out := make([]float64, len(w)/len(x))
	for i := range out {
		if out[i] = dot(w[i*len(x):][:len(x)], x); bias != nil {
			out[i] += bias[i]
		}
	}
	return out
}

// turn rotates a head by its position, frequency by frequency.
func (r *reference) turn(head []float64, pos, length int) {
	c, d := r.c, len(head)
	theta := c.RopeTheta
	if s := c.RopeScaling; s.Type == "dynamic" && length > c.MaxSeqLen {
		theta *= math.Pow(s.Factor*float64(length)/float64(c.MaxSeqLen)-(s.Factor-1), float64(d)/float64(d-2))
	}
	for i := range d / 2 {
		f := math.Pow(theta, -float64(2*i)/float64(d))
		switch s := c.RopeScaling; s.Type {
		case "linear":
			f /= s.Factor
		case "llama3":
			wave := 2 * math.Pi / f
			low, high := float64(s.OriginalMaxSeqLen)/s.LowFreqFactor, float64(s.OriginalMaxSeqLen)/s.HighFreqFactor
			if wave > low {
				f /= s.Factor
			} else if wave > high {
				mix := (float64(s.OriginalMaxSeqLen)/wave - s.LowFreqFactor) / (s.HighFreqFactor - s.LowFreqFactor)
				f = (1-mix)*f/s.Factor + mix*f
			}
		}
		a, b := i, i+d/2
		if c.RopeInterleaved {
			a, b = 2*i, 2*i+1
		}
		sin, cos := math.Sincos(float64(pos) * f)
		head[a], head[b] = head[a]*cos-head[b]*sin, head[a]*sin+head[b]*cos
	}
}

func (r *reference) layer(name string, xs [][]float64) {
	c, d := r.c, r.c.HeadDim
	qkv := make([][]float64, len(xs))
	for t, x := range xs {
		qkv[t] = r.times(name+"self_attn.qkv_proj", r.norm(x, r.w[name+"input_layernorm.weight"]))
		for h := range c.NumHeads + c.NumKVHeads {
			r.turn(qkv[t][h*d:][:d], t, len(xs))
		}
	}
	for t := range xs {
		mixed := make([]float64, c.NumHeads*d)
		for h := range c.NumHeads {
			kv := c.NumHeads + h/(c.NumHeads/c.NumKVHeads)
			first := 0
			if c.SlidingWindow > 0 {
				first = max(0, t-c.SlidingWindow+1)
			}
			var p []float64
			sum := 0.0
			for s := first; s <= t; s++ {
				p = append(p, math.Exp(dot(qkv[t][h*d:][:d], qkv[s][kv*d:][:d])/math.Sqrt(float64(d))))
				sum += p[s-first]
			}
			for s := first; s <= t; s++ {
				for i, v := range qkv[s][(kv+c.NumKVHeads)*d:][:d] {
					mixed[h*d+i] += p[s-first] / sum * v
				}
			}
		}
		add(xs[t], r.times(name+"self_attn.o_proj", mixed))
		gateUp := r.times(name+"mlp.gate_up_proj", r.norm(xs[t], r.w[name+"post_attention_layernorm.weight"]))
		inner := make([]float64, c.IntermediateSize)
		for i := range inner {
			g := gateUp[i]
			inner[i] = g / (1 + math.Exp(-g)) * gateUp[i+c.IntermediateSize]
		}
		add(xs[t], r.times(name+"mlp.down_proj", inner))
	}
}

func add(x, y []float64) {
	for i := range x {
		x[i] += y[i]
	}
}

// loss is Σ weight·(cross-entropy with smoothing and z-loss) over documents; each predicts its next ids, a negative id is not predicted.
func (r *reference) loss(docs [][]int32, weight []float32, z, smoothing float64) (total float64) {
	at := 0
	for _, doc := range docs {
		inputs := make([]int32, len(doc)-1)
		for i := range inputs {
			inputs[i] = max(doc[i], -doc[i])
		}
		for t, row := range r.logits(inputs) {
			sum, m := 0.0, 0.0
			for _, v := range row {
				sum += math.Exp(v)
				m += v / float64(len(row))
			}
			lse := math.Log(sum)
			if y := doc[t+1]; y >= 0 {
				total += float64(weight[at]) * ((1-smoothing)*(lse-row[y]) + smoothing*(lse-m) + z*lse*lse)
			}
			at++
		}
	}
	return total
}

// smallConfigs is a small model for every flag, with odd sizes.
func smallConfigs() map[string]Config {
	base := Config{
		Family: Llama, HiddenSize: 28, IntermediateSize: 37, NumLayers: 2, NumHeads: 4, NumKVHeads: 2, HeadDim: 10, VocabSize: 41, MaxSeqLen: 64,
		RMSNormEps: 1e-5, RopeTheta: 100,
	}
	with := func(f func(c *Config)) Config { c := base; f(&c); return c }
	return map[string]Config{
		"plain":       base,
		"one kv head": with(func(c *Config) { c.NumKVHeads = 1 }),
		"no gqa":      with(func(c *Config) { c.NumKVHeads = 4 }),
		"tied":        with(func(c *Config) { c.TieWordEmbeddings = true }),
		"biases":      with(func(c *Config) { c.QKVBias, c.OutBias, c.MLPBias = true, true, true }),
		"qwen2":       with(func(c *Config) { c.Family, c.QKVBias, c.TieWordEmbeddings = Qwen2, true, true }),
		"window":      with(func(c *Config) { c.Family, c.SlidingWindow = Mistral, 3 }),
		"norm_head":   with(func(c *Config) { c.Family, c.NormHead = InternLM2, true }),
		"interleaved": with(func(c *Config) { c.RopeInterleaved = true }),
		"linear":      with(func(c *Config) { c.RopeScaling = RopeScaling{Type: "linear", Factor: 3} }),
		"llama3":      with(func(c *Config) { c.RopeScaling = RopeScaling{"llama3", 8, 1, 4, 16} }),
	}
}

// smallWeights are random, large enough that every path matters.
func smallWeights(c Config, rng *rand.Rand) *Weights {
	w := c.NewWeights(tensor.Heap, dtype.F32)
	for _, t := range w.All() {
		x := make([]float32, t.Len())
		for i := range x {
			x[i] = float32(rng.NormFloat64()) * 0.25
			if t.Rank() == 1 {
				x[i] += 0.8
			}
		}
		t.SetFloats(x)
	}
	return w
}

func randomDocs(c Config, rng *rand.Rand, lengths ...int) (docs [][]int32) {
	for _, n := range lengths {
		doc := make([]int32, n)
		for i := range doc {
			doc[i] = rng.Int32N(int32(c.VocabSize))
		}
		docs = append(docs, doc)
	}
	return docs
}

// TestGradients compares forward and backward passes with the reference: its losses, and its central differences in float64 for entries of every tensor. Three documents share the rows; some tokens are not learnt. What is computed again has the same bits.
func TestGradients(t *testing.T) {
	for name, c := range smallConfigs() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(20261123, 0))
			w := smallWeights(c, rng)
			docs := randomDocs(c, rng, 2, 9, 13)
			docs[1][4] = 5
			e := examples(docs...)
			e.ZLoss, e.Smoothing = 0.01, 0.1
			for i := range e.GradLoss.F32() {
				e.GradLoss.F32()[i] = rng.Float32()
			}
			docs[1][4], e.Labels.I32()[4] = -5, -100 // the second document's token 4 is not learnt
			train := trainer(t, c, w, RecomputeNone, e)
			train.Step(e)
			for _, again := range []Recompute{RecomputeSelective, RecomputeFull} {
				other := trainer(t, c, w, again, e)
				other.Step(e)
				compareGrads(t, "recompute "+again.String(), other.Grads(), train.Grads(), 0)
			}
			losses := train.Step(e) // adds the same gradients again
			r := newReference(c, w)
			ours := 0.0
			for i, l := range losses.Loss.F32() {
				ours += float64(l) * float64(e.GradLoss.F32()[i])
			}
			want := r.loss(docs, e.GradLoss.F32(), 0.01, float64(float32(0.1)))
			if math.Abs(ours-want) > 1e-5*want {
				t.Errorf("loss %.8f, reference %.8f", ours, want)
			}
			for name, g := range train.Grads().All() {
				checkGradient(t, r, name, g.Floats(), rng, func() float64 { return r.loss(docs, e.GradLoss.F32(), 0.01, float64(float32(0.1))) })
			}
		})
	}
}

func trainer(t *testing.T, c Config, w *Weights, again Recompute, e Examples) *Trainer {
	t.Helper()
	train, err := NewTrainer(backend(t), c, w, TrainOptions{dtype.F32, again, e.IDs.Dim(0)})
	if err != nil {
		t.Fatal(err)
	}
	return train
}

// checkGradient compares some entries of a gradient that was added up twice.
func checkGradient(t *testing.T, r *reference, name string, g []float32, rng *rand.Rand, loss func() float64) {
	var ours, want []float32
	x := r.w[name]
	for range min(6, len(x)) {
		i := rng.IntN(len(x))
		const h = 1e-4
		old := x[i]
		x[i] = old + h
		up := loss()
		x[i] = old - h
		down := loss()
		x[i] = old
		ours, want = append(ours, g[i]/2), append(want, float32((up-down)/(2*h)))
	}
	scale := 0.0
	for _, v := range g {
		scale = max(scale, math.Abs(float64(v)))
	}
	if d := distance(ours, want); !(d <= 1e-4*scale+1e-7) {
		t.Errorf("gradient of %s: %v, central differences %v", name, ours, want)
	}
}
