package token

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
)

// build makes the model of a vocabulary already filled.
func (m *hfModel) build(t *Tokenizer, f form) error {
	var err error
	switch m.Type {
	case "BPE":
		t.model, err = m.bpe(t, f)
	case "Unigram":
		t.model, err = m.unigram(t)
	case "WordPiece":
		t.model, err = m.wordPiece(t)
	case "WordLevel":
		unk, ok := t.index[m.UnkToken]
		t.model = &wordLevel{t.index, unk, ok}
	default:
		err = fmt.Errorf("type %q: want BPE, Unigram, WordPiece or WordLevel", m.Type)
	}
	return err
}

// inMemory is how a piece is written in memory.
func (f form) inMemory(s string) string {
	switch f {
	case asBytes:
		if raw, ok := fromPrintable(s); ok {
			return raw
		}
	case asSpaces:
		return unspace(s)
	}
	return s
}

func (m *hfModel) bpe(t *Tokenizer, f form) (model, error) {
	index := make(map[string]uint32, len(t.index))
	for piece, id := range t.index {
		index[f.inMemory(piece)] = id
	}
	b := &bpe{size: uint32(len(t.pieces)), unk: -1, fuseUnk: m.FuseUnk}
	if id, ok := t.index[m.UnkToken]; ok && m.UnkToken != "" {
		b.unk, t.unk = int(id), int(id)
	}
	if m.IgnoreMerges {
		b.whole = index
	}
	var err error
	if b.pairs, err = m.pairs(index, f); err != nil {
		return nil, err
	}
	if m.ByteFallback {
		b.fallback = fallbackIDs(t.index)
	}
	switch {
	case f == asBytes:
		b.byByte, b.bigrams = new([256]uint32), bytePairs(index)
		for c := range b.byByte {
			b.byByte[c] = noSymbol
			if id, ok := index[string([]byte{byte(c)})]; ok {
				b.byByte[c] = id
			}
		}
	case m.Prefix != "" || m.Suffix != "":
		b.affixed = &affixes{m.Prefix, m.Suffix, index}
	default:
		b.setRunes(index, !m.IgnoreMerges)
	}
	return b, nil
}

// setRunes lets symbols begin as the single characters of index.
func (b *bpe) setRunes(index map[string]uint32, cuttable bool) {
	b.byRune = new(runeTable)
	if cuttable {
		b.bigrams = new(bigrams)
	}
	for piece, id := range index {
		if r, n := utf8.DecodeRuneInString(piece); n == len(piece) && n > 0 && (r != utf8.RuneError || n > 1) {
			b.byRune.set(r, id)
		}
		if cuttable {
			b.bigrams.addText(piece)
		}
	}
}

// fallbackIDs finds the byte tokens; nil if any is missing.
func fallbackIDs(index map[string]uint32) *[256]uint32 {
	ids := new([256]uint32)
	for b := range ids {
		id, ok := index[fmt.Sprintf("<0x%02X>", b)]
		if !ok {
			return nil
		}
		ids[b] = id
	}
	return ids
}

// pairs reads the merges, "a b" or ["a", "b"].
func (m *hfModel) pairs(index map[string]uint32, f form) (*pairTable, error) {
	var list [][]string
	lines := m.merges
	if lines == nil && json.Unmarshal(m.Merges, &list) != nil {
		list = nil
		if err := json.Unmarshal(m.Merges, &lines); err != nil {
			return nil, fmt.Errorf("merges: %w", err)
		}
	}
	for _, l := range lines {
		list = append(list, strings.Split(l, " "))
	}
	p := newPairTable(len(list))
	for rank, pair := range list {
		if len(pair) != 2 {
			return nil, fmt.Errorf("merge %d has %d parts: want 2", rank, len(pair))
		}
		a, b := f.inMemory(pair[0]), f.inMemory(pair[1])
		left, ok1 := index[a]
		right, ok2 := index[b]
		merged, ok3 := index[a+strings.TrimPrefix(b, m.Prefix)]
		if !ok1 || !ok2 || !ok3 {
			return nil, fmt.Errorf("merge %d, %q and %q: a token is missing in the vocabulary", rank, pair[0], pair[1])
		}
		p.replace(left, right, uint32(rank), merged)
	}
	return p, nil
}

func (m *hfModel) unigram(t *Tokenizer) (model, error) {
	if m.UnkID == nil || *m.UnkID < 0 || *m.UnkID >= len(t.pieces) {
		return nil, errNoUnk
	}
	n, size, low := len(t.pieces), 0, math.Inf(1)
	for i, p := range t.pieces {
		size += len(p)
		low = min(low, m.scores[i])
	}
	u := &unigram{trie: newTrie(size), score: m.scores, user: make([]bool, n), skip: make([]bool, n),
		unkScore: low - unkPenalty, unk: *m.UnkID, fuseUnk: true}
	t.unk = u.unk
	if m.ByteFallback {
		u.fallback = fallbackIDs(t.index)
	}
	for i, p := range t.pieces {
		u.trie.add(p, uint32(i))
	}
	return u, nil
}

// wordPiece takes the longest piece again and again (Schuster and Nakajima 2012; BERT). Pieces that do not begin a word
// have a prefix.
type wordPiece struct {
	ids      map[string]uint32
	prefix   string
	unk      uint32
	maxChars int
	longest  int
}

func (m *hfModel) wordPiece(t *Tokenizer) (model, error) {
	unk, ok := t.index[m.UnkToken]
	if !ok {
		return nil, errors.New("a WordPiece model needs an unknown token")
	}
	w := &wordPiece{ids: t.index, prefix: m.Prefix, unk: unk, maxChars: m.MaxChars}
	if w.maxChars == 0 {
		w.maxChars = 100
	}
	for p := range t.index {
		w.longest = max(w.longest, len(p))
	}
	return w, nil
}

func (m *wordPiece) encode(st *state, s string) error {
	n, ends := len(st.ids), len(st.ends)
	if utf8.RuneCountInString(s) > m.maxChars {
		st.known(m.unk, len(s))
		return nil
	}
	key := make([]byte, 0, 64)
	for i := 0; i < len(s); {
		j := min(len(s), i+m.longest)
		for ; j > i; j-- {
			if j < len(s) && !utf8.RuneStart(s[j]) {
				continue
			}
			key = key[:0]
			if i > 0 {
				key = append(key, m.prefix...)
			}
			if id, ok := m.ids[string(append(key, s[i:j]...))]; ok {
				st.known(id, j)
				break
			}
		}
		if j == i {
			st.ids, st.ends = st.ids[:n], st.ends[:ends]
			st.known(m.unk, len(s))
			return nil
		}
		i = j
	}
	return nil
}

// wordLevel has an id for each whole word.
type wordLevel struct {
	ids    map[string]uint32
	unk    uint32
	hasUnk bool
}

func (m *wordLevel) encode(st *state, s string) error {
	if id, ok := m.ids[s]; ok {
		st.known(id, len(s))
	} else if m.hasUnk {
		st.known(m.unk, len(s))
	}
	return nil
}

// printable is GPT-2's alphabet: every byte has a visible character.
var printable, unprintable = func() (to [256]rune, from map[rune]byte) {
	from = map[rune]byte{}
	next := rune(256)
	for b := range 256 {
		r := rune(b)
		if b < '!' || b > '~' && b < 0xA1 || b == 0xAD {
			r = next
			next++
		}
		to[b], from[r] = r, byte(b)
	}
	return to, from
}()

// fromPrintable turns a piece in GPT-2's alphabet into raw bytes, if every character belongs to it.
func fromPrintable(s string) (string, bool) {
	b := make([]byte, 0, len(s))
	for _, r := range s {
		c, ok := unprintable[r]
		if !ok {
			return "", false
		}
		b = append(b, c)
	}
	return string(b), true
}

// toPrintable is the opposite.
func toPrintable(s string) string {
	var b strings.Builder
	for i := range len(s) {
		b.WriteRune(printable[s[i]])
	}
	return b.String()
}
