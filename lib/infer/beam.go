package infer

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strings"

	"quire/lib/infer/grammar"
	"quire/lib/infer/sample"
	"quire/simd/tensor"
)

// Beam search keeps the r.Beams most likely unfinished texts and extends each by one token a round, as Hugging Face's generate does: of the 2·Beams best extensions the finished ones among the
// first Beams are put aside, the first Beams unfinished ones go on. It ends when no unfinished text can pass the worst of Beams finished ones. All beams of a round are computed in one step, and
// share the pages of what they have in common.

// beam is one text of the search.
type beam struct {
	seq    *sequence
	match  *grammar.Matcher
	tokens []Token
	sum    float64
	finish Finish
	best   []sample.TokenProb // how it may go on: written by the loop
	err    error
}

// extension is a beam with one more token.
type extension struct {
	from *beam
	next sample.TokenProb
	sum  float64
}

// search is one beam search.
type search struct {
	e    *Engine
	r    Request
	live []*beam
	done []*beam // best first
}

// yieldBeams is Generate for beams: the tokens of the best texts, one text after another.
func (e *Engine) yieldBeams(ctx context.Context, r Request, yield func(Token, error) bool) {
	texts, err := e.beams(ctx, r)
	if err != nil {
		yield(Token{}, err)
		return
	}
	for _, t := range texts {
		for i, tok := range t.Tokens {
			if i == len(t.Tokens)-1 {
				tok.Text = t.Text
			}
			if !yield(tok, nil) {
				return
			}
		}
	}
}

// beams runs a prepared request and returns its N best texts, best first.
func (e *Engine) beams(ctx context.Context, r Request) ([]Text, error) {
	if _, err := sample.New(r.Params, e.c.VocabSize); err != nil {
		return nil, err
	}
	if r.LengthPenalty == 0 {
		r.LengthPenalty = 1
	}
	first := &beam{seq: &sequence{ids: slices.Clone(r.IDs)}}
	if r.Grammar != nil {
		first.match = r.Grammar.Matcher(e.vocab(r.StopIDs))
	}
	s := &search{e: e, r: r, live: []*beam{first}}
	defer func() { _ = e.do(func() { s.drop(s.live) }) }()
	for len(s.live) > 0 {
		if err := s.round(ctx); err != nil {
			return nil, err
		}
	}
	var texts []Text
	for i, b := range s.done[:min(len(s.done), r.N)] {
		t := Text{Tokens: b.tokens, Finish: b.finish, Score: float32(s.score(b)), Prompt: len(r.IDs), Text: s.text(b)}
		for k := range t.Tokens {
			t.Tokens[k].Index = i
		}
		if n := len(t.Tokens); n > 0 {
			t.Tokens[n-1].Finish = b.finish
		}
		texts = append(texts, t)
	}
	return texts, nil
}

// round extends all live beams by a token.
func (s *search) round(ctx context.Context) error {
	if err := s.compute(ctx); err != nil {
		return err
	}
	var all []extension
	for _, b := range s.live {
		if b.err != nil {
			return b.err
		}
		for _, n := range b.best {
			if !math.IsInf(float64(n.LogProb), -1) {
				all = append(all, extension{b, n, b.sum + float64(n.LogProb)})
			}
		}
	}
	slices.SortStableFunc(all, func(x, y extension) int { return cmp.Compare(y.sum, x.sum) })
	var next []*beam
	for i, x := range all[:min(len(all), 2*s.r.Beams)] {
		b, err := s.extend(x)
		if err != nil {
			return err
		}
		switch {
		case b.finish == Unfinished && len(next) < s.r.Beams:
			next = append(next, b)
		case b.finish != Unfinished && i < s.r.Beams:
			s.done = append(s.done, b)
		}
	}
	slices.SortStableFunc(s.done, func(x, y *beam) int { return cmp.Compare(s.score(y), s.score(x)) })
	s.done = s.done[:min(len(s.done), s.r.Beams)]
	if len(s.done) == s.r.Beams && len(next) > 0 && s.score(next[0]) <= s.score(s.done[len(s.done)-1]) {
		next = nil
	}
	old := s.live
	s.live = next
	return s.e.call(func() {
		for _, b := range next {
			parent := b.seq
			b.seq = parent.fork(s.e.pages)
			b.seq.ids = append(b.seq.ids, b.tokens[len(b.tokens)-1].ID)
			s.e.park(b.seq)
		}
		s.drop(old)
	})
}

// extend makes the beam of an extension; its sequence is still its parent's.
func (s *search) extend(x extension) (*beam, error) {
	b := &beam{seq: x.from.seq, sum: x.sum, tokens: append(slices.Clone(x.from.tokens), Token{ID: x.next.ID, LogProb: x.next.LogProb})}
	if slices.Contains(s.r.StopIDs, x.next.ID) {
		b.finish = Stop
		return b, nil
	}
	if x.from.match != nil {
		b.match = x.from.match.Clone()
		if err := b.match.Accept(x.next.ID); err != nil {
			return nil, err
		}
	}
	switch {
	case b.match != nil && b.match.Done(), len(b.tokens) > s.r.MinTokens && s.stopAt(s.decoded(b)) >= 0:
		b.finish = Stop
	case len(b.tokens) >= s.r.MaxTokens:
		b.finish = Length
	}
	return b, nil
}

// score is what finished beams are ranked by.
func (s *search) score(b *beam) float64 {
	return b.sum / math.Pow(float64(len(b.tokens)), float64(s.r.LengthPenalty))
}

func (s *search) decoded(b *beam) string {
	if s.e.tok == nil {
		return ""
	}
	return s.e.tok.Decode(Text{Tokens: b.tokens}.IDs())
}

// stopAt is where the first stop string begins, or −1.
func (s *search) stopAt(text string) int {
	first := -1
	for _, stop := range s.r.Stop {
		if i := strings.Index(text, stop); i >= 0 && (first < 0 || i < first) {
			first = i
		}
	}
	return first
}

func (s *search) text(b *beam) string {
	text := s.decoded(b)
	if i := s.stopAt(text); i >= 0 && len(b.tokens) > s.r.MinTokens {
		text = text[:i]
	}
	return text
}

// drop gives the pages of beams back, in the loop.
func (s *search) drop(beams []*beam) {
	for _, b := range beams {
		s.e.unpark(b.seq)
		b.seq.drop(s.e.pages)
	}
}

// compute finds how every live beam may go on.
func (s *search) compute(ctx context.Context) error {
	round := &scoring{done: newStream[struct{}](), left: len(s.live)}
	err := s.e.do(func() {
		for _, b := range s.live {
			s.e.unpark(b.seq)
			round.submit(s.e, &task{sequence: b.seq, job: &beamJob{s, b, round}, priority: s.r.Priority})
		}
	})
	if err != nil {
		return err
	}
	for _, err := range round.done.all(ctx) {
		if err != nil {
			_ = s.e.do(func() { round.abandon(s.e, context.Canceled) })
			return err
		}
	}
	return nil
}

// beamJob finds the best tokens after one beam.
type beamJob struct {
	*search
	b     *beam
	round *scoring
}

func (j *beamJob) want(t *task) (from, to int, logits bool) { return len(t.ids) - 1, len(t.ids), true }

func (j *beamJob) take(t *task, _ int, rows tensor.Tensor) {
	var allow *grammar.Mask
	if j.b.match != nil {
		allow = j.b.match.Mask()
	}
	sampler, err := sample.New(j.r.Params, j.e.c.VocabSize)
	if err != nil {
		j.b.err = err
		return
	}
	j.b.best = slices.Clone(sampler.Best(rows.F32(), t.ids, allow, 2*j.r.Beams))
}

func (j *beamJob) settle(e *Engine, t *task) {
	if t.need() > 0 {
		return
	}
	e.park(t.sequence)
	e.end(t, nil)
	j.round.over(1)
}

func (j *beamJob) fail(_ *Engine, _ *task, err error) { j.round.done.close(err) }
