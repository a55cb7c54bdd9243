package train

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"

	"quire/lib/corpus/mix"
	"quire/lib/model"
	"quire/lib/train/optim"
	"quire/simd/dtype"
	"quire/simd/tensor"
)

// Source is a part of the training data.
type Source struct {
	Name     string   `json:"name"`
	Language string   `json:"language,omitempty"` // groups sources in the metrics; "" is the name
	Shards   []string `json:"shards"`             // files, or patterns of them
	Weight   float64  `json:"weight"`             // share of the tokens, relative to the other sources'
	Epochs   float64  `json:"epochs,omitempty"`   // passes after which the source ends; 0 never
}

// Ramp lets the batch grow: it begins with Start rows and takes Increment more every Every steps, up to the full batch, as
// InternEvo's rampup_batch_size does. The zero value is off.
type Ramp struct {
	Start     int `json:"start"`
	Increment int `json:"increment"`
	Every     int `json:"every"`
}

// Rows is the batch of a step, counted from 1.
func (r Ramp) Rows(step, full int) int {
	if r.Every == 0 {
		return full
	}
	return min(full, r.Start+(step-1)/r.Every*r.Increment)
}

// Guard keeps bad batches and broken states away from the weights. Steps that are not finite are always skipped.
type Guard struct {
	Factor       float64 `json:"factor"`        // a loss above Factor times its running mean is a spike, and its step is skipped; 0: off
	Patience     int     `json:"patience"`      // so many skipped steps in a row, and the run goes back to its last checkpoint, with data that comes after the spike
	MaxRollbacks int     `json:"max_rollbacks"` // so many in one run, and the run fails
}

// Config describes a run. Start from [DefaultConfig]. As JSON it is what `quire train` reads.
type Config struct {
	Dir       string       `json:"dir"`            // of the run; "" makes runs/001, runs/002 …
	Model     model.Config `json:"model"`          // in JSON: a preset's name, {"depth": 4, "vocab_size": …}, or the fields of a Hugging Face config.json
	From      string       `json:"from,omitempty"` // model whose weights training starts from, such as a Hugging Face folder; "": random ones
	Tokenizer string       `json:"tokenizer"`      // file or folder: for bits per byte, samples and the finished model; "": none of these
	Seed      uint64       `json:"seed"`

	Data    []Source `json:"data"`
	HoldOut float64  `json:"hold_out"`        // share of each source's documents, by the hash of their id, that is evaluated on instead of trained on
	Valid   []Source `json:"valid,omitempty"` // more data to evaluate on
	Packing string   `json:"packing"`         // concat, best-fit or best-fit-crop: see mix.Packing
	Shuffle int      `json:"shuffle"`         // rows that are drawn ahead, kept in memory and shuffled: the rows of a long document follow each other otherwise; 1: none
	BOS     []uint32 `json:"bos,omitempty"`   // put before every document; empty where the shards hold it
	EOS     []uint32 `json:"eos,omitempty"`   // put behind every document

	SeqLen    int  `json:"seq_len"`
	Rows      int  `json:"rows"`       // of SeqLen tokens in a step
	MicroRows int  `json:"micro_rows"` // of them in one pass: what does not fit is accumulated
	Ramp      Ramp `json:"ramp,omitzero"`
	Steps     int  `json:"steps"`

	Schedule       optim.Schedule `json:"schedule"`
	Optimizer      optim.Config   `json:"optimizer"`
	Clip           float64        `json:"clip"` // longest gradient, by the norm over all weights; 0: any
	ZLoss          float64        `json:"z_loss"`
	LabelSmoothing float64        `json:"label_smoothing"`
	Guard          Guard          `json:"guard"`
	Compute        string         `json:"compute"`           // bf16 or f32: the type of products; weights, moments and sums are F32
	Recompute      string         `json:"recompute"`         // none, selective or full: activations that are computed again instead of kept
	Threads        int            `json:"threads,omitempty"` // 0: the backend's

	EvalEvery  int      `json:"eval_every"`        // steps; 0: only when asked
	EvalTokens int      `json:"eval_tokens"`       // of each source
	Probes     []Probe  `json:"probes,omitempty"`  // scored with each evaluation
	Prompts    []string `json:"prompts,omitempty"` // continued with each evaluation
	SaveEvery  int      `json:"save_every"`        // steps; 0: only at the end
	Keep       int      `json:"keep"`              // checkpoints

	Backend tensor.Backend `json:"-"` // nil: this machine's
}

// DefaultConfig trains a model for some steps with settings that suit small models; the data is yours to add.
func DefaultConfig(m model.Config, steps int) Config {
	warmup := min(100, max(1, steps/20))
	return Config{
		Model: m, Seed: 1024, HoldOut: 0.01, Packing: mix.BestFit.String(), Shuffle: 4096,
		SeqLen: min(256, m.MaxSeqLen), Rows: 16, MicroRows: 16, Steps: steps,
		Schedule:  optim.Schedule{Shape: optim.Cosine, LR: 1e-3, MinLR: 1e-4, WarmupSteps: warmup},
		Optimizer: optim.DefaultConfig(), Clip: 1,
		Guard:   Guard{Factor: 2, Patience: 3, MaxRollbacks: 3},
		Compute: "bf16", Recompute: "none",
		EvalEvery: max(1, steps/10), EvalTokens: 16384, SaveEvery: max(1, steps/5), Keep: 2,
	}
}

// Validate reports the first setting that cannot be trained with.
func (c Config) Validate() error {
	if err := c.Model.Validate(); err != nil {
		return err
	}
	if err := c.Schedule.Validate(); err != nil {
		return err
	}
	if err := c.Optimizer.Validate(); err != nil {
		return err
	}
	for _, f := range []struct {
		name      string
		v, lo, hi float64
	}{
		{"seq_len", float64(c.SeqLen), 1, float64(c.Model.MaxSeqLen)},
		{"rows", float64(c.Rows), 1, 1 << 20}, {"micro_rows", float64(c.MicroRows), 1, 1 << 20}, {"steps", float64(c.Steps), 1, 1 << 40},
		{"shuffle", float64(c.Shuffle), 1, 1 << 24}, {"hold_out", c.HoldOut, 0, 0.9}, {"clip", c.Clip, 0, math.MaxFloat64}, {"z_loss", c.ZLoss, 0, 1}, {"label_smoothing", c.LabelSmoothing, 0, 0.99},
		{"guard.factor", c.Guard.Factor, 0, math.MaxFloat64}, {"guard.patience", float64(c.Guard.Patience), 1, 1 << 20},
		{"guard.max_rollbacks", float64(c.Guard.MaxRollbacks), 0, 1 << 20}, {"threads", float64(c.Threads), 0, 4096},
		{"eval_every", float64(c.EvalEvery), 0, 1 << 40}, {"save_every", float64(c.SaveEvery), 0, 1 << 40}, {"keep", float64(c.Keep), 1, 1 << 20},
	} {
		if !(f.v >= f.lo && f.v <= f.hi) {
			if f.hi >= 1<<40 {
				return fmt.Errorf("train: %s is %v: want %v or more", f.name, f.v, f.lo)
			}
			return fmt.Errorf("train: %s is %v: want %v to %s", f.name, f.v, f.lo, strconv.FormatFloat(f.hi, 'f', -1, 64))
		}
	}
	return c.validateChoices()
}

func (c Config) validateChoices() error {
	if c.Guard.Factor > 0 && c.Guard.Factor <= 1 {
		return fmt.Errorf("train: guard.factor is %v: a spike is a multiple of the running loss, such as 2; 0 is off", c.Guard.Factor)
	}
	if r := c.Ramp; r != (Ramp{}) && (r.Start < 1 || r.Increment < 1 || r.Every < 1) {
		return fmt.Errorf("train: ramp of %d rows, %d more every %d steps: want 1 or more of each", r.Start, r.Increment, r.Every)
	}
	if _, err := c.packing(); err != nil {
		return err
	}
	if _, err := c.compute(); err != nil {
		return err
	}
	if _, err := c.recompute(); err != nil {
		return err
	}
	if err := c.validateData(); err != nil {
		return err
	}
	if c.EvalEvery > 0 && c.EvalTokens < 1 && (c.HoldOut > 0 || len(c.Valid) > 0) {
		return fmt.Errorf("train: eval_tokens is %d: say how many tokens of each source an evaluation reads, or set eval_every to 0", c.EvalTokens)
	}
	if c.Tokenizer == "" && (len(c.Prompts) > 0 || len(c.Probes) > 0) {
		return errors.New("train: prompts and probes need the tokenizer: set it to its file")
	}
	for _, p := range c.Probes {
		if err := p.Validate(); err != nil {
			return err
		}
	}
	return nil
}

func (c Config) validateData() error {
	if len(c.Data) == 0 {
		return errors.New("train: no data: add a Source with the shards to train on")
	}
	for _, s := range slices.Concat(c.Data, c.Valid) {
		switch {
		case s.Name == "" || len(s.Shards) == 0:
			return fmt.Errorf("train: source %q with %d shards: want a name and at least one", s.Name, len(s.Shards))
		case !(s.Weight >= 0 && s.Weight <= math.MaxFloat64):
			return fmt.Errorf("train: source %q: weight is %v: want 0 or more", s.Name, s.Weight)
		case !(s.Epochs >= 0 && s.Epochs <= math.MaxFloat64):
			return fmt.Errorf("train: source %q: epochs is %v: want passes over it, or 0 for no end", s.Name, s.Epochs)
		}
	}
	if !slices.ContainsFunc(c.Data, func(s Source) bool { return s.Weight > 0 }) {
		return fmt.Errorf("train: source %q: weight is 0, as all others are: want more than 0 for one of them", c.Data[0].Name)
	}
	for _, id := range slices.Concat(c.BOS, c.EOS) {
		if int64(id) >= int64(c.Model.VocabSize) {
			return fmt.Errorf("train: bos or eos has token %d: want ids below the model's vocabulary size, %d", id, c.Model.VocabSize)
		}
	}
	return nil
}

func (c Config) packing() (mix.Packing, error) {
	for p := mix.Concat; p <= mix.BestFitCrop; p++ {
		if p.String() == c.Packing {
			return p, nil
		}
	}
	return 0, fmt.Errorf("train: packing %q: want %v, %v or %v", c.Packing, mix.Concat, mix.BestFit, mix.BestFitCrop)
}

func (c Config) compute() (dtype.Type, error) {
	switch c.Compute {
	case "bf16":
		return dtype.BF16, nil
	case "f32":
		return dtype.F32, nil
	}
	return dtype.None, fmt.Errorf("train: compute %q: want bf16 or f32; bf16 has the range of f32 and needs no loss scaling, which is why fp16 is not here", c.Compute)
}

func (c Config) recompute() (model.Recompute, error) {
	switch c.Recompute {
	case "none":
		return model.RecomputeNone, nil
	case "selective":
		return model.RecomputeSelective, nil
	case "full":
		return model.RecomputeFull, nil
	}
	return 0, fmt.Errorf("train: recompute %q: want none, selective or full", c.Recompute)
}
