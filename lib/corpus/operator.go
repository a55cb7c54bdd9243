package corpus

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
)

// Operator computes columns from documents: a cleaning rule's verdict, a language, a signature.
//
// Invariant: Apply is a pure function of the batch, so that chunks may be computed anywhere, in any order, and again.
type Operator interface {
	// Fields names the columns that Apply makes.
	Fields() []arrow.Field
	// Apply returns one array for each field, each as long as b.Record. Rows that b does not select may hold anything.
	Apply(ctx context.Context, b Batch) ([]arrow.Array, error)
}

// With returns the corpus with the operators' columns beside the text. Chunks are computed on all cores; the result does not depend
// on how many there are. A later operator may read the columns of the earlier ones. progress, where not nil, is told how many
// documents are done; several goroutines call it.
func (c *Corpus) With(ctx context.Context, progress func(done, total int), ops ...Operator) (*Corpus, error) {
	schema := c.Schema()
	for _, op := range ops {
		for _, f := range op.Fields() {
			if schema.HasField(f.Name) {
				return nil, fmt.Errorf("corpus: With: there is a column %q already: corpus.Build of the file leaves added columns out", f.Name)
			}
			schema = arrow.NewSchema(append(schema.Fields(), f), nil)
		}
	}
	columns := make([][]arrow.Array, len(c.chunks))
	err := c.Each(ctx, progress, func(i int, b Batch) error {
		before := int(b.Record.NumCols())
		b, err := apply(ctx, b, ops)
		if err != nil {
			return fmt.Errorf("corpus: chunk %d: %w", i, err)
		}
		columns[i] = b.Record.Columns()[before:]
		return nil
	})
	if err != nil {
		return nil, err
	}
	return c.WithColumns(schema.Fields()[c.Schema().NumFields():], columns)
}

// Each calls f with every chunk, on all cores and in no order. It begins no new call after an error or when ctx ends, and returns
// the error of the first chunk that has one. progress, where not nil, is told how many documents are done; several goroutines call it.
func (c *Corpus) Each(ctx context.Context, progress func(done, total int), f func(i int, b Batch) error) error {
	var done atomic.Int64
	return eachParallel(ctx, len(c.chunks), func(i int) error {
		b, err := c.Batch(i)
		if err != nil {
			return err
		}
		if err := f(i, b); err != nil {
			return err
		}
		n := done.Add(int64(b.Len()))
		if progress != nil {
			progress(int(n), c.n)
		}
		return nil
	})
}

// WithColumns returns the corpus with columns that were made elsewhere, by looking at all documents: columns[i] holds an array for
// each field, as long as the record of chunk i. It panics if they do not fit.
func (c *Corpus) WithColumns(fields []arrow.Field, columns [][]arrow.Array) (*Corpus, error) {
	schema := c.Schema()
	for _, f := range fields {
		if schema.HasField(f.Name) {
			return nil, fmt.Errorf("corpus: there is a column %q already: corpus.Build of the file leaves added columns out", f.Name)
		}
	}
	schema = arrow.NewSchema(append(schema.Fields(), fields...), nil)
	out := c.with(schema, make([]*chunk, len(c.chunks)), c.rows)
	for i := range out.chunks {
		b, err := c.Batch(i)
		if err != nil {
			return nil, err
		}
		out.chunks[i] = fixed(array.NewRecord(schema, slices.Concat(b.Record.Columns(), columns[i]), b.Record.NumRows()))
	}
	return out, nil
}

// apply adds the operators' columns to a batch, one operator after the other.
func apply(ctx context.Context, b Batch, ops []Operator) (Batch, error) {
	for _, op := range ops {
		cols, err := op.Apply(ctx, b)
		if err != nil {
			return b, err
		}
		fields := op.Fields()
		if len(cols) != len(fields) {
			panic(fmt.Sprintf("corpus: %T made %d columns and names %d", op, len(cols), len(fields)))
		}
		for i, col := range cols {
			if int64(col.Len()) != b.Record.NumRows() {
				panic(fmt.Sprintf("corpus: %T: column %q has %d rows of %d", op, fields[i].Name, col.Len(), b.Record.NumRows()))
			}
		}
		schema := arrow.NewSchema(append(b.Record.Schema().Fields(), fields...), nil)
		b.Record = array.NewRecord(schema, slices.Concat(b.Record.Columns(), cols), b.Record.NumRows())
	}
	return b, nil
}

// eachParallel calls f for 0…n−1 on all cores and returns the error of the lowest i that failed. It begins no new call after an
// error or when ctx ends.
func eachParallel(ctx context.Context, n int, f func(i int) error) error {
	errs := make([]error, n)
	var next atomic.Int64
	var failed atomic.Bool
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), n) {
		wg.Go(func() {
			for !failed.Load() && ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if errs[i] = f(i); errs[i] != nil {
					failed.Store(true)
				}
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}
