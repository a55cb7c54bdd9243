package corpus

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"quire/lib/corpus/internal/whole"
)

// chunkBytes is the text that a chunk holds before the next begins: large enough that a 10 GB file has few headers to read at Open,
// small enough that workers share a file evenly and a chunk stays far below the 2 GB of an Arrow string column.
const chunkBytes = 32 << 20

// Writer writes documents into a new Arrow file. The file appears under its name when Close succeeds, never half-written. A Writer
// belongs to one goroutine.
type Writer struct {
	path string
	file *whole.File
	ipc  *ipc.FileWriter
	cols *columns // what is not yet written
	docs int
	err  error
}

// Create begins an Arrow file at path.
func Create(path string) (*Writer, error) {
	w, err := createWith(path, Schema)
	if err != nil {
		return nil, err
	}
	w.cols = newColumns()
	return w, nil
}

func createWith(path string, schema *arrow.Schema) (*Writer, error) {
	file, err := whole.Create(path)
	if err != nil {
		return nil, fmt.Errorf("corpus: %w", err)
	}
	w := &Writer{path: path, file: file}
	if w.ipc, err = ipc.NewFileWriter(&counter{w: file}, ipc.WithSchema(schema)); err != nil {
		file.Abort()
		return nil, fmt.Errorf("corpus: %s: %w", path, err)
	}
	return w, nil
}

// counter is the seeker that ipc.FileWriter asks for: it only ever asks where it is.
type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

func (c *counter) Seek(offset int64, whence int) (int64, error) {
	if offset != 0 || whence != io.SeekCurrent {
		return 0, errors.ErrUnsupported
	}
	return c.n, nil
}

// Append adds a document.
func (w *Writer) Append(d Document) error {
	if w.err != nil {
		return w.err
	}
	if len(d.Text) >= 1<<31-chunkBytes {
		return fmt.Errorf("corpus: document %q has %d bytes of text, more than a chunk can hold", d.ID, len(d.Text))
	}
	w.cols.append(d)
	w.docs++
	if w.cols.bytes >= chunkBytes {
		return w.flush()
	}
	return nil
}

func (w *Writer) flush() error {
	if w.cols == nil {
		return nil
	}
	if rec := w.cols.record(); rec != nil {
		defer rec.Release()
		return w.write(rec)
	}
	return nil
}

func (w *Writer) write(rec arrow.Record) error {
	if err := w.ipc.Write(rec); err != nil {
		w.err = fmt.Errorf("corpus: %s: %w", w.path, err)
	}
	return w.err
}

// NumDocs returns the number of documents appended.
func (w *Writer) NumDocs() int { return w.docs }

// Close writes what is left and moves the file to its place. After an error nothing appears there.
func (w *Writer) Close() error {
	err := w.err
	for _, step := range []func() error{w.flush, w.ipc.Close, w.file.Commit} {
		if err == nil {
			err = step()
		}
	}
	if err != nil {
		w.file.Abort()
		return fmt.Errorf("corpus: writing %s: %w", w.path, err)
	}
	return nil
}

// Abort gives the file up.
func (w *Writer) Abort() { w.file.Abort() }

// Save writes the selected documents with all columns, those that operators added included, into a new Arrow file.
func (c *Corpus) Save(path string) error {
	w, err := createWith(path, c.Schema())
	if err != nil {
		return err
	}
	for b, err := range c.Batches() {
		if err == nil {
			err = w.saveBatch(b)
		}
		if err != nil {
			w.Abort()
			return err
		}
	}
	return w.Close()
}

func (w *Writer) saveBatch(b Batch) error {
	w.docs += b.Len()
	if b.Len() == 0 {
		return nil
	}
	rec, err := b.selected()
	if err != nil {
		return err
	}
	return w.write(rec)
}

// selected returns the record of the selected rows alone.
func (b Batch) selected() (arrow.Record, error) {
	if b.Rows == nil {
		return b.Record, nil
	}
	return take(b.Record, b.Rows)
}

// take copies the given rows of a record.
func take(rec arrow.Record, rows []int32) (arrow.Record, error) {
	cols := make([]arrow.Array, rec.NumCols())
	for ci, col := range rec.Columns() {
		var runs []arrow.Array // neighbouring rows are copied together
		for i := 0; i < len(rows); {
			j := i + 1
			for j < len(rows) && rows[j] == rows[j-1]+1 {
				j++
			}
			runs = append(runs, array.NewSlice(col, int64(rows[i]), int64(rows[j-1])+1))
			i = j
		}
		joined, err := array.Concatenate(runs, memory.DefaultAllocator)
		if err != nil {
			return nil, fmt.Errorf("corpus: column %q: %w", rec.ColumnName(ci), err)
		}
		cols[ci] = joined
	}
	return array.NewRecord(rec.Schema(), cols, int64(len(rows))), nil
}

// escapeGlob quotes the characters that filepath.Glob takes for patterns.
func escapeGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}
