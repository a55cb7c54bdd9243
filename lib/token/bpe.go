package token

import (
	"slices"
	"unicode/utf8"
)

// noSymbol is a character that stands in no piece. A pair of two differs from noPair.
const noSymbol = ^uint32(1)

// bpe merges adjacent symbols, best rank first, leftmost among equals. Symbols begin as bytes or as characters.
type bpe struct {
	pairs    *pairTable
	byByte   *[256]uint32 // set: symbols begin as bytes
	byRune   *runeTable   // set: as characters
	affixed  *affixes     // set: as characters with a prefix or suffix that depends on their place in the word
	whole    map[string]uint32
	size     uint32       // ids from here on are characters that stand only inside of pieces
	fallback *[256]uint32 // ids of the byte tokens, for characters without an id
	unk      int
	fuseUnk  bool
	bigrams  *bigrams // set: a word may be cut where its characters stand together in no piece
	frozen   *matcher // user-defined pieces: found first, never merged
	frozenAt *runeSet // which characters begin one
	unused   map[uint32]bool
}

// affixes is the old Hugging Face form: "##" before symbols that do not begin a word, "</w>" after those that end it.
type affixes struct {
	prefix, suffix string
	ids            map[string]uint32
}

// words encodes the pre-tokens of s that split finds.
func (m *bpe) words(st *state, s string, split splitter) error {
	for i := 0; i < len(s); {
		j := split(s, i)
		m.word(st, s, i, j)
		i = j
	}
	return nil
}

// encode encodes a pre-token, in parts where that changes nothing.
func (m *bpe) encode(st *state, s string) error {
	if m.byByte != nil || m.bigrams == nil && m.frozen == nil {
		m.word(st, s, 0, len(s))
		return nil
	}
	start, prev := 0, rune(-1)
	for i := 0; i < len(s); {
		r, n := rune(s[i]), 1
		if r >= utf8.RuneSelf {
			r, n = utf8.DecodeRuneInString(s[i:])
		}
		if m.frozen != nil && m.frozenAt.has(r) {
			if a := m.frozen.at(s, i); a != nil {
				m.cut(st, s, start, i)
				i += len(a.Text)
				st.known(a.ID, i)
				start, prev = i, -1
				continue
			}
		}
		if prev >= 0 && m.bigrams != nil && !m.bigrams.has(prev, r) {
			m.cut(st, s, start, i)
			start = i
		}
		prev = r
		i += n
	}
	m.cut(st, s, start, len(s))
	return nil
}

func (m *bpe) cut(st *state, s string, i, j int) {
	if i < j {
		m.cached(st, s, i, j, wholeWord)
	}
}

// word encodes s[i:j], a whole pre-token of a byte-level model or what encode cuts.
func (m *bpe) word(st *state, s string, i, j int) {
	switch {
	case i == j:
	case m.byByte != nil && m.bigrams != nil && (s[j-1] >= utf8.RuneSelf || j-i > longBytes):
		m.parts(st, s, i, j)
	default:
		m.cached(st, s, i, j, wholeWord)
	}
}

// parts cuts a word of a byte-level model where no piece bridges two characters. A part is no word: it is not looked up
// as a whole, and the cache keeps it apart.
func (m *bpe) parts(st *state, s string, i, j int) {
	start, prev := i, rune(-1)
	for k := i; k < j; {
		r, n := rune(s[k]), 1
		if r >= utf8.RuneSelf {
			r, n = utf8.DecodeRuneInString(s[k:j])
		}
		if prev >= 0 && r != utf8.RuneError && prev != utf8.RuneError && !m.bigrams.has(prev, r) && !m.bigrams.risky(s[k-1], s[k]) {
			m.cached(st, s, start, k, partOfWord)
			start = k
		}
		prev = r
		k += n
	}
	if start == i {
		m.cached(st, s, i, j, wholeWord)
	} else {
		m.cached(st, s, start, j, partOfWord)
	}
}

// cached encodes s[i:j] through the cache.
func (m *bpe) cached(st *state, s string, i, j int, role uint8) {
	n := j - i
	if n > shortBytes || st.track {
		m.cachedLong(st, s, i, j, role)
		return
	}
	st.room(shortIDs)
	a, b := shortKey(s, i, n, role)
	set := st.cache.set(a, b)
	e := &set[0]
	if (e.key[0]^a)|(e.key[1]^b) != 0 {
		if e = &set[1]; (e.key[0]^a)|(e.key[1]^b) != 0 {
			if ids, ok := m.anew(st, s, i, j, role); ok && len(ids) <= shortIDs {
				set.put(a, b, ids)
			}
			return
		}
	}
	st.take(&e.ids)
	st.prevUnk = false
}

func (m *bpe) cachedLong(st *state, s string, i, j int, role uint8) {
	if j-i > longBytes || st.track {
		m.fresh(st, s, i, j, role)
		return
	}
	e, key := st.cache.longSlot(s[i:j])
	if size := uint8(j-i) | role; e.key != key || e.size != size {
		if ids, ok := m.anew(st, s, i, j, role); ok && len(ids) <= longIDs {
			*e = longEntry{key: key, size: size, n: uint8(len(ids))}
			copy(e.ids[:], ids)
		}
		return
	}
	st.ids = append(st.ids, e.ids[:e.n]...)
	st.prevUnk = false
}

// anew encodes s[i:j] and tells whether the ids depend on it alone: a run of unknown tokens does not.
func (m *bpe) anew(st *state, s string, i, j int, role uint8) (ids []uint32, ok bool) {
	from, unk := len(st.ids), st.prevUnk
	m.fresh(st, s, i, j, role)
	ids = st.ids[from:]
	return ids, len(ids) > 0 && !unk && !st.prevUnk
}

// known appends an id whose text ends at end.
func (st *state) known(id uint32, end int) {
	st.ids = append(st.ids, id)
	st.prevUnk = false
	if st.track {
		st.ends = append(st.ends, end)
	}
}

// fresh encodes s[i:j] by merging.
func (m *bpe) fresh(st *state, s string, i, j int, role uint8) {
	if m.whole != nil && role == wholeWord {
		if id, ok := m.whole[s[i:j]]; ok {
			st.known(id, j)
			return
		}
	}
	g := &st.merge
	g.load(m, s, i, j)
	switch {
	case m.unused != nil:
		g.halves = map[uint32]half{}
		g.large(m.pairs)
		g.splitUnused(m.unused)
	case len(g.ids) <= smallWord:
		g.small(m.pairs)
	default:
		g.large(m.pairs)
	}
	for k, id := range g.ids {
		end := j
		if k+1 < len(g.at) {
			end = int(g.at[k+1])
		}
		if id < m.size {
			st.known(id, end)
		} else {
			m.unknown(st, s, int(g.at[k]), end)
		}
	}
}

// unknown appends what stands for a character without an id.
func (m *bpe) unknown(st *state, s string, i, j int) {
	switch {
	case m.fallback != nil:
		for k := i; k < j; k++ {
			st.known(m.fallback[s[k]], k+1)
		}
	case m.unk < 0:
	case st.prevUnk && m.fuseUnk:
		if n := len(st.ends); n > 0 {
			st.ends[n-1] = j
		}
	default:
		st.known(uint32(m.unk), j)
		st.prevUnk = true
	}
}

// load fills the symbols that s[i:j] begins with.
func (g *mergeScratch) load(m *bpe, s string, i, j int) {
	g.ids, g.at = g.ids[:0], g.at[:0]
	if m.byByte != nil {
		for ; i < j; i++ {
			g.ids, g.at = append(g.ids, m.byByte[s[i]]), append(g.at, int32(i))
		}
		return
	}
	for k := i; k < j; {
		r, n := rune(s[k]), 1
		if r >= utf8.RuneSelf {
			r, n = utf8.DecodeRuneInString(s[k:j])
		}
		id := noSymbol
		if m.affixed != nil {
			id = m.affixed.symbol(s[k:k+n], k == i, k+n == j)
		} else {
			id = m.byRune.get(r)
		}
		g.ids, g.at = append(g.ids, id), append(g.at, int32(k))
		k += n
	}
}

func (a *affixes) symbol(c string, first, last bool) uint32 {
	if !first {
		c = a.prefix + c
	}
	if last {
		c += a.suffix
	}
	if id, ok := a.ids[c]; ok {
		return id
	}
	return noSymbol
}

// Merge is one entry of a table of merges.
type Merge struct {
	Left, Right, Result uint32
	Rank                int // lower ranks are merged first
}

// Merges lists the merges by rank. SentencePiece and tiktoken models have none in their files: for them it is every way
// to join two pieces into a third.
func (t *Tokenizer) Merges() []Merge {
	m, ok := t.model.(*bpe)
	if !ok {
		return nil
	}
	return m.merges()
}

// merges lists the merges of the model by rank.
func (m *bpe) merges() []Merge {
	list := make([]Merge, 0, m.pairs.n)
	for _, s := range m.pairs.slots {
		if s.key != noPair {
			list = append(list, Merge{uint32(s.key >> 32), uint32(s.key), uint32(s.val), int(s.val >> 32)})
		}
	}
	slices.SortFunc(list, func(a, b Merge) int {
		if a.Rank != b.Rank {
			return a.Rank - b.Rank
		}
		return int(a.Left) - int(b.Left)
	})
	return list
}
