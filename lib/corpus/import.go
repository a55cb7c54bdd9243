package corpus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"runtime"
	"sync"
	"unsafe"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
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
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type job struct {
		lines     []byte
		firstLine int
		done      chan *columns
	}
	workers := runtime.GOMAXPROCS(0)
	jobs, order := make(chan job), make(chan job, 2*workers)
	var readErr error
	var running sync.WaitGroup
	running.Go(func() {
		defer close(order)
		defer close(jobs)
		readErr = eachBlock(r, func(lines []byte, firstLine int) error {
			j := job{lines, firstLine, make(chan *columns, 1)}
			for _, ch := range []chan job{order, jobs} {
				select {
				case ch <- j:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			return nil
		})
	})
	for range workers {
		running.Go(func() {
			p := newRecordParser(f)
			for j := range jobs {
				j.done <- parseLines(p, j.lines, name, j.firstLine)
				recycled{}.Free(j.lines[:0:cap(j.lines)])
			}
		})
	}
	var im Import
	var writeErr error
	for j := range order {
		select {
		case c := <-j.done:
			if writeErr == nil {
				writeErr = w.appendColumns(c, &im)
			}
		case <-ctx.Done():
		}
		if writeErr != nil {
			cancel()
		}
	}
	running.Wait()
	if err := moreTelling(writeErr, readErr); err != nil {
		return im, fmt.Errorf("corpus: reading %s: %w", name, err)
	}
	return im, nil
}

// moreTelling returns the first error, preferring the one that is not a mere cancellation.
func moreTelling(a, b error) error {
	if a != nil && !errors.Is(a, context.Canceled) {
		return a
	}
	if b != nil {
		return b
	}
	return a
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

// eachBlock cuts r into blocks of whole lines, at least blockBytes long but for the last. Whoever is yielded a block may recycle it.
func eachBlock(r io.Reader, yield func(lines []byte, firstLine int) error) error {
	line := 1
	var rest []byte
	for {
		block := recycled{}.Allocate(len(rest) + blockBytes)
		copy(block, rest)
		n, err := io.ReadFull(r, block[len(rest):])
		block = block[:len(rest)+n]
		if err != nil {
			if len(block) > 0 {
				if yerr := yield(block, line); yerr != nil {
					return yerr
				}
			}
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				return nil
			}
			return err
		}
		cut := bytes.LastIndexByte(block, '\n') + 1
		if cut == 0 && len(block) > maxLine {
			return fmt.Errorf("line %d is longer than %d bytes: not JSON lines", line, maxLine)
		}
		rest = append(rest[:0], block[cut:]...)
		if cut > 0 {
			lines := bytes.Count(block[:cut], []byte{'\n'})
			if err := yield(block[:cut], line); err != nil {
				return err
			}
			line += lines
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
