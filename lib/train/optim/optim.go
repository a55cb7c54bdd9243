// Package optim takes the steps of training: the learning rate of each step, and what a step does to each weight.
//
//	Schedule.At(step) ──▶ learning rate ─┐
//	gradients ──▶ Optimizer.Norm ──▶ clip ┴──▶ Optimizer.Step ──▶ weights, moments
//
// Weights, gradients and moments are F32, whatever type the model computes in: bf16 has no bits for a small step. Matrices may be
// stepped by Muon, everything else by AdamW; both use one learning rate (see [Muon]).
//
// Invariant: a step depends on the weights, gradients, moments and count alone, so saving and restoring those continues bit for bit.
//
// Deliberately absent: the loop, and optimisers that nobody trains language models with.
package optim

import (
	"fmt"
	"math"

	"quire/simd/dtype"
	"quire/simd/tensor"
)

// Kind is the part that a weight plays in a model. It decides whether the weight decays and who steps it.
type Kind string

const (
	Matrix    Kind = "matrix"    // of a hidden layer: the only kind that Muon steps
	Embedding Kind = "embedding" // of tokens; a tied head is one
	Head      Kind = "head"
	Norm      Kind = "norm"
	Bias      Kind = "bias"
)

// Method is how matrices are stepped.
type Method string

const (
	AdamW Method = "adamw" // as everything else
	Muon  Method = "muon"  // by orthogonalised momentum, see tensor.MuonStep; scaled by 0.2·√columns so that a step is as large as AdamW's and learning rate and decay carry over (Liu et al. 2025, arXiv:2502.16982 §2.2)
)

// Decay is the weight decay of each kind: a step does w -= LR·decay·w, as PyTorch's AdamW.
type Decay struct {
	Matrix    float64 `json:"matrix"`
	Embedding float64 `json:"embedding"`
	Head      float64 `json:"head"`
	Norm      float64 `json:"norm"`
	Bias      float64 `json:"bias"`
}

// of is the decay of a kind.
func (d Decay) of(k Kind) float64 {
	switch k {
	case Matrix:
		return d.Matrix
	case Embedding:
		return d.Embedding
	case Head:
		return d.Head
	case Norm:
		return d.Norm
	}
	return d.Bias
}

// Config chooses the optimiser. Start from [DefaultConfig].
type Config struct {
	Method   Method  `json:"method"`
	Beta1    float64 `json:"beta1"`
	Beta2    float64 `json:"beta2"`
	Eps      float64 `json:"eps"`
	Momentum float64 `json:"momentum"` // of Muon
	Decay    Decay   `json:"decay"`
}

// DefaultConfig is AdamW as large language models are trained: GPT-3's betas, decay 0.1 for everything but norms and biases.
func DefaultConfig() Config {
	return Config{
		Method: AdamW, Beta1: 0.9, Beta2: 0.95, Eps: 1e-8, Momentum: 0.95,
		Decay: Decay{Matrix: 0.1, Embedding: 0.1, Head: 0.1},
	}
}

// Validate reports the first setting that cannot be trained with.
func (c Config) Validate() error {
	if c.Method != AdamW && c.Method != Muon {
		return fmt.Errorf("optim: method %q: want %q or %q", c.Method, AdamW, Muon)
	}
	for _, f := range []struct {
		name string
		v    float64
		high float64
	}{
		{"beta1", c.Beta1, 1}, {"beta2", c.Beta2, 1}, {"momentum", c.Momentum, 1}, {"eps", c.Eps, 1},
		{"decay of matrices", c.Decay.Matrix, 100}, {"decay of embeddings", c.Decay.Embedding, 100}, {"decay of the head", c.Decay.Head, 100},
		{"decay of norms", c.Decay.Norm, 100}, {"decay of biases", c.Decay.Bias, 100},
	} {
		if !(f.v >= 0 && f.v < f.high) {
			return fmt.Errorf("optim: %s is %v: want 0 or more and less than %v", f.name, f.v, f.high)
		}
	}
	if c.Eps == 0 {
		return fmt.Errorf("optim: eps is 0: want a small number such as 1e-8")
	}
	return nil
}

// Param is a weight with its gradient.
type Param struct {
	Name string
	Kind Kind
	W, G tensor.Tensor // F32, contiguous, equal shape
	Out  tensor.Tensor // rounded copy of W for the next forward pass, float, written with it; none: zero Tensor
	Rows []int         // heights of the matrices that are stacked in W, each of which Muon steps for itself; nil: W is one
}

// Optimizer steps a model's weights. It is for one goroutine at a time.
type Optimizer struct {
	b       tensor.Backend
	c       Config
	params  []Param
	m, v    []tensor.Tensor // of each parameter; v is none where Muon steps it
	count   int             // steps taken
	scratch tensor.Arena
}

// New makes an optimiser with empty moments for these weights. The tensors are kept, not copied.
func New(b tensor.Backend, c Config, params []Param) (*Optimizer, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	o := &Optimizer{b: b, c: c, params: params}
	for _, p := range params {
		rows := 0
		for _, n := range p.Rows {
			rows += n
		}
		if p.Rows != nil && (p.W.Rank() != 2 || rows != p.W.Dim(0)) {
			return nil, fmt.Errorf("optim: %s is %v: its matrices have %d rows", p.Name, p.W, rows)
		}
		if p.W.DType() != dtype.F32 || p.G.DType() != dtype.F32 || !p.W.SameShape(p.G) || !p.W.IsContiguous() || !p.G.IsContiguous() {
			return nil, fmt.Errorf("optim: %s: weight %v and gradient %v: want equal shapes in F32", p.Name, p.W, p.G)
		}
		var v tensor.Tensor
		if !o.muon(p) {
			v = tensor.New(dtype.F32, p.W.Shape()...)
		}
		o.m, o.v = append(o.m, tensor.New(dtype.F32, p.W.Shape()...)), append(o.v, v)
	}
	return o, nil
}

// muon reports whether Muon steps p.
func (o *Optimizer) muon(p Param) bool {
	return o.c.Method == Muon && p.Kind == Matrix && p.W.Rank() == 2
}

// Norm is the Euclidean length of all gradients together: NaN or +Inf when one of them is not finite.
func (o *Optimizer) Norm() float64 {
	var total float64
	square := tensor.New(dtype.F32)
	for _, p := range o.params {
		o.b.Reduce(tensor.SumSquares, square, p.G.Reshape(-1))
		total += float64(square.F32()[0])
	}
	return math.Sqrt(total)
}

// Step moves every weight by its gradient times scale: the reciprocal of what the gradients were multiplied with, and clipping.
func (o *Optimizer) Step(lr, scale float64) {
	o.count++
	for i, p := range o.params {
		if o.muon(p) {
			o.stepMuon(p, o.m[i], lr, scale)
			continue
		}
		o.b.AdamW(tensor.AdamW{
			W: p.W.Reshape(-1), G: p.G.Reshape(-1), M: o.m[i].Reshape(-1), V: o.v[i].Reshape(-1), Out: flat(p.Out),
			LR: float32(lr), Beta1: float32(o.c.Beta1), Beta2: float32(o.c.Beta2), Eps: float32(o.c.Eps),
			WeightDecay: float32(o.c.Decay.of(p.Kind)), GradScale: float32(scale), Step: o.count,
		})
	}
}

func (o *Optimizer) stepMuon(p Param, m tensor.Tensor, lr, scale float64) {
	rows := p.Rows
	if rows == nil {
		rows = []int{p.W.Dim(0)}
	}
	grow := 0.2 * math.Sqrt(float64(p.W.Dim(1)))
	at := 0
	for _, n := range rows {
		mark := o.scratch.Mark()
		var out tensor.Tensor
		if !p.Out.IsZero() {
			out = p.Out.Slice(0, at, at+n)
		}
		tensor.Muon(o.b, &o.scratch, tensor.MuonStep{
			Out: out, W: p.W.Slice(0, at, at+n), G: p.G.Slice(0, at, at+n), M: m.Slice(0, at, at+n),
			LR: float32(lr * grow), Momentum: float32(o.c.Momentum), WeightDecay: float32(o.c.Decay.of(p.Kind) / grow),
			GradScale: float32(scale), Work: dtype.F32,
		})
		o.scratch.Release(mark)
		at += n
	}
}

// flat is t as one row; none stays none.
func flat(t tensor.Tensor) tensor.Tensor {
	if t.IsZero() {
		return t
	}
	return t.Reshape(-1)
}

// Count is the number of steps taken.
func (o *Optimizer) Count() int { return o.count }

// SetCount continues after that many steps, as restored moments need.
func (o *Optimizer) SetCount(n int) { o.count = n }

// Moments calls f with the optimiser's own tensors, in a fixed order: with the count they are all that it remembers. Names are
// those of the weights behind "m." and "v.".
func (o *Optimizer) Moments(f func(name string, t tensor.Tensor)) {
	for i, p := range o.params {
		f("m."+p.Name, o.m[i])
		if !o.v[i].IsZero() {
			f("v."+p.Name, o.v[i])
		}
	}
}
