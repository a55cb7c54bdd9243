package dedup

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"

	"quire/lib/dedup/sealed"
)

// An index of stretches is a line of JSON (stretchHeader) and then the ends of its stretches (8 bytes each, little endian), their text,
// and the XXH3 hash of all before it (8 bytes). Each window of MinBytes bytes that was seen lies in one of them, as does no other.

const stretchFormat = "quire-stretches-1"

type stretchHeader struct {
	Format    string
	MinBytes  int
	Stretches int
	Bytes     int
}

// load puts the stretches of an index before the corpus's documents.
func (r *repeats) load(path string) error {
	data, err := readSealed(path)
	if err != nil {
		return err
	}
	h, ends, text, err := parseStretches(data)
	if err != nil {
		return fmt.Errorf("dedup: index %s: %w", path, err)
	}
	if h.MinBytes != r.least {
		return fmt.Errorf("dedup: index %s is of stretches of %d bytes; the settings are %d: use the index's, or make another", path, h.MinBytes, r.least)
	}
	r.text = append(r.text, text...)
	for _, end := range ends {
		r.ends = append(r.ends, int(end))
	}
	r.seen = len(r.ends)
	return nil
}

// parseStretches reads what lies before the checksum. The text aliases it.
func parseStretches(data []byte) (h stretchHeader, ends []uint64, text []byte, err error) {
	line, _, ok := bytes.Cut(data[:min(len(data), 4096)], []byte{'\n'})
	if !ok || json.Unmarshal(line, &h) != nil || h.Format != stretchFormat {
		return h, nil, nil, fmt.Errorf("not of the format %s: make it again with this version", stretchFormat)
	}
	parts := sealed.Parts{Rest: data[len(line)+1:]}
	if h.Stretches < 0 || h.Stretches > len(data)/8 {
		return h, nil, nil, fmt.Errorf("%d stretches in %d bytes", h.Stretches, len(data))
	}
	ends = sealed.Take[uint64](&parts, h.Stretches)
	if text = parts.Bytes(h.Bytes); parts.Err != nil {
		return h, nil, nil, parts.Err
	}
	last := uint64(0)
	for i, end := range ends {
		if end < last || end > uint64(len(text)) {
			return h, nil, nil, fmt.Errorf("stretch %d ends at byte %d of %d", i, end, len(text))
		}
		last = end
	}
	if last != uint64(len(text)) || len(parts.Rest) > 0 {
		return h, nil, nil, fmt.Errorf("%d bytes behind the last stretch", uint64(len(text))-last+uint64(len(parts.Rest)))
	}
	return h, ends, text, nil
}

// save writes the index's stretches and those of the corpus that hold a window for the first time.
func (r *repeats) save(path string) error {
	var ends []uint64
	var parts [][]byte
	size := 0
	add := func(from, to int) {
		parts = append(parts, r.text[from:to])
		size += to - from
		ends = append(ends, uint64(size))
	}
	begin := 0
	for doc, end := range r.ends {
		if doc < r.seen {
			add(begin, end)
			begin = end
			continue
		}
		from, to := begin, begin // the stretch so far
		for at := begin; at+r.least <= end; at++ {
			if r.again.has(at) {
				continue
			}
			if at > to {
				if from < to {
					add(from, to)
				}
				from = at
			}
			to = at + r.least
		}
		if from < to {
			add(from, to)
		}
		begin = end
	}
	line, err := json.Marshal(stretchHeader{stretchFormat, r.least, len(ends), size})
	if err != nil {
		return err
	}
	err = sealed.Write(path, func(w *bufio.Writer) error {
		w.Write(append(line, '\n'))
		sealed.Put(w, ends)
		for _, part := range parts {
			w.Write(part)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("dedup: index %s: %w", path, err)
	}
	return nil
}
