package token

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// SentencePiece makes a tokenizer of a .model file's content. InternLM2's model gets the special tokens that its
// Hugging Face form has and the file itself does not.
func SentencePiece(data []byte) (*Tokenizer, error) {
	m, err := parseSP(data)
	if err != nil {
		return nil, fmt.Errorf("token: %w", err)
	}
	t, err := m.build()
	if err != nil {
		return nil, fmt.Errorf("token: SentencePiece model: %w", err)
	}
	return t, nil
}

// internLM2 are the names that InternLM2 gives to the last of its reserved pieces.
var internLM2 = map[int]string{92538: "<|plugin|>", 92539: "<|interpreter|>", 92540: "<|action_end|>",
	92541: "<|action_start|>", 92542: "<|im_end|>", 92543: "<|im_start|>"}

// isInternLM2 tells InternLM2's model by its size and its reserved pieces.
func (m *spModel) isInternLM2() bool {
	return len(m.pieces) == 92544 && m.pieces[92397].text == "[UNUSED_TOKEN_0]" && m.pieces[92543].text == "[UNUSED_TOKEN_146]"
}

func (m *spModel) build() (*Tokenizer, error) {
	if len(m.denormCharsmap) > 0 {
		return nil, errors.New("it has a denormaliser, which no published tokenizer uses and this package does not read")
	}
	if len(m.pieces) > maxVocab {
		return nil, fmt.Errorf("%d pieces: want at most %d", len(m.pieces), maxVocab)
	}
	t := &Tokenizer{vocabulary: newVocabulary(len(m.pieces), 0), sp: m}
	t.scores = make([]float32, len(m.pieces))
	for i, p := range m.pieces {
		if err := t.set(i, p.text, p.kind); err != nil {
			return nil, err
		}
		t.scores[i] = p.score
	}
	m.roles(t)
	fallback, err := m.byteIDs()
	if err != nil {
		return nil, err
	}
	if t.norm, err = m.normalizer(); err != nil {
		return nil, err
	}
	switch m.modelType {
	case 1:
		t.model, err = m.unigram(t, fallback)
	case 2:
		t.model, err = m.bpe(t, fallback)
	default:
		err = fmt.Errorf("its type is %d: want 1 (Unigram) or 2 (BPE)", m.modelType)
	}
	if err != nil {
		return nil, err
	}
	if err := t.setAdded(m.specials()); err != nil {
		return nil, err
	}
	t.dec = m.decoding(t)
	return t, nil
}

// roles finds bos, eos, unk and pad. The trainer's ids count only where the pieces agree, for files are edited by hand.
func (m *spModel) roles(t *Tokenizer) {
	is := func(id int, k kind) int {
		if id >= 0 && id < len(m.pieces) && m.pieces[id].kind == k {
			return id
		}
		return -1
	}
	t.bos, t.eos, t.pad = is(m.bos, control), is(m.eos, control), is(m.pad, control)
	t.unk = slices.IndexFunc(m.pieces, func(p spPiece) bool { return p.kind == unknown })
	if t.bos >= 0 {
		t.prefix = []uint32{uint32(t.bos)}
	}
}

// specials are the control pieces, the unknown piece, and InternLM2's.
func (m *spModel) specials() []Added {
	var list []Added
	for i, p := range m.pieces {
		if p.kind == control || p.kind == unknown {
			list = append(list, Added{ID: uint32(i), Text: p.text, Special: true})
		}
	}
	if m.isInternLM2() {
		for id, text := range internLM2 {
			list = append(list, Added{ID: uint32(id), Text: text, Special: true})
		}
	}
	return list
}

func (m *spModel) normalizer() (normalizer, error) {
	cm, err := newCharsmap(m.charsmap)
	if err != nil {
		return nil, err
	}
	n := &spNormalizer{charsmap: cm, dummyPrefix: m.addDummyPrefix, suffixSpace: m.suffixSpace,
		removeExtra: m.removeExtraSpace, escape: m.escapeSpace}
	if user := m.userDefined(func(s string) (string, bool) { return s, true }); user.n > 0 {
		n.userDefined = user
	}
	return n, nil
}

// userDefined is a matcher for the user-defined pieces, as text writes them.
func (m *spModel) userDefined(text func(string) (string, bool)) *matcher {
	var list []Added
	for i, p := range m.pieces {
		if s, ok := text(p.text); ok && p.kind == userDefined && s != "" {
			list = append(list, Added{ID: uint32(i), Text: s})
		}
	}
	user := newMatcher(list)
	return &user
}

// inner is a piece as normalised text writes it in memory; a piece with a plain space stands in no normalised text.
func (m *spModel) inner(s string) (string, bool) {
	if !m.escapeSpace {
		return s, true
	}
	return strings.ReplaceAll(s, spaceMark, " "), !strings.Contains(s, " ")
}

// byteIDs finds the byte tokens <0x00> to <0xFF>; nil when the model has no byte fallback.
func (m *spModel) byteIDs() (*[256]uint32, error) {
	if !m.byteFallback {
		return nil, nil
	}
	ids, found := new([256]uint32), 0
	for i, p := range m.pieces {
		if b, ok := byteOf(p.text); ok && p.kind == byteKind {
			ids[b] = uint32(i)
			found++
		}
	}
	if found != 256 {
		return nil, fmt.Errorf("it has byte fallback and %d byte pieces: want 256", found)
	}
	return ids, nil
}

// byteOf reads "<0x0A>".
func byteOf(piece string) (byte, bool) {
	if len(piece) != 6 || !strings.HasPrefix(piece, "<0x") || piece[5] != '>' {
		return 0, false
	}
	n, err := strconv.ParseUint(piece[3:5], 16, 8)
	return byte(n), err == nil
}

// matchable reports whether text is ever encoded as p by the model itself.
func (p *spPiece) matchable() bool {
	return p.text != "" && (p.kind == normal || p.kind == userDefined || p.kind == unused)
}

func (m *spModel) bpe(t *Tokenizer, fallback *[256]uint32) (model, error) {
	if fallback == nil && t.unk < 0 {
		return nil, errors.New("it has neither byte fallback nor an unknown piece")
	}
	b := &bpe{byRune: new(runeTable), fallback: fallback, unk: t.unk, fuseUnk: true, size: uint32(len(m.pieces)), bigrams: new(bigrams)}
	list := make([]ranked, 0, len(m.pieces))
	for i, p := range m.pieces {
		s, ok := m.inner(p.text)
		if !ok || !p.matchable() {
			continue
		}
		if p.kind == unused {
			if b.unused == nil {
				b.unused = map[uint32]bool{}
			}
			b.unused[uint32(i)] = true
		}
		list = append(list, ranked{s, uint32(i), p.score, 0})
	}
	rankByScore(list)
	b.pairs = allMerges(b, list)
	for _, p := range list {
		b.bigrams.addText(p.text)
	}
	if user := m.userDefined(m.inner); user.n > 0 {
		b.frozen, b.frozenAt = user, new(runeSet)
		for _, p := range m.pieces {
			if s, ok := m.inner(p.text); ok && p.kind == userDefined {
				r, _ := utf8.DecodeRuneInString(s)
				b.frozenAt.add(r)
			}
		}
	}
	if b.unused != nil {
		b.bigrams = nil
	}
	return b, nil
}

// ranked is a piece that merging may make.
type ranked struct {
	text  string
	id    uint32
	score float32
	rank  uint32
}

// rankByScore gives the best score rank 0 and equal scores equal ranks.
func rankByScore(list []ranked) {
	order := make([]int, len(list))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(list[b].score, list[a].score) })
	for k, i := range order {
		if k > 0 && list[i].score == list[order[k-1]].score {
			list[i].rank = list[order[k-1]].rank
		} else {
			list[i].rank = uint32(k)
		}
	}
}

// allMerges gives ids to all characters that stand in pieces, and finds every way to join two symbols into a piece.
func allMerges(b *bpe, list []ranked) *pairTable {
	index := make(map[string]uint32, len(list))
	lengths := map[int]bool{}
	for _, p := range list {
		if _, dup := index[p.text]; !dup {
			index[p.text] = p.id
			lengths[len(p.text)] = true
		}
		if r, n := utf8.DecodeRuneInString(p.text); n == len(p.text) && b.byRune.get(r) == noSymbol {
			b.byRune.set(r, p.id)
		}
	}
	next := b.size
	for _, p := range list {
		for _, r := range p.text {
			if b.byRune.get(r) == noSymbol {
				b.byRune.set(r, next)
				next++
			}
		}
	}
	symbol := func(s string) (uint32, bool) {
		if r, n := utf8.DecodeRuneInString(s); n == len(s) {
			return b.byRune.get(r), true
		}
		if !lengths[len(s)] {
			return 0, false
		}
		id, ok := index[s]
		return id, ok
	}
	pairs := newPairTable(2 * len(list))
	for _, p := range list {
		if index[p.text] != p.id {
			continue
		}
		for i := range p.text {
			if i == 0 {
				continue
			}
			left, ok := symbol(p.text[:i])
			if !ok {
				continue
			}
			if right, ok := symbol(p.text[i:]); ok {
				pairs.add(left, right, p.rank, p.id)
			}
		}
	}
	return pairs
}

func (m *spModel) unigram(t *Tokenizer, fallback *[256]uint32) (model, error) {
	if t.unk < 0 {
		return nil, errNoUnk
	}
	u := &unigram{unk: t.unk, fallback: fallback, fuseUnk: true, single: true}
	// The highest score is searched from C's FLT_MIN up, as in SentencePiece: a trained model's scores, all negative,
	// leave it there, and a user-defined piece then scores -0.1 at any length.
	const fltMin = 0x1p-126
	size, low, high := 0, float32(math.MaxFloat32), float32(fltMin)
	for _, p := range m.pieces {
		size += len(p.text)
		if p.kind == normal {
			low, high = min(low, p.score), max(high, p.score)
		}
	}
	u.maxScore = float64(high)
	u.unkScore = float64(low - unkPenalty)
	u.fill(m, size)
	return u, nil
}

func (u *unigram) fill(m *spModel, size int) {
	n := len(m.pieces)
	u.trie, u.score, u.user, u.skip = newTrie(size), make([]float64, n), make([]bool, n), make([]bool, n)
	for i, p := range m.pieces {
		u.score[i], u.user[i], u.skip[i] = float64(p.score), p.kind == userDefined, p.kind == unused
		if s, ok := m.inner(p.text); ok && p.matchable() {
			u.trie.add(s, uint32(i))
		}
	}
}
