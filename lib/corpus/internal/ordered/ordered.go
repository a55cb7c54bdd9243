// Package ordered computes on many goroutines and hands on the results in the order of the inputs.
//
// Invariant: what emit sees does not depend on the number of workers. Invariant: at most three inputs a worker are held at a time.
package ordered

import (
	"context"
	"iter"
	"sync"
)

// job is an input on its way, and where its result will be.
type job[In, Out any] struct {
	in   In
	err  error
	done chan result[Out]
}

type result[Out any] struct {
	out Out
	err error
}

// Map calls f on every value of in, on workers goroutines, and emit on the results, in order and on the caller's goroutine. It stops
// at the first error in the order of the inputs, whoever made it, or when ctx ends.
func Map[In, Out any](ctx context.Context, workers int, in iter.Seq2[In, error], f func(context.Context, In) (Out, error), emit func(Out) error) error {
	ctx, cancel := context.WithCancel(ctx)
	jobs, order := make(chan job[In, Out]), make(chan job[In, Out], 2*workers)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	running.Go(func() {
		defer close(order)
		defer close(jobs)
		for v, err := range in {
			j := job[In, Out]{v, err, make(chan result[Out], 1)}
			if !send(ctx, order, j) || !send(ctx, jobs, j) {
				return
			}
		}
	})
	for range workers {
		running.Go(func() {
			for j := range jobs {
				r := result[Out]{err: j.err}
				if r.err == nil {
					r.out, r.err = f(ctx, j.in)
				}
				j.done <- r
			}
		})
	}
	for j := range order {
		select {
		case r := <-j.done:
			if r.err == nil {
				r.err = emit(r.out)
			}
			if r.err != nil {
				return r.err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return ctx.Err()
}

// send reports whether v was sent before ctx ended.
func send[T any](ctx context.Context, to chan<- T, v T) bool {
	select {
	case to <- v:
		return true
	case <-ctx.Done():
		return false
	}
}
