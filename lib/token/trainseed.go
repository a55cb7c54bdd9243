package token

import (
	"cmp"
	"math"
	"runtime"
	"slices"
	"strings"
)

func cores() int { return runtime.GOMAXPROCS(0) }

// seed begins with all characters and the substrings that stand at least twice, the best by frequency times length.
// Substrings come from sorted suffixes: neighbours that share a prefix of n characters make one, and it is taken only
// where it cannot be made longer to the right without losing an occurrence.
func (tr *unigramTrainer) seed(chars []rune, size, maxRunes int) {
	flat, at, weight := tr.suffixes()
	sortSuffixes(flat, at, maxRunes)
	var found []scoredPiece
	type open struct {
		runes int
		n     int64
	}
	var stack []open
	closeTo := func(i, depth int) (carried int64) {
		for len(stack) > 0 && stack[len(stack)-1].runes > depth {
			top := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			top.n += carried
			if carried = top.n; top.runes > 1 && top.n > 1 {
				p := at[i]
				found = append(found, scoredPiece{string(flat[p : int(p)+top.runes]), float64(top.n)})
			}
		}
		return carried
	}
	for i := range at {
		shared := 0
		if i+1 < len(at) {
			shared = sharedRunes(flat, at[i], at[i+1], maxRunes)
		}
		own := weight(at[i])
		if len(stack) == 0 || stack[len(stack)-1].runes < shared {
			stack = append(stack, open{shared, own})
			continue
		}
		stack[len(stack)-1].n += own
		if carried := closeTo(i, shared); carried > 0 {
			if len(stack) > 0 && stack[len(stack)-1].runes == shared {
				stack[len(stack)-1].n += carried
			} else {
				stack = append(stack, open{shared, carried})
			}
		}
	}
	tr.pieces = bestSeeds(found, tr.charCounts(chars), size)
	tr.logarithms()
}

// suffixes are all words as characters, each ended by 0, the places where a suffix begins, and how often one stands.
func (tr *unigramTrainer) suffixes() (flat []rune, at []int32, weight func(int32) int64) {
	var owner []int32
	for w, word := range tr.words {
		for _, r := range word.text {
			at = append(at, int32(len(flat)))
			flat, owner = append(flat, r), append(owner, int32(w))
		}
		flat, owner = append(flat, 0), append(owner, int32(w))
	}
	return flat, at, func(p int32) int64 { return tr.words[owner[p]].n }
}

// sortSuffixes sorts by up to n characters, in parallel by the first.
func sortSuffixes(flat []rune, at []int32, n int) {
	slices.SortFunc(at, func(a, b int32) int { return cmp.Compare(flat[a], flat[b]) })
	var groups [][]int32
	for from := 0; from < len(at); {
		to := from + 1
		for to < len(at) && flat[at[to]] == flat[at[from]] {
			to++
		}
		groups = append(groups, at[from:to])
		from = to
	}
	gate := make(chan struct{}, cores())
	for _, g := range groups {
		gate <- struct{}{}
		go func() {
			slices.SortFunc(g, func(a, b int32) int {
				for k := range int32(n) {
					if x, y := flat[a+k], flat[b+k]; x != y || x == 0 {
						return cmp.Compare(x, y)
					}
				}
				return 0
			})
			<-gate
		}()
	}
	for range cap(gate) {
		gate <- struct{}{}
	}
}

func sharedRunes(flat []rune, a, b int32, n int) int {
	for k := range n {
		if x := flat[int(a)+k]; x == 0 || x != flat[int(b)+k] {
			return k
		}
	}
	return n
}

func (tr *unigramTrainer) charCounts(chars []rune) []scoredPiece {
	count := make(map[rune]float64, len(chars))
	for _, w := range tr.words {
		for _, r := range w.text {
			count[r] += float64(w.n)
		}
	}
	out := make([]scoredPiece, len(chars))
	for i, r := range chars {
		out[i] = scoredPiece{string(r), count[r]}
	}
	return out
}

// logarithms turns frequencies into log probabilities.
func (tr *unigramTrainer) logarithms() {
	total := 0.0
	for _, p := range tr.pieces {
		total += p.score
	}
	for i := range tr.pieces {
		tr.pieces[i].score = math.Log(tr.pieces[i].score / total)
	}
}

// bestSeeds adds the best of found to the characters.
func bestSeeds(found, chars []scoredPiece, size int) []scoredPiece {
	slices.SortFunc(found, func(a, b scoredPiece) int {
		return cmp.Or(cmp.Compare(b.score*float64(len(b.text)), a.score*float64(len(a.text))), strings.Compare(a.text, b.text))
	})
	return append(chars, found[:min(len(found), max(0, size-len(chars)))]...)
}
