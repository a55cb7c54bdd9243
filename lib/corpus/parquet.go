package corpus

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet/file"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"
)

// parquet reads a table, batch by batch.
func (in *reading) parquet(name, source string) (err error) {
	defer recoverAs(&err, "broken Parquet file")
	pf, err := file.OpenParquetFile(name, false)
	if err != nil {
		return err
	}
	defer pf.Close()
	if err := checkPlaces(pf, name); err != nil {
		return err
	}
	t, err := newParquetTable(pf, in.fields)
	if err != nil {
		return err
	}
	row := 0
	for group := range pf.NumRowGroups() {
		if err := t.open(in.ctx, group); err != nil {
			return fmt.Errorf("row group %d: %w", group, err)
		}
		for {
			rec, err := t.next()
			if err != nil {
				return fmt.Errorf("row group %d: %w", group, err)
			}
			if rec == nil {
				break
			}
			if err := in.record(rec, t.nested(), source, row); err != nil {
				return err
			}
			row += int(rec.NumRows())
		}
	}
	return nil
}

// parquetBatch is how many rows are read at a time.
const parquetBatch = 4096

// parquetTable reads the columns of a file on the caller's goroutine, so that a panic over damaged pages can be recovered: pqarrow's own
// reader of nested columns works on goroutines where nobody can. It takes pqarrow's readers of leaves, and puts nested values together
// here, as JSON.
type parquetTable struct {
	file   *file.Reader
	reader *pqarrow.FileReader // whose fields are the leaves
	schema *arrow.Schema
	fields []pqarrow.SchemaField
	leaves [][]*leaf // of each field
}

// newParquetTable finds a file's columns. Of a corpus that was exported, those of operators are left alone, as record leaves them.
func newParquetTable(pf *file.Reader, given Fields) (*parquetTable, error) {
	r, err := pqarrow.NewFileReader(pf, pqarrow.ArrowReadProperties{BatchSize: parquetBatch}, memory.DefaultAllocator)
	if err != nil {
		return nil, err
	}
	t := &parquetTable{file: pf, reader: r, fields: r.Manifest.Fields}
	if s, err := r.Schema(); err == nil && checkSchema(s) == nil && given == (Fields{}) {
		t.fields = t.fields[:numFixed]
	}
	var flat []pqarrow.SchemaField
	var fields []arrow.Field
	for _, f := range t.fields {
		var leaves []*leaf
		for _, l := range appendLeaves(nil, f) {
			leaves = append(leaves, &leaf{index: len(flat), info: l.LevelInfo})
			flat = append(flat, l)
		}
		t.leaves = append(t.leaves, leaves)
		field := *f.Field
		if isNested(f) {
			field.Type = arrow.BinaryTypes.Binary
		}
		fields = append(fields, field)
	}
	r.Manifest.Fields = flat
	t.schema = arrow.NewSchema(fields, nil)
	return t, nil
}

// open begins to read a row group, once its pages are checked.
func (t *parquetTable) open(ctx context.Context, group int) error {
	for _, leaves := range t.leaves {
		for _, l := range leaves {
			col := t.reader.Manifest.Fields[l.index].ColIndex
			pages, err := t.file.RowGroup(group).GetColumnPageReader(col)
			if err == nil {
				err = checkPages(pages, t.file.MetaData().Schema.Column(col))
			}
			if err == nil {
				l.col, err = t.reader.GetFieldReader(ctx, l.index, map[int]bool{col: true}, []int{group})
			}
			if err != nil {
				return fmt.Errorf("column %d: %w", col, err)
			}
		}
	}
	return nil
}

// isNested reports whether a field has parts. (Its own IsLeaf takes lists for leaves.)
func isNested(f pqarrow.SchemaField) bool { return len(f.Children) > 0 }

// appendLeaves appends the columns that a field consists of, in the order of the file.
func appendLeaves(dst []pqarrow.SchemaField, f pqarrow.SchemaField) []pqarrow.SchemaField {
	if !isNested(f) {
		return append(dst, f)
	}
	for _, child := range f.Children {
		dst = appendLeaves(dst, child)
	}
	return dst
}

// nested tells which columns of what next returns hold JSON.
func (t *parquetTable) nested() []bool {
	nested := make([]bool, len(t.fields))
	for i := range t.fields {
		nested[i] = isNested(t.fields[i])
	}
	return nested
}

// next returns the next rows, nil at the end. Nested columns are JSON, as binary values.
func (t *parquetTable) next() (arrow.Record, error) {
	cols := make([]arrow.Array, len(t.fields))
	for i, f := range t.fields {
		for _, l := range t.leaves[i] {
			if err := l.load(isNested(f)); err != nil {
				return nil, err
			}
		}
		if cols[i] = t.leaves[i][0].values; isNested(f) {
			cols[i] = assembled(f, t.leaves[i])
		}
		if cols[i].Len() != cols[0].Len() {
			return nil, fmt.Errorf("column %q has %d rows where column %q has %d", f.Field.Name, cols[i].Len(), t.fields[0].Field.Name, cols[0].Len())
		}
	}
	if len(cols) == 0 || cols[0].Len() == 0 {
		return nil, nil
	}
	return array.NewRecord(t.schema, cols, int64(cols[0].Len())), nil
}

// leaf is a column of a batch of rows: its values, and levels that tell which rows and lists they belong to (Melnik et al. 2010, Dremel,
// §4). Values are there for all entries but those that stand for a list that is empty or null.
type leaf struct {
	index    int // among the reader's fields
	col      *pqarrow.ColumnReader
	info     file.LevelInfo
	values   arrow.Array
	def, rep []int16
	at, slot int // the next entry and its value
}

// load reads the next rows.
func (l *leaf) load(nested bool) error {
	chunks, err := l.col.NextBatch(parquetBatch)
	if err != nil {
		return err
	}
	switch len(chunks.Chunks()) {
	case 0:
		l.values = array.MakeArrayOfNull(memory.DefaultAllocator, chunks.DataType(), 0)
	case 1:
		l.values = chunks.Chunk(0)
	default:
		if l.values, err = array.Concatenate(chunks.Chunks(), memory.DefaultAllocator); err != nil {
			return err
		}
	}
	if l.at, l.slot = 0, 0; !nested {
		return nil
	}
	if l.info.DefLevel > 0 {
		if l.def, err = l.col.GetDefLevels(); err != nil {
			return err
		}
	}
	if l.info.RepLevel > 0 {
		l.rep, err = l.col.GetRepLevels()
	}
	return err
}

// entries returns how many there are.
func (l *leaf) entries() int { return max(len(l.def), l.values.Len()) }

// level returns how much of the next entry is defined: of it and the fields that it lies in.
func (l *leaf) level() int16 {
	if l.info.DefLevel == 0 {
		return 0 // all of it always is
	}
	return l.def[l.at]
}

// next passes an entry. It returns the place of its value, -1 for none.
func (l *leaf) next() int {
	level := l.level()
	l.at++
	if level < l.info.RepeatedAncestorDefLevel {
		return -1
	}
	l.slot++
	return l.slot - 1
}

// assembled makes the values of a nested field.
func assembled(f pqarrow.SchemaField, leaves []*leaf) arrow.Array {
	b := array.NewBinaryBuilder(memory.DefaultAllocator, arrow.BinaryTypes.Binary)
	var value []byte
	for leaves[0].at < leaves[0].entries() {
		value = appendNested(value[:0], &f, leaves)
		b.Append(value)
	}
	return b.NewArray()
}

// appendNested appends the next value of a field as JSON.
func appendNested(dst []byte, f *pqarrow.SchemaField, leaves []*leaf) []byte {
	if !isNested(*f) {
		return appendLeaf(dst, leaves[0])
	}
	first, level := leaves[0], f.LevelInfo.DefLevel
	if f.Field.Type.ID() == arrow.STRUCT {
		if first.level() < level {
			return appendNone(dst, leaves, "null")
		}
		for i, rest := 0, leaves; i < len(f.Children); i++ {
			dst = append(appendJSONString(append(dst, "{,"[min(i, 1)]), f.Children[i].Field.Name), ':')
			n := len(appendLeaves(nil, f.Children[i]))
			dst = appendNested(dst, &f.Children[i], rest[:n])
			rest = rest[n:]
		}
		return append(dst, '}')
	}
	switch d := first.level(); { // of a list, level is that of an element
	case d < level-1:
		return appendNone(dst, leaves, "null")
	case d < level:
		return appendNone(dst, leaves, "[]")
	}
	dst = appendNested(append(dst, '['), &f.Children[0], leaves)
	for first.at < len(first.rep) && first.rep[first.at] >= f.LevelInfo.RepLevel {
		dst = appendNested(append(dst, ','), &f.Children[0], leaves)
	}
	return append(dst, ']')
}

// appendNone appends what stands for a value that has no parts.
func appendNone(dst []byte, leaves []*leaf, as string) []byte {
	for _, l := range leaves {
		l.next()
	}
	return append(dst, as...)
}

func appendLeaf(dst []byte, l *leaf) []byte {
	k := l.next()
	if k < 0 || l.values.IsNull(k) {
		return append(dst, "null"...)
	}
	if text, ok := l.values.(array.StringLike); ok {
		return appendJSONText(dst, text.Value(k))
	}
	value, err := json.Marshal(l.values.GetOneForMarshal(k))
	if err != nil { // NaN and infinities, which JSON lacks
		return append(dst, "null"...)
	}
	return append(dst, value...)
}
