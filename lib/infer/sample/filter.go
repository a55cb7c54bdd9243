package sample

import (
	"math"
	"slices"
	"sync"

	"quire/lib/infer/grammar"
)

// workspace is the scratch of one call: ids in ascending order with their weights, proportional to probabilities, the most
// likely id's being 1.
type workspace struct {
	ids    []uint32
	weight []float32
	score  []float32
	order  []key

	logits []float32 // stages 1 to 4 change this copy
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

// filter leaves what stages 5 to 10 leave in w.ids with weights and returns the sum of those; 0 where nothing is left.
func (s *Sampler) filter(w *workspace, l []float32, allow *grammar.Mask) (total float64) {
	if k := s.p.TopK; k > 0 && k < len(l) {
		w.topK(l, allow, k)
	} else {
		w.allowed(l, allow)
	}
	if len(w.ids) == 0 {
		return 0
	}
	total = w.weigh(l, s.p.Temperature)
	if p := s.p.TopP; p > 0 && p < 1 {
		total = w.nucleus(total, float64(p))
	}
	if p := s.p.MinP; p > 0 {
		total = w.keep(w.weight, keyOf(min(p, 1), math.MaxUint32))
	}
	if p := s.p.TypicalP; p > 0 && p < 1 {
		total = w.typical(total, float64(p))
	}
	return total
}

// weigh sets the weights of ids at a temperature and drops those that underflow.
func (w *workspace) weigh(l []float32, temperature float32) (total float64) {
	top := l[w.ids[0]]
	for _, id := range w.ids {
		top = max(top, l[id])
	}
	top = min(top, math.MaxFloat32)
	inv := 1 / temperature
	w.weight = slices.Grow(w.weight[:0], len(w.ids))[:len(w.ids)]
	for i, id := range w.ids {
		w.weight[i] = tempered(l[id], top, inv)
	}
	expAll(w.weight)
	n := 0
	for i, v := range w.weight {
		w.ids[n], w.weight[n] = w.ids[i], v
		total += float64(v)
		if v > 0 {
			n++
		}
	}
	w.ids, w.weight = w.ids[:n], w.weight[:n]
	return total
}

// tempered is (v−top)·inv, 0 at the top even where inv is infinite.
func tempered(v, top, inv float32) float32 {
	if v >= top {
		return 0
	}
	return (v - top) * inv
}

// nucleus is top-p. Ids so unlikely that all of them together are less than what is cut away need no ranking.
func (w *workspace) nucleus(total, p float64) float64 {
	floor := float32((1 - p) * total / float64(len(w.ids)))
	w.order = w.order[:0]
	for i, v := range w.weight {
		if v >= floor {
			w.order = append(w.order, keyOf(v, uint32(i)))
		}
	}
	return w.keep(w.weight, reach(w.order, w.weight, p*total))
}

// typical keeps the ids whose surprise −ln p is nearest to its mean, the entropy, until they add up to p; equals of the
// last one stay, as Hugging Face's TypicalLogitsWarper has it.
func (w *workspace) typical(total, p float64) float64 {
	entropy := 0.0
	w.score = slices.Grow(w.score[:0], len(w.ids))[:len(w.ids)]
	for i, v := range w.weight {
		surprise := math.Log(total / float64(v))
		entropy += float64(v) / total * surprise
		w.score[i] = float32(surprise)
	}
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

// draw returns the first id at which the sum of weights passes at.
func (w *workspace) draw(at float64) uint32 {
	for i, v := range w.weight {
		if at -= float64(v); at < 0 {
			return w.ids[i]
		}
	}
	return w.ids[len(w.ids)-1]
}
