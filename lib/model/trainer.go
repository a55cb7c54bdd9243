package model

import (
	"fmt"
	"iter"
	"strings"

	"quire/simd/dtype"
	"quire/simd/tensor"
)

// Recompute says what the backward pass computes again instead of keeping.
type Recompute uint8

const (
	RecomputeNone      Recompute = iota // nothing: fastest
	RecomputeSelective                  // norms and SwiGLU, which cost no products: about a third less memory
	RecomputeFull                       // all of a layer from its input: a third more arithmetic
)

// TrainOptions are what a Trainer's memory depends on, besides the Config.
type TrainOptions struct {
	Compute   dtype.Type // BF16 or F32: what products multiply; sums are F32
	Recompute Recompute
	MaxTokens int // the most rows of one micro-batch
}

func (o TrainOptions) validate() error {
	switch {
	case o.Compute != dtype.BF16 && o.Compute != dtype.F32:
		return fmt.Errorf("model: training in %v: want BF16 or F32", o.Compute)
	case o.Recompute > RecomputeFull:
		return fmt.Errorf("model: recompute %d does not exist", o.Recompute)
	case o.MaxTokens < 1 || o.MaxTokens > maxSize:
		return fmt.Errorf("model: micro-batches of %d tokens: want 1 to %d", o.MaxTokens, maxSize)
	}
	return nil
}

// Trainer computes losses and gradients of packed micro-batches. It holds the F32 master weights that it was given, gradients of the same shape, for BF16 a rounded copy of every
// matrix, and one arena for the activations of a micro-batch. It serves one goroutine at a time.
type Trainer struct {
	pass
	o      TrainOptions
	master *Weights
	grads  *Weights
	shadow *Weights // what products multiply; the master itself for F32
	arena  *tensor.Arena
	fresh  bool // the next Step overwrites the gradients of layers' matrices
}

// NewTrainer makes a Trainer over fused F32 weights, which it uses and does not copy. Gradients are zero.
func NewTrainer(b tensor.Backend, c Config, w *Weights, o TrainOptions) (*Trainer, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if err := o.validate(); err != nil {
		return nil, err
	}
	if err := c.checkMaster(w); err != nil {
		return nil, err
	}
	t := &Trainer{o: o, master: w, grads: c.NewWeights(tensor.Heap, dtype.F32), shadow: w}
	if o.Compute != dtype.F32 {
		t.shadow = c.newShadow(tensor.Heap, w, o.Compute)
	}
	t.pass = newPass(b, c, w, o.Compute)
	if c.TieWordEmbeddings {
		t.w = t.shadow
	}
	for i := range t.shadow.Layers {
		t.layers[i] = prepareLayer(&t.shadow.Layers[i], func(parts []tensor.Tensor) (all []operand) {
			for _, x := range parts {
				all = append(all, operand{w: x, n: x.Dim(0)})
			}
			return all
		})
	}
	t.arena = tensor.NewArena(int(c.PlanTraining(o).Activations))
	t.Refresh()
	return t, nil
}

// newShadow allocates rounded copies of the matrices that products need; the rest is w itself. An untied embedding table is only read row by row and needs no copy.
func (c Config) newShadow(a tensor.Allocator, w *Weights, dt dtype.Type) *Weights {
	s := *w
	s.Layers = make([]Layer, len(w.Layers))
	copyOf := func(l Linear) Linear {
		return Linear{Parts: []tensor.Tensor{tensor.NewIn(a, dt, l.Parts[0].Shape()...)}, Bias: l.Bias}
	}
	for i, l := range w.Layers {
		s.Layers[i] = Layer{l.AttnNorm, copyOf(l.QKV), copyOf(l.Out), l.MLPNorm, copyOf(l.GateUp), copyOf(l.Down)}
	}
	if s.Head = tensor.NewIn(a, dt, w.Head.Shape()...); c.TieWordEmbeddings {
		s.Embed = s.Head
	}
	return &s
}

// Weights are the master weights, F32.
func (t *Trainer) Weights() *Weights { return t.master }

// Grads are the gradients, F32: Step adds to them.
func (t *Trainer) Grads() *Weights { return t.grads }

// ZeroGrads begins a new sum of gradients. Those of layers' matrices are not touched until the next Step overwrites them, which saves writing and reading them once; do not look at Grads before.
func (t *Trainer) ZeroGrads() {
	t.fresh = true
	for _, g := range t.grads.All() {
		if g.Rank() == 1 {
			clear(g.Bytes())
		}
	}
	zero(t.grads.Embed)
	zero(t.grads.Head)
}

// Param is one tensor of a model with what an optimiser needs of it.
type Param struct {
	Name    string
	W, Grad tensor.Tensor // F32
	Out     tensor.Tensor // rounded copy to be written with W (AdamW.Out); none: zero Tensor
	Matrix  bool          // a matrix of a layer: what Muon is for
	Rows    []int         // heights of the matrices that a fused one holds, which Muon orthogonalises apart; nil: it is one
	Decay   bool          // weight decay is usual: matrices, not norms and biases
}

// Params yields the parameters in the order of Weights.All. An optimiser that writes W but not Out must call Refresh.
func (t *Trainer) Params() iter.Seq[Param] {
	return func(yield func(Param) bool) {
		grads, stopGrads := iter.Pull2(t.grads.All())
		defer stopGrads()
		shadows, stopShadows := iter.Pull2(t.shadow.All())
		defer stopShadows()
		for name, w := range t.master.All() {
			_, g, _ := grads()
			_, out, _ := shadows()
			p := Param{Name: name, W: *w, Grad: *g, Decay: w.Rank() == 2}
			p.Matrix = p.Decay && !w.IsSame(t.master.Embed) && !w.IsSame(t.master.Head)
			p.Rows = t.c.fused(name)
			if !out.IsSame(*w) {
				p.Out = *out
			}
			if !yield(p) {
				return
			}
		}
	}
}

// fused are the heights of query, key and value, or of gate and up, in the weight of that name.
func (c Config) fused(name string) []int {
	switch {
	case strings.HasSuffix(name, ".qkv_proj.weight"):
		return []int{c.NumHeads * c.HeadDim, c.NumKVHeads * c.HeadDim, c.NumKVHeads * c.HeadDim}
	case strings.HasSuffix(name, ".gate_up_proj.weight"):
		return []int{c.IntermediateSize, c.IntermediateSize}
	}
	return nil
}

// Refresh rounds the master weights to the copies that products use: after they were written from outside.
func (t *Trainer) Refresh() {
	for p := range t.Params() {
		if !p.Out.IsZero() {
			t.b.Copy(p.Out, p.W)
		}
	}
}

// Model packs the weights as they are now, for evaluation and sampling while training goes on.
func (t *Trainer) Model() (*Model, error) { return New(t.b, t.c, t.shadow) }

// Examples is a micro-batch of packed documents.
type Examples struct {
	IDs, Pos, Labels tensor.Tensor // (T) I32; a negative label is not learnt
	Cu               []int32       // offsets of documents, from 0 to T: attention stops there; nil: one document
	// GradLoss (T) F32 is the derivative of the objective by each token's loss: 1/N for the mean over N tokens of all micro-batches.
	GradLoss tensor.Tensor
	// Weigh, if set, is called with the losses of the forward pass and fills GradLoss itself: objectives that are no weighted sum, at the price of a second head product.
	Weigh     func(loss, gradLoss []float32)
	ZLoss     float32
	Smoothing float32
}

// Losses are each token's loss and log Σ e^logit, (T) F32, as tensor.HeadLoss defines them. They lie in the Trainer's arena: valid until its next call.
type Losses struct{ Loss, LSE tensor.Tensor }

// Evaluate computes losses alone.
func (t *Trainer) Evaluate(e Examples) Losses {
	t.begin(e)
	s := t.newRows(t.arena, e.IDs.Dim(0))
	x := tensor.NewIn(t.arena, dtype.F32, e.IDs.Dim(0), t.c.HiddenSize)
	f := t.newFinal(t.arena, e.IDs.Dim(0))
	t.b.Embedding(x, t.w.Embed, e.IDs)
	for i := range t.layers {
		s.x, s.mid, s.next = x, x, x
		t.forwardLayer(i, s, Batch{IDs: e.IDs, Pos: e.Pos, Cu: e.Cu})
	}
	t.b.RMSNorm(tensor.RMSNorm{Out: f.h, X: x, W: t.w.Norm, Eps: float32(t.c.RMSNormEps)})
	t.b.HeadLoss(t.headLoss(e, f))
	return Losses{f.loss, f.lse}
}

// begin empties the arena.
func (t *Trainer) begin(e Examples) {
	if n := e.IDs.Dim(0); n > t.o.MaxTokens {
		panic(fmt.Sprintf("model: Trainer: %d tokens, room for %d", n, t.o.MaxTokens))
	}
	t.reach(e.Pos)
	t.arena.Release(tensor.Mark{})
}

// Step runs a micro-batch forward and backward and adds its gradients to Grads.
func (t *Trainer) Step(e Examples) Losses {
	t.begin(e)
	s := t.newSaved(t.arena, e.IDs.Dim(0))
	batch := Batch{IDs: e.IDs, Pos: e.Pos, Cu: e.Cu}
	t.b.Embedding(s.layers[0].x, t.w.Embed, e.IDs)
	for i := range t.layers {
		t.forwardLayer(i, &s.layers[i], batch)
	}
	f := &s.final
	t.b.RMSNorm(tensor.RMSNorm{Out: f.h, X: f.x, W: t.w.Norm, RStd: f.rstd, Eps: float32(t.c.RMSNormEps)})
	t.headBackward(e, s)
	for i := len(t.layers) - 1; i >= 0; i-- {
		t.backwardLayer(i, s, batch)
	}
	t.b.EmbeddingGrad(t.grads.Embed, s.dx, e.IDs)
	t.fresh = false
	return Losses{f.loss, f.lse}
}

func (r Recompute) String() string { return [...]string{"none", "selective", "full"}[r] }
