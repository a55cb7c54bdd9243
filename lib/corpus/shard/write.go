package shard

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"

	"github.com/zeebo/xxh3"

	"quire/lib/corpus/internal/whole"
)

// Options says how a shard is written.
type Options struct {
	// VocabSize is the number of ids that may occur: up to 65,536 a token takes two bytes, above it four. 0 takes four.
	VocabSize int
	// Meta is kept with the shard: which tokenizer made the ids, which corpus they come from. It takes part in the hash.
	Meta map[string]string
}

// Writer writes documents into a new shard. The file appears under its name when Close succeeds, never half-written. A Writer belongs
// to one goroutine. It holds 16 bytes and the id of each document in memory, and no tokens.
type Writer struct {
	path         string
	file         *whole.File
	hash         *xxh3.Hasher
	meta         []byte
	width        int
	limit        uint64 // ids are below it
	tokens       int64
	ends, idEnds []byte
	ids          []byte
	scratch      []byte
	err          error
}

// Create begins a shard at path.
func Create(path string, o Options) (*Writer, error) {
	w := &Writer{path: path, hash: xxh3.New()}
	if err := w.setVocab(o.VocabSize); err != nil {
		return nil, err
	}
	meta := o.Meta
	if meta == nil {
		meta = map[string]string{}
	}
	var err error
	if w.meta, err = json.Marshal(meta); err != nil {
		return nil, fmt.Errorf("shard: meta: %w", err)
	}
	if w.file, err = whole.Create(path); err != nil {
		return nil, fmt.Errorf("shard: %w", err)
	}
	w.file.Write(make([]byte, headerSize)) // counts and hash come last
	return w, nil
}

// setVocab decides the width of a token.
func (w *Writer) setVocab(size int) error {
	if size < 0 || size > 1<<32 {
		return fmt.Errorf("shard: a vocabulary of %d ids: want 0 (unknown) to 2³²", size)
	}
	w.width, w.limit = 4, cmp.Or(uint64(size), 1<<32)
	if 0 < size && size <= 1<<16 {
		w.width = 2
	}
	return nil
}

// encode puts a document's tokens into scratch.
func (w *Writer) encode(id string, ids []uint32) error {
	w.scratch = w.scratch[:0]
	for i, t := range ids {
		if uint64(t) >= w.limit {
			return fmt.Errorf("shard: document %q: token %d is %d, outside a vocabulary of %d", id, i, t, w.limit)
		}
		if w.width == 2 {
			w.scratch = binary.LittleEndian.AppendUint16(w.scratch, uint16(t))
		} else {
			w.scratch = binary.LittleEndian.AppendUint32(w.scratch, t)
		}
	}
	return nil
}

// Append adds a document. An id outside the vocabulary is an error, and the document is left out.
func (w *Writer) Append(id string, ids []uint32) error {
	if err := w.encode(id, ids); err != nil {
		return err
	}
	w.tokens += int64(len(ids))
	w.ids = append(w.ids, id...)
	w.ends = binary.LittleEndian.AppendUint64(w.ends, uint64(w.tokens))
	w.idEnds = binary.LittleEndian.AppendUint64(w.idEnds, uint64(len(w.ids)))
	if w.write(w.scratch); w.err != nil {
		return fmt.Errorf("shard: writing %s: %w", w.path, w.err)
	}
	return nil
}

// write hashes and writes b. After an error it does nothing more.
func (w *Writer) write(b []byte) {
	if w.err == nil {
		w.hash.Write(b)
		_, w.err = w.file.Write(b)
	}
}

// Docs returns the number of documents appended.
func (w *Writer) Docs() int { return len(w.ends) / 8 }

// Tokens returns the number of tokens appended.
func (w *Writer) Tokens() int64 { return w.tokens }

// Close writes the index and moves the file to its place. After an error nothing appears there.
func (w *Writer) Close() error {
	size := w.tokens * int64(w.width)
	for _, part := range [][]byte{make([]byte, padded(size)-size), w.ends, w.idEnds, w.ids, w.meta} {
		w.write(part)
	}
	err := w.err
	for _, step := range []func() error{w.header, w.file.Commit} {
		if err == nil {
			err = step()
		}
	}
	if err != nil {
		w.file.Abort()
		return fmt.Errorf("shard: writing %s: %w", w.path, err)
	}
	return nil
}

// header fills the space that was left for it.
func (w *Writer) header() error {
	h := []byte(magic)
	h = binary.LittleEndian.AppendUint32(h, version)
	h = binary.LittleEndian.AppendUint32(h, uint32(w.width))
	for _, n := range []int64{int64(w.Docs()), w.tokens, int64(len(w.ids)), int64(len(w.meta))} {
		h = binary.LittleEndian.AppendUint64(h, uint64(n))
	}
	sum := w.hash.Sum128().Bytes()
	return w.file.Patch(append(h, sum[:]...), 0)
}

// Abort gives the file up.
func (w *Writer) Abort() { w.file.Abort() }
