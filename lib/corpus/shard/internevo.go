package shard

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"math"
	"os"
	"regexp"
	"strconv"

	"github.com/valyala/fastjson"

	"quire/lib/corpus"
	"quire/lib/corpus/internal/whole"
)

// ReadInternEvo walks the documents of an InternEvo data file: x.bin, JSON lines {"tokens": […]}, in which a negative id is a token
// that is no target. Where x.bin.meta is there, it must fit. A broken line yields a *corpus.BadRecord, and the walk goes on.
// What it yields is valid until the next.
func ReadInternEvo(path string) iter.Seq2[Tokens, error] {
	return func(yield func(Tokens, error) bool) {
		if err := readInternEvo(path, yield); err != nil {
			yield(Tokens{}, fmt.Errorf("shard: %s: %w", path, err))
		}
	}
}

func readInternEvo(path string, yield func(Tokens, error) bool) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	entries, err := readMeta(path + ".meta")
	if err != nil {
		return err
	}
	r := bufio.NewReaderSize(f, 1<<20)
	var p fastjson.Parser
	var d Tokens
	for n, offset := 0, int64(0); ; n++ {
		line, err := r.ReadBytes('\n')
		if err == io.EOF && len(line) == 0 {
			if entries != nil && n != len(entries) {
				return fmt.Errorf("%d lines, and %d entries in .meta: make the files again", n, len(entries))
			}
			return nil
		}
		if err != nil && err != io.EOF {
			return err
		}
		d.ID = path + ":" + strconv.Itoa(n+1)
		reason := d.parse(&p, line)
		if reason == "" && entries != nil && (n >= len(entries) || entries[n] != [2]int64{offset, int64(len(d.IDs))}) {
			return fmt.Errorf("line %d at byte %d with %d tokens is not what .meta says: make the files again", n+1, offset, len(d.IDs))
		}
		offset += int64(len(line))
		if reason != "" {
			if !yield(Tokens{}, &corpus.BadRecord{Source: d.ID, Reason: reason}) {
				return nil
			}
		} else if !yield(d, nil) {
			return nil
		}
	}
}

// readMeta returns the offset and the length of each line; nil where there is no such file.
func readMeta(path string) ([][2]int64, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	entries, err := parseMeta(b)
	if err != nil {
		return nil, fmt.Errorf(".meta: %w", err)
	}
	return entries, nil
}

// parse reads one line into d, whose memory it reuses.
func (d *Tokens) parse(p *fastjson.Parser, line []byte) (reason string) {
	v, err := p.ParseBytes(line)
	if err != nil {
		return "not JSON: " + err.Error()
	}
	list := v.Get("tokens")
	if list == nil || list.Type() != fastjson.TypeArray {
		return `no list "tokens"`
	}
	tokens := list.GetArray()
	d.IDs = d.IDs[:0]
	for i, t := range tokens {
		id, err := t.Int64()
		if err != nil || id < -math.MaxUint32 || id > math.MaxUint32 {
			return fmt.Sprintf("token %d is %.20s, no id", i, t)
		}
		d.IDs = append(d.IDs, uint32(max(id, -id)))
	}
	d.Loss = lossOf(len(tokens), func(i int) bool { id, _ := tokens[i].Int64(); return id >= 0 })
	return ""
}

var npyHeader = regexp.MustCompile(`^\{'descr': '<i([48])', 'fortran_order': False, 'shape': \((\d{1,18}), ?(\d)\), \}\s*$`)

// parseMeta reads a NumPy array of offsets and lengths: int32 or int64, in the first and the last column.
func parseMeta(b []byte) ([][2]int64, error) {
	if len(b) < 10 || string(b[:6]) != "\x93NUMPY" {
		return nil, errors.New("not a NumPy array")
	}
	at, size := 10, int(binary.LittleEndian.Uint16(b[8:]))
	if b[6] > 1 {
		if len(b) < 12 {
			return nil, errors.New("cut off")
		}
		at, size = 12, int(binary.LittleEndian.Uint32(b[8:]))
	}
	if size > len(b)-at {
		return nil, errors.New("cut off")
	}
	m := npyHeader.FindSubmatch(b[at : at+size])
	if m == nil {
		return nil, fmt.Errorf("an array %.80q where little-endian integers in rows were expected", b[at:at+size])
	}
	width, _ := strconv.Atoi(string(m[1]))
	rows, _ := strconv.Atoi(string(m[2]))
	cols, _ := strconv.Atoi(string(m[3]))
	b = b[at+size:]
	if cols < 2 || rows > len(b) || rows*cols*width != len(b) {
		return nil, fmt.Errorf("%d bytes for %d rows of %d", len(b), rows, cols)
	}
	value := func(i int) int64 {
		if width == 4 {
			return int64(int32(binary.LittleEndian.Uint32(b[4*i:])))
		}
		return int64(binary.LittleEndian.Uint64(b[8*i:]))
	}
	out := make([][2]int64, rows)
	for i := range out {
		out[i] = [2]int64{value(i * cols), value(i*cols + cols - 1)}
	}
	return out, nil
}

// appendMeta appends the NumPy array of a .meta file: int32, as InternEvo's own tool writes, or int64 where that is too small.
func appendMeta(dst []byte, entries [][2]int64) []byte {
	width := 4
	for _, e := range entries {
		if max(e[0], e[1]) > math.MaxInt32 {
			width = 8
		}
	}
	header := fmt.Sprintf("{'descr': '<i%d', 'fortran_order': False, 'shape': (%d, 2), }", width, len(entries))
	size := (10 + len(header) + 1 + 63) &^ 63 // the array begins at a multiple of 64
	dst = append(dst, "\x93NUMPY\x01\x00"...)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(size-10))
	dst = fmt.Appendf(dst, "%-*s\n", size-11, header)
	for _, e := range entries {
		for _, v := range e {
			if width == 4 {
				dst = binary.LittleEndian.AppendUint32(dst, uint32(v))
			} else {
				dst = binary.LittleEndian.AppendUint64(dst, uint64(v))
			}
		}
	}
	return dst
}

// WriteInternEvo writes documents as InternEvo reads them: path, which should end in .bin, and path.meta. InternEvo drops documents
// below its min_length of 50 tokens and adds nothing: BOS and EOS must be among the tokens.
func WriteInternEvo(path string, docs iter.Seq2[Tokens, error]) error {
	f, err := whole.Create(path)
	if err != nil {
		return fmt.Errorf("shard: %w", err)
	}
	defer f.Abort()
	var entries [][2]int64
	var line []byte
	offset := int64(0)
	for d, err := range docs {
		if err != nil {
			return err
		}
		line = append(line[:0], `{"tokens": [`...)
		for i, id := range d.IDs {
			if i > 0 {
				line = append(line, ", "...)
			}
			if d.Loss != nil && !d.Loss[i] {
				if id == 0 {
					return fmt.Errorf("shard: document %q: token %d has id 0, which this format cannot mark as no target", d.ID, i)
				}
				line = append(line, '-')
			}
			line = strconv.AppendUint(line, uint64(id), 10)
		}
		line = append(line, "]}\n"...)
		f.Write(line)
		entries = append(entries, [2]int64{offset, int64(len(d.IDs))})
		offset += int64(len(line))
	}
	if err := f.Commit(); err != nil {
		return fmt.Errorf("shard: writing %s: %w", path, err)
	}
	return writeAll(path+".meta", appendMeta(nil, entries))
}

func writeAll(path string, b []byte) error {
	f, err := whole.Create(path)
	if err == nil {
		f.Write(b)
		err = f.Commit()
	}
	if err != nil {
		return fmt.Errorf("shard: writing %s: %w", path, err)
	}
	return nil
}
