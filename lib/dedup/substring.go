package dedup

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"index/suffixarray"
	"slices"
	"unicode/utf8"

	"quire/lib/corpus"
)

// SubstringConfig sets which stretches of text are found.
type SubstringConfig struct {
	MinBytes int     // of a stretch that occurs again
	MaxShare float64 // share of a text's bytes that may lie in them before the document is dropped
	Name     string  // begins the names of the columns; "" for "substrings"
	Index    string  // file of text seen before, all of which counts as repeated; "" for none
	Save     string  // file for the index's and the corpus's text, may be the same; "" for none
}

// LeeSubstrings returns the settings of Lee et al.: stretches of 50 tokens, which are some 200 bytes of English. No document is dropped.
func LeeSubstrings() SubstringConfig { return SubstringConfig{MinBytes: 200, MaxShare: 1} }

// Validate reports what is wrong with the settings.
func (c SubstringConfig) Validate() error {
	switch {
	case c.MinBytes < 1:
		return fmt.Errorf("dedup: stretches of %d bytes: choose at least 1, 200 is usual", c.MinBytes)
	case !(c.MaxShare >= 0 && c.MaxShare <= 1):
		return fmt.Errorf("dedup: a share of %v: choose 0 to 1", c.MaxShare)
	}
	return nil
}

// Substrings finds every stretch of at least cfg.MinBytes bytes that occurs earlier in the corpus, across lines and words, and returns
// the corpus with columns as those of [Pieces]: substrings.keep, .kept, .similarity and .spans. A byte lies in a span if a window
// of MinBytes bytes around it occurs before, in an earlier document or earlier in the same; the first occurrence is left alone, where
// the tool of Lee et al. 2022 (arXiv:2107.06499 §4.1) marks every one. Spans begin and end between characters, and stay within a document.
// What occurs first in the index has "" in the column .kept, as pieces have.
//
// It sorts all suffixes of all texts (package suffixarray), which takes five bytes of memory for each byte of text, nine from 2 GB on;
// those of the index with them. An index holds what was seen, without what it repeated: only the text itself tells which stretches it
// has. (Hashes of all windows of 200 bytes would be larger than the text.)
func Substrings(ctx context.Context, c *corpus.Corpus, cfg SubstringConfig) (*corpus.Corpus, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s, err := newSpanTable(c)
	if err != nil {
		return nil, err
	}
	r := repeats{least: cfg.MinBytes}
	if cfg.Index != "" {
		if err := r.load(cfg.Index); err != nil {
			return nil, err
		}
	}
	for b, err := range c.Batches() {
		if err != nil {
			return nil, err
		}
		for i := range b.Len() {
			r.text = append(r.text, b.Text().Value(b.Row(i))...)
			r.ends = append(r.ends, len(r.text))
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := r.find(); err != nil {
		return nil, err
	}
	if err := s.find(ctx, r.spans); err != nil {
		return nil, err
	}
	if cfg.Save != "" {
		if err := r.save(cfg.Save); err != nil {
			return nil, err
		}
	}
	name := cfg.Name
	if name == "" {
		name = "substrings"
	}
	return s.finish(ctx, name, cfg.MaxShare)
}

// repeats finds the windows of a text that occur before. Its Write reads the order of the suffixes as suffixarray.Index.Write puts it,
// one block a call, so that the suffixes are not held twice.
type repeats struct {
	least int
	text  []byte
	ends  []int // of the index's stretches and then the documents
	seen  int   // stretches of the index

	again bitset  // windows that occur before begin here
	first []again // of each document, the first of those
	run   []int   // suffixes with the same window, seen last
	calls int
}

// again is a window that occurs before.
type again struct{ at, source int }

func (r *repeats) find() error {
	r.again, r.first = newBitset(len(r.text)), make([]again, len(r.ends))
	for doc := range r.first {
		r.first[doc].at = len(r.text)
	}
	if len(r.text) == 0 {
		return nil
	}
	if err := suffixarray.New(r.text).Write(r); err != nil {
		return fmt.Errorf("dedup: %w", err)
	}
	r.endRun()
	return nil
}

// Write takes the length of the text, the text, and then blocks of suffixes: the bytes of the block as a varint in a field of ten bytes,
// followed by one uvarint a suffix.
func (r *repeats) Write(block []byte) (int, error) {
	if r.calls++; r.calls <= 2 {
		return len(block), nil
	}
	size, _ := binary.Varint(block)
	if int(size) != len(block) {
		return 0, errors.New("suffixarray writes another format than this was made for")
	}
	for at := binary.MaxVarintLen64; at < len(block); {
		suffix, n := binary.Uvarint(block[at:])
		at += n
		r.suffix(int(suffix))
	}
	return len(block), nil
}

// suffix takes the next suffix in order.
func (r *repeats) suffix(at int) {
	if k := len(r.run); k > 0 && !r.sameWindow(r.run[k-1], at) {
		r.endRun()
	}
	r.run = append(r.run, at)
}

func (r *repeats) sameWindow(x, y int) bool {
	return max(x, y)+r.least <= len(r.text) && bytes.Equal(r.text[x:x+r.least], r.text[y:y+r.least])
}

// endRun marks all windows of a run but the first in the corpus, those left out that lie in two documents.
func (r *repeats) endRun() {
	if len(r.run) > 1 {
		r.run = slices.DeleteFunc(r.run, func(at int) bool { return r.ends[r.docAt(at)]-at < r.least })
		if len(r.run) > 1 {
			source := slices.Min(r.run)
			for _, at := range r.run {
				if at == source {
					continue
				}
				r.again.set(at)
				if first := &r.first[r.docAt(at)]; at < first.at {
					*first = again{at, source}
				}
			}
		}
	}
	r.run = r.run[:0]
}

// docAt returns the document that holds the byte at this place.
func (r *repeats) docAt(at int) int {
	doc, found := slices.BinarySearch(r.ends, at)
	if found {
		doc++
	}
	for doc+1 < len(r.ends) && r.ends[doc] == at {
		doc++ // past empty documents
	}
	return doc
}

// spans returns where a document repeats something, and, where it does, the document that has the first of it first; −1 for the index.
func (r *repeats) spans(doc int, text string) (spans []int32, before int) {
	doc += r.seen
	begin := r.ends[doc] - len(text)
	for at := r.first[doc].at; at+r.least <= r.ends[doc]; at++ {
		if !r.again.has(at) {
			continue
		}
		from, to := at-begin, at-begin+r.least
		for from < to && !utf8.RuneStart(text[from]) {
			from++
		}
		for to < len(text) && to > from && !utf8.RuneStart(text[to]) {
			to--
		}
		if k := len(spans); k > 0 && from <= int(spans[k-1]) {
			spans[k-1] = int32(max(to, int(spans[k-1])))
		} else if from < to {
			spans = append(spans, int32(from), int32(to))
		}
	}
	return spans, max(r.docAt(r.first[doc].source)-r.seen, -1)
}
