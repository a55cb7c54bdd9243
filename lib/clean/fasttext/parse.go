package fasttext

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

const (
	magic      = 793712314
	maxVersion = 12
	centroids  = 256 // of each sub-quantiser
)

// Losses and kinds of models in a file.
const (
	lossTree    = 1
	lossSamples = 2
	lossSoftmax = 3
	lossEach    = 4
	supervised  = 3
)

// args are the settings of a model's training that prediction needs.
type args struct {
	dim, wordNgrams, loss, bucket, minn, maxn int
}

// maxRow is the most columns that a matrix may have.
const maxRow = 1 << 14

// maxValues is the most values that a quantised matrix may expand to.
const maxValues = 1 << 28

// maxCount is what all labels' counts together stay below, as in fastText's tree.
const maxCount = 1e15

// reader takes little-endian values from a file's bytes. After the first one that is missing it gives zeros.
type reader struct {
	data []byte
	err  error
}

var errShort = errors.New("fasttext: the file ends too early: copy or download it again")

func (r *reader) take(n int) []byte {
	if n < 0 || n > len(r.data) {
		r.err = errShort
		r.data = nil
		return make([]byte, 8)[:min(8, max(0, n))]
	}
	b := r.data[:n]
	r.data = r.data[n:]
	return b
}

func (r *reader) i32() int   { return int(int32(binary.LittleEndian.Uint32(r.take(4)))) }
func (r *reader) i64() int   { return int(binary.LittleEndian.Uint64(r.take(8))) }
func (r *reader) bool() bool { return r.take(1)[0] != 0 }

// floats reads rows·cols numbers.
func (r *reader) floats(rows, cols int) []float32 {
	if rows < 0 || cols < 0 || cols > maxRow || rows > len(r.data)/4/max(1, cols) {
		r.err = errShort
		return nil
	}
	out := make([]float32, rows*cols)
	for i, b := 0, r.take(4*len(out)); i < len(out); i++ {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return out
}

// Parse reads a model from a file's bytes, which it does not keep.
func Parse(data []byte) (*Model, error) {
	r := &reader{data: data}
	if len(data) < 8 || r.i32() != magic {
		return nil, errors.New("fasttext: not a fastText model (its first bytes are others)")
	}
	version := r.i32()
	if version > maxVersion || version < 11 {
		return nil, fmt.Errorf("fasttext: version %d of the format; 11 and 12 can be read", version)
	}
	m := &Model{}
	if err := m.parseArgs(r, version); err != nil {
		return nil, err
	}
	counts, kept, err := m.parseDictionary(r)
	if err != nil {
		return nil, err
	}
	quantised := r.bool()
	rows, err := m.parseMatrix(r, quantised, &m.input)
	if err != nil {
		return nil, err
	}
	if err := m.checkRows(rows, kept); err != nil {
		return nil, err
	}
	if kept != nil {
		if err := m.sortRows(kept); err != nil {
			return nil, err
		}
	}
	labels, err := m.parseMatrix(r, r.bool() && quantised, &m.output)
	if err != nil {
		return nil, err
	}
	if labels != len(m.labels) {
		return nil, fmt.Errorf("fasttext: %d labels and an output layer of %d rows", len(m.labels), labels)
	}
	if m.args.loss == lossTree {
		m.tree = huffman(counts)
	}
	return m, nil
}

// parseArgs reads the settings: dim, ws, epoch, minCount, neg, wordNgrams, loss, model, bucket, minn, maxn, lrUpdateRate, t.
func (m *Model) parseArgs(r *reader, version int) error {
	var v [12]int
	for i := range v {
		v[i] = r.i32()
	}
	r.take(8)
	if r.err != nil {
		return r.err
	}
	m.args = args{dim: v[0], wordNgrams: v[5], loss: v[6], bucket: v[8], minn: v[9], maxn: v[10]}
	if version == 11 { // its supervised models had no character n-grams
		m.args.maxn = 0
	}
	a := m.args
	switch {
	case v[7] != supervised:
		return errors.New("fasttext: a model of word vectors, not a classifier: train one with fasttext supervised")
	case a.dim < 1 || a.dim > maxRow:
		return fmt.Errorf("fasttext: dim %d", a.dim)
	case a.loss < lossTree || a.loss > lossEach:
		return fmt.Errorf("fasttext: loss %d; 1 (hs) to 4 (ova) are known", a.loss)
	case a.bucket < 0 || a.bucket == 0 && (a.maxn > 0 || a.wordNgrams > 1):
		return fmt.Errorf("fasttext: %d buckets for n-grams", a.bucket)
	case a.minn < 0 || a.maxn > 64 || a.wordNgrams > 64:
		return fmt.Errorf("fasttext: n-grams of %d to %d characters, %d words", a.minn, a.maxn, a.wordNgrams)
	}
	return nil
}

// parseDictionary reads the words, the labels and the n-grams that were kept, and returns the labels' counts and the n-grams' buckets;
// nil where none were pruned.
func (m *Model) parseDictionary(r *reader) (counts []int64, kept []uint32, err error) {
	size, nwords, nlabels := r.i32(), r.i32(), r.i32()
	r.take(8) // tokens of the training text
	pruned := r.i64()
	if r.err != nil {
		return nil, nil, r.err
	}
	if nwords < 0 || nlabels < 1 || size != nwords+nlabels || size > len(r.data)/10 {
		return nil, nil, fmt.Errorf("fasttext: a dictionary of %d entries, %d words and %d labels", size, nwords, nlabels)
	}
	m.nwords = nwords
	m.words = newWordTable(nwords)
	for i := range size {
		end := bytes.IndexByte(r.data, 0)
		if end < 0 {
			return nil, nil, errShort
		}
		word := string(r.take(end + 1)[:end])
		count, kind := r.i64(), r.take(1)[0]
		if r.err != nil {
			return nil, nil, r.err
		}
		if (kind == 1) != (i >= nwords) {
			return nil, nil, fmt.Errorf("fasttext: entry %d, %q, is not where its kind belongs", i, word)
		}
		if kind == 0 {
			m.words.add(word, int32(i))
			continue
		}
		if n := len(counts); count < 0 || count > maxCount/nlabels || n > 0 && int64(count) > counts[n-1] {
			return nil, nil, fmt.Errorf("fasttext: label %q with count %d is out of order", word, count)
		}
		counts = append(counts, int64(count))
		m.labels = append(m.labels, strings.TrimPrefix(word, "__label__"))
	}
	if pruned >= 0 {
		if kept, err = parsePruned(r, pruned, m.args.bucket); err != nil {
			return nil, nil, err
		}
	}
	return counts, kept, r.err
}

// parsePruned reads which n-grams were kept: for each row behind the words', its bucket.
func parsePruned(r *reader, n, buckets int) ([]uint32, error) {
	if n > len(r.data)/8 {
		return nil, errShort
	}
	if buckets > maxBuckets {
		return nil, fmt.Errorf("fasttext: %d buckets; at most %d can be read", buckets, maxBuckets)
	}
	kept := make([]uint32, n)
	seen := make([]bool, n)
	for range n {
		bucket, row := r.i32(), r.i32()
		if bucket < 0 || bucket >= buckets || row < 0 || row >= n || seen[row] {
			return nil, fmt.Errorf("fasttext: bucket %d of %d is kept as row %d of %d", bucket, buckets, row, n)
		}
		kept[row], seen[row] = uint32(bucket), true
	}
	return kept, nil
}

// sortRows puts the rows of the kept n-grams into the order of their buckets.
func (m *Model) sortRows(kept []uint32) error {
	order := make([]int, len(kept))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(kept[a], kept[b]) })
	dim := m.args.dim
	rows := m.input[m.nwords*dim:]
	sorted := make([]float32, 0, len(kept)*dim)
	for i, row := range order {
		if i > 0 && kept[row] == kept[order[i-1]] {
			return fmt.Errorf("fasttext: bucket %d has two rows", kept[row])
		}
		sorted = append(sorted, rows[row*dim:][:dim]...)
	}
	copy(rows, sorted)
	m.prune = newPruneTable(m.args.bucket, kept)
	return nil
}

// checkRows makes sure that every word and n-gram has its row.
func (m *Model) checkRows(rows int, kept []uint32) error {
	need := m.nwords
	switch {
	case kept != nil:
		need += len(kept)
	case m.args.maxn > 0 || m.args.wordNgrams > 1:
		need += m.args.bucket
	}
	if rows < need {
		return fmt.Errorf("fasttext: %d rows for %d words and n-grams", rows, need)
	}
	return nil
}

// parseMatrix reads a matrix of dim columns into out.
func (m *Model) parseMatrix(r *reader, quantised bool, out *[]float32) (rows int, err error) {
	norms := quantised && r.bool()
	rows, cols := r.i64(), r.i64()
	if r.err == nil && cols != m.args.dim {
		return 0, fmt.Errorf("fasttext: a matrix of %d columns where dim is %d", cols, m.args.dim)
	}
	if !quantised {
		*out = r.floats(rows, cols)
		return rows, r.err
	}
	codes := r.take(r.i32())
	q := parseQuantiser(r, cols)
	if r.err != nil {
		return 0, r.err
	}
	if rows < 0 || rows > len(codes) || rows > maxValues/cols || len(codes) != rows*q.parts {
		return 0, fmt.Errorf("fasttext: %d codes for %d rows of %d parts", len(codes), rows, q.parts)
	}
	scale := make([]float32, rows)
	for i := range scale {
		scale[i] = 1
	}
	if norms {
		normCodes := r.take(rows)
		nq := parseQuantiser(r, 1)
		if r.err != nil {
			return 0, r.err
		}
		for i, c := range normCodes {
			scale[i] = nq.centroids[c]
		}
	}
	*out = q.expand(codes, scale)
	return rows, r.err
}

// quantiser is a product quantiser: each row is cut into parts, and each part is one of 256.
type quantiser struct {
	dim, parts, size, lastSize int
	centroids                  []float32
}

func parseQuantiser(r *reader, dim int) quantiser {
	q := quantiser{dim: r.i32(), parts: r.i32(), size: r.i32(), lastSize: r.i32()}
	if r.err == nil && (q.dim != dim || q.size < 1 || q.lastSize < 1 || q.lastSize > q.size || q.parts < 1 || (q.parts-1)*q.size+q.lastSize != dim) {
		r.err = fmt.Errorf("fasttext: a quantiser of %d parts of %d for %d columns", q.parts, q.size, dim)
	}
	if r.err == nil {
		q.centroids = r.floats(dim, centroids)
	}
	return q
}

// expand returns the rows that the codes stand for.
func (q quantiser) expand(codes []byte, scale []float32) []float32 {
	out := make([]float32, 0, len(scale)*q.dim)
	for row, s := range scale {
		for part, code := range codes[row*q.parts:][:q.parts] {
			size := q.size
			if part == q.parts-1 {
				size = q.lastSize
			}
			for _, c := range q.centroids[part*centroids*q.size+int(code)*size:][:size] {
				out = append(out, s*c)
			}
		}
	}
	return out
}
