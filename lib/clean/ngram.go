package clean

import (
	"fmt"
	"iter"
	"math"
	"sync"
)

// NGram is a language model of sequences of words, trained where it is used. Its perplexity of a text tells how unlike the training
// texts it reads (as CCNet filters: Wenzek et al. 2020, arXiv:1911.00359 §3.4). A word is what [Stats] counts as one: an ideograph is a
// word. Goroutines may share it once it is trained.
//
// The probability of a word behind a history h is (c(hw) + t(h)·p(w|h′)) / (c(h) + t(h)), with c the counts of the training texts, t(h) the
// number of different words behind h, and h′ the history without its first word: Witten and Bell 1991, method C, interpolated. Words
// never seen share the last step's rest.
type NGram struct {
	order  int
	counts map[uint64]gramCount // of sequences of up to order words, by hash; the empty one is 0
	pool   sync.Pool            // of *Stats
}

// gramCount is how often a sequence of words occurred with a word behind it, and how many different ones; and how often it occurred.
type gramCount struct {
	followed, types, seen uint32
}

// maxOrder is the longest sequence that a model counts.
const maxOrder = 6

// TrainNGram counts the sequences of up to order words (1 to 6; 3 and 5 are usual) in texts. Every different sequence takes about
// 40 bytes.
func TrainNGram(texts iter.Seq[string], order int) (*NGram, error) {
	if order < 1 || order > maxOrder {
		return nil, fmt.Errorf("clean: an n-gram model of order %d; 1 to %d are possible", order, maxOrder)
	}
	m := &NGram{order: order, counts: map[uint64]gramCount{}}
	var s Stats
	for text := range texts {
		s.Measure(text)
		for i := range s.Words {
			for n := 1; n <= min(order, i+1); n++ {
				m.count(m.key(&s, i+1-n, n-1), m.key(&s, i+1-n, n))
			}
		}
	}
	if len(m.counts) == 0 {
		return nil, fmt.Errorf("clean: no words to train an n-gram model from")
	}
	return m, nil
}

// key returns the hash of n words from i on. Sequences of different lengths never share one.
func (m *NGram) key(s *Stats, i, n int) uint64 {
	if n == 0 {
		return 0
	}
	return fold(s.gram(i, n), uint64(n)) | 1
}

// count notes the sequence h, and the same with a word behind it.
func (m *NGram) count(h, hw uint64) {
	with := m.counts[hw]
	with.seen++
	m.counts[hw] = with
	history := m.counts[h]
	history.followed++
	if with.seen == 1 {
		history.types++
	}
	m.counts[h] = history
}

// Perplexity returns the model's perplexity of a text: e to the mean of −log p of its words. It is NaN for a text without words.
func (m *NGram) Perplexity(text string) float64 {
	s, ok := m.pool.Get().(*Stats)
	if !ok {
		s = new(Stats)
	}
	defer m.pool.Put(s)
	s.Measure(text)
	sum := 0.0
	for i := range s.Words {
		sum -= math.Log(m.probability(s, i))
	}
	return math.Exp(sum / float64(s.Words))
}

// probability returns that of word i behind the words before it.
func (m *NGram) probability(s *Stats, i int) float64 {
	all := m.counts[0]
	p := 1 / float64(all.types+1) // of one more word than there are
	for n := 1; n <= min(m.order, i+1); n++ {
		h := m.counts[m.key(s, i+1-n, n-1)]
		if h.followed == 0 {
			break
		}
		c := m.counts[m.key(s, i+1-n, n)].seen
		p = (float64(c) + float64(h.types)*p) / float64(h.followed+h.types)
	}
	return p
}

// Rule returns the rule that a text's perplexity is at most max.
func (m *NGram) Rule(name string, max float64) Rule {
	return Score(name, -none, max, "trained from the user's texts", m.Perplexity)
}
