package infer

import (
	"context"
	"fmt"
	"math"

	"quire/simd/tensor"
)

// Pooling says how the hidden states of a text become one vector.
type Pooling uint8

const (
	LastToken Pooling = iota // the state of the last token, which has seen all
	Mean                     // the mean over all tokens
)

// Embed returns one vector of the model's hidden size for each text: hidden states after the final norm, pooled, and scaled to length 1.
func (e *Engine) Embed(ctx context.Context, texts [][]uint32, p Pooling) ([][]float32, error) {
	out := make([][]float32, len(texts))
	for i, ids := range texts {
		if len(ids) == 0 || len(ids) > e.MaxLen() {
			return nil, fmt.Errorf("infer: text %d has %d tokens: want 1 to %d", i, len(ids), e.MaxLen())
		}
		if err := e.checkIDs(fmt.Sprintf("text %d", i), ids); err != nil {
			return nil, err
		}
		out[i] = make([]float32, e.c.HiddenSize)
	}
	all := &scoring{done: newStream[struct{}](), left: len(texts)}
	err := e.do(func() {
		for i, ids := range texts {
			all.submit(e, &task{sequence: &sequence{ids: ids}, job: &embedJob{all: all, pool: p, out: out[i]}})
		}
		all.over(0)
	})
	if err != nil {
		return nil, err
	}
	for _, err := range all.done.all(ctx) {
		if err != nil {
			_ = e.do(func() { all.abandon(e, context.Canceled) })
			return nil, err
		}
	}
	return out, nil
}

type embedJob struct {
	all  *scoring
	pool Pooling
	next int // how many positions are pooled: an evicted text is computed again
	out  []float32
}

func (j *embedJob) want(t *task) (from, to int, logits bool) {
	if j.pool == Mean {
		return j.next, len(t.ids), false
	}
	return len(t.ids) - 1, len(t.ids), false
}

func (j *embedJob) take(_ *task, _ int, rows tensor.Tensor) {
	for i, v := range rows.Floats() {
		j.out[i%len(j.out)] += v
	}
	j.next += rows.Dim(0)
}

func (j *embedJob) settle(e *Engine, t *task) {
	if t.need() > 0 {
		return
	}
	var sum float64
	for _, v := range j.out {
		sum += float64(v) * float64(v)
	}
	if sum > 0 {
		scale := float32(1 / math.Sqrt(sum))
		for i := range j.out {
			j.out[i] *= scale
		}
	}
	e.end(t, nil)
	j.all.over(1)
}

func (j *embedJob) fail(_ *Engine, _ *task, err error) { j.all.done.close(err) }
