package infer

import (
	"context"
	"iter"
	"sync"
)

// stream carries values from the loop to one reader, who may be slower: what waits is bounded by the length of the texts.
type stream[T any] struct {
	mu    sync.Mutex
	items []T
	ended bool
	err   error
	more  chan struct{} // holds one signal while there is something new
}

func newStream[T any]() *stream[T] { return &stream[T]{more: make(chan struct{}, 1)} }

func (s *stream[T]) send(v T) {
	s.mu.Lock()
	s.items = append(s.items, v)
	s.mu.Unlock()
	s.signal()
}

// close ends the stream; the first error given stays.
func (s *stream[T]) close(err error) {
	s.mu.Lock()
	if !s.ended {
		s.ended, s.err = true, err
	}
	s.mu.Unlock()
	s.signal()
}

func (s *stream[T]) signal() {
	select {
	case s.more <- struct{}{}:
	default:
	}
}

// all yields the values until the stream ends or ctx does, and then the error if there is one.
func (s *stream[T]) all(ctx context.Context) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		for {
			s.mu.Lock()
			items, ended, err := s.items, s.ended, s.err
			s.items = nil
			s.mu.Unlock()
			for _, v := range items {
				if ctx.Err() != nil {
					break
				}
				if !yield(v, nil) {
					return
				}
			}
			if ctx.Err() != nil {
				yield(none, context.Cause(ctx))
				return
			}
			if ended {
				if err != nil {
					yield(none, err)
				}
				return
			}
			select {
			case <-s.more:
			case <-ctx.Done():
			}
		}
	}
}
