package quant

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"quire/lib/model"
	"quire/lib/show"
	"quire/simd/dtype"
	"quire/simd/tensor"
)

// Method is how weights are rounded.
type Method string

const (
	RTN  Method = "rtn"  // to nearest, each for itself
	AWQ  Method = "awq"  // to nearest, after columns that meet large inputs were scaled up
	GPTQ Method = "gptq" // one column after the other, later ones correcting earlier ones
)

// Config says what to do. Texts are sequences of token ids; they are cut to the length that the model was trained for.
type Config struct {
	Method      Method
	Type        dtype.Type // of the matrices of layers: Q8_0, Q4_0, Q4_K, or AWQ4 (4 bits, groups of 128)
	Embed, Head dtype.Type // of the embedding table and the head; None keeps what they are, and a tied head follows Embed
	Calibration [][]uint32 // what AWQ and GPTQ learn from, and what errors are measured on; RTN needs none
	Evaluate    [][]uint32 // texts whose perplexity is measured before and after; none: not measured
	Rows        int        // input rows of each matrix that are kept to measure errors, spread over the texts; 0: 512
	Damp        float64    // GPTQ: share of the mean of the Hessian's diagonal that is added to it; 0: 0.01
}

// Result is a quantised model. Its configuration is the one that was given.
type Result struct {
	Weights *model.Weights
	Report  *Report
}

// Validate reports what is wrong with c.
func (c Config) Validate() error {
	if !slices.Contains([]Method{RTN, AWQ, GPTQ}, c.Method) {
		return fmt.Errorf("quant: method %q: want rtn, awq or gptq", string(c.Method))
	}
	if _, ok := grids[c.Type]; !ok {
		return fmt.Errorf("quant: type %v: want Q8_0, Q4_0, Q4_K or AWQ4", c.Type)
	}
	if c.Method != RTN && len(c.Calibration) == 0 {
		return fmt.Errorf("quant: %s needs calibration texts", c.Method)
	}
	if c.Rows < 0 || !(c.Damp >= 0 && c.Damp <= 1) {
		return fmt.Errorf("quant: %d rows, damping %v: want 0 or more, and 0 to 1", c.Rows, c.Damp)
	}
	return nil
}

// job is one run of Quantize.
type job struct {
	Config
	b    tensor.Backend
	c    model.Config
	w    *model.Weights // given
	out  *model.Weights // made so far
	seen []inputs       // of each layer; nil without calibration
	rows []Row
}

// Quantize makes a smaller model of w, showing its progress. A matrix whose rows are no multiple of the type's block becomes F16. It ends early
// with ctx's error.
func Quantize(ctx context.Context, b tensor.Backend, c model.Config, w *model.Weights, cfg Config) (*Result, error) {
	if err := errors.Join(cfg.Validate(), c.Validate(), c.Check(w)); err != nil {
		return nil, err
	}
	if cfg.Rows == 0 {
		cfg.Rows = 512
	}
	if cfg.Damp == 0 {
		cfg.Damp = 0.01
	}
	j := &job{Config: cfg, b: b, c: c, w: w, out: &model.Weights{Layers: make([]model.Layer, 0, len(w.Layers))}}
	bar := show.NewProgress(len(w.Layers)+2, fmt.Sprintf("%s to %v", cfg.Method, cfg.Type)).Unit("layers")
	report, err := j.run(ctx, bar)
	if err != nil {
		bar.Fail(err)
		return nil, err
	}
	bar.Done()
	return &Result{Weights: j.out, Report: report}, nil
}

func (j *job) run(ctx context.Context, bar *show.ProgressBar) (*Report, error) {
	r := &Report{Method: j.Method, Type: j.Type, BytesBefore: j.w.Bytes(), Params: j.c.Params()}
	var err error
	if len(j.Evaluate) > 0 {
		bar.Note("perplexity before")
		if r.Before, err = Perplexity(ctx, j.b, j.c, j.w, j.Evaluate); err != nil {
			return nil, err
		}
	}
	if len(j.Calibration) > 0 {
		bar.Note("calibration")
		if j.seen, err = j.calibrate(ctx); err != nil {
			return nil, err
		}
	}
	bar.Add(1)
	j.ends()
	for i := range j.w.Layers {
		bar.Note("layer %d", i)
		if err := j.layer(ctx, i); err != nil {
			return nil, err
		}
		bar.Add(1)
	}
	r.Rows, r.BytesAfter = j.rows, j.out.Bytes()
	if len(j.Evaluate) > 0 {
		bar.Note("perplexity after")
		if r.After, err = Perplexity(ctx, j.b, j.c, j.out, j.Evaluate); err != nil {
			return nil, err
		}
	}
	bar.Add(1)
	return r, ctx.Err()
}

// ends converts what is not in a layer.
func (j *job) ends() {
	j.out.Embed, j.out.Norm = j.as(j.w.Embed, j.Embed), j.vector(j.w.Norm)
	if j.out.Head = j.out.Embed; !j.c.TieWordEmbeddings {
		j.out.Head = j.as(j.w.Head, j.Head)
	}
}

// as converts a matrix to a type, None for its own; rows that no block divides become F16.
func (j *job) as(t tensor.Tensor, dt dtype.Type) tensor.Tensor {
	if dt == dtype.None && j.Type == dtype.AWQ4 && !t.DType().IsBlock() {
		dt = dtype.F16 // LMDeploy reads AWQ models as half precision throughout
	}
	if dt == dtype.None || dt == t.DType() {
		return t
	}
	if t.DType().IsBlock() {
		t = j.float(t)
	}
	out := tensor.New(fitting(dt, t.Dim(1)), t.Shape()...)
	j.b.Copy(out, t)
	return out
}

// fitting is dt, or F16 if its blocks do not divide k.
func fitting(dt dtype.Type, k int) dtype.Type {
	if k%dt.Block() != 0 {
		return dtype.F16
	}
	return dt
}

// vector is a norm or a bias as the result has it: F16 in AWQ models, as LMDeploy wants them, else F32. None stays none.
func (j *job) vector(t tensor.Tensor) tensor.Tensor {
	if t.IsZero() {
		return t
	}
	dt := dtype.F32
	if j.Type == dtype.AWQ4 {
		dt = dtype.F16
	}
	out := tensor.New(dt, t.Shape()...)
	out.SetFloats(t.Floats())
	return out
}

// float is a fresh F32 copy.
func (j *job) float(t tensor.Tensor) tensor.Tensor {
	out := tensor.New(dtype.F32, t.Shape()...)
	j.b.Copy(out, t)
	return out
}
