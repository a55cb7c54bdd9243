// Package mix draws training rows from token shards: which document next, from which source, and how documents fill a row.
//
//	shards ── shuffled documents of each source ── weighted choice ── packing ──▶ rows of SeqLen+1 tokens, with the documents in them
//
// A source's documents are visited in a new order every epoch, by a pseudo-random permutation that is computed position by position
// (a Feistel network over document numbers, Black and Rogaway 2002) and so needs no memory, whatever the number of documents.
// The next document comes from the source that is furthest behind its share of tokens; there is no luck in the mixture, only in the
// order. Rows are planned from the shards' indexes alone; tokens are read for the rows that are asked for.
//
// Packing is by concatenation (documents end to end, cut into rows: nothing lost, rows begin anywhere) or by best fit (every row and
// every piece begins with BOS; the largest waiting document that fits goes in next; Ding et al. 2024, arXiv:2404.10830; BestFitCrop is
// nanochat's, which fills the last gap with a cut document and drops the rest of it).
//
// Invariant: rows depend on the Config, the shards' contents and the calls of SetWeights, not on Rank, World or timing: World streams
// together give the rows of one. Invariant: a restored stream continues as the saved one would have. Invariant: within an epoch, every
// document of a source is drawn exactly once.
package mix

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"slices"

	"quire/lib/corpus/shard"
	"quire/lib/show"
)

// Source is a part of the mixture.
type Source struct {
	Name   string
	Shards []*shard.Shard
	Weight float64 // share of the tokens, relative to the other sources' weights; 0 draws nothing
	Epochs float64 // passes over the documents after which the source ends: 0.5 is half of them; 0 never ends
}

// Packing is how documents fill rows.
type Packing int

// The ways to pack.
const (
	Concat      Packing = iota // end to end; a row's last token is the next one's first, so that each token is a target once
	BestFit                    // BOS-aligned; the rest of a cut document waits for another row, with BOS in front
	BestFitCrop                // BOS-aligned; the rest of a cut document is dropped
)

// String returns the packing's name.
func (p Packing) String() string {
	switch p {
	case Concat:
		return "concat"
	case BestFit:
		return "best-fit"
	case BestFitCrop:
		return "best-fit-crop"
	}
	return fmt.Sprintf("Packing(%d)", int(p))
}

// Config describes a stream of rows.
type Config struct {
	Sources  []Source
	SeqLen   int
	Seed     uint64
	Packing  Packing
	BOS, EOS []uint32 // put before and behind every document; nil where the shards hold them already
	Split    Split    // which documents take part; the zero value is all
	KeepLast bool     // give the last row even if it is not full: zeros that no span covers. Otherwise it is dropped
	// Rank and World give this stream every World-th row, beginning with row Rank: a data-parallel worker's part. World 0 is 1.
	Rank, World int
}

// Validate says what is wrong with the configuration, if anything is.
func (c Config) Validate() error {
	switch {
	case c.SeqLen < 1:
		return fmt.Errorf("mix: SeqLen %d: want the inputs of a row, 1 or more", c.SeqLen)
	case c.Packing < Concat || c.Packing > BestFitCrop:
		return fmt.Errorf("mix: unknown packing %d", c.Packing)
	case c.Packing != Concat && len(c.BOS) > c.SeqLen:
		return fmt.Errorf("mix: a BOS of %d tokens fills rows of %d", len(c.BOS), c.SeqLen+1)
	case c.Rank < 0 || c.World < 0 || c.Rank >= max(c.World, 1):
		return fmt.Errorf("mix: rank %d of %d", c.Rank, c.World)
	case len(c.Sources) == 0:
		return errors.New("mix: no source")
	}
	names := map[string]bool{}
	for _, s := range c.Sources {
		if names[s.Name] {
			return fmt.Errorf("mix: two sources are named %q", s.Name)
		}
		names[s.Name] = true
		if math.IsNaN(s.Epochs) || math.IsInf(s.Epochs, 0) || s.Epochs < 0 {
			return fmt.Errorf("mix: source %q: %v epochs", s.Name, s.Epochs)
		}
	}
	if err := c.Split.Validate(); err != nil {
		return err
	}
	return checkWeights(c.Sources)
}

func checkWeights(sources []Source) error {
	some := false
	for _, s := range sources {
		if !(s.Weight >= 0) || math.IsInf(s.Weight, 0) {
			return fmt.Errorf("mix: source %q: weight %v, want 0 or more", s.Name, s.Weight)
		}
		some = some || s.Weight > 0
	}
	if !some {
		return errors.New("mix: every weight is 0: nothing to draw")
	}
	return nil
}

// Row is SeqLen inputs and their shifted targets, in SeqLen+1 tokens.
type Row struct {
	IDs   []uint32
	Spans []Span // the pieces of documents in the row, in order, without gaps: positions restart and attention ends at each
}

// Span is a piece of a document in a row: IDs[Start:End].
type Span struct {
	Source, Shard, Doc int   // indexes into Config.Sources, Source.Shards and the shard's documents
	From               int64 // where the piece begins in BOS + tokens + EOS of the document; best-fit packing puts BOS before it if it is above 0
	Start, End         int
}

// Stream gives rows. It belongs to one goroutine. The shards must stay open while it is used.
type Stream struct {
	cfg     Config
	sources []*cursor
	waiting []piece // drawn but not, or not wholly, placed
	rows    int64   // planned so far, over all ranks
	ended   bool
	dropped int64
}

// New starts a stream.
func New(c Config) (*Stream, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c.World = max(c.World, 1)
	c.Sources = slices.Clone(c.Sources) // SetWeights changes them
	s := &Stream{cfg: c}
	for i := range c.Sources {
		cur, err := newCursor(&s.cfg, i)
		if err != nil {
			return nil, err
		}
		s.sources = append(s.sources, cur)
	}
	return s, nil
}

// Next returns the next row, which belongs to the caller. io.EOF means that every source has had its epochs.
//
// Streams with the same World give rows in step: after the same number of calls all have the same State, and a round for which there
// are too few rows is given to none, or, with KeepLast, to those that it reaches.
func (s *Stream) Next() (Row, error) {
	var mine []Span
	for rank := range s.cfg.World {
		spans := s.plan()
		if spans == nil && !(s.cfg.KeepLast && mine != nil) {
			return Row{}, io.EOF
		}
		if spans != nil {
			s.rows++
		}
		if rank == s.cfg.Rank {
			mine = spans
		}
	}
	return s.fill(mine), nil
}

// Rows walks the rows to the end of the stream.
func (s *Stream) Rows() iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		for {
			row, err := s.Next()
			if err == io.EOF || !yield(row, err) || err != nil {
				return
			}
		}
	}
}

// ID returns the id of the document that a span comes from.
func (s *Stream) ID(p Span) string {
	return s.cfg.Sources[p.Source].Shards[p.Shard].ID(p.Doc)
}

// Progress is how far a source has been drawn.
type Progress struct {
	Name      string
	Weight    float64
	Documents int64
	Tokens    int64   // of the documents, with BOS and EOS
	Share     float64 // of all tokens drawn
	Epoch     float64 // passes over the source so far
}

// Progress returns how far each source has been drawn. What waits to be packed counts as drawn.
func (s *Stream) Progress() []Progress {
	var total int64
	for _, c := range s.sources {
		total += c.total
	}
	out := make([]Progress, len(s.sources))
	for i, c := range s.sources {
		src := s.cfg.Sources[i]
		out[i] = Progress{Name: src.Name, Weight: src.Weight, Documents: c.drawn, Tokens: c.total,
			Share: float64(c.total) / float64(max(total, 1)), Epoch: float64(c.pos) / float64(c.n)}
	}
	return out
}

// MIMEBundle shows the progress of each source as a table.
func (s *Stream) MIMEBundle() map[string]any {
	caption := fmt.Sprintf("%d rows of %d tokens, %v", s.rows, s.cfg.SeqLen, s.cfg.Packing)
	return show.Table(s.Progress()).Caption(caption).MIMEBundle()
}

// Dropped returns the tokens that BestFitCrop has dropped.
func (s *Stream) Dropped() int64 { return s.dropped }
