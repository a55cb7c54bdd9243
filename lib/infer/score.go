package infer

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"quire/lib/infer/sample"
	"quire/simd/tensor"
)

// Pair is a continuation to score after a prompt. Neither may be empty.
type Pair struct{ Prompt, Continuation []uint32 }

// Scored is how likely a continuation is.
type Scored struct {
	LogProbs []float32 // of every token of the continuation, given all before it
	Sum      float64
	Greedy   bool // every token is the most likely one
}

// Perplexity is e to the mean negative log-probability of a token.
func (s Scored) Perplexity() float64 { return math.Exp(-s.Sum / float64(len(s.LogProbs))) }

// Score returns the log-probabilities of continuations, all computed together: a prompt that several have is computed once, and so are prompts that begin with the same blocks. Log-probabilities
// are those of the model itself, at temperature 1.
func (e *Engine) Score(ctx context.Context, pairs []Pair) ([]Scored, error) {
	out := make([]Scored, len(pairs))
	groups, err := e.scoreGroups(pairs, out)
	if err != nil {
		return nil, err
	}
	w := newStream[struct{}]()
	all := &scoring{done: w, left: len(groups)}
	err = e.do(func() {
		for _, g := range groups {
			g.all = all
			all.submit(e, &task{sequence: &sequence{ids: g.prompt}, job: g})
		}
		all.over(0)
	})
	if err != nil {
		return nil, err
	}
	for _, err := range w.all(ctx) {
		if err != nil {
			_ = e.do(func() { all.abandon(e, context.Canceled) })
			return nil, err
		}
	}
	return out, nil
}

// scoreGroups puts pairs with the same prompt together.
func (e *Engine) scoreGroups(pairs []Pair, out []Scored) ([]*scoreGroup, error) {
	var groups []*scoreGroup
	byHash := map[uint64][]*scoreGroup{}
	for i, p := range pairs {
		if err := e.checkPair(i, p); err != nil {
			return nil, err
		}
		out[i] = Scored{LogProbs: make([]float32, len(p.Continuation)), Greedy: true}
		h := hashIDs(p.Prompt)
		at := slices.IndexFunc(byHash[h], func(g *scoreGroup) bool { return slices.Equal(g.prompt, p.Prompt) })
		if at < 0 {
			g := &scoreGroup{prompt: slices.Clone(p.Prompt)}
			at = len(byHash[h])
			byHash[h] = append(byHash[h], g)
			groups = append(groups, g)
		}
		g := byHash[h][at]
		g.members = append(g.members, &scoreJob{group: g, ids: p.Continuation, out: &out[i]})
	}
	return groups, nil
}

func (e *Engine) checkPair(i int, p Pair) error {
	switch n := len(p.Prompt) + len(p.Continuation); {
	case len(p.Prompt) == 0 || len(p.Continuation) == 0:
		return fmt.Errorf("infer: pair %d: prompt of %d and continuation of %d tokens: neither may be empty (a text has at least its first id before it)", i, len(p.Prompt), len(p.Continuation))
	case n > e.MaxLen():
		return fmt.Errorf("infer: pair %d has %d tokens: the engine takes up to %d", i, n, e.MaxLen())
	}
	return errors.Join(e.checkIDs(fmt.Sprintf("prompt of pair %d", i), p.Prompt), e.checkIDs(fmt.Sprintf("continuation of pair %d", i), p.Continuation))
}

// scoring is one call of Score.
type scoring struct {
	done  *stream[struct{}]
	tasks []*task
	left  int // groups and members that have not ended
}

func (s *scoring) submit(e *Engine, t *task) {
	s.tasks = append(s.tasks, t)
	e.submit(t)
}

func (s *scoring) over(n int) {
	if s.left -= n; s.left == 0 {
		s.done.close(nil)
	}
}

func (s *scoring) abandon(e *Engine, err error) {
	for _, t := range s.tasks {
		e.end(t, err)
	}
}

// scoreGroup computes a prompt, whose last output scores the first token of every member.
type scoreGroup struct {
	all     *scoring
	prompt  []uint32
	members []*scoreJob
}

func (g *scoreGroup) want(t *task) (from, to int, logits bool) {
	return len(g.prompt) - 1, len(g.prompt), true
}

func (g *scoreGroup) take(_ *task, _ int, rows tensor.Tensor) {
	logits := rows.F32()
	best, lse := sample.Summary(logits)
	for _, m := range g.members {
		m.add(logits, best, lse)
	}
}

func (g *scoreGroup) settle(e *Engine, t *task) {
	if t.need() > 0 {
		return
	}
	for _, m := range g.members {
		if len(m.ids) == 1 {
			continue
		}
		s := t.fork(e.pages)
		s.ids = append(s.ids, m.ids[:len(m.ids)-1]...)
		g.all.left++
		u := &task{sequence: s, job: m}
		g.all.submit(e, u)
		u.waiting = false
	}
	e.end(t, nil)
	g.all.over(1)
}

func (g *scoreGroup) fail(e *Engine, _ *task, err error) { g.all.done.close(err) }

// scoreJob scores the tokens of one continuation after the first.
type scoreJob struct {
	group *scoreGroup
	ids   []uint32
	next  int // how many of ids are scored
	out   *Scored
}

func (m *scoreJob) want(t *task) (from, to int, logits bool) {
	return len(m.group.prompt) + m.next - 1, len(t.ids), true
}

func (m *scoreJob) take(_ *task, _ int, rows tensor.Tensor) {
	all, v := rows.F32(), rows.Dim(1)
	for i := range rows.Dim(0) {
		logits := all[i*v : (i+1)*v]
		best, lse := sample.Summary(logits)
		m.add(logits, best, lse)
	}
}

// add scores the next token. An evicted continuation is computed again, but no token is scored twice.
func (m *scoreJob) add(logits []float32, best uint32, lse float64) {
	p := float64(logits[m.ids[m.next]]) - lse
	m.out.LogProbs[m.next] = float32(p)
	m.out.Sum += p
	m.out.Greedy = m.out.Greedy && best == m.ids[m.next]
	m.next++
}

func (m *scoreJob) settle(e *Engine, t *task) {
	if t.need() == 0 {
		e.end(t, nil)
		m.group.all.over(1)
	}
}

func (m *scoreJob) fail(e *Engine, _ *task, err error) { m.group.all.done.close(err) }
