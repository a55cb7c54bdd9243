// Package shard keeps tokenised documents in files that are mapped, not read: what training draws its batches from.
//
//	documents ── Writer ──▶ one file ── Open ──▶ Shard: tokens by position, documents by number
//
// A file holds, in little-endian order:
//
//	header    64 bytes: "quiretok", version u32, width u32, documents, tokens, bytes of ids, bytes of meta u64, hash [16]byte
//	tokens    width bytes each, 2 or 4; then zeros up to a multiple of 8
//	ends      documents × u64: where each document ends, in tokens
//	id ends   documents × u64: where each id ends, in bytes
//	ids       the documents' ids, one behind the other
//	meta      a JSON object of strings: the tokenizer, the corpus
//
// The hash is XXH3-128 over all that follows the header, so that a shard's name for its content is known without reading it.
//
// Invariant: a file appears under its name complete or not at all. Invariant: equal documents and options give equal bytes.
// Invariant: Open checks sizes and index, so that no later access leaves the file, whatever its bytes are; the tokens themselves it
// leaves on the disk, and Verify reads them.
package shard

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"

	"github.com/zeebo/xxh3"

	"quire/lib/corpus/internal/mapped"
)

const (
	magic      = "quiretok"
	version    = 1
	headerSize = 64
)

// Hash names a shard's content: documents, ids and meta.
type Hash [16]byte

// String returns the hash in hexadecimal digits.
func (h Hash) String() string { return fmt.Sprintf("%x", h[:]) }

// Shard is an open file of tokenised documents. Goroutines may share it. Close it to unmap it.
type Shard struct {
	path         string
	width        int
	tokens       []byte
	ends, idEnds []byte
	ids          []byte
	meta         map[string]string
	rest         []byte // all that the hash covers
	hash         Hash
	unmap        func() error
}

// Open maps a shard. It reads the index, 16 bytes a document, and no tokens.
func Open(path string) (*Shard, error) {
	data, unmap, err := mapped.File(path)
	if err != nil {
		return nil, fmt.Errorf("shard: %w", err)
	}
	s, err := openBytes(data)
	if err != nil {
		unmap()
		return nil, fmt.Errorf("shard: %s: %w", path, err)
	}
	s.path, s.unmap = path, sync.OnceValue(unmap)
	return s, nil
}

// openBytes checks a file held in memory. The shard aliases it.
func openBytes(data []byte) (*Shard, error) {
	if len(data) < headerSize || string(data[:len(magic)]) != magic {
		return nil, errors.New("not a token shard: make one with shard.Create")
	}
	if v := binary.LittleEndian.Uint32(data[8:]); v != version {
		return nil, fmt.Errorf("version %d of the format, this program reads %d", v, version)
	}
	s := &Shard{width: int(binary.LittleEndian.Uint32(data[12:])), unmap: func() error { return nil }}
	if s.width != 2 && s.width != 4 {
		return nil, fmt.Errorf("tokens of %d bytes, want 2 or 4", s.width)
	}
	var n [4]uint64 // documents, tokens, bytes of ids, bytes of meta
	for i := range n {
		if n[i] = binary.LittleEndian.Uint64(data[16+8*i:]); n[i] > math.MaxInt64/64 {
			return nil, fmt.Errorf("broken header: a count of %d", n[i])
		}
	}
	copy(s.hash[:], data[48:])
	s.rest = data[headerSize:]
	rest := s.rest
	tokens := int64(n[1]) * int64(s.width)
	want := headerSize + padded(tokens) + 16*int64(n[0]) + int64(n[2]) + int64(n[3])
	if int64(len(data)) != want {
		return nil, fmt.Errorf("%d bytes where the header announces %d: the file was cut off or added to; make it again", len(data), want)
	}
	cut := func(size int64) (part []byte) {
		part, rest = rest[:size:size], rest[size:]
		return part
	}
	s.tokens = cut(tokens)
	cut(padded(tokens) - tokens)
	s.ends, s.idEnds = cut(8*int64(n[0])), cut(8*int64(n[0]))
	s.ids = cut(int64(n[2]))
	if err := ascending(s.ends, n[1]); err != nil {
		return nil, fmt.Errorf("index of documents: %w", err)
	}
	if err := ascending(s.idEnds, n[2]); err != nil {
		return nil, fmt.Errorf("index of ids: %w", err)
	}
	if err := json.Unmarshal(rest, &s.meta); err != nil {
		return nil, fmt.Errorf("meta: %w", err)
	}
	return s, nil
}

func padded(n int64) int64 { return (n + 7) &^ 7 }

// ascending checks that a list of ends never goes back and ends at last.
func ascending(ends []byte, last uint64) error {
	before := uint64(0)
	for i := 0; i < len(ends); i += 8 {
		end := binary.LittleEndian.Uint64(ends[i:])
		if end < before {
			return fmt.Errorf("entry %d goes back from %d to %d", i/8, before, end)
		}
		before = end
	}
	if before != last {
		return fmt.Errorf("the last entry ends at %d of %d", before, last)
	}
	return nil
}

// Close unmaps the file.
func (s *Shard) Close() error { return s.unmap() }

// Path returns the name that the shard was opened by.
func (s *Shard) Path() string { return s.path }

// Hash returns what the header says of the content: see Verify.
func (s *Shard) Hash() Hash { return s.hash }

// Meta returns what Options.Meta gave the shard. It belongs to the caller.
func (s *Shard) Meta() map[string]string {
	return maps.Clone(s.meta)
}

// Width returns the bytes of a token in the file: 2 or 4.
func (s *Shard) Width() int { return s.width }

// Docs returns the number of documents.
func (s *Shard) Docs() int { return len(s.ends) / 8 }

// Tokens returns the number of tokens in all documents.
func (s *Shard) Tokens() int64 { return int64(len(s.tokens) / s.width) }

// Doc returns where document i's tokens begin and end. It panics if there is no document i.
func (s *Shard) Doc(i int) (start, end int64) { return span(s.ends, i) }

// ID returns document i's id. It panics if there is no document i.
func (s *Shard) ID(i int) string {
	start, end := span(s.idEnds, i)
	return string(s.ids[start:end])
}

func span(ends []byte, i int) (start, end int64) {
	if i > 0 {
		start = int64(binary.LittleEndian.Uint64(ends[8*(i-1):]))
	}
	return start, int64(binary.LittleEndian.Uint64(ends[8*i:]))
}

// Read copies the tokens from position from on to dst. It panics if there are fewer.
func (s *Shard) Read(dst []uint32, from int64) {
	if from < 0 || from+int64(len(dst)) > s.Tokens() {
		panic(fmt.Sprintf("shard: Read: %d tokens from %d of %d", len(dst), from, s.Tokens()))
	}
	src := s.tokens[from*int64(s.width):]
	if s.width == 2 {
		src = src[:2*len(dst)]
		for i := range dst {
			dst[i] = uint32(binary.LittleEndian.Uint16(src[2*i:]))
		}
		return
	}
	src = src[:4*len(dst)]
	for i := range dst {
		dst[i] = binary.LittleEndian.Uint32(src[4*i:])
	}
}

// Append appends document i's tokens to dst and returns it. It panics if there is no document i.
func (s *Shard) Append(dst []uint32, i int) []uint32 {
	start, end := s.Doc(i)
	n := len(dst)
	dst = slices.Grow(dst, int(end-start))[:n+int(end-start)]
	s.Read(dst[n:], start)
	return dst
}

// MIMEBundle shows what the shard holds in a line.
func (s *Shard) MIMEBundle() map[string]any {
	text := fmt.Sprintf("%s: %d documents, %d tokens of %d bytes, hash %s", s.path, s.Docs(), s.Tokens(), s.width, s.hash)
	for _, key := range slices.Sorted(maps.Keys(s.meta)) {
		text += fmt.Sprintf(", %s %s", key, s.meta[key])
	}
	return map[string]any{"text/plain": text}
}

// Verify reads the whole file and compares its hash with the header's.
func (s *Shard) Verify() error {
	if got := Hash(xxh3.Hash128(s.rest).Bytes()); got != s.hash {
		return fmt.Errorf("shard: %s: content has hash %s, the header says %s: the file was damaged; make it again", s.path, got, s.hash)
	}
	return nil
}
