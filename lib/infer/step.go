package infer

import (
	"runtime"
	"sync"

	"quire/simd/tensor"
)

// logitRows is how many rows of logits are computed at a time: it bounds their memory.
const logitRows = 64

// wanted is a range of outputs of one chunk: rows lo to hi−1 of the step's hidden states, the first of which is position at.
type wanted struct {
	*task
	lo, hi, at int
}

// run computes a step and hands the outputs to the jobs.
func (e *Engine) run(step []chunk) {
	if e.drafter != nil {
		e.drafter.propose(step)
	}
	e.main.begin()
	var logits, states []wanted
	for i := range step {
		c := &step[i]
		c.n = min(c.n, c.need()+len(c.draft))
		row := len(e.main.ids)
		e.main.add(c.sequence, c.draft, c.n)
		from, to, isLogits := c.job.want(c.task)
		from, to = max(from, c.done), min(to, c.done+c.n)
		switch w := (wanted{c.task, row + from - c.done, row + to - c.done, from}); {
		case from >= to:
		case isLogits:
			logits = append(logits, w)
		default:
			states = append(states, w)
		}
	}
	hidden := e.main.forward()
	e.count.Steps++
	settled := make(map[*task]int, len(step)) // tokens known before outputs were taken
	for _, c := range step {
		settled[c.task] = len(c.ids)
	}
	parallel(len(states), func(i int) {
		w := states[i]
		w.job.take(w.task, w.at, hidden.Slice(0, w.lo, w.hi))
	})
	for len(logits) > 0 {
		logits = e.takeLogits(hidden, logits)
	}
	for _, c := range step {
		e.settle(c, settled[c.task])
	}
}

// takeLogits computes and hands out the logits of as many ranges as fit, and returns what is left. A range that is too long alone is cut.
func (e *Engine) takeLogits(hidden tensor.Tensor, all []wanted) []wanted {
	var now []wanted
	var rows []rowRange
	n := 0
	for len(all) > 0 && n < logitRows {
		w := all[0]
		if w.hi-w.lo > logitRows-n {
			if n > 0 {
				break
			}
			all[0].lo += logitRows
			all[0].at += logitRows
			w.hi = w.lo + logitRows
		} else {
			all = all[1:]
		}
		now, rows = append(now, w), append(rows, rowRange{w.lo, w.hi})
		n += w.hi - w.lo
	}
	out := e.main.logitsOf(hidden, rows)
	offsets := make([]int, len(now))
	for i := 1; i < len(now); i++ {
		offsets[i] = offsets[i-1] + now[i-1].hi - now[i-1].lo
	}
	parallel(len(now), func(i int) {
		w := now[i]
		w.job.take(w.task, w.at, out.Slice(0, offsets[i], offsets[i]+w.hi-w.lo))
	})
	return all
}

// settle books what a chunk computed. Guesses that were wrong have left keys and values behind that the next tokens overwrite.
func (e *Engine) settle(c chunk, known int) {
	n := min(c.n, max(known, len(c.ids)-1)-c.done)
	e.count.ComputedTokens += int64(n)
	if len(c.draft) > 0 {
		e.count.Guessed += int64(len(c.draft))
		e.count.Accepted += int64(n - 1)
		c.draft = c.draft[:0]
	}
	c.advance(e.pages, n)
	c.job.settle(e, c.task)
}

// parallel calls f(0) to f(n−1) on all cores.
func parallel(n int, f func(i int)) {
	if n <= 1 {
		if n == 1 {
			f(0)
		}
		return
	}
	var wg sync.WaitGroup
	workers := min(n, runtime.GOMAXPROCS(0))
	for w := range workers {
		wg.Go(func() {
			for i := w; i < n; i += workers {
				f(i)
			}
		})
	}
	wg.Wait()
}
