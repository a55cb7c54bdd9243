package train

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"quire/lib/model"
)

// errEnded is the error of steering a run that has ended.
var errEnded = errors.New("train: the run has ended: raise Steps and Start it again in the same Dir to go on")

// note writes an event to the run's metrics.
func (l *loop) note(e Event) error {
	if l.out == nil {
		return errEnded
	}
	e.Step = l.Step
	return l.out.line(e)
}

// setPaused is what Pause and Resume share.
func (r *Run) setPaused(paused bool, event string) error {
	return r.do(context.Background(), func(l *loop) error {
		if l.out == nil {
			return errEnded
		}
		r.mu.Lock()
		was := r.paused
		r.paused = paused
		r.mu.Unlock()
		r.notify()
		if was == paused {
			return nil
		}
		return l.note(Event{Event: event})
	})
}

// Pause stops the run behind its present step, until Resume. A paused run still evaluates, samples and saves.
func (r *Run) Pause() error { return r.setPaused(true, "pause") }

// Resume goes on behind Pause.
func (r *Run) Resume() error { return r.setPaused(false, "resume") }

// SetLR makes lr the learning rate of the next step; the schedule goes on from there, scaled by as much.
func (r *Run) SetLR(lr float64) error {
	if !(lr > 0) || math.IsInf(lr, 0) {
		return fmt.Errorf("train: SetLR: %v: want more than 0", lr)
	}
	return r.do(context.Background(), func(l *loop) error {
		planned := l.cfg.Schedule.At(l.Step+1, l.cfg.Steps)
		if planned == 0 {
			return errors.New("train: SetLR: the schedule has come down to 0: there is nothing to scale")
		}
		if err := l.note(Event{Event: "set_lr", LR: lr}); err != nil {
			return err
		}
		l.LRScale = lr / planned
		return nil
	})
}

// SetMix changes the weights of the named sources from the next step on. Up to Shuffle rows that were drawn ahead are dropped.
func (r *Run) SetMix(weights map[string]float64) error {
	weights = maps.Clone(weights)
	return r.do(context.Background(), func(l *loop) error {
		if l.out == nil {
			return errEnded
		}
		if err := l.data.feed.setWeights(weights); err != nil {
			return err
		}
		return l.note(Event{Event: "set_mix", Mix: weights})
	})
}

// SetBatch makes a step train on that many rows, whatever the ramp says; passes stay as large as they are. 0 goes back to the configuration.
func (r *Run) SetBatch(rows int) error {
	if rows < 0 || rows > 1<<20 {
		return fmt.Errorf("train: SetBatch: %d rows: want 1 or more, or 0 for the configured batch", rows)
	}
	return r.do(context.Background(), func(l *loop) error {
		if err := l.note(Event{Event: "set_batch", Rows: rows}); err != nil {
			return err
		}
		l.Rows = rows
		return nil
	})
}

// Evaluate measures the weights as they are on held-out data, with the probes and prompts of the configuration.
func (r *Run) Evaluate(ctx context.Context) (*Evaluation, error) {
	return ask(ctx, r, func(l *loop) (*Evaluation, error) {
		e, err := l.evaluate(ctx)
		if err != nil {
			return nil, err
		}
		return e, r.keep(e)
	})
}

// evaluate is Evaluate from within the loop.
func (r *Run) evaluate(ctx context.Context) error {
	e, err := r.loop.evaluate(ctx)
	if err != nil {
		return err
	}
	return r.keep(e)
}

// keep tells an evaluation to the history and, while the run lives, its files.
func (r *Run) keep(e *Evaluation) error {
	r.mu.Lock()
	r.evals = append(r.evals, e)
	r.mu.Unlock()
	r.notify()
	if r.loop.out == nil {
		return nil
	}
	return r.loop.out.evaluation(e)
}

// Evaluations are all evaluations so far, those before a resume included.
func (r *Run) Evaluations() []*Evaluation {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.evals)
}

// Sample continues prompts with the weights as they are and returns the texts, prompts included.
func (r *Run) Sample(ctx context.Context, o Sampling, prompts ...string) ([]string, error) {
	return ask(ctx, r, func(l *loop) ([]string, error) { return l.sample(ctx, prompts, o) })
}

// Model is a copy of the weights as they are now, in the compute type, ready for inference: training goes on without it.
func (r *Run) Model(ctx context.Context) (*model.Model, error) {
	return ask(ctx, r, func(l *loop) (*model.Model, error) {
		w, err := l.cfg.Model.Fuse(l.b, l.trainer.Weights(), l.compute)
		if err != nil {
			return nil, err
		}
		return model.New(l.b, l.cfg.Model, w)
	})
}

// Export writes the weights as they are, and the tokenizer, as a Hugging Face folder.
func (r *Run) Export(ctx context.Context, dir string) error {
	return r.do(ctx, func(l *loop) error { return l.export(dir) })
}

// Checkpoint saves the run as it is and returns the step, once it is on the disk.
func (r *Run) Checkpoint(ctx context.Context) (step int, err error) {
	return ask(ctx, r, func(l *loop) (int, error) {
		if l.out == nil { // saved at the end
			return l.Step, nil
		}
		return l.Step, errors.Join(l.save(), l.saver.Wait())
	})
}

// Stop ends the run behind its present step, with a checkpoint from which Start goes on, and waits for that.
func (r *Run) Stop() error {
	r.quitOnce.Do(func() { close(r.quit) })
	return r.Wait(context.Background())
}

// Close stops the run and lets go of its data: nothing can be asked of it afterwards.
func (r *Run) Close() error {
	err := r.Stop()
	r.after.Lock()
	defer r.after.Unlock()
	return errors.Join(err, r.loop.Close())
}
