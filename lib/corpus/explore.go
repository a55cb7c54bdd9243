package corpus

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/apache/arrow/go/v17/arrow/array"
)

// Range is the values of a column with which documents are kept, ends included. Where there is no end it is infinite. Documents whose
// value is NaN or null are kept.
type Range struct {
	Column   string // float32, float64, int32, int64 or bool, which counts as 0 and 1
	Min, Max float64
}

// keeps reports whether a value lies in the range. Ends are compared as float32, the type of rules' columns.
func (r Range) keeps(v float32) bool { return !(v < float32(r.Min) || v > float32(r.Max)) }

// Exploration answers what would be left of a corpus if a threshold were another. It holds the values of all ranges' columns, the
// length and the language of every document, some 4 bytes a document and range, and never reads the text again but for samples.
// It shows itself as tables, a histogram and, in a notebook, sliders. Goroutines may share it.
type Exploration struct {
	c      *Corpus
	starts []int // of each chunk, the number of its first document; at the end, the number of all
	sizes  []int32
	langs  []uint16 // index into names
	names  []string
	values [][]float32 // of each range

	mu      sync.Mutex
	ranges  []Range
	fails   []uint8 // of each document, how many ranges drop it
	which   []uint8 // the exclusive or of those ranges' numbers: the number itself where there is one
	drops   []int   // of each range, how many documents it drops
	base    []bool  // documents that were kept when counting of changes began
	changed int     // the range that was set last
}

// maxRanges is how many ranges an Exploration can hold: their numbers fit into a byte.
const maxRanges = 255

// Explore reads the columns that ranges name, which operators have added, and remembers their values. Languages are those of the
// column or the field of Meta that is called language or lang. Changes count from the ranges given here: see Mark.
func Explore(ctx context.Context, c *Corpus, ranges ...Range) (*Exploration, error) {
	if len(ranges) == 0 || len(ranges) > maxRanges {
		return nil, fmt.Errorf("corpus: Explore: %d ranges: give 1 to %d", len(ranges), maxRanges)
	}
	e := &Exploration{c: c, ranges: slices.Clone(ranges), values: make([][]float32, len(ranges)), drops: make([]int, len(ranges)),
		sizes: make([]int32, c.n), langs: make([]uint16, c.n), fails: make([]uint8, c.n), which: make([]uint8, c.n), base: make([]bool, c.n)}
	for k, r := range ranges {
		if slices.ContainsFunc(ranges[:k], func(o Range) bool { return o.Column == r.Column }) {
			return nil, fmt.Errorf("corpus: Explore: column %q is given twice", r.Column)
		}
		if len(c.Schema().FieldIndices(r.Column)) == 0 {
			return nil, fmt.Errorf("corpus: Explore: no column %q: make it with Corpus.With first", r.Column)
		}
		e.values[k] = make([]float32, c.n)
	}
	n := 0
	for i := range c.chunks {
		e.starts = append(e.starts, n)
		b, err := c.Batch(i)
		if err != nil {
			return nil, err
		}
		n += b.Len()
	}
	e.starts = append(e.starts, n)
	if err := e.read(ctx); err != nil {
		return nil, err
	}
	for k, r := range e.ranges {
		e.apply(k, Range{"", math.Inf(-1), math.Inf(1)}, r)
	}
	e.mark()
	return e, nil
}

// read takes sizes, languages and values from the chunks.
func (e *Exploration) read(ctx context.Context) error {
	language := labelled("language", "lang")
	local := make([][]string, len(e.c.chunks)) // names of the languages, numbered within a chunk
	err := e.c.Each(ctx, nil, func(ci int, b Batch) error {
		start, numbers := e.starts[ci], map[string]uint16{}
		for i := range b.Len() {
			e.sizes[start+i] = int32(b.Text().ValueLen(b.Row(i)))
			name := language(b, i)
			id, ok := numbers[name]
			if !ok {
				if len(numbers) == math.MaxUint16 {
					return fmt.Errorf("corpus: Explore: more than %d languages", math.MaxUint16)
				}
				id, name = uint16(len(numbers)), strings.Clone(name)
				numbers[name] = id
				local[ci] = append(local[ci], name)
			}
			e.langs[start+i] = id
		}
		for k, r := range e.ranges {
			if err := readValues(e.values[k][start:], b, r.Column); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return e.number(local)
}

// number gives the languages of all chunks common numbers.
func (e *Exploration) number(local [][]string) error {
	for ci, names := range local {
		global := make([]uint16, len(names))
		for id, name := range names {
			at := slices.Index(e.names, name)
			if at < 0 {
				if at = len(e.names); at == math.MaxUint16 {
					return fmt.Errorf("corpus: Explore: more than %d languages", math.MaxUint16)
				}
				e.names = append(e.names, name)
			}
			global[id] = uint16(at)
		}
		for i := e.starts[ci]; i < e.starts[ci+1]; i++ {
			e.langs[i] = global[e.langs[i]]
		}
	}
	return nil
}

// readValues writes the values of a batch's selected documents to dst.
func readValues(dst []float32, b Batch, column string) error {
	col := b.Record.Column(b.Record.Schema().FieldIndices(column)[0])
	var value func(row int) float32
	switch col := col.(type) {
	case *array.Float32:
		value = col.Value
	case *array.Float64:
		value = func(row int) float32 { return float32(col.Value(row)) }
	case *array.Int32:
		value = func(row int) float32 { return float32(col.Value(row)) }
	case *array.Int64:
		value = func(row int) float32 { return float32(col.Value(row)) }
	case *array.Boolean:
		value = func(row int) float32 {
			if col.Value(row) {
				return 1
			}
			return 0
		}
	default:
		return fmt.Errorf("corpus: Explore: column %q has values of type %s: a range needs numbers or verdicts", column, col.DataType())
	}
	for i := range b.Len() {
		row := b.Row(i)
		if dst[i] = value(row); col.IsNull(row) {
			dst[i] = float32(math.NaN())
		}
	}
	return nil
}

// apply replaces a range.
func (e *Exploration) apply(k int, old, r Range) {
	for i, v := range e.values[k] {
		switch was, is := old.keeps(v), r.keeps(v); {
		case was && !is:
			e.fails[i]++
			e.which[i] ^= uint8(k)
			e.drops[k]++
		case is && !was:
			e.fails[i]--
			e.which[i] ^= uint8(k)
			e.drops[k]--
		}
	}
}

// Set gives a column another range and returns what that leaves of the corpus.
func (e *Exploration) Set(column string, min, max float64) (*WhatIf, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	k := slices.IndexFunc(e.ranges, func(r Range) bool { return r.Column == column })
	if k < 0 {
		return nil, fmt.Errorf("corpus: no range of column %q is explored", column)
	}
	r := Range{column, min, max}
	e.apply(k, e.ranges[k], r)
	e.ranges[k], e.changed = r, k
	return e.whatIf()
}

// WhatIf returns what the present ranges leave of the corpus.
func (e *Exploration) WhatIf() (*WhatIf, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.whatIf()
}

// Mark lets changes count from the present ranges.
func (e *Exploration) Mark() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.mark()
}

func (e *Exploration) mark() {
	for i, n := range e.fails {
		e.base[i] = n == 0
	}
}

// Ranges returns the present ranges.
func (e *Exploration) Ranges() []Range {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.ranges)
}

// Kept returns the documents that the present ranges keep.
func (e *Exploration) Kept() *Corpus {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := e.c.with(e.c.schema, e.c.chunks, make([][]int32, len(e.c.chunks)))
	out.n = 0
	for ci, rows := range e.c.rows {
		out.rows[ci] = []int32{}
		for i := range e.starts[ci+1] - e.starts[ci] {
			if e.fails[e.starts[ci]+i] > 0 {
				continue
			}
			row := int32(i)
			if rows != nil {
				row = rows[i]
			}
			out.rows[ci] = append(out.rows[ci], row)
		}
		out.n += len(out.rows[ci])
	}
	return out
}

// WhatIf is what ranges leave of a corpus.
type WhatIf struct {
	Documents int         `json:"documents"`
	Bytes     int64       `json:"bytes"`
	Kept      Share       `json:"kept"`
	Rules     []RuleYield `json:"rules"`
	Languages []Mix       `json:"languages,omitempty"`
	Gained    Change      `json:"gained"` // documents that are kept and were not
	Lost      Change      `json:"lost"`   // documents that were kept and are not
}

// RuleYield is what one range drops. Infinite ends are null in JSON.
type RuleYield struct {
	Rule    string   `json:"rule"`
	Min     *float64 `json:"min"`
	Max     *float64 `json:"max"`
	Dropped int      `json:"dropped"`
	Alone   int      `json:"alone"` // documents that no other range drops
}

// Mix is one language's part of the corpus, before and after.
type Mix struct {
	Language  string  `json:"language"` // "" is unknown
	Documents int     `json:"documents"`
	Bytes     int64   `json:"bytes"`
	Before    float64 `json:"before"` // share of the bytes of all documents
	Kept      int     `json:"kept"`
	KeptBytes int64   `json:"kept_bytes"`
	After     float64 `json:"after"` // share of the bytes that are kept
}

// Change is documents whose verdict has changed, with some of them: the same ones for the same corpus and ranges, from all over it.
type Change struct {
	Documents int      `json:"documents"`
	Samples   []Sample `json:"samples,omitempty"`
}

// Sample is the beginning of a document.
type Sample struct {
	ID     string  `json:"id"`
	Source string  `json:"source,omitempty"`
	Rule   string  `json:"rule"`  // whose range was set last
	Value  float64 `json:"value"` // of this column
	Text   string  `json:"text"`
	at     int
}

// Of samples, how many there are and how long their texts are.
const (
	samples     = 5
	sampleChars = 200
)

func (e *Exploration) whatIf() (*WhatIf, error) {
	w := &WhatIf{Documents: len(e.fails), Kept: Share{Name: "kept"}}
	mix := make([]Mix, len(e.names))
	alone := make([]int, maxRanges+1)
	var gained, lost reservoir
	for i, fails := range e.fails {
		m, size := &mix[e.langs[i]], int64(e.sizes[i])
		m.Documents++
		m.Bytes += size
		if fails == 0 {
			m.Kept++
			m.KeptBytes += size
			if !e.base[i] {
				gained.add(i)
			}
			continue
		}
		if fails == 1 {
			alone[e.which[i]]++
		}
		if e.base[i] {
			lost.add(i)
		}
	}
	w.Languages = e.mix(w, mix)
	for k, r := range e.ranges {
		w.Rules = append(w.Rules, RuleYield{r.Column, finite(r.Min), finite(r.Max), e.drops[k], alone[k]})
	}
	var err error
	if w.Gained, err = e.change(&gained); err != nil {
		return nil, err
	}
	w.Lost, err = e.change(&lost)
	return w, err
}

// mix sums the languages up in w and returns them, largest first; nil where nothing but the unknown is there.
func (e *Exploration) mix(w *WhatIf, mix []Mix) []Mix {
	for i := range mix {
		mix[i].Language = e.names[i]
		w.Bytes += mix[i].Bytes
		w.Kept.Documents += mix[i].Kept
		w.Kept.Bytes += mix[i].KeptBytes
	}
	for i := range mix {
		mix[i].Before = float64(mix[i].Bytes) / float64(max(w.Bytes, 1))
		mix[i].After = float64(mix[i].KeptBytes) / float64(max(w.Kept.Bytes, 1))
	}
	w.Kept.Share = float64(w.Kept.Bytes) / float64(max(w.Bytes, 1))
	slices.SortFunc(mix, func(a, b Mix) int { return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.Language, b.Language)) })
	if len(mix) == 0 || len(mix) == 1 && mix[0].Language == "" {
		return nil
	}
	return mix
}

func finite(v float64) *float64 {
	if math.IsInf(v, 0) {
		return nil
	}
	return &v
}

// reservoir keeps the documents whose numbers have the least hashes.
type reservoir struct {
	n    int
	best [samples]struct {
		hash uint64
		at   int
	}
}

func (r *reservoir) add(i int) {
	h := uint64(i+1) * 0x9E3779B97F4A7C15
	h ^= h >> 29
	h *= 0xBF58476D1CE4E5B9
	r.n++
	have := min(r.n-1, samples)
	if have == samples && h >= r.best[samples-1].hash {
		return
	}
	k := min(have, samples-1)
	for ; k > 0 && h < r.best[k-1].hash; k-- {
		r.best[k] = r.best[k-1]
	}
	r.best[k].hash, r.best[k].at = h, i
}

// change reads the samples' documents.
func (e *Exploration) change(r *reservoir) (Change, error) {
	out := Change{Documents: r.n}
	for _, s := range r.best[:min(r.n, samples)] {
		ci, found := slices.BinarySearch(e.starts, s.at)
		if !found {
			ci--
		}
		for e.starts[ci+1] == s.at {
			ci++ // past chunks of which nothing is selected
		}
		b, err := e.c.Batch(ci)
		if err != nil {
			return out, err
		}
		d := b.Doc(s.at - e.starts[ci])
		text := d.Text
		for i := range text {
			if i >= sampleChars {
				text = text[:i] + "…"
				break
			}
		}
		value := float64(e.values[e.changed][s.at])
		out.Samples = append(out.Samples, Sample{strings.Clone(d.ID), strings.Clone(d.Source), e.ranges[e.changed].Column, value, strings.Clone(text), s.at})
	}
	slices.SortFunc(out.Samples, func(a, b Sample) int { return cmp.Compare(a.at, b.at) })
	return out, nil
}
