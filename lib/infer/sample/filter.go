package sample

import (
	"math"
	"slices"
	"sync"

	"quire/lib/infer/grammar"
)

// workspace is the scratch of one call. weight are proportional to probabilities, the most likely id's being 1: of every id of the vocabulary, where all is set, else of ids, which ascend.
type workspace struct {
	all    bool
	ids    []uint32
	weight []float32
	sums   []float64 // of weight, block by block
	score  []float32
	order  []key
	part   [block]float32

	logits []float32 // stages 1 to 5 change this copy
	counts []uint32  // of history by id; all zero between two calls
}

// spare holds workspaces of no use at the moment: as many as calls ran at the same time.
var spare struct {
	sync.Mutex
	list []*workspace
}

func acquire() *workspace {
	spare.Lock()
	defer spare.Unlock()
	if n := len(spare.list); n > 0 {
		w := spare.list[n-1]
		spare.list = spare.list[:n-1]
		return w
	}
	return new(workspace)
}

func release(w *workspace) {
	spare.Lock()
	defer spare.Unlock()
	spare.list = append(spare.list, w)
}

// few is which part of the vocabulary a mask may allow for its ids to be taken one by one.
const few = 16

// filter leaves the weights of what stages 5 to 10 leave in w and returns their sum; 0 where nothing is left.
func (s *Sampler) filter(w *workspace, l []float32, allow *grammar.Mask) float64 {
	w.all = false
	switch k := s.p.TopK; {
	case k > 0 && k < len(l):
		w.topK(l, allow, k)
	case allow != nil && allow.Count() < len(l)/few:
		w.allowed(l, allow)
	case allow != nil:
		l, w.all = w.masked(l, allow), true
	default:
		w.all = true
	}
	total, top := w.weigh(l, s.p.Temperature)
	if total == 0 {
		return 0
	}
	if p := s.p.TopP; p > 0 && p < 1 {
		total = w.nucleus(total, float64(p))
	}
	if p := s.p.MinP; p > 0 {
		total = w.sift(min(p, 1))
	}
	if p := s.p.TypicalP; p > 0 && p < 1 {
		total = w.typical(l, top, 1/s.p.Temperature, total, float64(p))
	}
	return total
}

// weigh sets the weights at a temperature and returns their sum and the largest logit; 0 where none is above −∞.
func (w *workspace) weigh(l []float32, temperature float32) (total float64, top float32) {
	n := len(l)
	if !w.all {
		n = len(w.ids)
	}
	w.weight = slices.Grow(w.weight[:0], n)[:n]
	if !w.all {
		for i, id := range w.ids {
			w.weight[i] = l[id]
		}
		l = w.weight
	}
	if top = min(largest(l), math.MaxFloat32); top == never {
		return 0, top
	}
	w.sums = w.sums[:0]
	for lo := 0; lo < n; lo += block {
		hi := min(lo+block, n)
		sum := expBlock(w.weight[lo:hi], l[lo:hi], top, 1/temperature)
		w.sums = append(w.sums, sum)
		total += sum
	}
	return total, top
}

// sift drops the ids whose weight is below least, a positive number, and returns the sum of the weights that stay.
func (w *workspace) sift(least float32) (total float64) {
	if w.all {
		w.ids = w.ids[:0]
	}
	n := 0
	for i := next(w.weight, 0, least); i < len(w.weight); i = next(w.weight, i+1, least) {
		if w.all {
			w.ids = append(w.ids, uint32(i))
		} else {
			w.ids[n] = w.ids[i]
		}
		w.weight[n] = w.weight[i]
		total += float64(w.weight[n])
		n++
	}
	w.all, w.ids, w.weight = false, w.ids[:n], w.weight[:n]
	return total
}

// nucleus is top-p. Ids so unlikely that all of them together are less than what is cut away need no ranking.
func (w *workspace) nucleus(total, p float64) float64 {
	w.sift(max(float32((1-p)*total/float64(len(w.weight))), math.SmallestNonzeroFloat32))
	w.order = w.order[:0]
	for i, v := range w.weight {
		w.order = append(w.order, keyOf(v, uint32(i)))
	}
	return w.keep(w.weight, reach(w.order, w.weight, p*total))
}

// typical keeps the ids whose surprise −ln p is nearest to its mean, the entropy, until they add up to p; equals of the
// last one stay, as Hugging Face's TypicalLogitsWarper has it.
func (w *workspace) typical(l []float32, top, inv float32, total, p float64) float64 {
	w.sift(math.SmallestNonzeroFloat32)
	entropy, whole := 0.0, math.Log(total)
	w.score = slices.Grow(w.score[:0], len(w.ids))[:len(w.ids)]
	for i, v := range w.weight {
		surprise := whole - float64(tempered(l[w.ids[i]], top, inv))
		entropy += float64(v) * surprise
		w.score[i] = float32(surprise)
	}
	entropy /= total
	w.order = w.order[:0]
	for i, v := range w.score {
		w.score[i] = -float32(math.Abs(float64(v) - entropy))
		w.order = append(w.order, keyOf(w.score[i], uint32(i)))
	}
	last := reach(w.order, w.weight, p*total)
	return w.keep(w.score, last&^math.MaxUint32)
}

// keep drops the ids whose score ranks below last and returns the sum of the weights that stay.
func (w *workspace) keep(score []float32, last key) (total float64) {
	n := 0
	for i, id := range w.ids {
		if keyOf(score[i], uint32(i)) >= last {
			w.ids[n], w.weight[n] = id, w.weight[i]
			total += float64(w.weight[n])
			n++
		}
	}
	w.ids, w.weight = w.ids[:n], w.weight[:n]
	return total
}

// draw returns the first id at which the sum of weights passes at: the last one where rounding keeps it from doing so.
func (w *workspace) draw(at float64) uint32 {
	i := 0
	for b := 0; w.all && b < len(w.sums) && at >= w.sums[b]; b++ {
		at -= w.sums[b]
		i += block
	}
	for i < len(w.weight) && !(at < float64(w.weight[i])) {
		at -= float64(w.weight[i])
		i++
	}
	for i = min(i, len(w.weight)-1); w.weight[i] == 0; i-- {
	}
	if w.all {
		return uint32(i)
	}
	return w.ids[i]
}
