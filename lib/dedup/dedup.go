// Package dedup finds what a corpus says more than once: equal documents, documents that are nearly equal, lines and paragraphs that
// many documents have, and stretches of text that occur again.
//
//	text ── signature ──▶ table of the corpus (and of an earlier one's index) ── clusters ──▶ verdict columns beside the text
//
// [Exact] compares whole documents by a 128-bit hash. [MinHash] finds documents that share most of their shingles. [Pieces] looks at
// lines, paragraphs or sentences across documents, [Substrings] at every stretch of bytes. The first two give each document a
// verdict, the cluster it belongs to, the document that is kept in its place and how similar the two are; the others give the
// places that occurred before, which [Cut] takes out of a text where that is wanted.
//
// What was seen can be saved as an index and the next corpus compared with it: Options.Index and Options.Save, of pieces
// PieceConfig.Index and PieceConfig.Save, of substrings likewise. An index holds signatures and identifiers, of pieces hashes alone, and
// only that of substrings holds text.
//
// Invariant: the columns depend on the documents and their order alone, not on the number of workers or how the corpus is cut into
// chunks.
// Invariant: of each cluster exactly one document is kept. Corpora compared one after the other through an index have the clusters
// of their concatenation; what was kept stays kept, even where a later document joins two clusters.
//
// Deliberately absent: tables on disk. A document takes some 40 bytes in Exact and 250 in MinHash with datatrove's settings; a corpus
// that is too large for memory goes through an index of its own per part.
package dedup

import (
	"math"

	"github.com/apache/arrow/go/v17/arrow/array"

	"quire/lib/corpus"
)

// Options says what is compared, which document of a cluster is kept, and what is remembered.
type Options struct {
	Name     string                       // begins the names of the columns; "" for the method's
	Text     func(corpus.Document) string // what is compared; nil for the text. It must be safe for many goroutines
	Score    Score                        // of a cluster, the document with the greatest score is kept, the first of equal ones; nil keeps the first
	Index    string                       // file of documents seen before, which win over the corpus's; "" for none
	Save     string                       // file for the index's and the corpus's documents, may be the same; "" for none
	Progress func(done, total int)        // is told how many documents are read, from several goroutines; may be nil
}

// Score judges the i-th selected document of a batch. NaN is the least.
type Score func(b corpus.Batch, i int) float64

// Longest keeps the longest text.
func Longest(b corpus.Batch, i int) float64 { return float64(b.Text().ValueLen(b.Row(i))) }

// Greatest keeps the greatest value of a numeric column that an operator added. Documents without the column are judged NaN.
func Greatest(column string) Score {
	return func(b corpus.Batch, i int) float64 {
		at := b.Record.Schema().FieldIndices(column)
		if len(at) == 0 {
			return math.NaN()
		}
		switch col := b.Record.Column(at[0]).(type) {
		case *array.Float32:
			return float64(col.Value(b.Row(i)))
		case *array.Float64:
			return col.Value(b.Row(i))
		case *array.Int64:
			return float64(col.Value(b.Row(i)))
		case *array.Int32:
			return float64(col.Value(b.Row(i)))
		}
		return math.NaN()
	}
}
