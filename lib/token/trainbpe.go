package token

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
)

// TrainBytes learns a byte-level BPE vocabulary: 256 bytes, merges, then the special tokens. WriteJSON writes it.
func TrainBytes(ctx context.Context, texts iter.Seq[string], cfg TrainConfig) (*Tokenizer, error) {
	if err := cfg.defaults(); err != nil {
		return nil, err
	}
	merges := cfg.VocabSize - 256 - len(cfg.Special)
	if merges < 0 {
		return nil, tooSmall(cfg.VocabSize, 256+len(cfg.Special))
	}
	cut, err := wordCutter(cfg.Pattern)
	if err != nil {
		return nil, err
	}
	words, err := countWords(ctx, texts, cut)
	if err != nil {
		return nil, err
	}
	tr := newMergeTrainer(words, func(dst []uint32, w string) []uint32 {
		for i := range len(w) {
			dst = append(dst, uint32(w[i]))
		}
		return dst
	})
	for b := range 256 {
		tr.pieces = append(tr.pieces, string([]byte{byte(b)}))
	}
	if err := tr.run(ctx, merges, cfg.Progress); err != nil {
		return nil, err
	}
	return tr.byteTokenizer(&cfg)
}

// wordCutter cuts text by a pattern. A pattern that fails on a text leaves the rest of it out.
func wordCutter(pattern string) (func(string, func(string)), error) {
	if split := knownSplitter(pattern); split != nil {
		return func(text string, word func(string)) {
			for i := 0; i < len(text); {
				j := split(text, i)
				word(text[i:j])
				i = j
			}
		}, nil
	}
	re, err := compile(pattern)
	if err != nil {
		return nil, fmt.Errorf("token: %w", err)
	}
	return func(text string, word func(string)) {
		found, _ := matchAll(re, text)
		for _, f := range found {
			word(text[f.Start:f.End])
		}
	}, nil
}

// byteTokenizer makes a tokenizer of what was learned.
func (tr *mergeTrainer) byteTokenizer(cfg *TrainConfig) (*Tokenizer, error) {
	t := &Tokenizer{vocabulary: newVocabulary(len(tr.pieces), len(cfg.Special))}
	for i, p := range tr.pieces {
		if err := t.set(i, toPrintable(p), normal); err != nil {
			return nil, err
		}
	}
	index := make(map[string]uint32, len(tr.pieces))
	for i, p := range tr.pieces {
		index[p] = uint32(i)
	}
	m := &bpe{byByte: new([256]uint32), bigrams: bytePairs(index), size: uint32(len(tr.pieces)), unk: -1, pairs: newPairTable(len(tr.merges))}
	for b := range m.byByte {
		m.byByte[b] = uint32(b)
	}
	for rank, p := range tr.merges {
		m.pairs.add(uint32(p>>32), uint32(p), uint32(rank), uint32(256+rank))
	}
	t.model = m
	if err := t.setPattern(cfg.Pattern); err != nil {
		return nil, err
	}
	var added []Added
	for i, s := range cfg.Special {
		added = append(added, Added{ID: uint32(len(tr.pieces) + i), Text: s, Special: true})
	}
	if err := t.setAdded(added); err != nil {
		return nil, err
	}
	t.guessRoles()
	return t, t.setDecoder([]byte(`{"type":"ByteLevel"}`))
}

// TrainBPE learns a SentencePiece BPE vocabulary: <unk>, <s>, </s>, special tokens, bytes, merges, characters. WriteModel
// and WriteJSON write it.
func TrainBPE(ctx context.Context, texts iter.Seq[string], cfg TrainConfig) (*Tokenizer, error) {
	if err := cfg.defaults(); err != nil {
		return nil, err
	}
	words, err := countWords(ctx, texts, cfg.chunks)
	if err != nil {
		return nil, err
	}
	chars := cfg.chars(words)
	m := cfg.base(2)
	merges := cfg.VocabSize - len(m.pieces) - len(chars)
	if merges < 0 {
		return nil, tooSmall(cfg.VocabSize, len(m.pieces)+len(chars))
	}
	ids := make(map[rune]uint32, len(chars))
	for i, r := range chars {
		ids[r] = uint32(i)
	}
	tr := newMergeTrainer(covered(words, chars), func(dst []uint32, w string) []uint32 {
		for _, r := range w {
			dst = append(dst, ids[r])
		}
		return dst
	})
	for _, r := range chars {
		tr.pieces = append(tr.pieces, string(r))
	}
	tr.maxRunes = cfg.MaxPiece
	if err := tr.run(ctx, merges, cfg.Progress); err != nil {
		return nil, err
	}
	for i, p := range slices.Concat(tr.pieces[len(chars):], tr.pieces[:len(chars)]) {
		m.pieces = append(m.pieces, spPiece{strings.ReplaceAll(p, " ", spaceMark), -float32(i), normal})
	}
	return m.build()
}

// base is a model with the pieces that are not learned.
func (c *TrainConfig) base(modelType int) *spModel {
	m := &spModel{modelType: modelType, byteFallback: !c.NoFallback, unk: 0, bos: 1, eos: 2, pad: -1, unkSurface: " \u2047 ",
		addDummyPrefix: c.DummyPrefix, escapeSpace: true}
	m.pieces = []spPiece{{"<unk>", 0, unknown}, {"<s>", 0, control}, {"</s>", 0, control}}
	for _, s := range c.Special {
		m.pieces = append(m.pieces, spPiece{s, 0, control})
	}
	for b := 0; b < 256 && m.byteFallback; b++ {
		m.pieces = append(m.pieces, spPiece{fmt.Sprintf("<0x%02X>", b), 0, byteKind})
	}
	return m
}

// mergeTrainer finds merges: again and again the most frequent pair, the smaller pair of ids among equals.
type mergeTrainer struct {
	pieces   []string
	merges   []uint64 // pairs, in the order learned
	maxRunes int      // 0: no limit
	words    [][]uint32
	counts   []int64
	pairs    map[uint64]*pairStat
	heap     []pairRank
	made     map[string]bool
}

// pairStat is how often a pair stands in the corpus, and in which words (some of them no longer).
type pairStat struct {
	n     int64
	where []int32
}

// pairRank is a pair with the count it had when it was put into the heap.
type pairRank struct {
	n    int64
	pair uint64
}

func (a pairRank) before(b pairRank) bool { return a.n > b.n || a.n == b.n && a.pair < b.pair }

func newMergeTrainer(words []wordCount, symbols func([]uint32, string) []uint32) *mergeTrainer {
	tr := &mergeTrainer{pairs: map[uint64]*pairStat{}, made: map[string]bool{}}
	size := 0
	for _, w := range words {
		size += len(w.text)
	}
	flat := make([]uint32, 0, size)
	for _, w := range words {
		from := len(flat)
		flat = symbols(flat, w.text)
		if len(flat)-from < 2 {
			flat = flat[:from]
			continue
		}
		tr.words = append(tr.words, flat[from:len(flat):len(flat)])
		tr.counts = append(tr.counts, w.n)
	}
	return tr
}

// run learns up to n merges; fewer when no pair stands twice.
func (tr *mergeTrainer) run(ctx context.Context, n int, progress func(done, total int)) error {
	for w, ids := range tr.words {
		for i := range len(ids) - 1 {
			tr.count(pairKey(ids[i], ids[i+1]), tr.counts[w], int32(w))
		}
	}
	for _, pair := range slices.Sorted(maps.Keys(tr.pairs)) {
		tr.push(pairRank{tr.pairs[pair].n, pair})
	}
	for _, p := range tr.pieces {
		tr.made[p] = true
	}
	for len(tr.merges) < n {
		pair, ok := tr.best()
		if !ok {
			break
		}
		tr.merge(pair)
		if len(tr.merges)%256 == 0 {
			progress(len(tr.merges), n)
			if err := ctx.Err(); err != nil {
				return err
			}
		}
	}
	progress(n, n)
	return nil
}

func (tr *mergeTrainer) count(pair uint64, n int64, word int32) {
	p := tr.pairs[pair]
	if p == nil {
		p = &pairStat{}
		tr.pairs[pair] = p
	}
	p.n += n
	if k := len(p.where); n > 0 && (k == 0 || p.where[k-1] != word) {
		p.where = append(p.where, word)
	}
}

// best takes the most frequent pair whose piece is allowed. Counts in the heap may be too high, never too low.
func (tr *mergeTrainer) best() (uint64, bool) {
	for len(tr.heap) > 0 {
		top := tr.pop()
		p := tr.pairs[top.pair]
		switch {
		case p == nil || p.n < 2:
		case p.n != top.n:
			tr.push(pairRank{p.n, top.pair})
		case tr.allowed(top.pair):
			return top.pair, true
		}
	}
	return 0, false
}

// allowed refuses pieces that are too long or already made in another way.
func (tr *mergeTrainer) allowed(pair uint64) bool {
	s := tr.pieces[pair>>32] + tr.pieces[uint32(pair)]
	return !tr.made[s] && (tr.maxRunes == 0 || strings.Count(s, "")-1 <= tr.maxRunes)
}

// merge joins a pair in every word that has it.
func (tr *mergeTrainer) merge(pair uint64) {
	left, right, id := uint32(pair>>32), uint32(pair), uint32(len(tr.pieces))
	s := tr.pieces[left] + tr.pieces[right]
	tr.pieces, tr.merges = append(tr.pieces, s), append(tr.merges, pair)
	tr.made[s] = true
	stat := tr.pairs[pair]
	delete(tr.pairs, pair)
	fresh := map[uint64]bool{}
	for _, w := range stat.where {
		tr.mergeWord(int(w), left, right, id, fresh)
	}
	for _, p := range slices.Sorted(maps.Keys(fresh)) {
		tr.push(pairRank{tr.pairs[p].n, p})
	}
}

func (tr *mergeTrainer) mergeWord(w int, left, right, id uint32, fresh map[uint64]bool) {
	ids, n := tr.words[w], tr.counts[w]
	add := func(pair uint64) {
		tr.count(pair, n, int32(w))
		fresh[pair] = true
	}
	out, joined := ids[:0], false // joined: the last of out was made by the step before
	for i := 0; i < len(ids); i++ {
		if ids[i] != left || i+1 == len(ids) || ids[i+1] != right {
			if joined {
				add(pairKey(id, ids[i]))
			}
			out, joined = append(out, ids[i]), false
			continue
		}
		if k := len(out); k > 0 {
			if !joined {
				tr.drop(pairKey(out[k-1], left), n)
			}
			add(pairKey(out[k-1], id))
		}
		if i+2 < len(ids) {
			tr.drop(pairKey(right, ids[i+2]), n)
		}
		out, joined = append(out, id), true
		i++
	}
	tr.words[w] = out
}

func (tr *mergeTrainer) drop(pair uint64, n int64) {
	if p := tr.pairs[pair]; p != nil {
		p.n -= n
	}
}

func (tr *mergeTrainer) push(r pairRank) {
	tr.heap = append(tr.heap, r)
	for i := len(tr.heap) - 1; i > 0; {
		up := (i - 1) / 2
		if !tr.heap[i].before(tr.heap[up]) {
			break
		}
		tr.heap[i], tr.heap[up] = tr.heap[up], tr.heap[i]
		i = up
	}
}

func (tr *mergeTrainer) pop() pairRank {
	h := tr.heap
	top, last := h[0], len(h)-1
	h[0] = h[last]
	h = h[:last]
	for i := 0; ; {
		c := 2*i + 1
		if c >= len(h) {
			break
		}
		if c+1 < len(h) && h[c+1].before(h[c]) {
			c++
		}
		if !h[c].before(h[i]) {
			break
		}
		h[i], h[c] = h[c], h[i]
		i = c
	}
	tr.heap = h
	return top
}
