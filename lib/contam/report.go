package contam

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"quire/lib/corpus"
	"quire/lib/show"
)

// Fields implements corpus.Operator. The columns are
//
//	contam.keep        bool: the document holds no item
//	contam.items       int32: how many it holds
//	contam.item        string: the most certain one, as set and identifier with # between; null for none
//	contam.overlap     float32: the share of that item's n-grams that are in the document
//	contam.similarity  float32: how similar document and item are, where MinHash is asked for and they meet
func (x *Index) Fields() []arrow.Field {
	return []arrow.Field{
		{Name: "contam.keep", Type: arrow.FixedWidthTypes.Boolean},
		{Name: "contam.items", Type: arrow.PrimitiveTypes.Int32},
		{Name: "contam.item", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "contam.overlap", Type: arrow.PrimitiveTypes.Float32},
		{Name: "contam.similarity", Type: arrow.PrimitiveTypes.Float32},
	}
}

// Apply implements corpus.Operator. Rows that are not selected are kept.
func (x *Index) Apply(ctx context.Context, b corpus.Batch) ([]arrow.Array, error) {
	pool := memory.DefaultAllocator
	keep, items, item := array.NewBooleanBuilder(pool), array.NewInt32Builder(pool), array.NewStringBuilder(pool)
	overlap, similarity := array.NewFloat32Builder(pool), array.NewFloat32Builder(pool)
	for i, row := 0, 0; row < int(b.Record.NumRows()); row++ {
		var found []Match
		if i < b.Len() && b.Row(i) == row {
			if i++; i%64 == 0 && ctx.Err() != nil {
				return nil, ctx.Err()
			}
			found = x.Check(b.Text().Value(row))
		}
		keep.Append(len(found) == 0)
		items.Append(int32(len(found)))
		if len(found) == 0 {
			item.AppendNull()
			found = []Match{{}}
		} else {
			item.Append(found[0].Set + "#" + found[0].ID)
		}
		overlap.Append(float32(found[0].Overlap))
		similarity.Append(float32(found[0].Similarity))
	}
	return []arrow.Array{keep.NewArray(), items.NewArray(), item.NewArray(), overlap.NewArray(), similarity.NewArray()}, nil
}

// Report is which items a corpus holds. It marshals to JSON and shows itself in a notebook.
type Report struct {
	Documents int         `json:"documents"` // that were looked at
	Hold      int         `json:"hold"`      // documents that hold an item
	Sets      []SetReport `json:"sets"`
	Items     []Found     `json:"items"` // that were found
}

// SetReport is what was found of an evaluation set.
type SetReport struct {
	Set   string `json:"set"`
	N     int    `json:"n"` // words in an n-gram
	Items int    `json:"items"`
	Short int    `json:"short"` // items with too few words for an n-gram, or with none of their own
	Found int    `json:"found"`
}

// Found is an item that the corpus holds.
type Found struct {
	Set        string  `json:"set"`
	ID         string  `json:"id"`
	Documents  int     `json:"documents"`
	Document   string  `json:"document"` // identifier of the first of those that hold most of it
	Overlap    float64 `json:"overlap"`  // in that document
	Similarity float64 `json:"similarity,omitempty"`
	place      uint64  // chunk and document
}

// Report looks for the items in a whole corpus, on all cores.
func (x *Index) Report(ctx context.Context, c *corpus.Corpus, progress func(done, total int)) (*Report, error) {
	var mu sync.Mutex
	found := map[uint32]*Found{}
	r := &Report{Documents: c.NumDocs()}
	err := c.Each(ctx, progress, func(ci int, b corpus.Batch) error {
		for i := range b.Len() {
			if i%64 == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			matches := x.Check(b.Text().Value(b.Row(i)))
			if len(matches) == 0 {
				continue
			}
			mu.Lock()
			r.Hold++
			for _, m := range matches {
				if found[m.item] == nil {
					found[m.item] = &Found{Set: m.Set, ID: m.ID}
				}
				found[m.item].add(m, uint64(ci)<<32|uint64(i), b.Doc(i).ID)
			}
			mu.Unlock()
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, s := range x.sets {
		r.Sets = append(r.Sets, SetReport{Set: s.Name, N: s.N, Items: s.Items, Short: s.Short})
	}
	for i, it := range x.items {
		if f := found[uint32(i)]; f != nil {
			r.Items = append(r.Items, *f)
			r.Sets[it.set].Found++
		}
	}
	return r, nil
}

// add counts a document; of those that hold most of the item the first is named, whichever worker comes first.
func (f *Found) add(m Match, place uint64, id string) {
	f.Documents++
	have, more := max(f.Overlap, f.Similarity), max(m.Overlap, m.Similarity)
	if f.Documents == 1 || cmp.Or(cmp.Compare(more, have), cmp.Compare(f.place, place)) > 0 {
		f.Overlap, f.Similarity, f.place, f.Document = m.Overlap, m.Similarity, place, strings.Clone(id)
	}
}

// Holds reports whether the corpus holds an item: what tells the contaminated half of a set from the clean one.
func (r *Report) Holds(set, id string) bool {
	return slices.ContainsFunc(r.Items, func(f Found) bool { return f.Set == set && f.ID == id })
}

// MIMEBundle shows the sets and what was found of them.
func (r *Report) MIMEBundle() map[string]any {
	caption := fmt.Sprintf("%d of %d documents hold evaluation items", r.Hold, r.Documents)
	bundle := show.Table(r.Sets).Caption(caption).MIMEBundle()
	if len(r.Items) > 0 {
		items := show.Table(r.Items).Caption("items found").MIMEBundle()
		for _, mime := range []string{"text/plain", "text/html"} {
			bundle[mime] = fmt.Sprintf("%s\n%s", bundle[mime], items[mime])
		}
		delete(bundle, "text/csv") // of the sets alone
	}
	return bundle
}
