package sample

import (
	"cmp"
	"math"
	"math/bits"
	"slices"

	"quire/lib/infer/grammar"
)

// key orders values descending: a larger value has a larger key, of equal values the smaller number has. No two are equal.
type key uint64

func keyOf(v float32, number uint32) key {
	b := math.Float32bits(v)
	b ^= uint32(int32(b)>>31) | 1<<31
	return key(b)<<32 | key(^number)
}

func (k key) low() uint32 { return ^uint32(k) }

func descending(a, b key) int { return cmp.Compare(b, a) }

// partition moves the keys above a pivot to the front and returns where the pivot then is. len(k) ≥ 3.
func partition(k []key) int {
	lo, mid, hi := 0, len(k)/2, len(k)-1
	if k[mid] > k[lo] {
		k[mid], k[lo] = k[lo], k[mid]
	}
	if k[hi] > k[lo] {
		k[hi], k[lo] = k[lo], k[hi]
	}
	if k[hi] > k[mid] {
		k[hi], k[mid] = k[mid], k[hi]
	}
	pivot := k[mid]
	k[mid], k[hi] = k[hi], pivot
	at := 0
	for i, v := range k[:hi] {
		if v > pivot {
			k[i], k[at] = k[at], v
			at++
		}
	}
	k[at], k[hi] = k[hi], k[at]
	return at
}

const (
	sortBelow  = 24 // fewer keys are sorted
	maxRounds  = 64 // a quickselect that takes longer met a bad order: the rest is sorted
	scanBuffer = 256
)

// selectTop moves the n largest keys to the front, in any order.
func selectTop(k []key, n int) {
	for round := 0; n > 0 && n < len(k); round++ {
		if len(k) <= sortBelow || round == maxRounds {
			slices.SortFunc(k, descending)
			return
		}
		switch at := partition(k); {
		case at >= n:
			k = k[:at]
		default:
			k, n = k[at+1:], n-at-1
		}
	}
}

// reach returns the smallest of the fewest largest keys whose weights add up to goal, or 0 where all do not.
func reach(k []key, weight []float32, goal float64) key {
	sum := 0.0
	if len(k) > sortBelow*sortBelow {
		k, sum = narrow(k, weight, goal)
	}
	for round := 0; len(k) > sortBelow && round < maxRounds; round++ {
		at := partition(k)
		above := sum
		for _, v := range k[:at] {
			above += float64(weight[v.low()])
		}
		if above >= goal {
			k = k[:at]
			continue
		}
		if sum = above + float64(weight[k[at].low()]); sum >= goal {
			return k[at]
		}
		k = k[at+1:]
	}
	slices.SortFunc(k, descending)
	for _, v := range k {
		if sum += float64(weight[v.low()]); sum >= goal {
			return v
		}
	}
	return 0
}

// narrow moves those keys to the front whose leading bits are the ones at which the sum of the largest passes goal, and returns them with the sum of those above: one pass instead of a dozen.
func narrow(k []key, weight []float32, goal float64) (some []key, above float64) {
	const shift = 52
	var sums [1 << (64 - shift)]float64
	for _, v := range k {
		sums[v>>shift] += float64(weight[v.low()])
	}
	at := len(sums) - 1
	for ; at > 0 && above+sums[at] < goal; at-- {
		above += sums[at]
	}
	n := 0
	for i, v := range k {
		if int(v>>shift) == at {
			k[i], k[n] = k[n], v
			n++
		}
	}
	return k[:n], above
}

// topK leaves the n most likely ids that are allowed and finite in ids, ascending, and their keys in order, in no order.
func (w *workspace) topK(l []float32, allow *grammar.Mask, n int) {
	w.order = w.order[:0]
	floor := float32(-math.MaxFloat32)
	room := 2*min(n, len(l)) + scanBuffer
	offer := func(i int, v float32) {
		w.order = append(w.order, keyOf(v, uint32(i)))
		if len(w.order) >= room {
			selectTop(w.order, n)
			w.order = w.order[:n]
			floor = l[slices.Min(w.order).low()]
		}
	}
	if allow == nil {
		for i := next(l, 0, floor); i < len(l); i = next(l, i+1, floor) {
			offer(i, l[i])
		}
	} else {
		for id := range allow.All() {
			if int(id) < len(l) && l[id] >= floor {
				offer(int(id), l[id])
			}
		}
	}
	if len(w.order) > n {
		selectTop(w.order, n)
		w.order = w.order[:n]
	}
	w.ids = w.ids[:0]
	for _, k := range w.order {
		w.ids = append(w.ids, k.low())
	}
	slices.Sort(w.ids)
}

// allowed leaves the allowed ids in ids, ascending.
func (w *workspace) allowed(l []float32, allow *grammar.Mask) {
	w.ids = w.ids[:0]
	for id := range allow.All() {
		if int(id) < len(l) {
			w.ids = append(w.ids, id)
		}
	}
}

// masked is l with −∞ where allow has no id.
func (w *workspace) masked(l []float32, allow *grammar.Mask) []float32 {
	l = w.own(l)
	words := allow.Words()
	for lo := 0; lo < len(l); lo += 64 {
		banned := ^uint64(0)
		if lo/64 < len(words) {
			banned = ^words[lo/64]
		}
		for part := l[lo:min(lo+64, len(l))]; banned != 0; banned &= banned - 1 {
			if i := bits.TrailingZeros64(banned); i < len(part) {
				part[i] = never
			}
		}
	}
	return l
}
