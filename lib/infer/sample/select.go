package sample

import (
	"cmp"
	"math"
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
		for i, v := range l {
			if v >= floor {
				offer(i, v)
			}
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

// allowed leaves every id that is allowed and finite in ids, ascending.
func (w *workspace) allowed(l []float32, allow *grammar.Mask) {
	w.ids = w.ids[:0]
	if allow != nil {
		for id := range allow.All() {
			if int(id) < len(l) && l[id] >= -math.MaxFloat32 {
				w.ids = append(w.ids, id)
			}
		}
		return
	}
	for i, v := range l {
		if v >= -math.MaxFloat32 {
			w.ids = append(w.ids, uint32(i))
		}
	}
}
