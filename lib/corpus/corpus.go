// Package corpus holds text as data: documents in Arrow columns, opened without being read, looked at without being copied.
//
//	files, URLs, stores ── Read ──▶ documents ── Writer ──▶ Arrow file ── Open ──▶ Corpus ── operators ──▶ Corpus with more columns
//	Corpus ── Stage ──▶ Corpus on disk, with a Datasheet       Corpus ── Export ──▶ JSON lines, Parquet, WanJuan's layout
//	Corpus ── shard.Tokenize ──▶ token shards ── mix.Stream ──▶ training rows
//
// A [Corpus] is a list of chunks (Arrow record batches) and, for each chunk, the rows that are selected. Filtering makes a new
// selection over the same chunks; an operator (a cleaning rule, a language identifier, a signature) adds columns beside the text.
// Neither touches the text itself: it stays where it was mapped. [Explore] asks what other thresholds on such columns would leave.
//
// Four columns are always there, all strings: id; text; source, where the document was read from, as file, member and line;
// and meta, the fields of the original record that are not the text, as a JSON object, so that nothing is lost on the way in.
//
// Invariant: a Corpus never changes. What Where, With and Head return shares its chunks.
// Invariant: every operator is a pure function of one record batch, so that any number of workers gives the same result.
//
// Deliberately absent: a query language. A Go function over a [Document] is one.
package corpus

import (
	"errors"
	"fmt"
	"iter"
	"sync"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
)

// Document is one text and what is known of it. Its strings may alias a corpus's mapped file: clone what outlives the corpus.
type Document struct {
	ID     string
	Text   string
	Source string // where it was read: "part-0003.jsonl.gz:17"
	Meta   string // the other fields of the record, a JSON object; "" for none
}

// Schema is the four columns that every corpus has.
var Schema = arrow.NewSchema([]arrow.Field{
	{Name: "id", Type: arrow.BinaryTypes.String},
	{Name: "text", Type: arrow.BinaryTypes.String},
	{Name: "source", Type: arrow.BinaryTypes.String},
	{Name: "meta", Type: arrow.BinaryTypes.String, Nullable: true},
}, nil)

const (
	colID = iota
	colText
	colSource
	colMeta
	numFixed
)

// Corpus is an ordered set of documents. Goroutines may share it. The zero value is empty.
type Corpus struct {
	schema *arrow.Schema
	chunks []*chunk
	rows   [][]int32 // rows[i] selects rows of chunks[i], ascending; nil for all
	n      int
	closer func() error
}

// chunk is one record batch, made when it is first asked for.
type chunk struct {
	n    int
	load func() (arrow.Record, error)
}

// fixed returns a chunk that is already there.
func fixed(rec arrow.Record) *chunk {
	return &chunk{n: int(rec.NumRows()), load: func() (arrow.Record, error) { return rec, nil }}
}

// lazy returns a chunk of n rows that load makes once.
func lazy(n int, load func() (arrow.Record, error)) *chunk {
	return &chunk{n: n, load: sync.OnceValues(load)}
}

// New returns a corpus of records that are in memory. Each must begin with the columns of [Schema].
func New(records ...arrow.Record) (*Corpus, error) {
	c := &Corpus{schema: Schema}
	for i, rec := range records {
		if i == 0 {
			c.schema = rec.Schema()
		}
		if err := checkSchema(rec.Schema()); err != nil {
			return nil, fmt.Errorf("corpus: record %d: %w", i, err)
		}
		if !rec.Schema().Equal(c.schema) {
			return nil, fmt.Errorf("corpus: record %d has other columns than record 0", i)
		}
		c.chunks = append(c.chunks, fixed(rec))
		c.rows = append(c.rows, nil)
		c.n += int(rec.NumRows())
	}
	return c, nil
}

// checkSchema reports what keeps a schema from being a corpus's.
func checkSchema(s *arrow.Schema) error {
	for i, want := range Schema.Fields() {
		if i >= s.NumFields() || s.Field(i).Name != want.Name || s.Field(i).Type.ID() != want.Type.ID() {
			return fmt.Errorf("not a corpus: column %d must be %q of type %s: read the file with corpus.Build, with the text's column named in Fields", i, want.Name, want.Type)
		}
	}
	return nil
}

// Close unmaps the files behind the corpus and behind all corpora derived from it.
func (c *Corpus) Close() error {
	if c.closer == nil {
		return nil
	}
	return c.closer()
}

// NumDocs returns the number of selected documents.
func (c *Corpus) NumDocs() int { return c.n }

// Schema returns the corpus's columns: those of the package's Schema, then what operators added.
func (c *Corpus) Schema() *arrow.Schema {
	if c.schema == nil {
		return Schema
	}
	return c.schema
}

// Batch is one chunk of a corpus with the rows that are selected.
type Batch struct {
	Record arrow.Record
	Rows   []int32 // ascending; nil for all
}

// Len returns the number of selected rows.
func (b Batch) Len() int {
	if b.Rows == nil {
		return int(b.Record.NumRows())
	}
	return len(b.Rows)
}

// Row returns the row of the record that holds the i-th selected document.
func (b Batch) Row(i int) int {
	if b.Rows == nil {
		return i
	}
	return int(b.Rows[i])
}

// Text returns the column of texts.
func (b Batch) Text() *array.String { return b.Record.Column(colText).(*array.String) }

// Doc returns the i-th selected document.
func (b Batch) Doc(i int) Document {
	row := b.Row(i)
	value := func(col int) string { return b.Record.Column(col).(*array.String).Value(row) }
	return Document{ID: value(colID), Text: value(colText), Source: value(colSource), Meta: value(colMeta)}
}

// NumBatches returns the number of chunks.
func (c *Corpus) NumBatches() int { return len(c.chunks) }

// Batch returns the i-th chunk, read from its file when it is first used.
func (c *Corpus) Batch(i int) (Batch, error) {
	rec, err := c.chunks[i].load()
	if err != nil {
		return Batch{}, fmt.Errorf("corpus: chunk %d of %d: %w", i, len(c.chunks), err)
	}
	return Batch{rec, c.rows[i]}, nil
}

// Batches walks the chunks in order. A chunk that cannot be read yields its error, and the walk goes on.
func (c *Corpus) Batches() iter.Seq2[Batch, error] {
	return func(yield func(Batch, error) bool) {
		for i := range c.chunks {
			if !yield(c.Batch(i)) {
				return
			}
		}
	}
}

// Docs walks the selected documents in order. A chunk that cannot be read yields its error, and the walk goes on.
func (c *Corpus) Docs() iter.Seq2[Document, error] {
	return func(yield func(Document, error) bool) {
		for b, err := range c.Batches() {
			if err != nil {
				if !yield(Document{}, err) {
					return
				}
				continue
			}
			for i := range b.Len() {
				if !yield(b.Doc(i), nil) {
					return
				}
			}
		}
	}
}

// Where returns the documents that keep accepts.
func (c *Corpus) Where(keep func(Document) bool) (*Corpus, error) {
	return c.WhereRow(func(b Batch, i int) bool { return keep(b.Doc(i)) })
}

// WhereRow returns the documents for which keep accepts the i-th selected document of its batch: for choices by added columns.
func (c *Corpus) WhereRow(keep func(b Batch, i int) bool) (*Corpus, error) {
	out := c.with(c.schema, c.chunks, make([][]int32, len(c.chunks)))
	out.n = 0
	for ci := range c.chunks {
		b, err := c.Batch(ci)
		if err != nil {
			return nil, err
		}
		rows := make([]int32, 0, b.Len())
		for i := range b.Len() {
			if keep(b, i) {
				rows = append(rows, int32(b.Row(i)))
			}
		}
		out.rows[ci] = rows
		out.n += len(rows)
	}
	return out, nil
}

// Head returns the first n documents, or all where there are fewer.
func (c *Corpus) Head(n int) *Corpus {
	out := c.with(c.schema, nil, nil)
	out.n = 0
	for i, ch := range c.chunks {
		rows, have := c.rows[i], ch.n
		if rows != nil {
			have = len(rows)
		}
		if have > n-out.n {
			have = n - out.n
			if rows == nil {
				rows = make([]int32, have)
				for r := range rows {
					rows[r] = int32(r)
				}
			}
			rows = rows[:have]
		}
		if have <= 0 {
			break
		}
		out.chunks, out.rows = append(out.chunks, ch), append(out.rows, rows)
		out.n += have
	}
	return out
}

// Concat returns the documents of all corpora, which must have equal columns, in order. Closing it closes them all.
func Concat(all ...*Corpus) (*Corpus, error) {
	out := &Corpus{}
	for i, c := range all {
		if i == 0 {
			out.schema = c.schema
		} else if !c.Schema().Equal(out.Schema()) {
			return nil, fmt.Errorf("corpus: Concat: corpus %d has other columns than corpus 0", i)
		}
		out.chunks = append(out.chunks, c.chunks...)
		out.rows = append(out.rows, c.rows...)
		out.n += c.n
	}
	out.closer = func() error {
		var err error
		for _, c := range all {
			err = errors.Join(err, c.Close())
		}
		return err
	}
	return out, nil
}

func (c *Corpus) with(schema *arrow.Schema, chunks []*chunk, rows [][]int32) *Corpus {
	return &Corpus{schema: schema, chunks: chunks, rows: rows, n: c.n, closer: c.closer}
}
