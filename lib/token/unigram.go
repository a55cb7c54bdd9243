package token

import (
	"errors"
	"math"
	"slices"
	"unicode/utf8"
)

// unkPenalty is how much worse than the worst piece an unknown character scores.
const unkPenalty = 10.0

// unigram finds the best-scoring way to write a text in pieces (Viterbi). Sums are rounded to float32 at every step
// when single is set, as SentencePiece's are: on long texts the rounding decides between pieces.
type unigram struct {
	trie     *trie
	score    []float64 // of the id; user-defined pieces are rewarded by length instead
	user     []bool
	skip     []bool // unused pieces
	maxScore float64
	unkScore float64
	unk      int
	fallback *[256]uint32
	fuseUnk  bool
	single   bool
}

type latticeNode struct {
	score float64
	start int32 // -1: nothing ends here yet
	id    uint32
}

var errNoUnk = errors.New("a Unigram model needs an unknown token")

func (m *unigram) encode(st *state, s string) error {
	if len(s) > math.MaxInt32 {
		return errors.New("token: a Unigram model takes at most 2 GiB of text at a time")
	}
	st.latt = m.forward(st.latt[:0], s)
	n := 0
	for end := len(s); end > 0; end = int(st.latt[end].start) {
		n++
	}
	st.merge.at = slices.Grow(st.merge.at[:0], n)
	path := st.merge.at[:n]
	for end := len(s); end > 0; end = int(st.latt[end].start) {
		n--
		path[n] = int32(end)
	}
	from := 0
	for _, end := range path {
		m.emit(st, s, from, int(end), st.latt[end].id)
		from = int(end)
	}
	return nil
}

// forward finds, for every place of s, the best piece that ends there.
func (m *unigram) forward(latt []latticeNode, s string) []latticeNode {
	for range len(s) + 1 {
		latt = append(latt, latticeNode{start: -1})
	}
	for i := 0; i < len(s); {
		_, width := utf8.DecodeRuneInString(s[i:])
		here, known := latt[i].score, false
		node := uint32(0)
		for j := i; j < len(s); j++ {
			var ok bool
			if node, ok = m.trie.step(node, s[j]); !ok {
				break
			}
			id := m.trie.value[node]
			if id == noSymbol || m.skip[id] {
				continue
			}
			score := m.score[id]
			if m.user[id] {
				score = m.userScore(j + 1 - i)
			}
			m.relax(&latt[j+1], here+score, i, id)
			known = known || j+1-i == width
		}
		if !known {
			m.relax(&latt[i+width], m.round(m.unkScore+here), i, uint32(m.unk))
		}
		i += width
	}
	return latt
}

// userScore makes a user-defined piece win over anything of its length.
func (m *unigram) userScore(n int) float64 {
	return float64(float32(n)*float32(m.maxScore)) - 0.1
}

func (m *unigram) relax(n *latticeNode, score float64, start int, id uint32) {
	if n.start < 0 || score > n.score {
		*n = latticeNode{m.round(score), int32(start), id}
	}
}

func (m *unigram) round(x float64) float64 {
	if m.single {
		return float64(float32(x))
	}
	return x
}

func (m *unigram) emit(st *state, s string, i, j int, id uint32) {
	switch {
	case int(id) != m.unk:
		st.known(id, j)
	case m.fallback != nil:
		for k := i; k < j; k++ {
			st.known(m.fallback[s[k]], k+1)
		}
	case st.prevUnk && m.fuseUnk:
		if n := len(st.ends); n > 0 {
			st.ends[n-1] = j
		}
	default:
		st.known(id, j)
		st.prevUnk = true
	}
}

// trie is a set of strings with values; children are found by hashing (node, byte).
type trie struct {
	slots []trieSlot
	shift uint
	value []uint32 // of the node; noSymbol: no string ends here
}

type trieSlot struct {
	key   uint64 // node<<8 | byte, plus one; 0 marks an empty slot
	child uint32
}

// newTrie makes an empty trie for strings of size bytes in total.
func newTrie(size int) *trie {
	b := uint(4)
	for 1<<b < 2*(size+1) {
		b++
	}
	return &trie{slots: make([]trieSlot, 1<<b), shift: 64 - b, value: []uint32{noSymbol}}
}

func (t *trie) find(node uint32, c byte) *trieSlot {
	key := (uint64(node)<<8 | uint64(c)) + 1
	mask := uint64(len(t.slots) - 1)
	for h := key * 0x9E3779B97F4A7C15 >> (t.shift & 63); ; h++ {
		if s := &t.slots[h&mask]; s.key == key || s.key == 0 {
			return s
		}
	}
}

// step goes from a node along a byte.
func (t *trie) step(node uint32, c byte) (uint32, bool) {
	s := t.find(node, c)
	return s.child, s.key != 0
}

// add gives s a value; the first of two stays.
func (t *trie) add(s string, value uint32) {
	node := uint32(0)
	for i := range len(s) {
		slot := t.find(node, s[i])
		if slot.key == 0 {
			*slot = trieSlot{(uint64(node)<<8 | uint64(s[i])) + 1, uint32(len(t.value))}
			t.value = append(t.value, noSymbol)
		}
		node = slot.child
	}
	if t.value[node] == noSymbol {
		t.value[node] = value
	}
}
