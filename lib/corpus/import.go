package corpus

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"math/bits"
	"runtime"
	"sync"
	"unsafe"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"

	"quire/lib/corpus/internal/ordered"
)

// Import is how reading went.
type Import struct {
	Docs  int
	Bytes int64       // of text
	Bad   int         // records that could not be read
	First []BadRecord // the first of them
}

// maxShown is how many bad records an Import keeps.
const maxShown = 20

func (im *Import) add(b BadRecord) {
	im.Bad++
	if len(im.First) < maxShown {
		im.First = append(im.First, b)
	}
}

// columns collects the documents of one chunk.
type columns struct {
	cols  [numFixed]*array.StringBuilder
	bytes int
	bad   []BadRecord
}

func newColumns() *columns {
	c := &columns{}
	for i := range c.cols {
		c.cols[i] = array.NewStringBuilder(recycled{})
	}
	return c
}

// recycled allocates the buffers of chunks that are written and released: clearing fresh memory would cost more than parsing into it.
type recycled struct{}

var freeBuffers [40]sync.Pool // by the power of two of their size

func (recycled) Allocate(size int) []byte {
	if size < 4096 {
		return make([]byte, size)
	}
	class := bits.Len(uint(size - 1))
	if b, ok := freeBuffers[class].Get().(*[]byte); ok {
		return (*b)[:size]
	}
	return make([]byte, size, 1<<class)
}

func (r recycled) Reallocate(size int, b []byte) []byte {
	if size <= cap(b) {
		return b[:size]
	}
	bigger := r.Allocate(size)
	copy(bigger, b)
	r.Free(b)
	return bigger
}

func (recycled) Free(b []byte) {
	if c := cap(b); c >= 4096 && c&(c-1) == 0 {
		b = b[:0]
		freeBuffers[bits.Len(uint(c-1))].Put(&b)
	}
}

func (c *columns) append(d Document) {
	c.cols[colID].Append(d.ID)
	c.cols[colText].Append(d.Text)
	c.cols[colSource].Append(d.Source)
	if d.Meta == "" {
		c.cols[colMeta].AppendNull()
	} else {
		c.cols[colMeta].Append(d.Meta)
	}
	c.bytes += len(d.ID) + len(d.Text) + len(d.Source) + len(d.Meta)
}

// record returns what was collected and empties the columns; nil for nothing.
func (c *columns) record() arrow.Record {
	n := c.cols[colID].Len()
	if n == 0 {
		return nil
	}
	arrays := make([]arrow.Array, numFixed)
	for i, b := range c.cols {
		arrays[i] = b.NewArray()
		defer arrays[i].Release() // the record holds it
	}
	c.bytes = 0
	return array.NewRecord(Schema, arrays, int64(n))
}

// JSONL reads JSON lines from r into the writer, parsing on all cores, and keeps their order. A line that is no record is counted in
// the result with its number and reason and is left out; only r's and the file's own errors end the import. Empty lines are passed
// over. name is how sources call r.
func (w *Writer) JSONL(ctx context.Context, r io.Reader, name string, f Fields) (Import, error) {
	parsers := sync.Pool{New: func() any { return newRecordParser(f) }}
	var im Import
	err := ordered.Map(ctx, runtime.GOMAXPROCS(0), lineBlocks(r), func(_ context.Context, b lineBlock) (*columns, error) {
		p := parsers.Get().(*recordParser)
		defer parsers.Put(p)
		c := parseLines(p, b.lines, name, b.firstLine)
		recycled{}.Free(b.lines[:0:cap(b.lines)])
		return c, nil
	}, func(c *columns) error { return w.appendColumns(c, &im) })
	if err != nil {
		return im, fmt.Errorf("corpus: reading %s: %w", name, err)
	}
	return im, nil
}

func (w *Writer) appendColumns(c *columns, im *Import) error {
	for _, b := range c.bad {
		im.add(b)
	}
	im.Docs += c.cols[colText].Len()
	im.Bytes += int64(c.cols[colText].DataLen())
	w.docs += c.cols[colText].Len()
	if rec := c.record(); rec != nil {
		defer rec.Release()
		if err := w.flush(); err != nil {
			return err
		}
		return w.write(rec)
	}
	return nil
}

// blockBytes is how much of a file one worker parses at a time; it becomes one chunk.
const blockBytes = 16 << 20

// maxLine is the longest line that is read: what is longer is no record of text.
const maxLine = 1 << 30

// lineBlock is some whole lines of a file. Whoever is yielded one may recycle it.
type lineBlock struct {
	lines     []byte
	firstLine int
}

// lineBlocks cuts r into blocks, at least blockBytes long but for the last.
func lineBlocks(r io.Reader) iter.Seq2[lineBlock, error] {
	return func(yield func(lineBlock, error) bool) {
		line := 1
		var rest []byte
		for {
			b := recycled{}.Allocate(len(rest) + blockBytes)
			n := copy(b, rest)
			var err error
			for n < len(b) && err == nil {
				var k int
				k, err = r.Read(b[n:])
				n += k
			}
			if b = b[:n]; err != nil {
				if len(b) > 0 && !yield(lineBlock{b, line}, nil) {
					return
				}
				if err != io.EOF {
					yield(lineBlock{}, err)
				}
				return
			}
			cut := bytes.LastIndexByte(b, '\n') + 1
			if cut == 0 && len(b) > maxLine {
				yield(lineBlock{}, fmt.Errorf("line %d is longer than %d bytes: not JSON lines", line, maxLine))
				return
			}
			rest = append(rest[:0], b[cut:]...)
			if cut > 0 {
				lines := bytes.Count(b[:cut], []byte{'\n'})
				if !yield(lineBlock{b[:cut], line}, nil) {
					return
				}
				line += lines
			}
		}
	}
}

// parseLines parses whole lines. The documents are copied into Arrow's memory.
func parseLines(p *recordParser, lines []byte, name string, line int) *columns {
	c := newColumns()
	c.cols[colText].ReserveData(len(lines))
	var source []byte
	for ; len(lines) > 0; line++ {
		var one []byte
		one, lines, _ = bytes.Cut(lines, []byte{'\n'})
		if one = bytes.TrimSpace(one); len(one) == 0 {
			continue
		}
		source = fmt.Appendf(source[:0], "%s:%d", name, line)
		d, reason := p.parse(one)
		if reason != "" {
			c.bad = append(c.bad, BadRecord{Source: string(source), Reason: reason})
			continue
		}
		d.Source = alias(source)
		if d.ID == "" {
			d.ID = d.Source
		}
		c.append(d)
	}
	return c
}

// alias views bytes as a string, valid while they stay as they are.
func alias(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

const hexDigits = "0123456789abcdef"

// appendJSONString appends s as a JSON string.
func appendJSONString[T string | []byte](dst []byte, s T) []byte {
	dst = append(dst, '"')
	for {
		n := 0
		for n < len(s) && !escaped[s[n]] {
			n++
		}
		dst = append(dst, s[:n]...)
		if n == len(s) {
			return append(dst, '"')
		}
		switch ch := s[n]; ch {
		case '"', '\\':
			dst = append(dst, '\\', ch)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[ch>>4], hexDigits[ch&15])
		}
		s = s[n+1:]
	}
}

// escaped tells which bytes a JSON string cannot hold as they are.
var escaped = func() (table [256]bool) {
	for ch := range 0x20 {
		table[ch] = true
	}
	table['"'], table['\\'] = true, true
	return table
}()
