package train

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"sync"
)

// Run is a training run that goes on by itself. Its methods may be called from any goroutine, while it trains and after. Those that take a
// context give up when it ends, and the run goes on.
type Run struct {
	loop     *loop
	commands chan command
	quit     chan struct{} // closed by Stop
	finished chan struct{} // closed when the loop has ended and saved

	quitOnce sync.Once
	after    sync.Mutex // held by what uses the loop's state once it has finished

	mu      sync.Mutex // guards what follows
	records []Record
	changed chan struct{} // closed and replaced when records grow or paused changes
	paused  bool
	evals   []*Evaluation
	err     error
}

// command is something that the loop does between two steps.
type command struct {
	do   func(*loop) error
	done chan error
}

// running are the directories that runs of this process train in.
var running sync.Map

// Start begins or continues the run that c describes and returns while it trains. Where c.Dir holds a checkpoint the run goes on from the latest; the
// model and the data must then be those of the checkpoint, all else may have changed. When ctx ends the run stops as by [Run.Stop]: a notebook gives
// context.Background(), so that an interrupted cell stops nothing.
func Start(ctx context.Context, c Config) (*Run, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c, err := c.place()
	if err != nil {
		return nil, err
	}
	if _, busy := running.LoadOrStore(c.Dir, true); busy {
		return nil, fmt.Errorf("train: a run trains in %s already: stop it, or choose another Dir", c.Dir)
	}
	r, err := open(c)
	if err != nil {
		running.Delete(c.Dir)
		return nil, err
	}
	go r.train(ctx)
	return r, nil
}

// place makes the run's directory and what depends on it.
func (c Config) place() (Config, error) {
	c.MicroRows = min(c.MicroRows, c.Rows)
	if c.Dir == "" {
		for n := 1; ; n++ {
			dir := filepath.Join("runs", fmt.Sprintf("%03d", n))
			if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
				c.Dir = dir
				break
			}
		}
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return c, fmt.Errorf("train: %w", err)
	}
	c.Dir = dir
	if err := os.MkdirAll(checkpointDir(dir), 0o755); err != nil {
		return c, fmt.Errorf("train: %w", err)
	}
	return c, nil
}

// open builds a run up to its first step.
func open(c Config) (*Run, error) {
	l, err := newLoop(c)
	if err != nil {
		return nil, err
	}
	r := &Run{loop: l, commands: make(chan command), quit: make(chan struct{}), finished: make(chan struct{}), changed: make(chan struct{})}
	if err = l.restoreLatest(); err == nil {
		err = r.remember()
	}
	if err == nil {
		l.out, err = openOutput(c.Dir, l.Metrics)
	}
	if err == nil {
		err = writeConfig(c)
	}
	if err != nil {
		l.Close()
		return nil, err
	}
	return r, nil
}

// remember reads what the run has told before it was resumed.
func (r *Run) remember() error {
	records, events, size, err := readMetrics(r.loop.cfg.Dir, r.loop.Metrics)
	if err != nil {
		return err
	}
	r.records, r.loop.Metrics = records, size
	for _, e := range events {
		if e.Evaluation != nil {
			r.evals = append(r.evals, e.Evaluation)
		}
	}
	return nil
}

// train is the run's goroutine.
func (r *Run) train(ctx context.Context) {
	err := r.steps(ctx)
	if err = errors.Join(err, r.loop.finish()); err != nil && !errors.Is(err, context.Canceled) {
		err = fmt.Errorf("train: %s: %w", filepath.Base(r.loop.cfg.Dir), err)
	}
	r.mu.Lock()
	r.err = err
	r.mu.Unlock()
	running.Delete(r.loop.cfg.Dir)
	close(r.finished)
	r.notify()
}

// steps trains until the last step, the end of the data, Stop or ctx. Then it saves what is not saved. A panic becomes the run's error: it must not end
// the process that holds everything else of a notebook.
func (r *Run) steps(ctx context.Context) (err error) {
	l := r.loop
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("step %d: %v", l.Step+1, p)
		}
	}()
	for l.Step < l.cfg.Steps {
		if !r.serve(ctx) {
			return errors.Join(l.save(), ctx.Err())
		}
		err := r.advance(ctx)
		if errors.Is(err, errDataEnded) {
			break
		}
		if errors.Is(err, errHopeless) { // the checkpoints before the spike are what to go on from
			return err
		}
		if err != nil {
			return errors.Join(err, l.save())
		}
	}
	if l.cfg.EvalEvery > 0 && !r.evaluated(l.Step) {
		err = r.evaluate(ctx)
	}
	return errors.Join(err, l.save(), l.export(filepath.Join(l.cfg.Dir, "model")))
}

// advance takes a step, tells it, and does what is due behind it.
func (r *Run) advance(ctx context.Context) error {
	record, err := r.loop.step()
	if err != nil {
		return err
	}
	if err := r.tell(record); err != nil {
		return err
	}
	return r.due(ctx)
}

// evaluated reports whether the last evaluation is of this step.
func (r *Run) evaluated(step int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.evals) > 0 && r.evals[len(r.evals)-1].Step == step
}

// due does what is due behind a step: roll back, evaluate, save.
func (r *Run) due(ctx context.Context) error {
	l := r.loop
	if l.Guard.Bad >= l.cfg.Guard.Patience {
		return l.leaveSpike()
	}
	if every := l.cfg.EvalEvery; every > 0 && l.Step%every == 0 {
		if err := r.evaluate(ctx); err != nil {
			return err
		}
	}
	if every := l.cfg.SaveEvery; every > 0 && l.Step%every == 0 && l.Guard.Bad == 0 {
		return l.save()
	}
	return nil
}

// serve does what was asked for since the last step, and waits while the run is paused. It is false when the run shall stop.
func (r *Run) serve(ctx context.Context) bool {
	for {
		select {
		case <-ctx.Done():
			return false
		case <-r.quit:
			return false
		case c := <-r.commands:
			c.done <- c.do(r.loop)
			continue
		default:
		}
		if !r.Paused() {
			return true
		}
		select {
		case <-ctx.Done():
		case <-r.quit:
		case c := <-r.commands:
			c.done <- c.do(r.loop)
		}
	}
}

// tell adds a record to the run's history and files.
func (r *Run) tell(record Record) error {
	r.mu.Lock()
	r.records = append(r.records, record)
	r.mu.Unlock()
	r.notify()
	return r.loop.out.record(record)
}

// notify wakes those who wait for a change.
func (r *Run) notify() {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.changed)
	r.changed = make(chan struct{})
}

// do has the loop do f between two steps; once the run has finished it does f itself.
func (r *Run) do(ctx context.Context, f func(*loop) error) error {
	c := command{f, make(chan error, 1)}
	select {
	case r.commands <- c:
	case <-r.finished:
		r.after.Lock()
		defer r.after.Unlock()
		return f(r.loop)
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-c.done:
		return err
	case <-r.finished:
		select {
		case err := <-c.done:
			return err
		default: // the loop has ended in the middle of f
			return errEnded
		}
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Dir is the run's directory.
func (r *Run) Dir() string { return r.loop.cfg.Dir }

// History is the records of all steps so far, those before a resume included. After a rollback step numbers begin again behind it.
func (r *Run) History() []Record {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Record(nil), r.records...)
}

// Last is the latest step's record; zero before the first.
func (r *Run) Last() Record {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.records) == 0 {
		return Record{}
	}
	return r.records[len(r.records)-1]
}

// Follow yields every record from the first on, and waits for the next until the run has ended or ctx does.
func (r *Run) Follow(ctx context.Context) iter.Seq[Record] {
	return func(yield func(Record) bool) {
		for i := 0; ; {
			r.mu.Lock()
			fresh, changed := r.records[min(i, len(r.records)):], r.changed
			r.mu.Unlock()
			for _, rec := range fresh {
				if !yield(rec) {
					return
				}
			}
			i += len(fresh)
			if len(fresh) > 0 {
				continue
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return
			case <-r.finished:
				if r.count() == i {
					return
				}
			}
		}
	}
}

func (r *Run) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.records)
}

// Paused reports whether the run is paused.
func (r *Run) Paused() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.paused
}

// Done is closed when the run has ended and everything is on the disk.
func (r *Run) Done() <-chan struct{} { return r.finished }

// Wait waits for the run to end and returns its error. When ctx ends first, as a cell's does when it is interrupted, Wait returns that error and the run
// goes on.
func (r *Run) Wait(ctx context.Context) error {
	select {
	case <-r.finished:
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.err
	case <-ctx.Done():
		return ctx.Err()
	}
}
