package dedup

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"quire/lib/dedup/sealed"
)

// An index of pieces is a line of JSON (pieceHeader) and then the hashes of all pieces, ascending, 8 bytes each, little endian, and the
// XXH3 hash of all before it (8 bytes).

const pieceFormat = "quire-pieces-1"

type pieceHeader struct {
	Format   string
	Unit     string
	Count    int
	MinChars int
	Pieces   int
}

func (c PieceConfig) header(pieces int) pieceHeader {
	return pieceHeader{pieceFormat, c.Unit.String(), c.Count, c.MinChars, pieces}
}

func (h pieceHeader) String() string {
	return fmt.Sprintf("%s, %d as one, of %d characters or more", h.Unit, h.Count, h.MinChars)
}

// load notes the pieces of cfg.Index before all places.
func (f *firsts) load(cfg PieceConfig) error {
	if cfg.Index == "" {
		return nil
	}
	data, err := readSealed(cfg.Index)
	if err != nil {
		return err
	}
	h, hashes, err := parsePieces(data)
	if err != nil {
		return fmt.Errorf("dedup: index %s: %w", cfg.Index, err)
	}
	if want := cfg.header(h.Pieces); h != want {
		return fmt.Errorf("dedup: index %s is of %s; the settings are %s: use the index's settings, or make another", cfg.Index, h, want)
	}
	for _, hash := range hashes {
		f.note(hash, 0)
	}
	return nil
}

// parsePieces reads what lies before the checksum. It takes no more memory than the bytes do.
func parsePieces(data []byte) (h pieceHeader, hashes []uint64, err error) {
	line, _, ok := bytes.Cut(data[:min(len(data), 4096)], []byte{'\n'})
	if !ok || json.Unmarshal(line, &h) != nil || h.Format != pieceFormat {
		return h, nil, fmt.Errorf("not of the format %s: make it again with this version", pieceFormat)
	}
	parts := sealed.Parts{Rest: data[len(line)+1:]}
	if h.Pieces < 0 || h.Pieces > len(data)/8 {
		return h, nil, fmt.Errorf("%d pieces in %d bytes", h.Pieces, len(data))
	}
	if hashes = sealed.Take[uint64](&parts, h.Pieces); parts.Err != nil {
		return h, nil, parts.Err
	}
	if len(parts.Rest) > 0 {
		return h, nil, fmt.Errorf("%d bytes behind the last piece", len(parts.Rest))
	}
	return h, hashes, nil
}

// save writes all pieces that were noted.
func (f *firsts) save(cfg PieceConfig) error {
	if cfg.Save == "" {
		return nil
	}
	var hashes []uint64
	for i := range f {
		for hash := range f[i].places {
			hashes = append(hashes, hash)
		}
	}
	slices.Sort(hashes)
	line, err := json.Marshal(cfg.header(len(hashes)))
	if err != nil {
		return err
	}
	err = sealed.Write(cfg.Save, func(w *bufio.Writer) error {
		w.Write(append(line, '\n'))
		sealed.Put(w, hashes)
		return nil
	})
	if err != nil {
		return fmt.Errorf("dedup: index %s: %w", cfg.Save, err)
	}
	return nil
}
