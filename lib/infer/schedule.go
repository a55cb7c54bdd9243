package infer

// A step computes some tokens of some tasks in one forward pass. Every task that decodes takes part, so that streams flow at an even pace; what is left of the step's tokens goes to
// prompts, in equal shares first and then in order, so that a short prompt does not wait for a long one. Pages are given in order: where they run out, idle sessions lose theirs first, then
// the last tasks in order do. What was evicted is computed again when there is room; numbers do not change by that.

// chunk is the part of a step that belongs to one task: tokens done to done+n−1, guesses included.
type chunk struct {
	*task
	n int
}

// plan chooses the next step. It may be empty although there are tasks, if all of them wait for something outside of the loop.
func (e *Engine) plan() []chunk {
	tasks := e.queue.tasks[:min(len(e.queue.tasks), e.cfg.MaxSeqs)]
	for _, t := range tasks {
		if rope := e.main.ropeFor(len(t.ids)); rope != t.rope {
			t.drop(e.pages)
			t.rope, t.waiting = rope, true
		}
		if t.done == 0 && len(t.pages) == 0 {
			from, _, _ := t.job.want(t)
			t.attach(e.pages, min(from, len(t.ids)-1))
		}
	}
	shares := e.share(tasks)
	var step []chunk
	open := true // whether tasks that have not begun may begin: not behind one that could not
	for i, t := range tasks {
		n := shares[i]
		if n == 0 || t.waiting && !open {
			continue
		}
		if t.waiting && len(step) > 0 && e.reclaimable(t) < blocks(len(t.ids))-len(t.pages)+len(step) {
			open = false
			continue
		}
		for e.pages.available() < t.missing(e.pages, n) && e.evict(t, shares) {
		}
		for n > 0 && e.pages.available() < t.missing(e.pages, n) {
			n = max(0, (t.done+n-1)/BlockTokens*BlockTokens-t.done)
		}
		if n == 0 {
			continue
		}
		t.reserve(e.pages, n, e.main.copyPage)
		if t.waiting {
			t.waiting = false
			e.count.CachedTokens += int64(t.done)
		}
		step = append(step, chunk{t, n})
	}
	return step
}

// share divides the tokens of a step among tasks.
func (e *Engine) share(tasks []*task) []int {
	shares := make([]int, len(tasks))
	left, prompts, decodes := e.cfg.StepTokens, 0, 0
	for _, t := range tasks {
		if t.need() > 1 {
			prompts++
		} else {
			decodes++
		}
	}
	guesses := 0
	if e.drafter != nil && prompts == 0 && decodes > 0 {
		guesses = min(e.drafter.most(), max(0, verifyRows/decodes-1))
	}
	for i, t := range tasks {
		if t.need() != 1 || left <= 0 {
			continue
		}
		shares[i] = 1
		if a, ok := t.job.(ahead); ok && guesses > 0 {
			room := min(guesses, left-1)
			if t.rope > 0 {
				room = min(room, t.rope-len(t.ids))
			}
			shares[i] += max(0, min(room, a.ahead(t)))
		}
		left -= shares[i]
	}
	if prompts == 0 {
		return shares
	}
	fair := max(BlockTokens, left/prompts/BlockTokens*BlockTokens)
	for _, most := range []int{fair, left} {
		for i, t := range tasks {
			if t.need() > 1 {
				n := min(t.need()-shares[i], most, left)
				shares[i] += n
				left -= n
			}
		}
	}
	return shares
}

// verifyRows bounds the rows of a step that guesses may fill: so many cost little more than one, because reading the weights is what takes the time.
const verifyRows = 8

// reclaimable is how many pages t could get without taking any from a task of its own priority.
func (e *Engine) reclaimable(t *task) int {
	n := e.pages.available()
	for _, s := range e.idle {
		n += len(s.pages)
	}
	for _, u := range e.queue.tasks {
		if u.priority < t.priority {
			n += len(u.pages)
		}
	}
	return n
}

// evict takes the pages of one sequence that matters less than t, and its share of the step; false if there is none.
func (e *Engine) evict(t *task, shares []int) bool {
	for _, s := range e.idle {
		if len(s.pages) > 0 {
			s.drop(e.pages)
			e.count.Evictions++
			return true
		}
	}
	for i := len(e.queue.tasks) - 1; i >= 0 && e.queue.tasks[i] != t; i-- {
		if u := e.queue.tasks[i]; len(u.pages) > 0 {
			u.drop(e.pages)
			u.waiting = true
			if i < len(shares) {
				shares[i] = 0
			}
			e.count.Evictions++
			return true
		}
	}
	return false
}
