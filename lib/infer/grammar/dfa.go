package grammar

import (
	"encoding/binary"
	"fmt"
	"slices"
	"unicode/utf8"
)

// dfa is a deterministic automaton over characters: what patterns, formats and sets of names are before they become nodes.
// It is complete: every state has a way on for every character.
type dfa struct {
	bounds  []rune // class i is the characters bounds[i] to bounds[i+1]-1; bounds[0] is 0
	trans   [][]int32
	accepts []bool
}

// Bounds of a dfa: (a|b)*a(a|b){n} has 2ⁿ states.
const (
	maxStates = 1 << 14
	maxTable  = 1 << 21 // transitions
	maxWork   = 1 << 30 // transitions times what one costs
)

// explore makes the dfa of all states that can be reached from start. key tells states apart, step gives the state after
// the first character of a class, at a cost of so many operations.
func explore[S any](bounds []rune, cost int, start S, key func(S) string, step func(S, rune) S, accepts func(S) bool) (*dfa, error) {
	d := &dfa{bounds: bounds}
	index := map[string]int32{}
	var todo []S
	number := func(s S) int32 {
		k := key(s)
		id, ok := index[k]
		if !ok {
			id = int32(len(index))
			index[k] = id
			todo = append(todo, s)
			d.accepts = append(d.accepts, accepts(s))
		}
		return id
	}
	number(start)
	for i := 0; i < len(todo); i++ {
		if n := len(index); n > maxStates || n*len(bounds) > min(maxTable, maxWork/cost) {
			return nil, fmt.Errorf("it is too complex: more than %d states of %d classes of characters", n-1, len(bounds))
		}
		row := make([]int32, len(bounds))
		for c, r := range bounds {
			row[c] = number(step(todo[i], r))
		}
		d.trans = append(d.trans, row)
	}
	return d, nil
}

func (d *dfa) class(r rune) int {
	i, found := slices.BinarySearch(d.bounds, r)
	if !found {
		i--
	}
	return i
}

// not accepts what d does not.
func (d *dfa) not() *dfa {
	n := *d
	n.accepts = slices.Clone(d.accepts)
	for i := range n.accepts {
		n.accepts[i] = !n.accepts[i]
	}
	return &n
}

// and accepts what both do.
func (d *dfa) and(e *dfa) (*dfa, error) {
	bounds := slices.Concat(d.bounds, e.bounds)
	slices.Sort(bounds)
	type pair struct{ d, e int32 }
	return explore(slices.Compact(bounds), 1, pair{},
		func(p pair) string { return string(pairKey(p.d, p.e)) },
		func(p pair, r rune) pair { return pair{d.trans[p.d][d.class(r)], e.trans[p.e][e.class(r)]} },
		func(p pair) bool { return d.accepts[p.d] && e.accepts[p.e] })
}

func pairKey(a, b int32) []byte {
	return binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, uint32(a)), uint32(b))
}

// lengths accepts texts of lo to hi characters, hi −1 for no end.
func lengths(lo, hi int) (*dfa, error) {
	top := max(lo, hi+1)
	return explore([]rune{0}, 1, 0,
		func(n int) string { return string(pairKey(int32(n), 0)) },
		func(n int, _ rune) int { return min(n+1, top) },
		func(n int) bool { return n >= lo && (hi < 0 || n <= hi) })
}

// words accepts the given texts.
func words(list []string) (*dfa, error) {
	bounds := []rune{0}
	for _, w := range list {
		for _, r := range w {
			bounds = append(bounds, r, r+1)
		}
	}
	slices.Sort(bounds)
	bounds = slices.Compact(bounds)
	starts, whole := map[string]bool{"": true}, map[string]bool{} // what words begin with, and words
	for _, w := range list {
		whole[w] = true
		for i := range w {
			starts[w[:i]] = true
		}
		starts[w] = true
	}
	const none = "\xff" // no longer a beginning of a word
	return explore(bounds, 1, "", func(s string) string { return s },
		func(s string, r rune) string {
			if s += string(r); starts[s] {
				return s
			}
			return none
		},
		func(s string) bool { return whole[s] })
}

// emit makes nodes of d; char is one character of some ranges, in whatever spelling.
func (b *builder) emit(d *dfa, char func(b *builder, ranges []runeRange, next int32) int32, next int32) int32 {
	live := d.live()
	at := make([]int32, len(d.trans))
	for s := range at {
		at[s] = b.hole()
	}
	for s, row := range d.trans {
		to := map[int32][]runeRange{}
		var order []int32
		for c, t := range row {
			if !live[t] {
				continue
			}
			hi := rune(utf8.MaxRune)
			if c+1 < len(d.bounds) {
				hi = d.bounds[c+1] - 1
			}
			if n := len(to[t]); n == 0 {
				order = append(order, t)
			} else if to[t][n-1].hi+1 == d.bounds[c] {
				to[t][n-1].hi = hi
				continue
			}
			to[t] = append(to[t], runeRange{d.bounds[c], hi})
		}
		var alts []int32
		for _, t := range order {
			alts = append(alts, char(b, to[t], at[t]))
		}
		if d.accepts[s] {
			alts = append(alts, next)
		}
		b.fill(at[s], alts...)
	}
	return at[0]
}

// live are the states from which an accepting one can be reached.
func (d *dfa) live() []bool {
	from := make([][]int32, len(d.trans))
	for s, row := range d.trans {
		for _, t := range row {
			from[t] = append(from[t], int32(s))
		}
	}
	live := slices.Clone(d.accepts)
	var todo []int32
	for s, ok := range live {
		if ok {
			todo = append(todo, int32(s))
		}
	}
	for len(todo) > 0 {
		s := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, f := range from[s] {
			if !live[f] {
				live[f] = true
				todo = append(todo, f)
			}
		}
	}
	return live
}
