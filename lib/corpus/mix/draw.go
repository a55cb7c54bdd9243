package mix

import (
	"fmt"
	"math"
	"slices"
	"sort"

	"github.com/zeebo/xxh3"
)

// Split takes the documents whose ids' hashes fall between two fractions: Split{0, 0.99} to train on, Split{0.99, 1} to validate with.
// A document stays on its side whatever is added to the corpus. The zero value takes all.
type Split struct {
	From, To float64
}

// Validate says whether the fractions are in order.
func (p Split) Validate() error {
	if p != (Split{}) && !(0 <= p.From && p.From < p.To && p.To <= 1) {
		return fmt.Errorf("mix: split from %v to %v: want fractions in order, as 0 to 0.99", p.From, p.To)
	}
	return nil
}

// Keep reports whether the document with the given id belongs to the split.
func (p Split) Keep(id string) bool {
	if p == (Split{}) {
		return true
	}
	at := float64(xxh3.HashString(id)>>11) / (1 << 53)
	return p.From <= at && at < p.To
}

// piece is a document that waits to be placed, from a token on.
type piece struct {
	source int
	doc    int64 // among all documents of the source
	from   int64 // in BOS + tokens + EOS
	size   int64 // of BOS + tokens + EOS
}

// cursor walks one source's documents, epoch after epoch.
type cursor struct {
	cfg    *Config
	source int
	starts []int64 // number of documents before each shard
	n      int64   // documents
	limit  int64   // positions after which the source ends; −1 for never
	key    uint64

	pos    int64 // positions passed, over all epochs
	drawn  int64 // documents
	total  int64 // tokens of them
	recent int64 // tokens drawn since the weights were set
	order  permutation
	epoch  int64 // that order is for
}

func newCursor(cfg *Config, source int) (*cursor, error) {
	src := cfg.Sources[source]
	c := &cursor{cfg: cfg, source: source, limit: -1, epoch: -1, key: xxh3.HashStringSeed(src.Name, cfg.Seed)}
	for _, sh := range src.Shards {
		c.starts = append(c.starts, c.n)
		c.n += int64(sh.Docs())
	}
	if src.Epochs > 0 {
		c.limit = int64(math.Round(src.Epochs * float64(c.n)))
	}
	for doc := range c.n {
		if _, ok := c.take(doc); ok {
			return c, nil
		}
	}
	return nil, fmt.Errorf("mix: source %q has no document with tokens among %d in the split: leave it out", src.Name, c.n)
}

// locate returns the shard that a document of the source is in, and its number there.
func (c *cursor) locate(doc int64) (shard, i int) {
	shard = sort.Search(len(c.starts), func(s int) bool { return c.starts[s] > doc }) - 1
	return shard, int(doc - c.starts[shard])
}

// take returns a document as a piece; ok is false for those that are empty or not of the split.
func (c *cursor) take(doc int64) (p piece, ok bool) {
	s, i := c.locate(doc)
	sh := c.cfg.Sources[c.source].Shards[s]
	start, end := sh.Doc(i)
	if start == end || !c.cfg.Split.Keep(sh.ID(i)) {
		return p, false
	}
	return piece{source: c.source, doc: doc, size: end - start + int64(len(c.cfg.BOS)+len(c.cfg.EOS))}, true
}

func (c *cursor) ended() bool { return c.limit >= 0 && c.pos >= c.limit }

// next draws the next document; ok is false when the source has ended.
func (c *cursor) next() (p piece, ok bool) {
	for !c.ended() {
		if e := c.pos / c.n; e != c.epoch {
			c.epoch, c.order = e, newPermutation(c.n, c.key+uint64(e)*0xd1342543de82ef95)
		}
		doc := c.order.at(c.pos % c.n)
		c.pos++
		if p, ok := c.take(doc); ok {
			c.drawn++
			c.total += p.size
			c.recent += p.size
			return p, true
		}
	}
	return p, false
}

// draw takes a document from the source that is furthest behind its share; ok is false when all have ended.
func (s *Stream) draw() (p piece, ok bool) {
	for {
		var best *cursor
		behind := math.Inf(1)
		for i, c := range s.sources {
			if w := s.cfg.Sources[i].Weight; w > 0 && !c.ended() {
				if at := float64(c.recent) / w; at < behind {
					best, behind = c, at
				}
			}
		}
		if best == nil {
			return p, false
		}
		if p, ok := best.next(); ok {
			return p, true
		}
	}
}

// SetWeights changes the weights of the named sources from the next document drawn on: shares are counted anew, so that the past
// mixture is not made up for. Every rank must set them between the same rows.
func (s *Stream) SetWeights(weights map[string]float64) error {
	sources := slices.Clone(s.cfg.Sources)
	for name, w := range weights {
		i := slices.IndexFunc(sources, func(src Source) bool { return src.Name == name })
		if i < 0 {
			return fmt.Errorf("mix: SetWeights: no source is named %q", name)
		}
		sources[i].Weight = w
	}
	if err := checkWeights(sources); err != nil {
		return err
	}
	copy(s.cfg.Sources, sources)
	for _, c := range s.sources {
		c.recent = 0
	}
	return nil
}
