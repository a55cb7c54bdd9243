package ordered

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"testing"
	"time"
)

func count(n int, fail int) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		for i := range n {
			var err error
			if i == fail {
				err = fmt.Errorf("input %d", i)
			}
			if !yield(i, err) {
				return
			}
		}
	}
}

func TestOrder(t *testing.T) {
	for _, workers := range []int{1, 2, 8} {
		var got []int
		err := Map(t.Context(), workers, count(200, -1), func(_ context.Context, i int) (int, error) {
			time.Sleep(time.Duration(i*7919%5) * 100 * time.Microsecond)
			return i * i, nil
		}, func(i int) error { got = append(got, i); return nil })
		if err != nil || len(got) != 200 || !slices.IsSorted(got) {
			t.Errorf("%d workers: %d results, sorted %v, error %v", workers, len(got), slices.IsSorted(got), err)
		}
	}
}

func TestErrors(t *testing.T) {
	pass := func(_ context.Context, i int) (int, error) { return i, nil }
	for name, run := range map[string]func(ctx context.Context, emit func(int) error) error{
		"input 9": func(ctx context.Context, emit func(int) error) error { return Map(ctx, 4, count(100, 9), pass, emit) },
		"work 9": func(ctx context.Context, emit func(int) error) error {
			return Map(ctx, 4, count(100, -1), func(_ context.Context, i int) (int, error) {
				if i >= 9 {
					return 0, fmt.Errorf("work %d", i)
				}
				return i, nil
			}, emit)
		},
		"emit 9": func(ctx context.Context, emit func(int) error) error {
			return Map(ctx, 4, count(100, -1), pass, func(i int) error {
				if i == 9 {
					return errors.New("emit 9")
				}
				return emit(i)
			})
		},
	} {
		n := 0
		err := run(t.Context(), func(int) error { n++; return nil })
		if err == nil || err.Error() != name || n != 9 {
			t.Errorf("want %q behind 9 results, got %v behind %d", name, err, n)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	err := Map(ctx, 2, count(1<<30, -1), pass, func(i int) error {
		if i == 5 {
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
