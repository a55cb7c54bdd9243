package main

import (
	"bufio"
	"context"
	_ "embed"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"quire/lib/model"
	"quire/simd"
	"quire/simd/dtype"
	"quire/simd/tensor"
)

//go:embed bench_train_peer.py
var trainPeer string

type benchTrainCmd struct {
	VS        string   `enum:",torch" default:"" placeholder:"PEER" help:"Peer to measure in the same run: torch."`
	Peer      string   `enum:"same,gpt" default:"same" help:"What the peer trains: the same decoder from the same weights, or GPT-2's layers, which PyTorch has fused, at the same sizes."`
	Model     []string `enum:"10.8M,124M" default:"10.8M,124M" help:"Shapes: 10.8M (6 layers, 384, 16 x 256 tokens), 124M (12 layers, 768, 4 x 256 tokens)."`
	Rounds    int      `default:"7" help:"Interleaved steps; medians are printed."`
	Compute   string   `enum:"bf16,f32" default:"bf16" help:"Type of products."`
	Recompute string   `enum:"none,selective,full" default:"none" help:"What the backward pass computes again."`
	Python    string   `default:"/usr/bin/python3" help:"Interpreter that has PyTorch."`
	record    record
}

// trainShape is a model and a batch that is measured.
type trainShape struct {
	layers, hidden, heads, inner, vocab, rows, length int
}

var trainShapes = map[string]trainShape{
	"10.8M": {6, 384, 6, 1024, 65, 16, 256},
	"124M":  {12, 768, 12, 2048, 50304, 4, 256},
}

func (s trainShape) config() model.Config {
	return model.Config{
		Family: model.Llama, HiddenSize: s.hidden, IntermediateSize: s.inner, NumLayers: s.layers, NumHeads: s.heads, NumKVHeads: s.heads, HeadDim: s.hidden / s.heads,
		VocabSize: s.vocab, MaxSeqLen: s.length, RMSNormEps: 1e-5, RopeTheta: 1e4, TieWordEmbeddings: true,
	}
}

// Run prints a line a shape.
func (c benchTrainCmd) Run(ctx context.Context) error {
	fmt.Println(simd.Describe())
	for _, name := range c.Model {
		if err := c.shape(ctx, name, trainShapes[name]); err != nil {
			return err
		}
	}
	return nil
}

func (c benchTrainCmd) shape(ctx context.Context, name string, s trainShape) error {
	run, err := newTrainRun(s, c)
	if err != nil {
		return err
	}
	var peer *trainPeerProcess
	if c.VS == "torch" {
		if peer, err = startTrainPeer(c, s, run.train.Weights()); err != nil {
			return err
		}
		defer peer.close()
		fmt.Println(peer.about)
	}
	var ours, theirs, peaks []float64
	var ourLoss, theirLoss float64
	tokens := float64(s.rows * s.length)
	prober, _ := run.b.(tensor.Prober)
	for round := range c.Rounds + 1 {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		rows := run.draw(s)
		start := time.Now()
		ourLoss = run.step(rows)
		seconds := time.Since(start).Seconds()
		if round > 0 { // the first step of each side warms it
			ours = append(ours, tokens/seconds)
		}
		if prober != nil {
			peaks = append(peaks, prober.Probe(tensor.PeakBF16, run.b.Info().Threads))
		}
		if peer == nil {
			continue
		}
		if seconds, theirLoss, err = peer.step(rows); err != nil {
			return err
		}
		if round > 0 {
			theirs = append(theirs, tokens/seconds)
		}
	}
	rate := middle(ours)
	fmt.Printf("%-6s %s, recompute %s: %.0f tok/s", name, c.Compute, c.Recompute, rate)
	if len(peaks) > 0 && middle(peaks) > 0 {
		fmt.Printf(", %.0f %% of the bf16 peak of %.0f GFLOP/s beside it", 100*rate*s.config().TrainFLOPs(s.length)/middle(peaks), middle(peaks)/1e9)
	}
	fmt.Printf(", loss %.4f", ourLoss)
	if peer != nil {
		fmt.Printf("; PyTorch (%s) %.0f tok/s, loss %.4f: %.2f ×", c.Peer, middle(theirs), theirLoss, rate/middle(theirs))
	}
	fmt.Println()
	theirRate, ratio := "", 0.0
	if peer != nil {
		theirRate, ratio = fmt.Sprintf("%.0f tok/s PyTorch", middle(theirs)), rate/middle(theirs)
	}
	c.record.add("training, "+name+" parameters, "+c.Compute, fmt.Sprintf("%.0f tok/s", rate), theirRate, ratio)
	return nil
}

func middle(x []float64) float64 {
	x = slices.Sorted(slices.Values(x))
	return x[len(x)/2]
}

// trainRun is our side: a trainer with AdamW.
type trainRun struct {
	b     tensor.Backend
	train *model.Trainer
	m, v  *model.Weights
	rng   *rand.Rand
	steps int
}

func newTrainRun(s trainShape, c benchTrainCmd) (*trainRun, error) {
	cfg := s.config()
	o := model.TrainOptions{Compute: dtype.BF16, MaxTokens: s.rows * s.length, Recompute: map[string]model.Recompute{"selective": model.RecomputeSelective, "full": model.RecomputeFull}[c.Recompute]}
	if c.Compute == "f32" {
		o.Compute = dtype.F32
	}
	w := cfg.NewWeights(tensor.Heap, dtype.F32)
	w.Init(cfg, 1)
	train, err := model.NewTrainer(simd.Default(), cfg, w, o)
	if err != nil {
		return nil, err
	}
	return &trainRun{b: simd.Default(), train: train, m: cfg.NewWeights(tensor.Heap, dtype.F32), v: cfg.NewWeights(tensor.Heap, dtype.F32), rng: rand.New(rand.NewPCG(1, 2))}, nil
}

// draw makes rows of length+1 ids that can be learnt a little: each follows from the one before it half of the time.
func (r *trainRun) draw(s trainShape) (rows [][]int32) {
	for range s.rows {
		row := make([]int32, s.length+1)
		for i := range row {
			row[i] = r.rng.Int32N(int32(s.vocab))
			if i > 0 && r.rng.IntN(2) == 0 {
				row[i] = (row[i-1]*7 + 3) % int32(s.vocab)
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// step trains on one batch and returns the mean loss.
func (r *trainRun) step(rows [][]int32) (loss float64) {
	var ids, labels, pos []int32
	cu := []int32{0}
	for _, row := range rows {
		ids, labels = append(ids, row[:len(row)-1]...), append(labels, row[1:]...)
		for i := range len(row) - 1 {
			pos = append(pos, int32(i))
		}
		cu = append(cu, int32(len(ids)))
	}
	n := len(ids)
	share := make([]float32, n)
	for i := range share {
		share[i] = 1 / float32(n)
	}
	r.train.ZeroGrads()
	losses := r.train.Step(model.Examples{IDs: tensor.FromI32(ids, n), Pos: tensor.FromI32(pos, n), Labels: tensor.FromI32(labels, n), Cu: cu, GradLoss: tensor.FromF32(share, n)})
	for _, l := range losses.Loss.F32() {
		loss += float64(l) / float64(n)
	}
	r.steps++
	moments := func(w *model.Weights) (all []tensor.Tensor) {
		for _, t := range w.All() {
			all = append(all, *t)
		}
		return all
	}
	m, v, i := moments(r.m), moments(r.v), 0
	for p := range r.train.Params() {
		step := tensor.AdamW{W: p.W, G: p.Grad, M: m[i], V: v[i], Out: p.Out, LR: 3e-4, Beta1: 0.9, Beta2: 0.95, Eps: 1e-8, Step: r.steps}
		if p.Decay {
			step.WeightDecay = 0.1
		}
		r.b.AdamW(step)
		i++
	}
	return loss
}

// trainPeerProcess is a Python process that takes a step when it is given a batch.
type trainPeerProcess struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	out   *bufio.Scanner
	about string
}

// startTrainPeer gives the peer our weights in a file that it has read when it says what it is.
func startTrainPeer(c benchTrainCmd, s trainShape, w *model.Weights) (*trainPeerProcess, error) {
	path := ""
	if c.Peer == "same" {
		f, err := os.CreateTemp("", "quire-bench-*.f32")
		if err != nil {
			return nil, err
		}
		defer os.Remove(f.Name())
		defer f.Close()
		for _, t := range w.All() {
			if _, err := f.Write(t.Bytes()); err != nil {
				return nil, err
			}
		}
		path = f.Name()
	}
	threads := simd.Default().Info().Threads
	cmd := exec.Command(c.Python, "-c", trainPeer, fmt.Sprint(threads), c.Peer, fmt.Sprint(s.layers), fmt.Sprint(s.hidden), fmt.Sprint(s.heads), fmt.Sprint(s.inner),
		fmt.Sprint(s.vocab), fmt.Sprint(s.rows), fmt.Sprint(s.length), path)
	cmd.Env = append(cmd.Environ(), "OMP_WAIT_POLICY=passive", "OPENBLAS_CORETYPE=SkylakeX", fmt.Sprint("OMP_NUM_THREADS=", threads))
	cmd.Stderr = os.Stderr
	p := &trainPeerProcess{cmd: cmd}
	var err error
	if p.in, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = bufio.NewScanner(out)
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("bench train: %v: say --python", err)
	}
	if !p.out.Scan() {
		p.close()
		return nil, fmt.Errorf("bench train: %s has no PyTorch: install python3-torch, or say --python", c.Python)
	}
	p.about = p.out.Text()
	return p, nil
}

func (p *trainPeerProcess) step(rows [][]int32) (seconds, loss float64, err error) {
	var b strings.Builder
	for _, row := range rows {
		for _, id := range row {
			fmt.Fprint(&b, id, " ")
		}
	}
	if _, err := fmt.Fprintln(p.in, b.String()); err != nil {
		return 0, 0, fmt.Errorf("bench train: the peer is gone: %v", err)
	}
	if !p.out.Scan() {
		return 0, 0, fmt.Errorf("bench train: the peer is gone")
	}
	if _, err := fmt.Sscan(p.out.Text(), &seconds, &loss); err != nil {
		return 0, 0, fmt.Errorf("bench train: the peer says %q", p.out.Text())
	}
	return seconds, loss, nil
}

func (p *trainPeerProcess) close() {
	p.in.Close()
	p.cmd.Wait()
}
