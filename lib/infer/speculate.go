package infer

import (
	"fmt"
	"slices"

	"quire/simd/tensor"
)

// drafter guesses how texts go on. Guesses are verified in one step together with the token before them: reading the weights once for all is what speculation gains.
type drafter interface {
	// most is how many tokens it guesses at a time.
	most() int
	// propose fills draft of the tasks of a step that have room for guesses: n−1 tokens at most.
	propose(step []chunk)
	// forget frees what it keeps for a task.
	forget(t *task)
}

func newDrafter(e *Engine) (drafter, error) {
	switch {
	case e.cfg.Draft != nil && e.cfg.Lookup > 0:
		return nil, fmt.Errorf("infer: Lookup and Draft are both set: choose one way to guess")
	case e.cfg.Draft != nil:
		return newModelDrafter(e)
	case e.cfg.Lookup > 0:
		return lookup(e.cfg.Lookup), nil
	}
	return nil, nil
}

// guessing says whether c has room for guesses: all known tokens but guesses fit, and its job can use them.
func (c *chunk) guessing() bool {
	_, ok := c.job.(ahead)
	return ok && c.n > c.need()
}

// lookup guesses that the text goes on as it did after the last time its last tokens occurred: 3 of them, or 2. (Saxena 2023, prompt lookup decoding.)
type lookup int

func (l lookup) most() int    { return int(l) }
func (l lookup) forget(*task) {}

func (l lookup) propose(step []chunk) {
	for i := range step {
		if c := &step[i]; c.guessing() {
			c.draft = append(c.draft[:0], repeat(c.ids, c.n-c.need())...)
		}
	}
}

// lookback bounds how far back repeat looks.
const lookback = 8192

// repeat returns up to n ids that followed the last occurrence of the last 3 or 2 ids.
func repeat(ids []uint32, n int) []uint32 {
	ids = ids[max(0, len(ids)-lookback):]
	for gram := 3; gram >= 2; gram-- {
		if len(ids) <= gram {
			continue
		}
		tail := ids[len(ids)-gram:]
		for i := len(ids) - gram - 1; i >= 0; i-- {
			if slices.Equal(ids[i:i+gram], tail) {
				return ids[i+gram : min(len(ids), i+gram+n)]
			}
		}
	}
	return nil
}

// modelDrafter guesses with a smaller model. It draws with the request's own sampler, whose random number depends on the place alone: where the models agree, so do the tokens.
type modelDrafter struct {
	run   *runner
	pages *pages
	guess int
	seqs  map[*task]*sequence
	step  int // tokens it computes at a time
}

func newModelDrafter(e *Engine) (*modelDrafter, error) {
	c := e.cfg.Draft.Config()
	if c.VocabSize != e.c.VocabSize {
		return nil, fmt.Errorf("infer: the draft model has a vocabulary of %d, the model of %d: they must be the same", c.VocabSize, e.c.VocabSize)
	}
	kv := tensor.KVConfig{PageSize: BlockTokens, KVHeads: c.NumKVHeads, HeadDim: c.HeadDim, DType: e.cfg.Draft.DType()}
	n := len(e.pages.refs)
	run, err := newRunner(e.cfg.Backend, e.cfg.Draft, e.cfg.MaxLen, n, kv)
	if err != nil {
		return nil, fmt.Errorf("infer: draft model: %w", err)
	}
	return &modelDrafter{run: run, pages: newPages(n, false), guess: e.cfg.Guess, seqs: map[*task]*sequence{}, step: e.cfg.StepTokens}, nil
}

func (d *modelDrafter) most() int { return d.guess }

func (d *modelDrafter) forget(t *task) {
	if s := d.seqs[t]; s != nil {
		s.drop(d.pages)
		delete(d.seqs, t)
	}
}

// propose lets the draft model read what it has not seen of each text, then guesses a token of every text at a time.
func (d *modelDrafter) propose(step []chunk) {
	var live []*chunk
	for i := range step {
		c := &step[i]
		if j, ok := c.job.(*textJob); ok && c.guessing() && j.match == nil && d.follow(c) {
			live = append(live, c)
		}
	}
	for len(live) > 0 {
		d.run.begin()
		var rows []rowRange
		for _, c := range live {
			s := d.seqs[c.task]
			d.run.add(s, nil, len(s.ids)-s.done)
			s.done = len(s.ids)
			rows = append(rows, rowRange{len(d.run.ids) - 1, len(d.run.ids)})
		}
		logits := d.run.logitsOf(d.run.forward(), rows)
		for i, c := range live {
			s, j := d.seqs[c.task], c.job.(*textJob)
			id := j.sampler.Pick(logits.Index(i).F32(), s.ids, nil).ID
			s.ids = append(s.ids, id)
			c.draft = append(c.draft, id)
		}
		live = slices.DeleteFunc(live, func(c *chunk) bool { return len(c.draft) >= c.n-c.need() })
	}
}

// follow makes the draft's text the task's, takes the pages for it and its guesses, and computes all of it but the last tokens; false if there is no room.
func (d *modelDrafter) follow(c *chunk) bool {
	s := d.seqs[c.task]
	if s == nil {
		s = &sequence{}
		d.seqs[c.task] = s
	}
	if rope := d.run.ropeFor(len(c.ids) + c.n); rope != s.rope {
		s.drop(d.pages)
		s.rope = rope
	}
	same := 0
	for same < min(s.done, len(c.ids)-1) && s.ids[same] == c.ids[same] {
		same++
	}
	s.done = same
	s.ids = append(s.ids[:same], c.ids[same:]...)
	c.draft = c.draft[:0]
	if s.missing(d.pages, len(s.ids)-s.done+c.n) > d.pages.available() {
		d.forget(c.task)
		return false
	}
	s.reserve(d.pages, len(s.ids)-s.done+c.n, d.run.copyPage)
	for len(s.ids)-s.done > d.step {
		d.run.begin()
		d.run.add(s, nil, d.step)
		d.run.forward()
		s.done += d.step
	}
	return true
}
