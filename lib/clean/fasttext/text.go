package fasttext

import (
	"math/bits"
	"strings"
)

// Hashes of fastText: FNV-1a over signed bytes.
const (
	fnvOffset = 2166136261
	fnvPrime  = 16777619
)

func fnv(h uint32, c byte) uint32 { return (h ^ uint32(int8(c))) * fnvPrime }

func hashWord(w string) uint32 {
	h := uint32(fnvOffset)
	for i := range len(w) {
		h = fnv(h, w[i])
	}
	return h
}

// eos is the word that ends a line, known to most models.
const eos = "</s>"

// cacheBits is the number of words, as a power of two, whose sums are kept: texts repeat their words.
const cacheBits = 14

// maxCached is the length in bytes of the words that are kept.
const maxCached = 24

// scratch is what one prediction works with.
type scratch struct {
	model  *Model
	hidden []float32
	sum    []float32 // of one word's rows
	rows   int       // that were added
	buf    []byte    // a word between < and >
	hashes []uint32  // of the words, where the model has n-grams of words
	cache  []cached
	sums   []float32 // of the cached words
	probs  []float64
	nodes  []float64
}

// cached is a word whose sum is kept.
type cached struct {
	word [maxCached]byte
	n    uint8
	rows int32
}

func newScratch(m *Model) *scratch {
	return &scratch{model: m, hidden: make([]float32, m.args.dim), sum: make([]float32, m.args.dim),
		cache: make([]cached, 1<<cacheBits), sums: make([]float32, m.args.dim<<cacheBits),
		probs: make([]float64, len(m.labels)), nodes: make([]float64, 2*len(m.labels)-1)}
}

// isSpace holds the bytes that end a word.
var isSpace = [256]bool{' ': true, '\n': true, '\r': true, '\t': true, '\v': true, '\f': true, 0: true}

// read sets the hidden layer to the mean of the text's rows; false where it has none.
func (s *scratch) read(text string) bool {
	clear(s.hidden)
	s.rows = 0
	s.hashes = s.hashes[:0]
	for i := 0; i < len(text); {
		if isSpace[text[i]] {
			i++
			continue
		}
		start := i
		h := uint32(fnvOffset)
		for i < len(text) && !isSpace[text[i]] {
			h = fnv(h, text[i])
			i++
		}
		s.word(text[start:i], h)
	}
	s.word(eos, hashWord(eos))
	s.wordNgrams()
	if s.rows == 0 {
		return false
	}
	for i := range s.hidden {
		s.hidden[i] /= float32(s.rows)
	}
	return true
}

// word adds a word's rows to the hidden layer.
func (s *scratch) word(w string, h uint32) {
	m := s.model
	if m.args.wordNgrams > 1 {
		s.hashes = append(s.hashes, h)
	}
	if len(w) > maxCached {
		s.addWord(w, h, s.hidden)
		return
	}
	slot := int(h * 0x9E3779B1 >> (32 - cacheBits))
	c := &s.cache[slot]
	sum := s.sums[slot*len(s.hidden):][:len(s.hidden)]
	if int(c.n) != len(w) || string(c.word[:len(w)]) != w {
		before := s.rows
		clear(sum)
		s.addWord(w, h, sum)
		c.n = uint8(copy(c.word[:], w))
		c.rows = int32(s.rows - before)
		s.rows = before
	}
	s.rows += int(c.rows)
	add(s.hidden, sum)
}

// addWord adds the rows of a word and its n-grams to sum.
func (s *scratch) addWord(w string, h uint32, sum []float32) {
	m := s.model
	if id, ok := m.words.find(w, h); ok {
		s.row(sum, int(id))
	} else if strings.HasPrefix(w, "__label__") {
		return
	}
	if m.args.maxn > 0 && w != eos {
		s.charNgrams(w, sum)
	}
}

func (s *scratch) row(sum []float32, id int) {
	add(sum, s.model.input[id*len(sum):][:len(sum)])
	s.rows++
}

func add(sum, row []float32) {
	for len(sum) >= 8 && len(row) >= 8 {
		a, b := (*[8]float32)(sum), (*[8]float32)(row)
		a[0] += b[0]
		a[1] += b[1]
		a[2] += b[2]
		a[3] += b[3]
		a[4] += b[4]
		a[5] += b[5]
		a[6] += b[6]
		a[7] += b[7]
		sum, row = sum[8:], row[8:]
	}
	for i := range sum {
		sum[i] += row[i]
	}
}

// charNgrams adds the rows of the n-grams of "<w>". Those that begin at one character share their hash's beginning.
func (s *scratch) charNgrams(w string, sum []float32) {
	a := &s.model.args
	b := append(append(append(s.buf[:0], '<'), w...), '>')
	s.buf = b
	for i := 0; i < len(b); i++ {
		if b[i]&0xc0 == 0x80 {
			continue
		}
		h := uint32(fnvOffset)
		j := i
		for n := 1; n <= a.maxn && j < len(b); n++ {
			h = fnv(h, b[j])
			for j++; j < len(b) && b[j]&0xc0 == 0x80; j++ {
				h = fnv(h, b[j])
			}
			if n >= a.minn && (n > 1 || i > 0 && j < len(b)) {
				s.ngram(sum, h%uint32(a.bucket))
			}
		}
	}
}

// ngram adds the row of an n-gram, if the model kept it.
func (s *scratch) ngram(sum []float32, id uint32) {
	m := s.model
	if m.prune == nil {
		s.row(sum, m.nwords+int(id))
	} else if to, ok := m.prune.find(id); ok {
		s.row(sum, m.nwords+to)
	}
}

// wordNgrams adds the rows of sequences of words.
func (s *scratch) wordNgrams() {
	a := &s.model.args
	for i, first := range s.hashes {
		h := uint64(int64(int32(first)))
		for _, next := range s.hashes[i+1 : min(len(s.hashes), i+a.wordNgrams)] {
			h = h*116049371 + uint64(int64(int32(next)))
			s.ngram(s.hidden, uint32(h%uint64(a.bucket)))
		}
	}
}

// wordTable finds a word's number.
type wordTable struct {
	slots []int32 // number + 1; 0 is free
	words []string
	mask  uint32
}

func newWordTable(n int) *wordTable {
	size := 1 << bits.Len(uint(2*n|1))
	return &wordTable{slots: make([]int32, size), mask: uint32(size - 1)}
}

func (t *wordTable) add(w string, id int32) {
	t.words = append(t.words, w)
	i := hashWord(w)
	for t.slots[i&t.mask] != 0 {
		i++
	}
	t.slots[i&t.mask] = id + 1
}

func (t *wordTable) find(w string, h uint32) (int32, bool) {
	for ; ; h++ {
		id := t.slots[h&t.mask] - 1
		if id < 0 {
			return 0, false
		}
		if t.words[id] == w {
			return id, true
		}
	}
}

// pruneTable finds the n-grams that quantisation kept: a bit for each bucket, and with each 64 bits how many are set before them.
// The n-grams' rows lie in the order of their buckets, so that counting bits gives the row.
type pruneTable []struct {
	kept   uint64
	before uint32
}

// maxBuckets bounds the buckets of a model whose n-grams were pruned, which may be many more than its file has bytes.
const maxBuckets = 1 << 26

// newPruneTable makes the table from the buckets that are kept, each once.
func newPruneTable(buckets int, kept []uint32) pruneTable {
	t := make(pruneTable, buckets/64+1)
	for _, k := range kept {
		t[k/64].kept |= 1 << (k % 64)
	}
	n := uint32(0)
	for i := range t {
		t[i].before = n
		n += uint32(bits.OnesCount64(t[i].kept))
	}
	return t
}

func (t pruneTable) find(bucket uint32) (row int, ok bool) {
	e := &t[bucket/64]
	bit := uint64(1) << (bucket % 64)
	return int(e.before) + bits.OnesCount64(e.kept&(bit-1)), e.kept&bit != 0
}
