package contam

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"quire/lib/dedup"
	"quire/lib/dedup/sealed"
)

// An index file is a line of JSON (header) and then, little endian: keys (8 bytes each), starts, postings and the items' sets (4 bytes
// each), the ends of the items' identifiers (8 bytes each), bands (8 bytes each) and sketches where signatures are kept, and the
// identifiers; package sealed adds the checksum.

const indexFormat = "quire-contam-1"

type header struct {
	Format          string
	Config          Config
	Sets            []set
	Items           uint32
	Keys, Postings  uint32
	IdentifierBytes uint64
}

// Save writes the index to a file.
func (x *Index) Save(path string) error {
	h := header{Format: indexFormat, Config: x.cfg, Sets: x.sets, Items: uint32(len(x.items)), Keys: uint32(len(x.keys)), Postings: uint32(len(x.postings))}
	sets, ends := make([]uint32, len(x.items)), make([]uint64, len(x.items))
	for i, it := range x.items {
		h.IdentifierBytes += uint64(len(it.id))
		sets[i], ends[i] = it.set, h.IdentifierBytes
	}
	line, err := json.Marshal(h)
	if err != nil {
		return err
	}
	err = sealed.Write(path, func(w *bufio.Writer) error {
		w.Write(append(line, '\n'))
		sealed.Put(w, x.keys)
		sealed.Put(w, x.starts)
		sealed.Put(w, x.postings)
		sealed.Put(w, sets)
		sealed.Put(w, ends)
		sealed.Put(w, x.bands)
		w.Write(x.sketches)
		for _, it := range x.items {
			w.WriteString(it.id)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("contam: index %s: %w", path, err)
	}
	return nil
}

// Open reads an index that was saved.
func Open(path string) (*Index, error) {
	data, err := sealed.Read(path)
	if err != nil {
		return nil, fmt.Errorf("contam: %w", err)
	}
	x, err := parse(data)
	if err != nil {
		return nil, fmt.Errorf("contam: index %s: %w", path, err)
	}
	return x, nil
}

// parse reads what Save wrote. It takes no more memory than some times the bytes.
func parse(data []byte) (*Index, error) {
	line, rest, ok := bytes.Cut(data, []byte{'\n'})
	var h header
	if !ok || json.Unmarshal(line, &h) != nil || h.Format != indexFormat {
		return nil, fmt.Errorf("not of the format %s: make it again with this version", indexFormat)
	}
	if err := h.Config.Validate(); err != nil {
		return nil, err
	}
	x := &Index{cfg: h.Config, sets: h.Sets}
	p := sealed.Parts{Rest: rest}
	x.keys = sealed.Take[uint64](&p, int(h.Keys))
	x.starts = sealed.Take[uint32](&p, int(h.Keys)+1)
	x.postings = sealed.Take[uint32](&p, int(h.Postings))
	sets, ends := sealed.Take[uint32](&p, int(h.Items)), sealed.Take[uint64](&p, int(h.Items))
	if h.Config.MinHash != (dedup.Config{}) {
		x.bands = sealed.Take[uint64](&p, int(h.Items)*h.Config.MinHash.Bands)
		x.sketches = p.Bytes(int(h.Items) * h.Config.MinHash.Bands * h.Config.MinHash.Rows)
	}
	if p.Err != nil {
		return nil, p.Err
	}
	if h.IdentifierBytes != uint64(len(p.Rest)) {
		return nil, fmt.Errorf("%d bytes of identifiers, the header says %d", len(p.Rest), h.IdentifierBytes)
	}
	last := uint64(0)
	for i, end := range ends {
		if end < last || end > uint64(len(p.Rest)) || int(sets[i]) >= len(x.sets) {
			return nil, fmt.Errorf("item %d of set %d of %d, its identifier in bytes %d to %d of %d", i, sets[i], len(x.sets), last, end, len(p.Rest))
		}
		x.items = append(x.items, item{set: sets[i], id: string(p.Rest[last:end])})
		last = end
	}
	if err := x.check(); err != nil {
		return nil, err
	}
	return x, x.link()
}

// check reports references that lead nowhere.
func (x *Index) check() error {
	for k := range x.sets {
		if s := &x.sets[k]; s.N < x.cfg.MinN || s.N > x.cfg.N {
			return fmt.Errorf("set %q has n-grams of %d words", s.Name, s.N)
		} else {
			s.Short = 0 // link counts
		}
	}
	for k := range x.keys {
		if x.starts[k] > x.starts[k+1] || k > 0 && x.keys[k] <= x.keys[k-1] {
			return errors.New("n-grams are not in order")
		}
	}
	if x.starts[0] != 0 || int(x.starts[len(x.keys)]) != len(x.postings) {
		return fmt.Errorf("items %d to %d of n-grams, of %d", x.starts[0], x.starts[len(x.keys)], len(x.postings))
	}
	for _, i := range x.postings {
		if int(i) >= len(x.items) {
			return fmt.Errorf("an n-gram of item %d of %d", i, len(x.items))
		}
	}
	return nil
}
