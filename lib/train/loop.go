package train

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"quire/lib/checkpoint"
	"quire/lib/corpus/mix"
	"quire/lib/model"
	"quire/lib/token"
	"quire/lib/train/optim"
	"quire/simd"
	"quire/simd/dtype"
	"quire/simd/tensor"
)

// progress is where a run stands: with the tensors it is all that a checkpoint holds.
type progress struct {
	Step    int        `json:"step"`
	Updates int        `json:"updates"` // steps that reached the weights
	Tokens  int64      `json:"tokens"`  // consumed, padding not counted
	Seconds float64    `json:"seconds"` // trained
	LRScale float64    `json:"lr_scale"`
	Rows    int        `json:"rows"` // set by hand; 0: as configured
	Guard   guardState `json:"guard"`
	Data    feedState  `json:"data"`
	Metrics int64      `json:"metrics"` // bytes of metrics.jsonl
}

// loop is the state of a run that only its own goroutine touches.
type loop struct {
	cfg     Config
	b       tensor.Backend
	own     bool // b is this run's to close
	tok     *token.Tokenizer
	data    *data
	trainer *model.Trainer
	opt     *optim.Optimizer
	live    []checkpoint.Named // weights and moments
	saver   *checkpoint.Saver
	made    map[string]string // hashes of the files that the run is made of
	out     *output
	progress
	compute  dtype.Type
	peak     float64 // of the machine in the compute type, operations a second; 0: unknown
	pace     float64 // running mean of a step's seconds
	gradLoss []float32
	saved    int           // step of the latest checkpoint; −1: none
	saveWait time.Duration // that checkpoints kept the loop since the step before
}

// newLoop opens everything that a run needs and initialises its weights. The caller restores a checkpoint or opens the output next.
func newLoop(c Config) (*loop, error) {
	l := &loop{cfg: c, progress: progress{LRScale: 1}, saved: -1}
	if err := l.open(); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

func (l *loop) open() (err error) {
	c := l.cfg
	if l.compute, err = c.compute(); err != nil {
		return err
	}
	if err := l.pickBackend(); err != nil {
		return err
	}
	if c.Tokenizer != "" {
		if l.tok, err = token.Load(c.Tokenizer); err != nil {
			return fmt.Errorf("train: tokenizer: %w", err)
		}
		if n := l.tok.VocabSize(); n > c.Model.VocabSize {
			return fmt.Errorf("train: %s has %d tokens and the model's vocabulary %d: set Model.VocabSize to it", c.Tokenizer, n, c.Model.VocabSize)
		}
	}
	if l.data, err = openData(c); err != nil {
		return err
	}
	if err := l.hashArtefacts(); err != nil {
		return err
	}
	if err := l.buildModel(); err != nil {
		return err
	}
	l.saver = checkpoint.NewSaver(checkpointDir(c.Dir), c.Keep)
	bytes := 0
	for _, n := range l.live {
		bytes += n.Tensor.NumBytes() + 64 // tensors are kept apart by cache lines
	}
	l.saver.Reserve(bytes)
	return nil
}

func (l *loop) pickBackend() error {
	if l.b = l.cfg.Backend; l.b == nil {
		l.b = simd.Default()
	}
	if n := l.cfg.Threads; n > 0 && n != l.b.Info().Threads {
		v, ok := l.b.(tensor.Varianter)
		if !ok {
			return fmt.Errorf("train: backend %s cannot run with %d threads: set threads to 0", l.b.Info().Name, n)
		}
		b, err := v.With("", n)
		if err != nil {
			return err
		}
		l.b, l.own = b, true
	}
	l.probePeak()
	return nil
}

// probePeak measures what MFU is a share of, for 50 ms, and keeps the best so far: on a shared machine a single measurement may be too low.
func (l *loop) probePeak() {
	if p, ok := l.b.(tensor.Prober); ok {
		limit := tensor.PeakF32
		if l.compute == dtype.BF16 {
			limit = tensor.PeakBF16
		}
		l.peak = max(l.peak, p.Probe(limit, l.b.Info().Threads))
	}
}

// buildModel makes the weights, the trainer and the optimiser.
func (l *loop) buildModel() error {
	c := l.cfg
	w, err := l.firstWeights()
	if err != nil {
		return err
	}
	recompute, err := c.recompute()
	if err != nil {
		return err
	}
	l.trainer, err = model.NewTrainer(l.b, c.Model, w, model.TrainOptions{Compute: l.compute, Recompute: recompute, MaxTokens: min(c.MicroRows, c.Rows) * c.SeqLen})
	if err != nil {
		return err
	}
	var params []optim.Param
	for p := range l.trainer.Params() {
		params = append(params, optim.Param{Name: p.Name, Kind: kindOf(p, c.Model), W: p.W, G: p.Grad, Out: p.Out, Rows: p.Rows})
		l.live = append(l.live, checkpoint.Named{Name: p.Name, Tensor: p.W})
	}
	if l.opt, err = optim.New(l.b, c.Optimizer, params); err != nil {
		return err
	}
	l.opt.Moments(func(name string, t tensor.Tensor) { l.live = append(l.live, checkpoint.Named{Name: name, Tensor: t}) })
	return nil
}

// firstWeights are random, or those of From.
func (l *loop) firstWeights() (*model.Weights, error) {
	c := l.cfg
	if c.From == "" {
		w := c.Model.NewWeights(tensor.Heap, dtype.F32)
		w.Init(c.Model, c.Seed)
		return w, nil
	}
	from, err := checkpoint.Load(c.From)
	if err != nil {
		return nil, err
	}
	defer from.Close()
	return c.Model.Fuse(l.b, from.Weights, dtype.F32)
}

// kindOf tells the optimiser what a weight is.
func kindOf(p model.Param, c model.Config) optim.Kind {
	switch {
	case p.Matrix:
		return optim.Matrix
	case strings.HasSuffix(p.Name, ".bias"):
		return optim.Bias
	case p.W.Rank() == 1:
		return optim.Norm
	case strings.HasPrefix(p.Name, "lm_head"):
		return optim.Head
	}
	return optim.Embedding
}

// errDataEnded ends a run whose sources have no more rows.
var errDataEnded = errors.New("train: the data has ended")

// step trains on one batch.
func (l *loop) step() (Record, error) {
	begin := time.Now()
	step := l.Step + 1
	rows, err := l.data.rows(l.batchRows(step))
	if errors.Is(err, io.EOF) {
		return Record{}, errDataEnded
	}
	if err != nil {
		return Record{}, err
	}
	r := Record{Step: step, LR: l.rate(step), Rows: len(rows)}
	sums := l.gradients(rows, &r)
	r.FwdBwd = time.Since(begin).Seconds()
	r.GradNorm = l.opt.Norm()
	r.SaveWait = l.saveWait.Seconds()
	l.saveWait = 0
	if r.Spike = !l.Guard.judge(l.cfg.Guard, r.Loss, r.GradNorm); !r.Spike {
		scale := 1.0
		if l.cfg.Clip > 0 && r.GradNorm > l.cfg.Clip {
			scale = l.cfg.Clip / r.GradNorm
		}
		l.opt.Step(r.LR, scale)
		l.Updates++
	}
	l.Step = step
	l.Tokens += int64(sums.all.tokens)
	l.finishRecord(&r, sums, time.Since(begin))
	return r, nil
}

// batchRows is the batch of a step: set by hand, or as configured.
func (l *loop) batchRows(step int) int {
	if l.Rows > 0 {
		return l.Rows
	}
	return l.cfg.Ramp.Rows(step, l.cfg.Rows)
}

// rate is the learning rate of a step.
func (l *loop) rate(step int) float64 { return l.cfg.Schedule.At(step, l.cfg.Steps) * l.LRScale }

// gradients adds up the gradients of a batch, the mean over all its targets, and tells its losses.
func (l *loop) gradients(rows []mix.Row, r *Record) *tallies {
	var micros []*microBatch
	count := 0
	for lo := 0; lo < len(rows); lo += l.cfg.MicroRows {
		m := newMicroBatch(rows[lo:min(lo+l.cfg.MicroRows, len(rows))], l.tok)
		micros = append(micros, m)
		count += m.count
	}
	r.Micro = len(micros)
	sums := newTallies()
	l.trainer.ZeroGrads()
	for _, m := range micros {
		losses := l.trainer.Step(l.examples(m, 1/float32(max(1, count))))
		l.tally(sums, m, losses, &r.Longest)
	}
	r.Loss = sums.all.part().Loss
	return sums
}

// examples is a micro-batch for the trainer.
func (l *loop) examples(m *microBatch, gradLoss float32) model.Examples {
	for len(l.gradLoss) < len(m.ids) {
		l.gradLoss = append(l.gradLoss, 0)
	}
	g := l.gradLoss[:len(m.ids)]
	for i := range g {
		g[i] = gradLoss
	}
	return model.Examples{
		IDs: tensorI32(m.ids), Pos: tensorI32(m.pos), Labels: tensorI32(m.labels), Cu: m.cu, GradLoss: tensor.FromF32(g, len(g)),
		ZLoss: float32(l.cfg.ZLoss), Smoothing: float32(l.cfg.LabelSmoothing),
	}
}

// tally adds a micro-batch's losses to the sums, without z-loss, and keeps the longest piece of a document.
func (l *loop) tally(sums *tallies, m *microBatch, losses model.Losses, longest *int) {
	loss, lse := losses.Loss.F32(), losses.LSE.F32()
	for _, s := range m.spans {
		var nats float64
		n := 0
		for i := s.from; i < s.to; i++ {
			if m.labels[i] >= 0 {
				nats += float64(loss[i]) - l.cfg.ZLoss*float64(lse[i])*float64(lse[i])
				n++
			}
		}
		sums.add(l.data.train[s.source].Name, nats, n, s.bytes)
		*longest = max(*longest, s.to-s.from)
	}
}

// finishRecord fills what follows from the sums and the clock.
func (l *loop) finishRecord(r *Record, sums *tallies, took time.Duration) {
	r.Time = time.Now().UTC()
	r.Seconds = took.Seconds()
	l.Seconds += r.Seconds
	if l.pace == 0 {
		l.pace = r.Seconds
	}
	l.pace += 0.1 * (r.Seconds - l.pace)
	all := sums.all.part()
	r.Perplexity, r.BitsPerByte = math.Exp(all.Loss), all.BitsPerByte
	r.Tokens, r.Skipped = l.Tokens, l.Guard.Skipped
	r.TGS = float64(r.Rows*l.cfg.SeqLen) / r.Seconds
	r.RealTGS = float64(all.Tokens) / r.Seconds
	flops := l.cfg.Model.TrainFLOPs(l.cfg.SeqLen) * r.TGS
	r.TFLOPS = flops / 1e12
	if l.peak > 0 {
		r.MFU = flops / l.peak
	}
	r.Sources, r.Languages = sums.parts(l.data.language)
	r.Left = float64(l.cfg.Steps-l.Step) * l.pace
}

// finish waits for what is being saved and closes the files that grow. The weights and the data stay, for evaluations and samples.
func (l *loop) finish() error {
	var errs []error
	if l.saver != nil {
		errs = append(errs, l.saver.Wait())
	}
	if l.out != nil {
		errs = append(errs, l.out.Close())
		l.out = nil
	}
	return errors.Join(errs...)
}

// Close lets go of everything.
func (l *loop) Close() error {
	errs := []error{l.finish()}
	if l.data != nil {
		errs = append(errs, l.data.Close())
		l.data = nil
	}
	if l.own {
		errs = append(errs, l.b.Close())
		l.own = false
	}
	return errors.Join(errs...)
}
