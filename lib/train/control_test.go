package train

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"quire/lib/checkpoint"
	"quire/lib/corpus/shard"
	"quire/lib/show"
	"quire/simd/tensor"
)

// begin starts a run that a test steers and ends.
func begin(t *testing.T, c Config) *Run {
	t.Helper()
	r, err := Start(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// standing begins a run that is paused behind a step: what a test asks of it cannot come too late.
func standing(t *testing.T, c Config, step int) *Run {
	t.Helper()
	r, err := openPaused(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	if err := advanceTo(r, step); err != nil {
		t.Fatal(err)
	}
	return r
}

// openPaused is Start, paused before the first step.
func openPaused(c Config) (*Run, error) {
	c, err := c.place()
	if err != nil {
		return nil, err
	}
	r, err := open(c)
	if err != nil {
		return nil, err
	}
	r.paused = true
	go r.train(context.Background())
	return r, nil
}

// advanceTo takes a paused run behind a step, which is not its last: that one ends it.
func advanceTo(r *Run, step int) error {
	return r.do(context.Background(), func(l *loop) (err error) {
		for err == nil && l.Step < step {
			err = r.advance(context.Background())
		}
		return err
	})
}

// reach waits for a step.
func reach(t *testing.T, r *Run, step int) {
	t.Helper()
	for rec := range r.Follow(t.Context()) {
		if rec.Step >= step {
			return
		}
	}
	t.Fatalf("the run ended before step %d: %v", step, r)
}

// Everything that another cell may ask of a run that trains, from several goroutines at once: each call does what it says, and says so in the metrics.
func TestLiveControl(t *testing.T) {
	c := tiny(t, 1_000_000)
	c.SaveEvery = 20
	c.Schedule.Shape, c.Schedule.WarmupSteps = "constant", 0
	c.Probes = []Probe{{Name: "go", Items: []ProbeItem{{"func main() ", []string{"{", "the"}, 0}, {"if err != ", []string{"nil", "and the of"}, 0}}}}
	c.Prompts = []string{"func "}
	r := begin(t, c)
	if _, err := Start(context.Background(), c); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("a second run in the same directory: %v", err)
	}
	show.Install(show.NewTerminal(discard{}))
	defer show.Install(nil)
	reach(t, r, 3)
	ctx := t.Context()
	var wg sync.WaitGroup
	check := func(name string, f func() error) {
		wg.Go(func() {
			if err := f(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	check("chart", r.Chart)
	check("lr", func() error { return r.SetLR(1e-3) })
	check("mix", func() error { return r.SetMix(map[string]float64{"test": 4}) })
	check("batch", func() error { return r.SetBatch(5) })
	check("evaluate", func() error {
		e, err := r.Evaluate(ctx)
		if err == nil && (e.All.BitsPerByte <= 0 || len(e.Samples) != 1 || e.Probes["go"].Items != 2 || e.Probes["go"].Chance != 0.5) {
			t.Errorf("evaluation: %+v", e)
		}
		return err
	})
	check("sample", func() error {
		texts, err := r.Sample(ctx, DefaultSampling(), "func ", "package ")
		if err == nil && (len(texts) != 2 || !strings.HasPrefix(texts[0], "func ") || !strings.HasPrefix(texts[1], "package ")) {
			t.Errorf("samples: %q", texts)
		}
		return err
	})
	check("checkpoint", func() error { _, err := r.Checkpoint(ctx); return err })
	check("model", func() error { _, err := r.Model(ctx); return err })
	check("show", func() error { r.MIMEBundle(); r.History(); r.Evaluations(); return nil })
	wg.Wait()
	at := r.Last().Step
	reach(t, r, at+3)
	if rec := r.Last(); rec.Rows != 5 || rec.LR > 1.1e-3 || rec.LR < 0.9e-3 {
		t.Errorf("behind SetBatch(5) and SetLR(1e-3): %v", rec)
	}
	if err := errors.Join(r.SetBatch(0), r.SetLR(2e-3)); err != nil {
		t.Error(err)
	}
	for what, err := range map[string]error{"no source": r.SetMix(map[string]float64{"prose": 1}), "rate": r.SetLR(math.NaN()), "batch": r.SetBatch(-1)} {
		if err == nil {
			t.Errorf("%s: no error", what)
		}
	}
	if err := r.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := r.SetLR(1); !errors.Is(err, errEnded) {
		t.Errorf("SetLR of an ended run: %v", err)
	}
	if texts, err := r.Sample(ctx, DefaultSampling(), "func "); err != nil || len(texts) != 1 {
		t.Errorf("a sample of an ended run: %q, %v", texts, err)
	}
	checkLog(t, c.Dir)
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// checkLog looks for what steered a run in its metrics.
func checkLog(t *testing.T, dir string) {
	t.Helper()
	records, events, err := ReadMetrics(dir)
	if err != nil || len(records) == 0 {
		t.Fatalf("%d records, %v", len(records), err)
	}
	for _, want := range []string{"set_lr", "set_mix", "set_batch", "evaluation"} {
		if !slices.ContainsFunc(events, func(e Event) bool { return e.Event == want && e.Step > 0 }) {
			t.Errorf("no event %s in the metrics", want)
		}
	}
}

// A paused run stands still and still answers; whoever waits for it may be interrupted, and the run goes on.
func TestPause(t *testing.T) {
	r := begin(t, tiny(t, 1_000_000))
	reach(t, r, 2)
	if err := r.Pause(); err != nil {
		t.Fatal(err)
	}
	at := r.Last().Step
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := r.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("an interrupted Wait: %v", err)
	}
	if _, err := r.Sample(t.Context(), Sampling{Tokens: 3}, "a"); err != nil {
		t.Error(err)
	}
	if now := r.Last().Step; now != at || !r.Paused() || !strings.Contains(r.String(), "paused") {
		t.Errorf("paused at step %d, now at %d: %v", at, now, r)
	}
	if err := r.Resume(); err != nil {
		t.Fatal(err)
	}
	reach(t, r, at+1)
}

// Rolling back replays what was trained behind the checkpoint, bit for bit, and a branch draws the same curve beside it.
func TestRollbackAndBranch(t *testing.T) {
	c := tiny(t, 30)
	whole := must(t, c).History()
	c = copyRun(t, c)
	c.SaveEvery, c.Keep = 10, 5
	r := standing(t, c, 25)
	if err := r.Rollback(t.Context(), 7); err == nil || !strings.Contains(err.Error(), "[10 20]") {
		t.Errorf("rolling back to a step that was not saved: %v", err)
	}
	if err := r.Rollback(t.Context(), 10); err != nil {
		t.Fatal(err)
	}
	other, err := r.Branch(t.Context(), filepath.Join(t.TempDir(), "branch"), func(c *Config) { c.Keep = 1 })
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := errors.Join(r.Resume(), r.Wait(t.Context()), other.Wait(t.Context())); err != nil {
		t.Fatal(err)
	}
	sameCurve(t, "rolled back", r.History()[len(r.History())-20:], whole[10:])
	sameCurve(t, "branched", other.History(), whole[10:])
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	m, err := checkpoint.Load(filepath.Join(c.Dir, "model"))
	if err != nil {
		t.Fatalf("the finished model: %v", err)
	}
	defer m.Close()
	if tok, err := m.Tokenizer(); err != nil || tok.VocabSize() != 512 {
		t.Errorf("the finished model's tokenizer: %v", err)
	}
	for name, w := range m.Weights.All() {
		if w.Rank() == 1 && slices.Contains(w.Floats(), 0) {
			t.Errorf("%s has zeros", name)
		}
	}
	if err := begin(t, c).Rollback(t.Context(), 0); err != nil && !errors.Is(err, errEnded) {
		t.Error(err)
	}
}

// What steers a run is part of its state: a branch, which begins from a checkpoint, draws the curve of the run that was steered.
func TestSteeringIsSaved(t *testing.T) {
	r := standing(t, tiny(t, 25), 3)
	if err := errors.Join(r.SetLR(5e-4), r.SetMix(map[string]float64{"code": 9}), r.SetBatch(3)); err != nil {
		t.Fatal(err)
	}
	other, err := r.Branch(t.Context(), filepath.Join(t.TempDir(), "branch"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := errors.Join(r.Resume(), r.Wait(t.Context()), other.Wait(t.Context())); err != nil {
		t.Fatal(err)
	}
	h := r.History()[3:]
	if h[0].Rows != 3 || h[0].LR != 5e-4 {
		t.Fatalf("step 4 is %v: it was not steered", h[0])
	}
	sameCurve(t, "branched", other.History(), h)
}

// poison adds a source of random tokens, which SetMix turns on and which ends after a few steps.
func poison(t *testing.T, c *Config) {
	path := filepath.Join(t.TempDir(), "poison.tok")
	w, err := shard.Create(path, shard.Options{VocabSize: 512})
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(7, 7))
	for i := range 60 {
		ids := make([]uint32, 60)
		for j := range ids {
			ids[j] = 3 + rng.Uint32N(500)
		}
		if err := w.Append("p"+string(rune('0'+i)), ids); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	c.Data = append(c.Data, Source{Name: "poison", Shards: []string{path}, Epochs: 1})
	c.HoldOut = 0
}

// Bad data in the middle of a run is skipped, the run goes back to its last checkpoint, and past the data it is as good as ever.
func TestSpikeRollsBack(t *testing.T) {
	c := tiny(t, 130)
	c.Packing, c.Shuffle = "concat", 1
	poison(t, &c)
	c.Guard, c.SaveEvery = Guard{Factor: 1.3, Patience: 3, MaxRollbacks: 5}, 20
	r := standing(t, c, 70)
	good := r.Last().Loss
	if err := errors.Join(r.SetMix(map[string]float64{"poison": 1000}), r.Resume(), r.Wait(t.Context())); err != nil {
		t.Fatal(err)
	}
	last := r.Last()
	if last.Skipped < 3 || last.Loss > good || last.Step != 130 {
		t.Errorf("from loss %.3f through the poison to %v", good, last)
	}
	_, events, err := ReadMetrics(c.Dir)
	if err != nil {
		t.Fatal(err)
	}
	if i := slices.IndexFunc(events, func(e Event) bool { return e.Event == "rollback" }); i < 0 || events[i].To < 60 || events[i].Note != "spike" {
		t.Errorf("no rollback in %+v", events)
	}
}

// A learning rate that breaks the weights costs a few steps and nothing else, even where broken weights were saved.
func TestNotFiniteRollsBack(t *testing.T) {
	c := tiny(t, 60)
	c.SaveEvery = 1
	r := standing(t, c, 22)
	if err := errors.Join(r.SetLR(1e38), r.Resume(), r.Wait(t.Context())); err != nil {
		t.Fatal(err)
	}
	if last := r.Last(); last.Step != 60 || last.Skipped == 0 || math.IsNaN(last.Loss) || last.Loss > 6 {
		t.Errorf("behind a rate of 1e38: %v", last)
	}
	r.loop.opt.Moments(func(name string, m tensor.Tensor) {
		for _, x := range m.F32() {
			if x != x {
				t.Fatalf("%s holds a NaN", name)
			}
		}
	})
}

// A run whose every step is bad ends with an error that says what to do.
func TestHopelessRunFails(t *testing.T) {
	c := tiny(t, 60)
	c.Schedule.LR, c.Schedule.WarmupSteps = 1e38, 0
	r := begin(t, c)
	if err := r.Wait(t.Context()); err == nil || !strings.Contains(err.Error(), "lower the learning rate") {
		t.Errorf("want an error that says what to do, got %v", err)
	}
}
