package corpus

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
)

// size adds a column with the length of each text.
type size struct{ fail error }

func (size) Fields() []arrow.Field {
	return []arrow.Field{{Name: "size", Type: arrow.PrimitiveTypes.Int64}}
}

func (s size) Apply(ctx context.Context, b Batch) ([]arrow.Array, error) {
	col := array.NewInt64Builder(memory.DefaultAllocator)
	for row := range int(b.Record.NumRows()) {
		col.Append(int64(len(b.Text().Value(row))))
	}
	return []arrow.Array{col.NewArray()}, s.fail
}

// double adds a column with twice the size that the operator before it found.
type double struct{}

func (double) Fields() []arrow.Field {
	return []arrow.Field{{Name: "double", Type: arrow.PrimitiveTypes.Int64}}
}

func (double) Apply(ctx context.Context, b Batch) ([]arrow.Array, error) {
	in := b.Record.Column(numFixed).(*array.Int64)
	col := array.NewInt64Builder(memory.DefaultAllocator)
	for row := range in.Len() {
		col.Append(2 * in.Value(row))
	}
	return []arrow.Array{col.NewArray()}, nil
}

// parts returns a corpus of many small chunks.
func parts(t *testing.T, docs []Document, n int) *Corpus {
	t.Helper()
	var all []*Corpus
	for ; len(docs) > 0; docs = docs[min(n, len(docs)):] {
		all = append(all, open(t, writeCorpus(t, docs[:min(n, len(docs))])))
	}
	c, err := Concat(all...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestWith(t *testing.T) {
	docs := sample(300)
	for _, procs := range []int{1, 4} {
		t.Run(fmt.Sprint(procs), func(t *testing.T) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
			var last atomic.Int64
			c, err := parts(t, docs, 17).With(t.Context(), func(done, total int) {
				if total != len(docs) {
					t.Errorf("total %d", total)
				}
				last.Store(max(last.Load(), int64(done)))
			}, size{}, double{})
			if err != nil {
				t.Fatal(err)
			}
			if last.Load() != int64(len(docs)) {
				t.Errorf("progress ended at %d", last.Load())
			}
			i := 0
			for b, err := range c.Batches() {
				if err != nil {
					t.Fatal(err)
				}
				for row := range b.Len() {
					if got := b.Record.Column(numFixed + 1).(*array.Int64).Value(row); got != 2*int64(len(docs[i].Text)) {
						t.Fatalf("document %d: %d", i, got)
					}
					i++
				}
			}
			equalDocs(t, docsOf(t, c), docs)
		})
	}
}

func TestWithErrors(t *testing.T) {
	c := parts(t, sample(50), 10)
	broken := errors.New("broken")
	if _, err := c.With(t.Context(), nil, size{fail: broken}); !errors.Is(err, broken) {
		t.Errorf("err = %v", err)
	}
	if _, err := c.With(t.Context(), nil, size{}, size{}); err == nil {
		t.Error("two columns of one name")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.With(ctx, nil, size{}); !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v", err)
	}
}

// Columns that were made by looking at all documents stand beside those of operators; one that is there already is refused.
func TestWithColumns(t *testing.T) {
	c := parts(t, []Document{{ID: "a", Text: "xx"}, {ID: "b", Text: "y"}, {ID: "c"}}, 2)
	columns := make([][]arrow.Array, c.NumBatches())
	err := c.Each(t.Context(), nil, func(i int, b Batch) (err error) {
		columns[i], err = size{}.Apply(t.Context(), b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.WithColumns(size{}.Fields(), columns)
	if err != nil {
		t.Fatal(err)
	}
	if got, err = got.With(t.Context(), nil, double{}); err != nil {
		t.Fatal(err)
	}
	b, err := got.Batch(0)
	if err != nil {
		t.Fatal(err)
	}
	if have := b.Record.Column(numFixed + 1).(*array.Int64).Int64Values(); have[0] != 4 || have[1] != 2 {
		t.Errorf("twice the sizes: %v", have)
	}
	if _, err := got.WithColumns(size{}.Fields(), columns); err == nil {
		t.Error("a column is there twice")
	}
	if err := c.Each(t.Context(), nil, func(i int, b Batch) error { return fmt.Errorf("chunk %d", i) }); err == nil || err.Error() != "chunk 0" {
		t.Errorf("the first chunk's error: %v", err)
	}
}
