// Package contam finds evaluation sets in training text: which documents hold which questions.
//
//	evaluation items ── New ──▶ Index ── corpus operator ──▶ columns beside the text: keep, item, overlap
//	                                  └─ Report ──▶ which items the corpus holds: the contaminated half of a score
//
// Two methods look for an item. Its n-grams, sequences of N words, are looked for anywhere in a document, as GPT-3's authors did
// (Brown et al. 2020, arXiv:2005.14165, appendix C). And, where that is asked for, its MinHash signature is compared with the whole
// document's, which finds items that were reworded here and there and stand alone.
//
// Texts are read as [dedup.Shingles] reads them: case folded, punctuation and spaces left out, eight characters of scripts without
// spaces for five words. GPT-3's authors folded case, took punctuation off and split at spaces: the same but for Chinese.
//
// Invariant: the columns are a pure function of a document and the index.
// Invariant: an index holds hashes and identifiers, never the text of an evaluation set, so that it can be handed on.
package contam

import (
	"cmp"
	"fmt"
	"iter"
	"math/bits"
	"slices"
	"sync"

	"quire/lib/dedup"
)

// Item is one question of an evaluation set with all that must not be trained on: the question, its choices, its answer.
type Item struct {
	Set  string // "gsm8k/test"
	ID   string
	Text string
}

// Config sets how items are found.
type Config struct {
	// N and MinN bound the words in an n-gram. Each set has its own: the length that one in twenty of its items does not reach, within
	// these bounds. Items that are shorter than it cannot be found.
	N, MinN int
	// MaxItems leaves out n-grams that more items than this have: the prompt of a set rather than its questions. 0 leaves none out.
	MaxItems int
	// MinOverlap is the share of an item's n-grams from which on a document holds it; at 0 one n-gram is enough.
	MinOverlap float64
	// MinHash sets the comparison of whole documents with items; the zero value makes none.
	MinHash dedup.Config
}

// GPT3 returns the settings of GPT-3: 8 to 13 words, and a document is contaminated by one n-gram. An n-gram that more than ten items
// have is left out, where GPT-3 leaves out those of more than ten documents.
func GPT3() Config { return Config{N: 13, MinN: 8, MaxItems: 10} }

// Both returns GPT3's settings and a comparison of whole documents at a similarity of 0.7.
func Both() Config {
	c := GPT3()
	c.MinHash = dedup.InternLM()
	return c
}

// Validate reports what is wrong with the settings.
func (c Config) Validate() error {
	switch {
	case c.MinN < 1 || c.N < c.MinN || c.N > dedup.MaxShingle:
		return fmt.Errorf("contam: n-grams of %d to %d words: choose within 1 to %d", c.MinN, c.N, dedup.MaxShingle)
	case c.MaxItems < 0:
		return fmt.Errorf("contam: n-grams of at most %d items: choose 0 for any number", c.MaxItems)
	case !(c.MinOverlap >= 0 && c.MinOverlap <= 1):
		return fmt.Errorf("contam: an overlap of %v: choose 0 to 1", c.MinOverlap)
	case c.MinHash != dedup.Config{}:
		return c.MinHash.Validate()
	}
	return nil
}

// Index is the n-grams and signatures of evaluation items. Goroutines may share it. It is a corpus operator: see Fields.
type Index struct {
	cfg   Config
	sets  []set
	items []item

	keys     []uint64 // hashes of n-grams, ascending
	starts   []uint32 // of each key, where its items begin in postings; at the end, their number
	postings []uint32
	slots    []uint32 // finds a key: its number plus one

	bands    []uint64 // of each item, its signature; zeros for none
	sketches []byte
	meets    map[uint64][]uint32 // items that have a band's key
	workers  sync.Pool           // of *worker
}

type set struct {
	Name  string
	N     int // words in an n-gram
	Items int
	Short int // items without n-grams
}

type item struct {
	set   uint32
	grams uint32 // different n-grams that are looked for
	id    string
}

// New returns an index of items.
func New(cfg Config, items iter.Seq[Item]) (*Index, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	x := &Index{cfg: cfg}
	numbers := map[string]uint32{}
	var texts []string
	var lengths [][]float64 // of each set's items
	for it := range items {
		k, ok := numbers[it.Set]
		if !ok {
			k = uint32(len(x.sets))
			numbers[it.Set] = k
			x.sets, lengths = append(x.sets, set{Name: it.Set}), append(lengths, nil)
		}
		x.sets[k].Items++
		lengths[k] = append(lengths[k], dedup.Length(it.Text))
		x.items = append(x.items, item{set: k, id: it.ID})
		texts = append(texts, it.Text)
	}
	for k := range x.sets {
		slices.Sort(lengths[k])
		x.sets[k].N = max(cfg.MinN, min(cfg.N, int(lengths[k][len(lengths[k])/20])))
	}
	x.addGrams(texts)
	x.addSignatures(texts)
	return x, x.link()
}

// addGrams fills keys, starts and postings.
func (x *Index) addGrams(texts []string) {
	type gram struct {
		key  uint64
		item uint32
	}
	var grams []gram
	var keys []uint64
	for i, text := range texts {
		n := x.sets[x.items[i].set].N
		if keys = keys[:0]; dedup.Length(text) >= float64(n) {
			keys = dedup.Shingles(keys, text, n)
		}
		slices.Sort(keys)
		for _, key := range slices.Compact(keys) {
			grams = append(grams, gram{key, uint32(i)})
		}
	}
	slices.SortFunc(grams, func(a, b gram) int { return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.item, b.item)) })
	for len(grams) > 0 {
		n := 1
		for n < len(grams) && grams[n].key == grams[0].key {
			n++
		}
		if x.cfg.MaxItems == 0 || n <= x.cfg.MaxItems {
			x.keys, x.starts = append(x.keys, grams[0].key), append(x.starts, uint32(len(x.postings)))
			for _, g := range grams[:n] {
				x.postings = append(x.postings, g.item)
			}
		}
		grams = grams[n:]
	}
	x.starts = append(x.starts, uint32(len(x.postings)))
}

// addSignatures fills bands and sketches.
func (x *Index) addSignatures(texts []string) {
	if x.cfg.MinHash == (dedup.Config{}) {
		return
	}
	s := dedup.NewSigner(x.cfg.MinHash)
	for _, text := range texts {
		bands, sketch, ok := s.Sign(text)
		if !ok {
			bands, sketch = make([]uint64, len(bands)), make([]byte, len(sketch))
		}
		x.bands, x.sketches = append(x.bands, bands...), append(x.sketches, sketch...)
	}
}

// link makes what is not saved.
func (x *Index) link() error {
	if uint64(len(x.keys)) >= 1<<31 {
		return fmt.Errorf("contam: %d n-grams: an index holds %d", len(x.keys), 1<<31-1)
	}
	for _, i := range x.postings {
		x.items[i].grams++
	}
	for _, it := range x.items {
		if it.grams == 0 {
			x.sets[it.set].Short++
		}
	}
	x.slots = make([]uint32, 1<<bits.Len(uint(2*len(x.keys)|7)))
	for k, key := range x.keys {
		at := x.slot(key)
		for ; x.slots[at] != 0; at = (at + 1) & uint64(len(x.slots)-1) {
		}
		x.slots[at] = uint32(k) + 1
	}
	x.meets = map[uint64][]uint32{}
	for i, key := range x.bands {
		if key != 0 {
			x.meets[key] = append(x.meets[key], uint32(i/x.cfg.MinHash.Bands))
		}
	}
	return nil
}

func (x *Index) slot(key uint64) uint64 {
	return key * 0x9E3779B97F4A7C15 >> (64 - bits.TrailingZeros(uint(len(x.slots))))
}

// find returns the number of an n-gram, −1 for one that no item has.
func (x *Index) find(key uint64) int {
	for at := x.slot(key); x.slots[at] != 0; at = (at + 1) & uint64(len(x.slots)-1) {
		if k := int(x.slots[at] - 1); x.keys[k] == key {
			return k
		}
	}
	return -1
}

// Match is an item that a text holds.
type Match struct {
	Set, ID    string
	Overlap    float64 // share of the item's n-grams that are in the text
	Similarity float64 // estimated Jaccard similarity of item and text; 0 where they do not meet
	item       uint32
}

// worker keeps memory from text to text.
type worker struct {
	shingles []uint64
	hits     []int
	counts   map[uint32]uint32 // of items, n-grams that were found
	signer   *dedup.Signer
}

// Check returns the items that a text holds, the most certain first.
func (x *Index) Check(text string) []Match {
	w, _ := x.workers.Get().(*worker)
	if w == nil {
		w = &worker{counts: map[uint32]uint32{}}
		if len(x.bands) > 0 {
			w.signer = dedup.NewSigner(x.cfg.MinHash)
		}
	}
	defer x.workers.Put(w)
	found := x.grams(w, text)
	if w.signer != nil {
		found = x.similar(w, text, found)
	}
	slices.SortFunc(found, func(a, b Match) int {
		return cmp.Or(cmp.Compare(max(b.Overlap, b.Similarity), max(a.Overlap, a.Similarity)), cmp.Compare(a.item, b.item))
	})
	return found
}

// grams finds items by their n-grams.
func (x *Index) grams(w *worker, text string) (found []Match) {
	w.hits = w.hits[:0]
	for i, s := range x.sets {
		if slices.ContainsFunc(x.sets[:i], func(o set) bool { return o.N == s.N }) {
			continue
		}
		w.shingles = dedup.Shingles(w.shingles[:0], text, s.N)
		for _, key := range w.shingles {
			if k := x.find(key); k >= 0 {
				w.hits = append(w.hits, k)
			}
		}
	}
	if len(w.hits) == 0 {
		return nil
	}
	slices.Sort(w.hits)
	clear(w.counts)
	for _, k := range slices.Compact(w.hits) {
		for _, i := range x.postings[x.starts[k]:x.starts[k+1]] {
			w.counts[i]++
		}
	}
	for i, n := range w.counts {
		it := x.items[i]
		if overlap := float64(n) / float64(it.grams); overlap >= x.cfg.MinOverlap {
			found = append(found, Match{Set: x.sets[it.set].Name, ID: it.id, Overlap: overlap, item: i})
		}
	}
	return found
}

// similar adds items that are nearly the whole text.
func (x *Index) similar(w *worker, text string, found []Match) []Match {
	bands, sketch, ok := w.signer.Sign(text)
	if !ok {
		return found
	}
	var near []uint32
	for _, key := range bands {
		near = append(near, x.meets[key]...)
	}
	slices.Sort(near)
	for _, i := range slices.Compact(near) {
		similarity := float64(dedup.Similarity(sketch, x.sketches[int(i)*len(sketch):][:len(sketch)]))
		if similarity < x.cfg.MinHash.MinSimilarity {
			continue
		}
		if k := slices.IndexFunc(found, func(m Match) bool { return m.item == i }); k >= 0 {
			found[k].Similarity = similarity
			continue
		}
		found = append(found, Match{Set: x.sets[x.items[i].set].Name, ID: x.items[i].id, Similarity: similarity, item: i})
	}
	return found
}
