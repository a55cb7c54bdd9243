package dedup

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"

	"github.com/zeebo/xxh3"
)

// An index file is a line of JSON (header) and then, little endian, the columns of signatures (8 bytes a value, column after column),
// the sketches, for each document the number of the one that is kept in its place (4 bytes), the ends of the identifiers (8 bytes
// each), the identifiers, and the XXH3 hash of all before it (8 bytes). Documents that are not kept have an empty identifier.

const indexFormat = "quire-dedup-1"

// settings is how signatures are made: indexes of equal settings can be compared.
type settings struct {
	Method string
	Config *Config `json:",omitempty"`
}

func (s settings) equal(o settings) bool {
	if s.Method != o.Method || (s.Config == nil) != (o.Config == nil) {
		return false
	}
	return s.Config == nil || *s.Config == *o.Config
}

func (s settings) String() string {
	if s.Config == nil {
		return s.Method
	}
	return fmt.Sprintf("%s with %d×%d hashes of %d-word shingles, least similarity %g, seed %d", s.Method, s.Config.Bands, s.Config.Rows,
		s.Config.Shingle, s.Config.MinSimilarity, s.Config.Seed)
}

// columns returns how many values a signature has.
func (s settings) columns() int {
	if s.Config == nil {
		return 2
	}
	return s.Config.Bands
}

// sketchBytes returns the bytes of a sketch.
func (s settings) sketchBytes() int {
	if s.Config == nil {
		return 0
	}
	return s.Config.Bands * s.Config.Rows
}

// index is the documents of an index file.
type index struct {
	settings settings
	cols     [][]uint64
	sketch   []byte
	kept     []uint32
	ends     []uint64 // of the identifiers
	ids      []byte
}

func (x *index) id(n uint32) string {
	from := uint64(0)
	if n > 0 {
		from = x.ends[n-1]
	}
	return string(x.ids[from:x.ends[n]])
}

type header struct {
	Format string
	settings
	Docs    uint64
	IDBytes uint64
}

func readIndex(path string) (*index, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("dedup: no index %s: leave Index empty for the first corpus and Save one", path)
	}
	if err != nil {
		return nil, fmt.Errorf("dedup: %w", err)
	}
	n := len(data) - 8
	if n < 0 || binary.LittleEndian.Uint64(data[n:]) != xxh3.Hash(data[:n]) {
		return nil, fmt.Errorf("dedup: %s is no index or is damaged: its checksum does not fit", path)
	}
	x, err := parseIndex(data[:n])
	if err != nil {
		return nil, fmt.Errorf("dedup: index %s: %w", path, err)
	}
	return x, nil
}

// parseIndex reads what lies before the checksum. It takes no more memory than the bytes do.
func parseIndex(data []byte) (*index, error) {
	line, rest, ok := bytes.Cut(data[:min(len(data), 4096)], []byte{'\n'})
	var h header
	if !ok || json.Unmarshal(line, &h) != nil || h.Format != indexFormat {
		return nil, fmt.Errorf("not of the format %s: make it again with this version", indexFormat)
	}
	if want := map[bool]string{true: "exact", false: "minhash"}[h.Config == nil]; h.Method != want {
		return nil, fmt.Errorf("method %q with settings of %s", h.Method, want)
	}
	if h.Config != nil {
		if err := h.Config.Validate(); err != nil {
			return nil, err
		}
	}
	rest = data[len(line)+1:]
	each := uint64(8*h.columns() + h.sketchBytes() + 4 + 8)
	if h.Docs > uint64(len(rest))/each || h.Docs >= math.MaxUint32 || h.Docs*each != uint64(len(rest))-h.IDBytes {
		return nil, fmt.Errorf("%d documents of %d bytes and %d bytes of identifiers do not make %d bytes", h.Docs, each, h.IDBytes, len(rest))
	}
	n := int(h.Docs)
	take := func(bytes int) (part []byte) {
		part, rest = rest[:bytes], rest[bytes:]
		return part
	}
	x := &index{settings: h.settings}
	for range h.columns() {
		col := make([]uint64, n)
		binary.Decode(take(8*n), binary.LittleEndian, col)
		x.cols = append(x.cols, col)
	}
	x.sketch = take(n * h.sketchBytes())
	x.kept, x.ends = make([]uint32, n), make([]uint64, n)
	binary.Decode(take(4*n), binary.LittleEndian, x.kept)
	binary.Decode(take(8*n), binary.LittleEndian, x.ends)
	x.ids = rest
	return x, x.check()
}

// check reports references that lead nowhere.
func (x *index) check() error {
	last := uint64(0)
	for i, k := range x.kept {
		if uint64(k) >= uint64(len(x.kept)) || x.kept[k] != k {
			return fmt.Errorf("document %d is kept as document %d, which is not kept", i, k)
		}
		if x.ends[i] < last || x.ends[i] > uint64(len(x.ids)) {
			return fmt.Errorf("identifier of document %d ends at byte %d of %d", i, x.ends[i], len(x.ids))
		}
		last = x.ends[i]
	}
	return nil
}

// save writes all documents of the table. The file appears under its name when it is complete.
func (t *table) save(path string) (err error) {
	tmp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".part-*")
	if err != nil {
		return fmt.Errorf("dedup: %w", err)
	}
	defer func() {
		tmp.Close()
		os.Remove(tmp.Name())
		if err != nil {
			err = fmt.Errorf("dedup: index %s: %w", path, err)
		}
	}()
	hash := xxh3.New()
	buf := bufio.NewWriterSize(io.MultiWriter(tmp, hash), 1<<20)
	if err := t.write(buf); err != nil {
		return err
	}
	if err := buf.Flush(); err != nil {
		return err
	}
	if err := binary.Write(tmp, binary.LittleEndian, hash.Sum64()); err != nil {
		return err
	}
	if err := errors.Join(tmp.Chmod(0o644), tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}

func (t *table) write(w *bufio.Writer) error {
	ends, total := make([]uint64, len(t.kept)), uint64(0)
	for n, k := range t.kept {
		if int(k) == n {
			id, err := t.id(k)
			if err != nil {
				return err
			}
			total += uint64(len(id))
		}
		ends[n] = total
	}
	line, err := json.Marshal(header{indexFormat, t.old.settings, uint64(len(t.kept)), total})
	if err != nil {
		return err
	}
	w.Write(append(line, '\n'))
	for _, col := range t.cols {
		writeEach(w, col, binary.LittleEndian.AppendUint64)
	}
	w.Write(t.sketch)
	writeEach(w, t.kept, binary.LittleEndian.AppendUint32)
	writeEach(w, ends, binary.LittleEndian.AppendUint64)
	for n, k := range t.kept {
		if int(k) == n {
			id, err := t.id(k)
			if err != nil {
				return err
			}
			w.WriteString(id)
		}
	}
	return nil
}

// writeEach writes values one by one; w keeps its first error for Flush.
func writeEach[T any](w *bufio.Writer, values []T, put func([]byte, T) []byte) {
	var b [8]byte
	for _, v := range values {
		w.Write(put(b[:0], v))
	}
}
