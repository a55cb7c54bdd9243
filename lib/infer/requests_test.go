package infer

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"quire/lib/infer/sample"
	"quire/simd/tensor"
)

// watched notes the steps in which a job makes its first and its last token.
type watched struct {
	job
	e           *Engine
	first, last int64
}

func (w *watched) take(t *task, at int, rows tensor.Tensor) {
	if w.first == 0 {
		w.first = w.e.count.Steps
	}
	w.last = w.e.count.Steps
	w.job.take(t, at, rows)
}

// stepsOf submits requests together and returns the steps in which they made their first and their last token.
func stepsOf(t *testing.T, e *Engine, all []Request) (first, last []int64) {
	t.Helper()
	jobs := make([]*watched, len(all))
	together(t, e, all, func() {
		byArrival := slices.Clone(e.queue.tasks)
		slices.SortFunc(byArrival, func(a, b *task) int { return int(a.arrival) - int(b.arrival) })
		for i, t := range byArrival {
			jobs[i] = &watched{job: t.job, e: e}
			t.job = jobs[i]
		}
	})
	for _, j := range jobs {
		first, last = append(first, j.first), append(last, j.last)
	}
	return first, last
}

// TestOrder: what has a higher priority is served first, and among equals what came first; a short prompt does not wait for a long one; texts that are written go on while prompts are read.
func TestOrder(t *testing.T) {
	text := func(n, priority int) Request {
		return Request{IDs: prompt(n, 1), MaxTokens: 10, Priority: priority}
	}
	e := tinyEngine(t, Config{MaxSeqs: 1, NoPrefix: true})
	first, last := stepsOf(t, e, []Request{text(20, 0), text(20, 0), text(20, 5), text(20, -1)})
	for i, order := 0, []int{2, 0, 1, 3}; i+1 < len(order); i++ {
		if a, b := order[i], order[i+1]; last[a] >= first[b] {
			t.Errorf("one text at a time: text %d ends in step %d, text %d, which is less urgent or later, begins in step %d", a, last[a], b, first[b])
		}
	}
	e = tinyEngine(t, Config{StepTokens: 128, NoPrefix: true})
	first, last = stepsOf(t, e, []Request{text(400, 0), text(20, 0), text(400, 0)})
	if first[1] != 1 || first[0] < 4 {
		t.Errorf("a prompt of 20 tokens behind one of 400: its text goes from step %d to step %d, that of the long one begins in step %d", first[1], last[1], first[0])
	}
	if last[1]-first[1] != 9 {
		t.Errorf("ten tokens took %d steps beside prompts: want one a step", last[1]-first[1]+1)
	}
}

// TestEnds: texts end where their requests say so, and not before.
func TestEnds(t *testing.T) {
	e := tinyEngine(t, Config{})
	p := sample.Params{Temperature: 1.2, Seed: 8}
	whole := complete(t, e, Request{IDs: prompt(12, 2), MaxTokens: 40, Params: p})[0]
	ids := whole.IDs()
	if len(ids) != 40 || whole.Finish != Length {
		t.Fatalf("%d tokens, finish %q: want 40, %q", len(ids), whole.Finish, Length)
	}
	stop := ids[12]
	at := slices.Index(ids, stop)
	q := p
	q.StopIDs = []uint32{stop}
	if got := complete(t, e, Request{IDs: prompt(12, 2), MaxTokens: 40, Params: q})[0]; !slices.Equal(got.IDs(), ids[:at+1]) || got.Finish != Stop {
		t.Errorf("stop id %d: %v, finish %q; want %v", stop, got.IDs(), got.Finish, ids[:at+1])
	}
	q.MinTokens = at + 5
	if got := complete(t, e, Request{IDs: prompt(12, 2), MaxTokens: 40, Params: q})[0].IDs(); len(got) < at+5 || slices.Contains(got[:at+5], stop) {
		t.Errorf("at least %d tokens before id %d: %v", at+5, stop, got)
	}
	loop := Request{IDs: prompt(12, 2), MaxTokens: 400, Params: sample.Params{LogitBias: map[uint32]float32{7: 1000}}, RepetitionNGram: 3, RepetitionLimit: 4}
	if got := complete(t, e, loop)[0]; len(got.Tokens) != 6 || got.Finish != Stop {
		t.Errorf("a text of one id, whose third three of a kind is the fourth: %d tokens, finish %q; want 6, %q", len(got.Tokens), got.Finish, Stop)
	}
	for want, r := range map[string]Request{
		"a size and at least 2 times": {IDs: prompt(3, 1), RepetitionNGram: 3},
		"MaxTokens -1":                {IDs: prompt(3, 1), MaxTokens: -1},
		"the prompt is empty":         {IDs: []uint32{}},
		"token 1 has id 96":           {IDs: []uint32{1, 96}},
		"no tokenizer":                {Prompt: "x"},
		"2 beams give no more":        {IDs: prompt(3, 1), Beams: 2, N: 3},
		"top_p is 2":                  {IDs: prompt(3, 1), Params: sample.Params{TopP: 2}},
	} {
		if _, err := e.Complete(t.Context(), r); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %s", err, want)
		}
	}
}

// TestTop: the most likely ids come with every token, in order, the greedy one first with its own log-probability.
func TestTop(t *testing.T) {
	e := tinyEngine(t, Config{})
	for _, tok := range complete(t, e, Request{IDs: prompt(12, 2), MaxTokens: 10, Params: sample.Params{TopLogProbs: 4}})[0].Tokens {
		if len(tok.Top) != 4 || tok.Top[0].ID != tok.ID || tok.Top[0].LogProb != tok.LogProb || !slices.IsSortedFunc(tok.Top, func(a, b sample.TokenProb) int { return int(1e6 * (b.LogProb - a.LogProb)) }) {
			t.Fatalf("token %d, log-probability %v, of %v", tok.ID, tok.LogProb, tok.Top)
		}
	}
}

// TestMemory: the cache takes the memory that it is given, and a text that it cannot hold is refused.
func TestMemory(t *testing.T) {
	c := tinyConfig()
	perPage := int64(c.NumLayers * 2 * BlockTokens * c.NumKVHeads * c.HeadDim * 4)
	e := tinyEngine(t, Config{CacheBytes: 3*perPage + perPage/2})
	if s := e.Stats(); s.Pages != 3 || e.MaxLen() != 3*BlockTokens {
		t.Errorf("%d pages for texts of %d: want 3", s.Pages, e.MaxLen())
	}
	if _, err := e.Complete(t.Context(), Request{IDs: prompt(3*BlockTokens, 1)}); err == nil || !strings.Contains(err.Error(), "takes texts of up to 192") {
		t.Errorf("a prompt of three pages: %v", err)
	}
	if got := complete(t, e, Request{IDs: prompt(100, 1)})[0]; len(got.Tokens) != 92 || got.Finish != Length {
		t.Errorf("%d tokens, finish %q: want what fits, 92", len(got.Tokens), got.Finish)
	}
	if _, err := New(tinyModel(t, c, e.cfg.KV, 1), nil, Config{CacheBytes: perPage - 1}); err == nil || !strings.Contains(err.Error(), "a page of 64 tokens has") {
		t.Errorf("a cache smaller than a page: %v", err)
	}
	noLeak(t, e)
}

// broken is a job that panics.
type broken struct{ job }

func (broken) fail(*Engine, *task, error) {}

// TestClose: whoever asks while an engine is closed gets an answer, and its closers run once, whatever ended it.
func TestClose(t *testing.T) {
	for range 50 {
		e := tinyEngine(t, Config{})
		closed := 0
		e.closers = append(e.closers, func() error { closed++; return nil })
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for {
					if _, err := e.Complete(t.Context(), Request{IDs: prompt(3, 1), MaxTokens: 2}); errors.Is(err, ErrClosed) {
						return
					} else if err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		if err := errors.Join(e.Close(), e.Close()); err != nil {
			t.Error(err)
		}
		wg.Wait()
		if closed != 1 {
			t.Fatalf("closed %d times", closed)
		}
	}
	e := tinyEngine(t, Config{})
	closed := false
	e.closers = append(e.closers, func() error { closed = true; return nil })
	if err := e.do(func() { e.submit(&task{sequence: &sequence{ids: prompt(3, 1)}, job: broken{}}) }); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil || !closed {
		t.Errorf("closed after a panic: %v, %v", closed, err)
	}
}
