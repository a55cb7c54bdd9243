// Package ordered computes on many goroutines and hands on the results in the order of the inputs.
//
// Invariant: what emit sees does not depend on the number of workers. Invariant: at most three inputs a worker are held at a time.
package ordered

import (
	"context"
	"iter"
	"sync"
)

// Map calls f on every value of in, on workers goroutines, and emit on the results, in order and on the caller's goroutine. It stops
// at the first error in the order of the inputs, whoever made it, or when ctx ends.
func Map[In, Out any](ctx context.Context, workers int, in iter.Seq2[In, error], f func(context.Context, In) (Out, error), emit func(Out) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		out Out
		err error
	}
	type job struct {
		in   In
		err  error
		done chan result
	}
	jobs, order := make(chan job), make(chan job, 2*workers)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	running.Go(func() {
		defer close(order)
		defer close(jobs)
		for v, err := range in {
			j := job{v, err, make(chan result, 1)}
			select {
			case order <- j:
			case <-ctx.Done():
				return
			}
			select {
			case jobs <- j:
			case <-ctx.Done():
				return
			}
		}
	})
	for range workers {
		running.Go(func() {
			for j := range jobs {
				var r result
				if r.err = j.err; r.err == nil {
					r.out, r.err = f(ctx, j.in)
				}
				j.done <- r
			}
		})
	}
	for j := range order {
		select {
		case r := <-j.done:
			if r.err != nil {
				return r.err
			}
			if err := emit(r.out); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return ctx.Err()
}
