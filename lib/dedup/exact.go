package dedup

import (
	"context"
	"fmt"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/zeebo/xxh3"

	"quire/lib/corpus"
)

// Exact finds equal documents and returns the corpus with four columns beside the text:
//
//	exact.keep        bool: the document is the one of its cluster that is kept
//	exact.cluster     int64: the number of the cluster's first document, counted through the index and then the corpus
//	exact.kept        string: the identifier of the document that is kept in this one's place; null where this one is kept
//	exact.similarity  float32: how similar the two are, 1 for equal documents
//
// Documents are equal where their 128-bit XXH3 hashes are. With 2³² documents two different ones share a hash with a probability of
// 3·10⁻²⁰. [Kept] selects what is kept.
func Exact(ctx context.Context, c *corpus.Corpus, o Options) (*corpus.Corpus, error) {
	t, err := newTable(c, o, settings{Method: "exact"})
	if err != nil {
		return nil, err
	}
	low, high := t.cols[0], t.cols[1]
	err = t.fill(ctx, func() func(n int, text string) {
		return func(n int, text string) {
			h := xxh3.HashString128(text)
			low[n], high[n] = max(h.Lo, 1), h.Hi
		}
	})
	if err != nil {
		return nil, err
	}
	groups(t.cols, func(n, first uint32) { t.forest.join(n, first) })
	t.forest.flatten()
	return t.finish(ctx, "exact", func(n, kept uint32) float32 { return 1 })
}

// Kept returns the documents that a column of verdicts, such as "exact.keep", keeps.
func Kept(c *corpus.Corpus, column string) (*corpus.Corpus, error) {
	at := c.Schema().FieldIndices(column)
	if len(at) == 0 || c.Schema().Field(at[0]).Type.ID() != arrow.BOOL {
		return nil, fmt.Errorf("dedup: the corpus has no column of verdicts %q", column)
	}
	return c.WhereRow(func(b corpus.Batch, i int) bool {
		col := b.Record.Column(at[0]).(*array.Boolean)
		return col.IsValid(b.Row(i)) && col.Value(b.Row(i))
	})
}
