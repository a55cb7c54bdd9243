package train

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"

	"quire/lib/checkpoint"
	"quire/lib/corpus/mix"
	"quire/simd/tensor"
)

// document is what a checkpoint says beside its tensors.
type document struct {
	Progress progress `json:"progress"`
	Config   Config   `json:"config"`
	Shards   []string `json:"shards"` // hashes of the data
}

// save begins to write the run as it is, unless that is saved already; see saver for what the loop waits for.
func (l *loop) save() error {
	if l.saver.last == l.Step {
		return nil
	}
	if err := l.out.f.Sync(); err != nil {
		return fmt.Errorf("train: %w", err)
	}
	l.Stream, l.Metrics = l.data.stream.State(), l.out.size
	doc, err := json.Marshal(document{l.progress, l.cfg, l.data.hashes()})
	if err != nil {
		return fmt.Errorf("train: %w", err)
	}
	return l.saver.save(l.Step, doc)
}

// restore goes back to a saved step; step 0 is the beginning, which needs no file.
func (l *loop) restore(step int) error {
	if step == 0 {
		return l.restart()
	}
	doc, err := l.saver.load(step)
	if err != nil {
		return err
	}
	var d document
	if err := json.Unmarshal(doc, &d); err != nil {
		return fmt.Errorf("train: checkpoint of step %d: %w", step, err)
	}
	if err := l.data.stream.Restore(d.Progress.Stream); err != nil {
		return fmt.Errorf("train: checkpoint of step %d: the data is not that of the run: choose another Dir, and its model as From: %w", step, err)
	}
	l.progress = d.Progress
	l.opt.SetCount(l.Updates)
	l.trainer.Refresh()
	return nil
}

// restart goes back to the first weights.
func (l *loop) restart() error {
	if err := l.saver.wait(); err != nil {
		return err
	}
	w, err := l.firstWeights()
	if err != nil {
		return err
	}
	first, stop := iter.Pull2(w.All())
	defer stop()
	for _, t := range l.trainer.Weights().All() {
		_, from, _ := first()
		copy(t.Bytes(), from.Bytes())
	}
	l.opt.Moments(func(_ string, t tensor.Tensor) { clear(t.Bytes()) })
	if l.data.stream, err = mix.New(l.data.cfg); err != nil {
		return err
	}
	l.progress, l.saver.last = progress{LRScale: 1}, -1
	l.opt.SetCount(0)
	l.trainer.Refresh()
	return nil
}

// restoreLatest goes on from the latest checkpoint, if there is one.
func (l *loop) restoreLatest() error {
	steps, err := l.saver.steps()
	if err != nil || len(steps) == 0 {
		return err
	}
	return l.restore(steps[len(steps)-1])
}

// leaveSpike goes back to the last checkpoint, and on with the data that comes next: what made the loss jump is not met again.
func (l *loop) leaveSpike() error {
	if l.Guard.Rollbacks >= l.cfg.Guard.MaxRollbacks {
		return fmt.Errorf("the loss or the gradients jumped %d times in a row, after %d rollbacks: lower the learning rate, or look at the data of the skipped steps in %s", l.Guard.Bad, l.Guard.Rollbacks, metricsFile)
	}
	if err := l.saver.wait(); err != nil {
		return err
	}
	steps, err := l.saver.steps()
	if err != nil {
		return err
	}
	to := 0
	if len(steps) > 0 {
		to = steps[len(steps)-1]
	}
	before := l.progress
	before.Stream = l.data.stream.State()
	if err := l.note(Event{Event: "rollback", To: to, Note: "spike"}); err != nil {
		return err
	}
	if err := l.restore(to); err != nil {
		return err
	}
	l.Tokens, l.Seconds = before.Tokens, before.Seconds
	l.Guard.Skipped, l.Guard.Rollbacks = before.Guard.Skipped, before.Guard.Rollbacks+1
	return l.data.stream.Restore(before.Stream)
}

// Rollback goes back to a saved step: weights, moments, data and settings are what they were then, and later checkpoints are removed. Branch first to keep
// them. Step 0 is the beginning.
func (r *Run) Rollback(ctx context.Context, step int) error {
	return r.do(ctx, func(l *loop) error {
		if l.out == nil {
			return errEnded
		}
		if err := l.saver.wait(); err != nil {
			return err
		}
		steps, err := l.saver.steps()
		if err != nil {
			return err
		}
		if step != 0 && !slices.Contains(steps, step) {
			return fmt.Errorf("train: Rollback: no checkpoint of step %d: there are %v; Keep says how many stay", step, steps)
		}
		if err := l.note(Event{Event: "rollback", To: step}); err != nil {
			return err
		}
		metrics := l.out.size
		if err := errors.Join(l.saver.drop(step), l.restore(step)); err != nil {
			return err
		}
		if l.Metrics = metrics; step == 0 {
			return nil
		}
		l.saver.last = -1
		return l.save() // a resumed run keeps the history up to here
	})
}

// Branch begins another run from this one as it is, in a directory of its own, with the configuration that change makes of this one's. Model and data
// stay.
func (r *Run) Branch(ctx context.Context, dir string, change func(*Config)) (*Run, error) {
	var c Config
	err := r.do(ctx, func(l *loop) error {
		c = l.cfg
		c.Dir = dir
		if change != nil {
			change(&c)
		}
		if err := c.Validate(); err != nil {
			return err
		}
		var err error
		if c, err = c.place(); err != nil {
			return err
		}
		return l.branch(c)
	})
	if err != nil {
		return nil, err
	}
	return Start(context.WithoutCancel(ctx), c)
}

// branch writes the present state as the first checkpoint of another run.
func (l *loop) branch(c Config) error {
	s := newSaver(checkpointDir(c.Dir), c.Keep, l.live)
	steps, err := s.steps()
	if err != nil {
		return err
	}
	if len(steps) > 0 {
		return fmt.Errorf("train: Branch: %s holds a run already: choose another directory", c.Dir)
	}
	p := l.progress
	p.Stream, p.Metrics = l.data.stream.State(), 0
	doc, err := json.Marshal(document{p, c, l.data.hashes()})
	if err != nil {
		return fmt.Errorf("train: %w", err)
	}
	return errors.Join(s.save(l.Step, doc), s.wait())
}

// export writes the weights as a Hugging Face folder, with the tokenizer.
func (l *loop) export(dir string) error {
	if err := checkpoint.SaveHF(dir, l.cfg.Model, l.trainer.Weights(), checkpoint.SaveOptions{Tokenizer: l.tok}); err != nil {
		return err
	}
	return nil
}
