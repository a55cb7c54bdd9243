package token

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
)

// StringColumn is an Arrow column of text: *array.String or *array.LargeString.
type StringColumn interface {
	arrow.Array
	Value(i int) string
}

// A worker takes texts of about chunkBytes at a time, but no more than chunkRows.
const (
	chunkRows  = 256
	chunkBytes = 1 << 16
)

// EncodeColumn encodes every text of an Arrow string column, on all cores, into a column of lists of ids: uint16 where
// the vocabulary fits, else uint32. A null text becomes a null list. The result belongs to the caller, who releases it.
func (t *Tokenizer) EncodeColumn(ctx context.Context, texts StringColumn, opt Options) (*array.List, error) {
	return t.encodeColumn(ctx, texts, opt, runtime.GOMAXPROCS(0))
}

// chunk is a run of rows that one worker encodes.
type chunk struct {
	from, to int
	ids      []uint32
	lens     []int32
}

func (t *Tokenizer) encodeColumn(ctx context.Context, texts StringColumn, opt Options, workers int) (*array.List, error) {
	chunks := cutRows(texts)
	err := parallel(ctx, workers, len(chunks), func(i int) error { return t.encodeChunk(texts, &chunks[i], opt) })
	if err != nil {
		return nil, err
	}
	return t.listColumn(texts, chunks, workers)
}

func cutRows(texts StringColumn) (chunks []chunk) {
	from, size := 0, 0
	for i := range texts.Len() {
		size += len(texts.Value(i))
		if size >= chunkBytes || i+1-from == chunkRows || i+1 == texts.Len() {
			chunks = append(chunks, chunk{from: from, to: i + 1})
			from, size = i+1, 0
		}
	}
	return chunks
}

// parallel calls f(0) to f(n-1) from several goroutines and returns the first error.
func parallel(ctx context.Context, workers, n int, f func(int) error) error {
	var next atomic.Int64
	var wg sync.WaitGroup
	errs := make([]error, workers)
	for w := range workers {
		wg.Go(func() {
			for errs[w] == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if errs[w] = ctx.Err(); errs[w] == nil {
					errs[w] = f(i)
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
	return nil
}

func (t *Tokenizer) encodeChunk(texts StringColumn, c *chunk, opt Options) error {
	size := 0
	for i := c.from; i < c.to; i++ {
		size += len(texts.Value(i))
	}
	c.ids = make([]uint32, 0, size/3+chunkRows)
	c.lens = make([]int32, 0, c.to-c.from)
	for i := c.from; i < c.to; i++ {
		before := len(c.ids)
		if !texts.IsNull(i) {
			var err error
			if c.ids, err = t.AppendEncode(c.ids, texts.Value(i), opt); err != nil {
				return fmt.Errorf("%w (row %d)", err, i)
			}
		}
		c.lens = append(c.lens, int32(len(c.ids)-before))
	}
	return nil
}

// listColumn joins the chunks.
func (t *Tokenizer) listColumn(texts StringColumn, chunks []chunk, workers int) (*array.List, error) {
	starts, total := make([]int, len(chunks)), 0
	for i := range chunks {
		starts[i] = total
		total += len(chunks[i].ids)
	}
	if total > math.MaxInt32 {
		return nil, fmt.Errorf("token: %d ids in one column: an Arrow list holds at most %d, encode in batches", total, math.MaxInt32)
	}
	n := texts.Len()
	offsets := make([]int32, 1, n+1)
	valid := make([]byte, (n+7)/8)
	for _, c := range chunks {
		for _, k := range c.lens {
			i := len(offsets) - 1
			offsets = append(offsets, offsets[i]+k)
			if texts.IsValid(i) {
				valid[i>>3] |= 1 << (i & 7)
			}
		}
	}
	values, kind := t.values(chunks, starts, total, workers)
	defer values.Release()
	data := array.NewData(arrow.ListOf(kind), n, []*memory.Buffer{memory.NewBufferBytes(valid),
		memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(offsets))}, []arrow.ArrayData{values}, texts.NullN(), 0)
	defer data.Release()
	return array.NewListData(data), nil
}

// values is one array of all ids.
func (t *Tokenizer) values(chunks []chunk, starts []int, total, workers int) (arrow.ArrayData, arrow.DataType) {
	var raw []byte
	var kind arrow.DataType
	var fill func(i int) error
	if t.VocabSize() <= 1<<16 {
		out := make([]uint16, total)
		raw, kind = arrow.Uint16Traits.CastToBytes(out), arrow.PrimitiveTypes.Uint16
		fill = func(i int) error {
			dst := out[starts[i]:]
			for k, id := range chunks[i].ids {
				dst[k] = uint16(id)
			}
			return nil
		}
	} else {
		out := make([]uint32, total)
		raw, kind = arrow.Uint32Traits.CastToBytes(out), arrow.PrimitiveTypes.Uint32
		fill = func(i int) error { copy(out[starts[i]:], chunks[i].ids); return nil }
	}
	// fill cannot fail, and the work is short: it is not worth cancelling.
	_ = parallel(context.Background(), workers, len(chunks), fill)
	return array.NewData(kind, total, []*memory.Buffer{nil, memory.NewBufferBytes(raw)}, nil, 0, 0), kind
}
