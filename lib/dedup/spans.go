package dedup

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/zeebo/xxh3"

	"quire/lib/corpus"
)

func hashText(s string) uint64 { return xxh3.HashString(s) }

// spanTable gathers the repeated places of each document.
type spanTable struct {
	c      *corpus.Corpus
	starts []int     // of each chunk, the number of its first document; at the end, the number of all
	spans  [][]int32 // of each document, begin and end in turns; nil for none
	before []int32   // the document in which the first of them is first; −1 for none of the corpus
}

func newSpanTable(c *corpus.Corpus) (*spanTable, error) {
	starts, err := chunkStarts(c, 0)
	if err != nil {
		return nil, err
	}
	n := starts[c.NumBatches()]
	if n > math.MaxInt32 {
		return nil, fmt.Errorf("dedup: %d documents: a table of pieces holds %d", n, math.MaxInt32)
	}
	return &spanTable{c: c, starts: starts, spans: make([][]int32, n), before: make([]int32, n)}, nil
}

// find asks for the repeated places of every document, on all cores.
func (s *spanTable) find(ctx context.Context, spans func(doc int, text string) (spans []int32, before int)) error {
	return s.c.Each(ctx, nil, func(ci int, b corpus.Batch) error {
		for i := range b.Len() {
			doc := s.starts[ci] + i
			var before int
			s.spans[doc], before = spans(doc, b.Text().Value(b.Row(i)))
			s.before[doc] = int32(before)
		}
		return ctx.Err()
	})
}

// finish returns the corpus with the columns.
func (s *spanTable) finish(ctx context.Context, name string, maxShare float64) (*corpus.Corpus, error) {
	columns := make([][]arrow.Array, s.c.NumBatches())
	err := s.c.Each(ctx, nil, func(ci int, b corpus.Batch) (err error) {
		columns[ci], err = s.columns(ci, b, maxShare)
		return err
	})
	if err != nil {
		return nil, err
	}
	return s.c.WithColumns([]arrow.Field{
		{Name: name + ".keep", Type: arrow.FixedWidthTypes.Boolean, Nullable: true},
		{Name: name + ".kept", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: name + ".similarity", Type: arrow.PrimitiveTypes.Float32, Nullable: true},
		{Name: name + ".spans", Type: arrow.ListOf(arrow.PrimitiveTypes.Int32), Nullable: true},
	}, columns)
}

// columns makes the columns of a chunk. Rows that are not selected hold null.
func (s *spanTable) columns(ci int, b corpus.Batch, maxShare float64) ([]arrow.Array, error) {
	pool := memory.DefaultAllocator
	keep, kept, share := array.NewBooleanBuilder(pool), array.NewStringBuilder(pool), array.NewFloat32Builder(pool)
	list := array.NewListBuilder(pool, arrow.PrimitiveTypes.Int32)
	values := list.ValueBuilder().(*array.Int32Builder)
	all := []array.Builder{keep, kept, share, list}
	for i, row := 0, 0; row < int(b.Record.NumRows()); row++ {
		if i == b.Len() || b.Row(i) != row {
			for _, col := range all {
				col.AppendNull()
			}
			continue
		}
		doc := s.starts[ci] + i
		i++
		repeated, size := 0, b.Text().ValueLen(row)
		for k := 0; k < len(s.spans[doc]); k += 2 {
			repeated += int(s.spans[doc][k+1] - s.spans[doc][k])
		}
		part := float64(repeated) / float64(max(size, 1))
		keep.Append(part <= maxShare)
		share.Append(float32(part))
		list.Append(true)
		values.AppendValues(s.spans[doc], nil)
		if repeated == 0 {
			kept.AppendNull()
			continue
		}
		if s.before[doc] < 0 {
			kept.Append("")
			continue
		}
		d, err := docOf(s.c, s.starts, int(s.before[doc]))
		if err != nil {
			return nil, err
		}
		kept.Append(d.ID)
	}
	columns := make([]arrow.Array, len(all))
	for i, col := range all {
		columns[i] = col.NewArray()
	}
	return columns, nil
}

// docOf returns the document of this number, where starts are the numbers of the chunks' first documents.
func docOf(c *corpus.Corpus, starts []int, n int) (corpus.Document, error) {
	ci, found := slices.BinarySearch(starts, n)
	if !found {
		ci--
	}
	for starts[ci+1] == starts[ci] {
		ci++ // past chunks of which nothing is selected
	}
	b, err := c.Batch(ci)
	if err != nil {
		return corpus.Document{}, err
	}
	return b.Doc(n - starts[ci]), nil
}

// Cut returns the text of the i-th selected document without the places that a column of spans, such as "lines.spans", names. It
// panics if the corpus has no such column.
func Cut(b corpus.Batch, i int, column string) string {
	at := b.Record.Schema().FieldIndices(column)
	if len(at) == 0 {
		panic(fmt.Sprintf("dedup: Cut: no column %q", column))
	}
	text, row := b.Text().Value(b.Row(i)), b.Row(i)
	list := b.Record.Column(at[0]).(*array.List)
	from, to := list.ValueOffsets(row)
	spans := list.ListValues().(*array.Int32).Int32Values()[from:to]
	if len(spans) == 0 || list.IsNull(row) {
		return text
	}
	var out strings.Builder
	last := 0
	for k := 0; k+1 < len(spans); k += 2 {
		begin := min(max(int(spans[k]), last), len(text)) // a column that was read may hold anything
		out.WriteString(text[last:begin])
		last = min(max(int(spans[k+1]), begin), len(text))
	}
	out.WriteString(text[last:])
	return out.String()
}
