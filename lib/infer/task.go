package infer

import (
	"cmp"
	"slices"

	"quire/simd/tensor"
)

// task is a job on one sequence: what the scheduler orders. It belongs to the engine's loop.
type task struct {
	*sequence
	job      job
	priority int
	arrival  uint64
	waiting  bool     // has not been part of a step since it was submitted or evicted
	draft    []uint32 // guesses at what follows ids, verified in this step
	ended    bool
}

// job is what a task does with the outputs of its tokens.
type job interface {
	// want is the range of positions whose outputs are needed, and whether an output is a row of logits or the hidden state itself.
	want(t *task) (from, to int, logits bool)
	// take receives outputs of consecutive positions from at on, all of one step or a part of them. It runs beside the take of other tasks and touches nothing but its own.
	take(t *task, at int, rows tensor.Tensor)
	// settle follows in the loop when all outputs of a step are taken. It may end the task or begin others.
	settle(e *Engine, t *task)
	// fail says that the task is over before its work is done.
	fail(e *Engine, t *task, err error)
}

// ahead is implemented by jobs that can use guesses: how many at most.
type ahead interface{ ahead(t *task) int }

// need is how many known tokens are still to be computed.
func (t *task) need() int { return len(t.ids) - t.done }

// before orders tasks: the higher priority first, then the earlier arrival.
func (t *task) before(u *task) int {
	return cmp.Or(cmp.Compare(u.priority, t.priority), cmp.Compare(t.arrival, u.arrival))
}

// queue is the tasks of an engine in order.
type queue struct{ tasks []*task }

func (q *queue) add(t *task) {
	i, _ := slices.BinarySearchFunc(q.tasks, t, (*task).before)
	q.tasks = slices.Insert(q.tasks, i, t)
}

func (q *queue) remove(t *task) {
	if i := slices.Index(q.tasks, t); i >= 0 {
		q.tasks = slices.Delete(q.tasks, i, i+1)
	}
}
