package dedup

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"

	"quire/lib/dedup/sealed"
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
	Docs uint64
}

// readSealed reads an index of any kind.
func readSealed(path string) ([]byte, error) {
	data, err := sealed.Read(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("dedup: no index %s: leave Index empty for the first corpus and Save one", path)
	}
	if err != nil {
		return nil, fmt.Errorf("dedup: %w", err)
	}
	return data, nil
}

func readIndex(path string) (*index, error) {
	data, err := readSealed(path)
	if err != nil {
		return nil, err
	}
	x, err := parseIndex(data)
	if err != nil {
		return nil, fmt.Errorf("dedup: index %s: %w", path, err)
	}
	return x, nil
}

// parseIndex reads what lies before the checksum. It takes no more memory than the bytes do.
func parseIndex(data []byte) (*index, error) {
	line, _, ok := bytes.Cut(data[:min(len(data), 4096)], []byte{'\n'})
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
	parts := sealed.Parts{Rest: data[len(line)+1:]}
	if h.Docs > uint64(len(data)) || h.Docs >= math.MaxUint32 {
		return nil, fmt.Errorf("%d documents in %d bytes", h.Docs, len(data))
	}
	n := int(h.Docs)
	x := &index{settings: h.settings}
	for range h.columns() {
		x.cols = append(x.cols, sealed.Take[uint64](&parts, n))
	}
	x.sketch = parts.Bytes(n * h.sketchBytes())
	x.kept = sealed.Take[uint32](&parts, n)
	x.ends = sealed.Take[uint64](&parts, n)
	if x.ids = parts.Rest; parts.Err != nil {
		return nil, parts.Err
	}
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
	if last != uint64(len(x.ids)) {
		return fmt.Errorf("%d bytes behind the last identifier", uint64(len(x.ids))-last)
	}
	return nil
}

// save writes all documents of the table.
func (t *table) save(path string) error {
	if err := sealed.Write(path, t.write); err != nil {
		return fmt.Errorf("dedup: index %s: %w", path, err)
	}
	return nil
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
	line, err := json.Marshal(header{indexFormat, t.old.settings, uint64(len(t.kept))})
	if err != nil {
		return err
	}
	w.Write(append(line, '\n'))
	for _, col := range t.cols {
		sealed.Put(w, col)
	}
	w.Write(t.sketch)
	sealed.Put(w, t.kept)
	sealed.Put(w, ends)
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
