package dedup

import (
	"context"
	"fmt"
	"math"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"quire/lib/corpus"
)

// table is what is known of all documents: those of the index first, then the corpus's, numbered from 0.
type table struct {
	opts   Options
	c      *corpus.Corpus
	old    *index
	starts []int      // of each chunk, the number of its first document; at the end, the number of all documents
	cols   [][]uint64 // signatures: in each column, a value of each document
	sketch []byte     // width bytes of each document
	width  int
	forest forest
	kept   []uint32 // of each document, the one that is kept in its place, or itself
}

// newTable makes room for the corpus's documents behind those of the index, which must have been made with the same settings.
func newTable(c *corpus.Corpus, o Options, made settings) (*table, error) {
	t := &table{opts: o, c: c, old: &index{settings: made, cols: make([][]uint64, made.columns())}, width: made.sketchBytes()}
	if o.Index != "" {
		var err error
		if t.old, err = readIndex(o.Index); err != nil {
			return nil, err
		}
		if !t.old.settings.equal(made) {
			return nil, fmt.Errorf("dedup: index %s was made by %s, not by %s: compare as it was made, or make a new index", o.Index, t.old.settings, made)
		}
	}
	var err error
	if t.starts, err = chunkStarts(c, len(t.old.kept)); err != nil {
		return nil, err
	}
	n := t.starts[c.NumBatches()]
	if n >= math.MaxUint32 {
		return nil, fmt.Errorf("dedup: %d documents in the index and the corpus: a table holds %d", n, uint32(math.MaxUint32)-1)
	}
	for _, col := range t.old.cols {
		t.cols = append(t.cols, append(make([]uint64, 0, n), col...)[:n])
	}
	t.sketch = append(make([]byte, 0, n*t.width), t.old.sketch...)[:n*t.width]
	t.forest = newForest(n)
	for i, k := range t.old.kept {
		t.forest.join(uint32(i), k)
	}
	return t, nil
}

// chunkStarts returns the number of each chunk's first document, counted from first, and at the end the number behind the last.
func chunkStarts(c *corpus.Corpus, first int) (starts []int, err error) {
	for b, err := range c.Batches() {
		if err != nil {
			return nil, err
		}
		starts = append(starts, first)
		first += b.Len()
	}
	return append(starts, first), nil
}

// fill calls sign with every document of the corpus and its number, on all cores. Each core has a sign of its own.
func (t *table) fill(ctx context.Context, newSign func() func(n int, text string)) error {
	return t.c.Each(ctx, t.opts.Progress, func(ci int, b corpus.Batch) error {
		sign := newSign()
		for i := range b.Len() {
			if i%64 == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			text := ""
			if t.opts.Text == nil {
				text = b.Text().Value(b.Row(i))
			} else {
				text = t.opts.Text(b.Doc(i))
			}
			sign(t.starts[ci]+i, text)
		}
		return nil
	})
}

// choose decides which document of each cluster is kept: the index's where it has one, else the corpus's best by score.
func (t *table) choose() error {
	before := len(t.old.kept)
	t.kept = make([]uint32, t.starts[len(t.starts)-1])
	copy(t.kept, t.old.kept)
	several := newBitset(len(t.kept)) // roots of clusters of more than one document
	for n := before; n < len(t.kept); n++ {
		root := t.forest.root(uint32(n))
		t.kept[n] = root
		if int(root) < before {
			t.kept[n] = t.old.kept[root]
		} else if int(root) != n {
			several.set(int(root))
		}
	}
	if t.opts.Score == nil {
		return nil
	}
	return t.chooseBest(several)
}

// chooseBest keeps the documents with the greatest scores in these clusters.
func (t *table) chooseBest(several bitset) error {
	type best struct {
		n     uint32
		score float64
	}
	bests := map[uint32]best{}
	for ci := range t.c.NumBatches() {
		b, err := t.c.Batch(ci)
		if err != nil {
			return err
		}
		for i := range b.Len() {
			n := uint32(t.starts[ci] + i)
			root := t.forest.root(n)
			if !several.has(int(root)) {
				continue
			}
			score := t.opts.Score(b, i)
			if math.IsNaN(score) {
				score = math.Inf(-1)
			}
			if have, ok := bests[root]; !ok || score > have.score {
				bests[root] = best{n, score}
			}
		}
	}
	for n := len(t.old.kept); n < len(t.kept); n++ {
		if b, ok := bests[t.forest.root(uint32(n))]; ok {
			t.kept[n] = b.n
		}
	}
	return nil
}

// finish chooses, saves the index where that is asked for, and returns the corpus with the verdicts.
func (t *table) finish(ctx context.Context, method string, similarity func(n, kept uint32) float32) (*corpus.Corpus, error) {
	if err := t.choose(); err != nil {
		return nil, err
	}
	if t.opts.Save != "" {
		if err := t.save(t.opts.Save); err != nil {
			return nil, err
		}
	}
	if t.opts.Name != "" {
		method = t.opts.Name
	}
	columns := make([][]arrow.Array, t.c.NumBatches())
	err := t.c.Each(ctx, nil, func(ci int, b corpus.Batch) (err error) {
		columns[ci], err = t.verdicts(ci, b, similarity)
		return err
	})
	if err != nil {
		return nil, err
	}
	return t.c.WithColumns(verdictFields(method), columns)
}

// verdictFields are the columns of a method. See Exact for what they say.
func verdictFields(name string) []arrow.Field {
	return []arrow.Field{
		{Name: name + ".keep", Type: arrow.FixedWidthTypes.Boolean},
		{Name: name + ".cluster", Type: arrow.PrimitiveTypes.Int64},
		{Name: name + ".kept", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: name + ".similarity", Type: arrow.PrimitiveTypes.Float32},
	}
}

// verdicts makes the columns of a chunk, in memory of just their size. Rows that are not selected hold zeros.
func (t *table) verdicts(ci int, b corpus.Batch, similarity func(n, kept uint32) float32) ([]arrow.Array, error) {
	rows, dropped := int(b.Record.NumRows()), 0
	keep, named := make([]byte, (rows+7)/8), make([]byte, (rows+7)/8)
	cluster, similar := make([]int64, rows), make([]float32, rows)
	ends := make([]int32, rows+1)
	for n := t.starts[ci]; n < t.starts[ci+1]; n++ {
		if t.kept[n] != uint32(n) {
			dropped++
		}
	}
	own := len(b.Record.Column(0).(*array.String).ValueBytes())
	ids := make([]byte, 0, dropped*own/max(rows, 1)) // as long as the corpus's are
	for i, row := 0, 0; row < rows; row++ {
		if i < b.Len() && b.Row(i) == row {
			n := uint32(t.starts[ci] + i)
			i++
			cluster[row], similar[row] = int64(t.forest.root(n)), 1
			if k := t.kept[n]; k == n {
				keep[row/8] |= 1 << (row % 8)
			} else {
				id, err := t.id(k)
				if err != nil {
					return nil, err
				}
				if ids = append(ids, id...); len(ids) > math.MaxInt32 {
					return nil, fmt.Errorf("dedup: chunk %d: the identifiers of what is kept have more than 2 GB", ci)
				}
				named[row/8] |= 1 << (row % 8)
				similar[row] = similarity(n, k)
			}
		}
		ends[row+1] = int32(len(ids))
	}
	f := verdictFields("")
	return []arrow.Array{column(f[0], rows, 0, nil, keep), column(f[1], rows, 0, nil, arrow.Int64Traits.CastToBytes(cluster)),
		column(f[2], rows, rows-dropped, named, arrow.Int32Traits.CastToBytes(ends), ids),
		column(f[3], rows, 0, nil, arrow.Float32Traits.CastToBytes(similar))}, nil
}

// column makes an array of its buffers, without copying them.
func column(f arrow.Field, rows, nulls int, buffers ...[]byte) arrow.Array {
	all := make([]*memory.Buffer, len(buffers))
	for i, data := range buffers {
		if data != nil {
			all[i] = memory.NewBufferBytes(data)
		}
	}
	return array.MakeFromData(array.NewData(f.Type, rows, all, nil, nulls, 0))
}

// id returns a document's identifier.
func (t *table) id(n uint32) (string, error) {
	if int(n) < len(t.old.kept) {
		return t.old.id(n), nil
	}
	d, err := docOf(t.c, t.starts, int(n))
	return d.ID, err
}

// groups calls meet for every document of which an earlier one has the same values in cols, with the first of those. Documents whose
// first value is 0 have no signature.
func groups(cols [][]uint64, meet func(n, first uint32)) {
	n := len(cols[0])
	size := 1
	for size*2 < n*3 {
		size *= 2
	}
	slots := make([]uint32, size) // number of a document, plus one
	for i, key := range cols[0] {
		if key == 0 {
			continue
		}
		at := fold(key) & uint64(size-1)
		for ; slots[at] != 0 && !same(cols, uint32(i), slots[at]-1); at = (at + 1) & uint64(size-1) {
		}
		if slots[at] == 0 {
			slots[at] = uint32(i) + 1
		} else {
			meet(uint32(i), slots[at]-1)
		}
	}
}

func same(cols [][]uint64, x, y uint32) bool {
	for _, col := range cols {
		if col[x] != col[y] {
			return false
		}
	}
	return true
}

// forest is a union-find over documents. The root of a tree is its least number, whatever the order of the joins.
type forest []uint32

func newForest(n int) forest {
	f := make(forest, n)
	for i := range f {
		f[i] = uint32(i)
	}
	return f
}

// root returns the root without changing the forest, so that goroutines may share it.
func (f forest) root(x uint32) uint32 {
	for f[x] != x {
		x = f[x]
	}
	return x
}

func (f forest) join(x, y uint32) {
	x, y = f.shorten(x), f.shorten(y)
	if x != y {
		f[max(x, y)] = min(x, y)
	}
}

// shorten is root, halving the path for the next time.
func (f forest) shorten(x uint32) uint32 {
	for f[x] != x {
		f[x] = f[f[x]]
		x = f[x]
	}
	return x
}

// flatten makes every document point to its root: parents come before their children.
func (f forest) flatten() {
	for i := range f {
		f[i] = f[f[i]]
	}
}

// bitset is a set of small numbers.
type bitset []uint64

func newBitset(n int) bitset    { return make(bitset, n/64+1) }
func (b bitset) set(i int)      { b[i/64] |= 1 << (i % 64) }
func (b bitset) has(i int) bool { return b[i/64]>>(i%64)&1 != 0 }
