package dedup

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"unicode/utf8"

	"quire/lib/corpus"
)

// Unit is a kind of piece of a text.
type Unit int

// Kinds of pieces.
const (
	Lines      Unit = iota // up to and with a newline
	Paragraphs             // up to and with the blank lines that follow
	Sentences              // up to the space behind . ! ? or to 。！？, or to the end of a line
)

// String returns the unit's name, which begins the names of its columns.
func (u Unit) String() string {
	return [...]string{"lines", "paragraphs", "sentences"}[u]
}

// PieceConfig sets which pieces are compared.
type PieceConfig struct {
	Unit     Unit
	Count    int     // successive pieces that are compared as one
	MinChars int     // characters that such a sequence must have, spaces around it left out, to be looked at
	MaxShare float64 // share of a text's bytes that may lie in repeated pieces before the document is dropped
	Name     string  // begins the names of the columns; "" for the unit's
	Index    string  // file of pieces seen before, all of which count as repeated; "" for none
	Save     string  // file for the index's and the corpus's pieces, may be the same; "" for none
	Progress func(done, total int)
}

// C4Spans returns the settings of C4: sequences of three sentences that occurred before (Raffel et al. 2020, arXiv:1910.10683 §2.2).
// No document is dropped: what is left of it decides.
func C4Spans() PieceConfig { return PieceConfig{Unit: Sentences, Count: 3, MinChars: 1, MaxShare: 1} }

// RepeatedLines returns the settings that find every line that occurred before, blank ones left out, as Dolma's paragraph filter does
// (Soldaini et al. 2024, arXiv:2402.00159); no document is dropped.
func RepeatedLines() PieceConfig {
	return PieceConfig{Unit: Lines, Count: 1, MinChars: 1, MaxShare: 1}
}

// Validate reports what is wrong with the settings.
func (c PieceConfig) Validate() error {
	switch {
	case c.Unit < Lines || c.Unit > Sentences:
		return fmt.Errorf("dedup: unit %d: choose Lines, Paragraphs or Sentences", int(c.Unit))
	case c.Count < 1 || c.Count > 1000:
		return fmt.Errorf("dedup: sequences of %d pieces: choose 1 to 1000", c.Count)
	case !(c.MaxShare >= 0 && c.MaxShare <= 1):
		return fmt.Errorf("dedup: a share of %v: choose 0 to 1", c.MaxShare)
	}
	return nil
}

// Pieces finds the lines, paragraphs or sentences that occurred before, in an earlier document or earlier in the same, and returns
// the corpus with four columns:
//
//	lines.keep        bool: the repeated pieces are no larger a share of the text than cfg.MaxShare
//	lines.kept        string: the identifier of the document that has the first repeated piece first, "" where that is in the index;
//	                  null where none is repeated
//	lines.similarity  float32: the share of the text's bytes that lies in repeated pieces
//	lines.spans       list of int32: where they begin and end, two numbers each, in bytes; see Cut
//
// Pieces are equal where their 64-bit hashes are, spaces around them left out. A different piece takes about 40 bytes of memory.
func Pieces(ctx context.Context, c *corpus.Corpus, cfg PieceConfig) (*corpus.Corpus, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s, err := newSpanTable(c)
	if err != nil {
		return nil, err
	}
	first := new(firsts)
	if err := first.load(cfg); err != nil {
		return nil, err
	}
	err = c.Each(ctx, cfg.Progress, func(ci int, b corpus.Batch) error {
		for i := range b.Len() {
			for p := range cfg.pieces(b.Text().Value(b.Row(i))) {
				first.note(p.hash, at(s.starts[ci]+i, p.start))
			}
		}
		return ctx.Err()
	})
	if err != nil {
		return nil, err
	}
	err = s.find(ctx, func(doc int, text string) (spans []int32, before int) {
		before = -1
		for p := range cfg.pieces(text) {
			place := first.at(p.hash)
			if place == at(doc, p.start) {
				continue
			}
			if len(spans) == 0 {
				before = int(place>>32) - 1
			}
			if k := len(spans); k > 0 && p.start < int(spans[k-1]) {
				spans[k-1] = int32(p.end)
			} else {
				spans = append(spans, int32(p.start), int32(p.end))
			}
		}
		return spans, before
	})
	if err != nil {
		return nil, err
	}
	if err := first.save(cfg); err != nil {
		return nil, err
	}
	name := cfg.Name
	if name == "" {
		name = cfg.Unit.String()
	}
	return s.finish(ctx, name, cfg.MaxShare)
}

// at is a place in the corpus, ordered. Zero, before all of them, is the index.
func at(doc, start int) uint64 { return uint64(doc+1)<<32 | uint64(start) }

// firsts holds where each hash is first. Goroutines may share it; the order of their notes does not matter.
type firsts [256]struct {
	sync.Mutex
	places map[uint64]uint64
}

func (f *firsts) note(hash, place uint64) {
	part := &f[hash%uint64(len(f))]
	part.Lock()
	defer part.Unlock()
	if part.places == nil {
		part.places = map[uint64]uint64{}
	}
	if have, ok := part.places[hash]; !ok || place < have {
		part.places[hash] = place
	}
}

// at returns the place of a hash that was noted; notes have ended.
func (f *firsts) at(hash uint64) uint64 { return f[hash%uint64(len(f))].places[hash] }

// piece is a sequence of pieces that is compared as one.
type piece struct {
	hash       uint64
	start, end int
}

// pieces walks the sequences of a text, in order of where they begin.
func (c PieceConfig) pieces(text string) func(yield func(piece) bool) {
	return func(yield func(piece) bool) {
		ends := make([]int, 0, c.Count) // of the last pieces
		starts := make([]int, 0, c.Count)
		for from := 0; from < len(text); {
			to := from + c.Unit.next(text[from:])
			if strings.TrimSpace(text[from:to]) == "" {
				from = to
				continue
			}
			if len(starts) == c.Count {
				starts, ends = append(starts[:0], starts[1:]...), append(ends[:0], ends[1:]...)
			}
			starts, ends = append(starts, from), append(ends, to)
			from = to
			if len(starts) < c.Count {
				continue
			}
			hash, chars := uint64(c.Count), 0
			for k := range starts {
				p := strings.TrimSpace(text[starts[k]:ends[k]])
				hash = fold(hash ^ hashText(p))
				chars += utf8.RuneCountInString(p)
			}
			if chars >= c.MinChars && !yield(piece{hash, starts[0], to}) {
				return
			}
		}
	}
}

// next returns the bytes of the piece that a text begins with.
func (u Unit) next(text string) int {
	if u == Sentences {
		return nextSentence(text)
	}
	end := strings.IndexByte(text, '\n') + 1
	if u == Paragraphs {
		end = strings.Index(text, "\n\n") + 1
	}
	if end == 0 {
		return len(text)
	}
	for u == Paragraphs && end < len(text) && text[end] == '\n' {
		end++
	}
	return end
}

func nextSentence(text string) int {
	for i, r := range text {
		switch r {
		case '\n', '。', '！', '？':
			return i + utf8.RuneLen(r)
		case ' ', '\t':
			if i > 0 && strings.IndexByte(".!?", text[i-1]) >= 0 {
				return i + 1
			}
		}
	}
	return len(text)
}
