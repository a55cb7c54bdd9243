package train

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"time"

	"quire/lib/checkpoint"
	"quire/lib/track"
	"quire/simd/tensor"
)

// document is what a checkpoint says beside its tensors.
type document struct {
	Progress progress          `json:"progress"`
	Config   Config            `json:"config"`
	Shards   []string          `json:"shards"`  // hashes of the data
	Made     map[string]string `json:"made_of"` // SHA-256 of the tokenizer and of the first weights
}

// document describes the run as it is, for a checkpoint of a run with that configuration.
func (l *loop) document(p progress, c Config) ([]byte, error) {
	doc, err := json.Marshal(document{p, c, l.data.hashes(), l.made})
	if err != nil {
		return nil, fmt.Errorf("train: %w", err)
	}
	return doc, nil
}

// hashArtefacts computes what checkpoints say about the files that the run is made of.
func (l *loop) hashArtefacts() error {
	l.made = map[string]string{}
	for name, path := range map[string]string{"tokenizer": l.cfg.Tokenizer, "from": l.cfg.From} {
		if path == "" {
			continue
		}
		hash, _, err := track.Hash(path)
		if err != nil {
			return fmt.Errorf("train: %w", err)
		}
		l.made[name] = hash
	}
	return nil
}

// checkpointDir is where a run keeps its checkpoints.
func checkpointDir(dir string) string { return filepath.Join(dir, "checkpoints") }

// save copies the run as it is, unless that is saved already, and writes the copy behind the loop's back.
func (l *loop) save() error {
	if l.saved == l.Step {
		return nil
	}
	begin := time.Now()
	l.Data, l.Metrics = l.data.feed.state(), l.out.size
	doc, err := l.document(l.progress, l.cfg)
	if err != nil {
		return err
	}
	err = l.saver.Save(checkpoint.State{Step: l.Step, Document: doc, Tensors: l.live})
	l.saved = l.Step
	l.saveWait += time.Since(begin)
	return err
}

// steps lists the saved steps, in order.
func (l *loop) steps() (steps []int, err error) {
	if err := l.saver.Wait(); err != nil {
		return nil, err
	}
	states, err := checkpoint.States(checkpointDir(l.cfg.Dir))
	for _, st := range states {
		steps = append(steps, st.Step)
	}
	return steps, err
}

// restore goes back to a saved step; step 0 is the beginning, which needs no file.
func (l *loop) restore(step int) error {
	if step == 0 {
		return l.restart()
	}
	path := checkpoint.StatePath(checkpointDir(l.cfg.Dir), step)
	state, err := checkpoint.LoadState(path)
	if err != nil {
		return err
	}
	defer state.Close()
	if len(state.Tensors) != len(l.live) {
		return fmt.Errorf("train: %s has %d tensors and the model with its optimiser %d: choose another Dir for another model or optimiser", path, len(state.Tensors), len(l.live))
	}
	for i, n := range l.live {
		if t := state.Tensors[i]; t.Name != n.Name || t.Tensor.DType() != n.Tensor.DType() || !t.Tensor.SameShape(n.Tensor) {
			return fmt.Errorf("train: %s has %s %v where the model wants %s %v: choose another Dir for another model", path, t.Name, t.Tensor, n.Name, n.Tensor)
		}
	}
	var d document
	if err := json.Unmarshal(state.Document, &d); err != nil {
		return fmt.Errorf("train: %s: %w", path, err)
	}
	if err := l.data.feed.restore(d.Progress.Data); err != nil {
		return fmt.Errorf("train: %s: the data is not that of the run: choose another Dir, and its model as From: %w", path, err)
	}
	for i, n := range l.live {
		copy(n.Tensor.Bytes(), state.Tensors[i].Tensor.Bytes())
	}
	l.progress, l.saved = d.Progress, step
	l.opt.SetCount(l.Updates)
	l.trainer.Refresh()
	return nil
}

// restart goes back to the first weights.
func (l *loop) restart() error {
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
	if err := l.data.rewind(); err != nil {
		return err
	}
	l.progress, l.saved = progress{LRScale: 1}, -1
	l.opt.SetCount(0)
	l.trainer.Refresh()
	return nil
}

// restoreLatest goes on from the latest checkpoint, if there is one.
func (l *loop) restoreLatest() error {
	steps, err := l.steps()
	if err != nil || len(steps) == 0 {
		return err
	}
	return l.restore(steps[len(steps)-1])
}

// errHopeless ends a run that rollbacks do not help.
var errHopeless = errors.New("lower the learning rate, or look at the data of the skipped steps in " + metricsFile)

// leaveSpike goes back to a checkpoint, the last unless that has not helped, and on with the data that comes next: what made the loss jump is not met
// again.
func (l *loop) leaveSpike() error {
	steps, err := l.steps()
	if err != nil {
		return err
	}
	guard := l.Guard.rollback()
	if guard.Rollbacks > l.cfg.Guard.MaxRollbacks || guard.Depth > 0 && guard.Depth >= len(steps) {
		return fmt.Errorf("the loss or the gradients jumped %d times in a row, after %d rollbacks: %w", l.Guard.Bad, l.Guard.Rollbacks, errHopeless)
	}
	to := 0
	if len(steps) > 0 {
		to = steps[len(steps)-1-guard.Depth]
	}
	if err := l.note(Event{Event: "rollback", To: to, Note: "spike"}); err != nil {
		return err
	}
	tokens, seconds, data := l.Tokens, l.Seconds, l.data.feed.state()
	if err := errors.Join(l.drop(steps, to), l.restore(to)); err != nil {
		return err
	}
	guard.Mean, guard.Seen = l.Guard.Mean, l.Guard.Seen
	l.Tokens, l.Seconds, l.Guard = tokens, seconds, guard
	return l.data.feed.restore(data)
}

// drop removes the checkpoints behind a step.
func (l *loop) drop(steps []int, step int) (err error) {
	for _, later := range steps {
		if later > step {
			err = errors.Join(err, os.Remove(checkpoint.StatePath(checkpointDir(l.cfg.Dir), later)))
		}
	}
	return err
}

// Rollback goes back to a saved step: weights, moments, data and settings are what they were then, and later checkpoints are removed. Branch first to keep
// them. Step 0 is the beginning.
func (r *Run) Rollback(ctx context.Context, step int) error {
	return r.do(ctx, func(l *loop) error {
		if l.out == nil {
			return errEnded
		}
		steps, err := l.steps()
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
		if err := errors.Join(l.drop(steps, step), l.restore(step)); err != nil {
			return err
		}
		if l.Metrics = metrics; step == 0 {
			return nil
		}
		l.saved = -1
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
	states, err := checkpoint.States(checkpointDir(c.Dir))
	if err != nil {
		return err
	}
	if len(states) > 0 {
		return fmt.Errorf("train: Branch: %s holds a run already: choose another directory", c.Dir)
	}
	p := l.progress
	p.Data, p.Metrics = l.data.feed.state(), 0
	doc, err := l.document(p, c)
	if err != nil {
		return err
	}
	return checkpoint.SaveState(checkpointDir(c.Dir), checkpoint.State{Step: l.Step, Document: doc, Tensors: l.live}, c.Keep)
}

// export writes the weights as a Hugging Face folder, with the tokenizer.
func (l *loop) export(dir string) error {
	return checkpoint.SaveHF(dir, l.cfg.Model, l.trainer.Weights(), checkpoint.SaveOptions{Tokenizer: l.tok})
}
