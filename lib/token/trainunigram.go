package token

import (
	"cmp"
	"context"
	"iter"
	"math"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
)

// TrainUnigram learns a SentencePiece Unigram vocabulary (Kudo 2018, §3): many frequent substrings, expectation
// maximisation, and pruning of those whose loss hurts least. WriteModel and WriteJSON write it.
func TrainUnigram(ctx context.Context, texts iter.Seq[string], cfg TrainConfig) (*Tokenizer, error) {
	if err := cfg.defaults(); err != nil {
		return nil, err
	}
	words, err := countWords(ctx, texts, cfg.chunks)
	if err != nil {
		return nil, err
	}
	chars := cfg.chars(words)
	m := cfg.base(1)
	want := cfg.VocabSize - len(m.pieces)
	if want < len(chars) {
		return nil, tooSmall(cfg.VocabSize, len(m.pieces)+len(chars))
	}
	tr := &unigramTrainer{words: covered(words, chars)}
	tr.seed(chars, cfg.SeedSize, cfg.MaxPiece)
	if err := tr.run(ctx, &cfg, want*11/10); err != nil {
		return nil, err
	}
	for _, p := range tr.final(chars, want) {
		m.pieces = append(m.pieces, spPiece{strings.ReplaceAll(p.text, " ", spaceMark), float32(p.score), normal})
	}
	return m.build()
}

type unigramTrainer struct {
	words  []wordCount
	pieces []scoredPiece
}

type scoredPiece struct {
	text  string
	score float64 // while seeding: frequency; then natural logarithm of the probability
}

// run alternates EM and pruning until at most size pieces are left.
func (tr *unigramTrainer) run(ctx context.Context, cfg *TrainConfig, size int) error {
	rounds := 1
	for n := float64(len(tr.pieces)); n > float64(size); n *= cfg.ShrinkFactor {
		rounds++
	}
	for round := 0; ; round++ {
		for range cfg.Iterations {
			tr.step()
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		cfg.Progress(min(round+1, rounds), rounds)
		if len(tr.pieces) <= size || !tr.prune(max(size, int(cfg.ShrinkFactor*float64(len(tr.pieces))))) {
			return nil
		}
	}
}

// shards is how many parts the words are split into. Sums are formed for each part and added in order: so the number of
// cores doesn't change a bit of the result.
const shards = 16

// sharded calls f for every part of the words and adds up the vectors that f fills.
func (tr *unigramTrainer) sharded(f func(words []wordCount, sum []float64)) []float64 {
	sums := make([][]float64, shards)
	var wg sync.WaitGroup
	gate := make(chan struct{}, max(1, min(shards, cores())))
	for i := range shards {
		gate <- struct{}{}
		wg.Go(func() {
			sums[i] = make([]float64, len(tr.pieces))
			f(tr.words[i*len(tr.words)/shards:(i+1)*len(tr.words)/shards], sums[i])
			<-gate
		})
	}
	wg.Wait()
	for _, s := range sums[1:] {
		for k, x := range s {
			sums[0][k] += x
		}
	}
	return sums[0]
}

func (tr *unigramTrainer) trie() *trie {
	size := 0
	for _, p := range tr.pieces {
		size += len(p.text)
	}
	t := newTrie(size)
	for i, p := range tr.pieces {
		t.add(p.text, uint32(i))
	}
	return t
}

// edge is a piece that stands at from to to in a word.
type edge struct {
	from, to int32
	id       uint32
}

// edges finds all pieces in a word, by their beginnings.
func (t *trie) edges(dst []edge, s string) []edge {
	for i := range s {
		node := uint32(0)
		for j := i; j < len(s); j++ {
			var ok bool
			if node, ok = t.step(node, s[j]); !ok {
				break
			}
			if id := t.value[node]; id != noSymbol {
				dst = append(dst, edge{int32(i), int32(j + 1), id})
			}
		}
	}
	return dst
}

// step is one round of EM: expected counts of every piece, then scores with a Dirichlet prior that favours few pieces;
// pieces expected less than half a time are dropped, single characters excepted.
func (tr *unigramTrainer) step() {
	t := tr.trie()
	expected := tr.sharded(func(words []wordCount, sum []float64) {
		var g forwardBackward
		for _, w := range words {
			g.expect(tr.pieces, t.edges(g.edges[:0], w.text), w, sum)
		}
	})
	kept := tr.pieces[:0]
	total := 0.0
	for i, p := range tr.pieces {
		if n := utf8.RuneCountInString(p.text); expected[i] >= 0.5 || n == 1 {
			p.score = max(expected[i], 0.5)
			total += p.score
			kept = append(kept, p)
		}
	}
	tr.pieces = kept
	norm := digamma(total)
	for i := range tr.pieces {
		tr.pieces[i].score = digamma(tr.pieces[i].score) - norm
	}
}

// forwardBackward is the scratch of one E-step.
type forwardBackward struct {
	edges       []edge
	alpha, beta []float64
}

func (g *forwardBackward) expect(pieces []scoredPiece, edges []edge, w wordCount, sum []float64) {
	g.edges = edges
	n := len(w.text)
	g.alpha, g.beta = slices.Grow(g.alpha[:0], n+1)[:n+1], slices.Grow(g.beta[:0], n+1)[:n+1]
	for i := range n + 1 {
		g.alpha[i], g.beta[i] = math.Inf(-1), math.Inf(-1)
	}
	g.alpha[0], g.beta[n] = 0, 0
	for _, e := range edges {
		g.alpha[e.to] = logAdd(g.alpha[e.to], g.alpha[e.from]+pieces[e.id].score)
	}
	for _, e := range slices.Backward(edges) {
		g.beta[e.from] = logAdd(g.beta[e.from], g.beta[e.to]+pieces[e.id].score)
	}
	all := g.alpha[n]
	if math.IsInf(all, 0) {
		return
	}
	for _, e := range edges {
		if p := g.alpha[e.from] + pieces[e.id].score + g.beta[e.to] - all; p > -40 {
			sum[e.id] += float64(w.n) * math.Exp(p)
		}
	}
}

func logAdd(a, b float64) float64 {
	if a < b {
		a, b = b, a
	}
	if b-a < -40 {
		return a
	}
	return a + math.Log1p(math.Exp(b-a))
}

// digamma is the derivative of log Γ: recurrence up to 7, then the asymptotic series (Abramowitz and Stegun 6.3.5, 6.3.18).
func digamma(x float64) float64 {
	r := 0.0
	for ; x < 7; x++ {
		r -= 1 / x
	}
	x -= 0.5
	xx := 1 / x / x
	return r + math.Log(x) + xx/24 - 7*xx*xx/960 + 31*xx*xx*xx/8064 - 127*xx*xx*xx*xx/30720
}

// prune keeps at most size pieces: single characters, and those whose removal would cost the corpus most likelihood. It
// reports whether it dropped any.
func (tr *unigramTrainer) prune(size int) bool {
	t := tr.trie()
	used := tr.sharded(func(words []wordCount, sum []float64) {
		var v bestPath
		for _, w := range words {
			for _, id := range v.find(tr.pieces, t, w.text, false) {
				sum[id] += float64(w.n)
			}
		}
	})
	loss := tr.losses(t, used)
	order := make([]int, 0, len(tr.pieces))
	for i := range tr.pieces {
		if !math.IsInf(loss[i], -1) {
			order = append(order, i)
		}
	}
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(loss[b], loss[a]), strings.Compare(tr.pieces[a].text, tr.pieces[b].text))
	})
	before := len(tr.pieces)
	order = order[:min(len(order), size)]
	slices.Sort(order)
	kept := make([]scoredPiece, 0, len(order))
	for _, i := range order {
		kept = append(kept, tr.pieces[i])
	}
	tr.pieces = kept
	return len(kept) < before
}

// losses is what the likelihood of the corpus loses without each piece: +Inf for single characters, -Inf for pieces that
// are never used or better written as others.
func (tr *unigramTrainer) losses(t *trie, used []float64) []float64 {
	total := 0.0
	for _, x := range used {
		total += x
	}
	loss := make([]float64, len(tr.pieces))
	var v bestPath
	for i, p := range tr.pieces {
		if utf8.RuneCountInString(p.text) == 1 {
			loss[i] = math.Inf(1)
			continue
		}
		other := v.find(tr.pieces, t, p.text, true)
		if used[i] == 0 || len(other) == 0 || v.score >= p.score {
			loss[i] = math.Inf(-1)
			continue
		}
		without := math.Log(total + used[i]*float64(len(other)-1))
		alternative := 0.0
		for _, id := range other {
			alternative += math.Log(used[id]+used[i]) - without
		}
		loss[i] = used[i] * (math.Log(used[i]) - math.Log(total) - alternative)
	}
	return loss
}

// bestPath is the scratch of Viterbi over a word.
type bestPath struct {
	edges []edge
	best  []edge
	sum   []float64
	ids   []uint32
	score float64
}

// find returns the best pieces of s, from its end; proper leaves out s itself as a piece. The slice is reused.
func (v *bestPath) find(pieces []scoredPiece, t *trie, s string, proper bool) []uint32 {
	n := len(s)
	v.edges = t.edges(v.edges[:0], s)
	v.sum, v.best = slices.Grow(v.sum[:0], n+1)[:n+1], slices.Grow(v.best[:0], n+1)[:n+1]
	for i := range v.sum {
		v.sum[i] = math.Inf(-1)
	}
	v.sum[0] = 0
	for _, e := range v.edges {
		if proper && e.from == 0 && int(e.to) == n {
			continue
		}
		if x := v.sum[e.from] + pieces[e.id].score; x > v.sum[e.to] {
			v.sum[e.to], v.best[e.to] = x, e
		}
	}
	v.ids, v.score = v.ids[:0], v.sum[n]
	if math.IsInf(v.score, -1) {
		return nil
	}
	for end := int32(n); end > 0; end = v.best[end].from {
		v.ids = append(v.ids, v.best[end].id)
	}
	return v.ids
}

// final picks n pieces: all characters, then the most probable. The order is by probability.
func (tr *unigramTrainer) final(chars []rune, n int) []scoredPiece {
	need := make(map[string]bool, len(chars))
	for _, r := range chars {
		need[string(r)] = true
	}
	byScore := func(a, b scoredPiece) int {
		return cmp.Or(cmp.Compare(b.score, a.score), strings.Compare(a.text, b.text))
	}
	list := slices.Clone(tr.pieces)
	slices.SortFunc(list, byScore)
	room := n - len(need)
	out := make([]scoredPiece, 0, n)
	for _, p := range list {
		switch {
		case need[p.text]:
			delete(need, p.text)
			out = append(out, p)
		case room > 0:
			room--
			out = append(out, p)
		}
	}
	return out
}
