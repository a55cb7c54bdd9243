package infer

import (
	"context"
	"errors"
	"iter"
	"slices"

	"quire/lib/infer/grammar"
	"quire/lib/infer/sample"
	"quire/simd/tensor"
)

// Generate continues a text and yields its tokens as they come, those of the N texts in turns; with Beams they come at the end. The walk ends with the error, if there is one: the
// context's when it is cancelled. Leaving the loop early cancels the request.
func (e *Engine) Generate(ctx context.Context, r Request) iter.Seq2[Token, error] {
	return func(yield func(Token, error) bool) {
		if err := e.prepare(&r, 0); err != nil {
			yield(Token{}, err)
			return
		}
		if r.Beams > 0 {
			e.yieldBeams(ctx, r, yield)
			return
		}
		e.generate(ctx, r, &sequence{ids: slices.Clone(r.IDs)}, nil, yield)
	}
}

// Complete is Generate that waits and returns the whole texts.
func (e *Engine) Complete(ctx context.Context, r Request) ([]Text, error) {
	if err := e.prepare(&r, 0); err != nil {
		return nil, err
	}
	if r.Beams > 0 {
		return e.beams(ctx, r)
	}
	texts := make([]Text, r.N)
	var failed error
	e.generate(ctx, r, &sequence{ids: slices.Clone(r.IDs)}, nil, func(t Token, err error) bool {
		failed = err
		if err == nil {
			texts[t.Index].add(t)
		}
		return err == nil
	})
	for i := range texts {
		texts[i].Prompt = len(r.IDs)
	}
	return texts, failed
}

func (t *Text) add(tok Token) {
	t.Text += tok.Text
	t.Tokens = append(t.Tokens, tok)
	t.Finish = tok.Finish
	t.Score += tok.LogProb
}

// IDs are the ids of the tokens.
func (t Text) IDs() []uint32 {
	ids := make([]uint32, len(t.Tokens))
	for i, tok := range t.Tokens {
		ids[i] = tok.ID
	}
	return ids
}

// generate runs a prepared request on s. With a session, s is its sequence and is parked again at the end.
func (e *Engine) generate(ctx context.Context, r Request, s *sequence, owner *Session, yield func(Token, error) bool) {
	g := &generation{r: r, out: newStream[Token](), left: r.N, owner: owner}
	for i := range r.N {
		j, err := e.newText(g, i)
		if err != nil {
			yield(Token{}, err)
			return
		}
		g.tasks = append(g.tasks, &task{sequence: s, job: j, priority: r.Priority})
		s = &sequence{ids: slices.Clone(r.IDs)}
	}
	if err := e.do(func() { e.submit(g.tasks[0]) }); err != nil {
		yield(Token{}, err)
		return
	}
	for tok, err := range g.out.all(ctx) {
		if !yield(tok, err) || err != nil {
			_ = e.do(func() { e.abandon(g, context.Canceled) })
			return
		}
	}
}

// abandon ends all texts of g.
func (e *Engine) abandon(g *generation, err error) {
	for _, t := range g.tasks {
		e.end(t, err)
	}
}

// generation is what the texts of one request share. All begin with the prompt, so the first computes it for all and the others begin as its forks.
type generation struct {
	r     Request
	out   *stream[Token]
	tasks []*task
	left  int // texts that have not ended
	owner *Session
}

// textJob generates one text.
type textJob struct {
	g       *generation
	index   int
	sampler *sample.Sampler
	match   *grammar.Matcher
	text    *texter
	made    int
	counted int // of made, in Stats
	finish  Finish
	err     error
}

func (e *Engine) newText(g *generation, index int) (*textJob, error) {
	p := g.r.Params
	p.Seed += uint64(index)
	s, err := sample.New(p, e.c.VocabSize)
	if err != nil {
		return nil, err
	}
	j := &textJob{g: g, index: index, sampler: s, text: newTexter(e.tok, g.r.Stop)}
	if g.r.Grammar != nil {
		j.match = g.r.Grammar.Matcher(e.vocab(g.r.StopIDs))
	}
	return j, nil
}

// leads reports whether the other texts wait for j to compute the prompt.
func (j *textJob) leads() bool { return j.index == 0 && j.made == 0 && len(j.g.tasks) > 1 }

func (j *textJob) want(t *task) (from, to int, logits bool) {
	return len(t.ids) - 1, len(t.ids) + len(t.draft), true
}

func (j *textJob) ahead(*task) int {
	if j.leads() {
		return 0
	}
	return j.g.r.MaxTokens - j.made - 1
}

// take samples a token of every row, until a guess was wrong or the text ends. A guess is right if it is the token that is drawn at its place anyway, so speculation changes
// nothing but the time it takes: not the distribution, not even the text of a seed.
func (j *textJob) take(t *task, _ int, rows tensor.Tensor) {
	v := rows.Dim(1)
	logits := rows.F32()
	if j.leads() {
		for _, o := range j.g.tasks[1:] {
			o.job.(*textJob).next(o, logits[:v])
		}
	}
	for i := range rows.Dim(0) {
		id := j.next(t, logits[i*v:(i+1)*v])
		if j.finish != Unfinished || j.err != nil || i >= len(t.draft) || t.draft[i] != id {
			return
		}
	}
}

// next samples one token, appends it to the sequence and sends it.
func (j *textJob) next(t *task, logits []float32) uint32 {
	r := &j.g.r
	var allow *grammar.Mask
	if j.match != nil {
		allow = j.match.Mask()
	}
	c := j.sampler.Pick(logits, t.ids, allow)
	if c.ID == sample.None {
		j.err = errNothingAllowed
		return c.ID
	}
	t.ids = append(t.ids, c.ID)
	j.made++
	out := Token{Index: j.index, ID: c.ID, LogProb: c.LogProb, Top: slices.Clone(c.Top)}
	stopped, last := false, slices.Contains(r.StopIDs, c.ID)
	if !last {
		if j.match != nil {
			if j.err = j.match.Accept(c.ID); j.err != nil {
				return c.ID
			}
			last = j.match.Done()
		}
		out.Text, stopped = j.text.push(c.ID, j.made > r.MinTokens)
	}
	circles := sample.Repeats(t.ids[len(t.ids)-j.made:], r.RepetitionNGram, r.RepetitionLimit)
	switch {
	case last || stopped || circles:
		out.Finish = Stop
	case j.made >= r.MaxTokens:
		out.Finish = Length
	}
	if out.Finish != Unfinished && !stopped {
		out.Text += j.text.flush()
	}
	j.finish = out.Finish
	j.g.out.send(out)
	return c.ID
}

var errNothingAllowed = errors.New("infer: the grammar allows no token of this vocabulary here, and the text cannot end")

// settle lets the other texts begin when the prompt is computed, and ends the text.
func (j *textJob) settle(e *Engine, t *task) {
	if j.made > 0 && j.counted == 0 && j.index == 0 {
		for _, o := range j.g.tasks[1:] {
			o.share(e.pages, t.sequence)
			e.submit(o)
			o.waiting = false
			o.job.settle(e, o)
		}
	}
	e.count.GeneratedTokens += int64(j.made - j.counted)
	j.counted = j.made
	switch {
	case j.err != nil:
		e.abandon(j.g, j.err)
	case j.finish != Unfinished:
		if j.g.left--; j.g.left == 0 {
			j.g.out.close(nil)
		}
		j.keep(e, t)
		e.end(t, nil)
	}
}

func (j *textJob) fail(e *Engine, t *task, err error) {
	j.keep(e, t)
	j.g.out.close(err)
}

// keep gives a session its sequence back.
func (j *textJob) keep(e *Engine, t *task) {
	if j.g.owner != nil {
		j.g.owner.returned(e, t.sequence)
	}
}
