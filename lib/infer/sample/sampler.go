package sample

import (
	"fmt"
	"slices"

	"quire/lib/infer/grammar"
)

// None is the id of a Choice where the mask allows nothing.
const None = ^uint32(0)

// TokenProb is an id with the logarithm of its probability.
type TokenProb struct {
	ID      uint32
	LogProb float32
}

// Choice is the next token. LogProb and Top are of the model's own distribution, before every stage (OpenAI's API), and
// are filled when Params asks for them. Top is the Sampler's until its next call.
type Choice struct {
	ID      uint32
	LogProb float32
	Top     []TokenProb
}

// Sampler picks the tokens of one request. It remembers nothing between two calls. Not for use by two goroutines.
type Sampler struct {
	p     Params
	vocab int
	bias  []TokenProb
	top   []TokenProb
}

// New makes the sampler of one request. It fails if p is not valid or names an id outside of the vocabulary.
func New(p Params, vocab int) (*Sampler, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	if err := p.validateIDs(vocab); err != nil {
		return nil, err
	}
	s := &Sampler{p: p, vocab: vocab}
	for id, b := range p.LogitBias {
		s.bias = append(s.bias, TokenProb{id, b})
	}
	slices.SortFunc(s.bias, func(a, b TokenProb) int { return int(a.ID) - int(b.ID) })
	return s, nil
}

// Params returns what the sampler was made of.
func (s *Sampler) Params() Params { return s.p }

// Pick returns the next token. history is the prompt and what was generated; allow may be nil. logits are not changed; NaN
// counts as −∞. Where all that allow leaves is banned or −∞, its lowest id is picked; where it is empty, None.
func (s *Sampler) Pick(logits []float32, history []uint32, allow *grammar.Mask) Choice {
	s.check(logits)
	w := acquire()
	defer release(w)
	l := s.process(w, logits, history)
	var c Choice
	if s.p.greedy() {
		c.ID = argmax(l, allow)
	} else if total := s.filter(w, l, allow); total > 0 {
		c.ID = w.draw(total * s.Uniform(len(history), 0))
	} else {
		c.ID = argmax(l, allow)
	}
	if (s.p.LogProbs || s.p.TopLogProbs > 0) && c.ID != None {
		lse := w.logSumExp(logits)
		c.LogProb = float32(float64(logits[c.ID]) - lse)
		c.Top = s.best(w, logits, nil, lse, s.p.TopLogProbs)
	}
	return c
}

// Probs writes the distribution that Pick draws from to dst, which has the length of logits: the target and draft
// distributions of speculative sampling. It is all zero where allow is empty.
func (s *Sampler) Probs(dst, logits []float32, history []uint32, allow *grammar.Mask) {
	s.check(logits)
	if len(dst) != len(logits) {
		panic(fmt.Sprintf("sample: Probs: dst has %d values and logits %d", len(dst), len(logits)))
	}
	w := acquire()
	defer release(w)
	l := s.process(w, logits, history)
	total := 0.0
	if !s.p.greedy() {
		total = s.filter(w, l, allow)
	}
	if total == 0 {
		id := argmax(l, allow)
		clear(dst)
		if id != None {
			dst[id] = 1
		}
		return
	}
	if w.all {
		for i, v := range w.weight {
			dst[i] = float32(float64(v) / total)
		}
		return
	}
	clear(dst)
	for i, id := range w.ids {
		dst[id] = float32(float64(w.weight[i]) / total)
	}
}

// Best returns the n most likely ids after stages 1 to 5, best first, of equals the lowest id: what beam search extends a
// beam by. Their probabilities are normalised before bans and mask, as Hugging Face's beam search has them. The result is
// the Sampler's until its next call; it is shorter than n where less is allowed.
func (s *Sampler) Best(logits []float32, history []uint32, allow *grammar.Mask, n int) []TokenProb {
	s.check(logits)
	w := acquire()
	defer release(w)
	l := s.adjust(w, logits, history)
	lse := w.logSumExp(l)
	return s.best(w, s.ban(w, l, history), allow, lse, n)
}

// Summary returns the most likely id of a row, the lowest of equals, and ln Σ eˡ, with which a logit becomes a log-probability.
func Summary(logits []float32) (best uint32, logSum float64) {
	w := acquire()
	defer release(w)
	return argmax(logits, nil), w.logSumExp(logits)
}

// Verify decides over a token that was drafted at position len(history) with probabilities draft, given the target's
// (Leviathan et al. 2023, arXiv:2211.17192 §2.3): the result is distributed as target whatever draft is. Where the token is
// not accepted, id is the one to take instead and what was drafted after it is void.
func (s *Sampler) Verify(target, draft []float32, drafted uint32, position int) (id uint32, accepted bool) {
	if s.Uniform(position, 1)*float64(draft[drafted]) < float64(target[drafted]) {
		return drafted, true
	}
	total := 0.0
	for i, p := range target {
		total += float64(max(0, p-draft[i]))
	}
	if total == 0 {
		return Draw(target, s.Uniform(position, 2)), false
	}
	at, last := total*s.Uniform(position, 2), None
	for i, p := range target {
		if d := float64(max(0, p-draft[i])); d > 0 {
			if last = uint32(i); at < d {
				break
			}
			at -= d
		}
	}
	return last, false
}

// Draw returns the first id at which the sum of probs passes u, a number of [0, 1): None where all are zero.
func Draw(probs []float32, u float64) uint32 {
	total := 0.0
	for _, p := range probs {
		total += float64(p)
	}
	at, last := total*u, None
	for i, p := range probs {
		if p > 0 {
			if last = uint32(i); at < float64(p) {
				break
			}
			at -= float64(p)
		}
	}
	return last
}

// Uniform returns the random number of [0, 1) of a position of the text, one a stream: Pick uses stream 0, Verify 1 and 2.
func (s *Sampler) Uniform(position int, stream uint64) float64 {
	x := mix(mix(s.p.Seed+golden)+uint64(position)*golden) + stream*golden
	return float64(mix(x)>>11) * 0x1p-53
}

const golden = 0x9e3779b97f4a7c15 // 2⁶⁴ divided by the golden ratio

// mix is the finaliser of SplitMix64 (Steele, Lea, Flood 2014).
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func (s *Sampler) check(logits []float32) {
	if len(logits) != s.vocab {
		panic(fmt.Sprintf("sample: %d logits: the sampler was made for %d", len(logits), s.vocab))
	}
}

// best ranks the ids that allow has and gives them the log-probabilities that lse makes of their logits.
func (s *Sampler) best(w *workspace, logits []float32, allow *grammar.Mask, lse float64, n int) []TokenProb {
	s.top = s.top[:0]
	if n == 0 {
		return nil
	}
	w.topK(logits, allow, n)
	slices.SortFunc(w.order[:len(w.ids)], descending)
	for _, k := range w.order[:len(w.ids)] {
		id := k.low()
		s.top = append(s.top, TokenProb{id, float32(float64(logits[id]) - lse)})
	}
	return s.top
}

// argmax is the allowed id of the largest logit, of equals the lowest; where none is above −∞ the lowest id, or None.
func argmax(l []float32, allow *grammar.Mask) uint32 {
	best, top, first := None, never, None
	if allow == nil {
		if first, top = 0, largest(l); top > never {
			best = uint32(next(l, 0, top))
		}
	} else {
		for id := range allow.All() {
			if int(id) >= len(l) {
				break
			}
			if first == None {
				first = id
			}
			if l[id] > top {
				best, top = id, l[id]
			}
		}
	}
	if best == None {
		return first
	}
	return best
}
