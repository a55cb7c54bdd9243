package grammar

import "math"

// vocabMasks are the masks of one vocabulary by state.
type vocabMasks struct {
	v    *Vocab
	of   []*Mask // by state
	path []int32 // states along the token that is looked at
}

// mask returns the tokens that may follow state s.
func (a *automaton) mask(v *Vocab, s int32) *Mask {
	vm := a.masks[v]
	if vm == nil {
		vm = &vocabMasks{v: v, path: make([]int32, v.longest+1)}
		a.masks[v] = vm
	}
	for len(vm.of) < len(a.states) {
		vm.of = append(vm.of, nil)
	}
	if vm.of[s] == nil {
		vm.of[s] = a.newMask(vm, s)
	}
	return vm.of[s]
}

// newMask walks the trie. A state that counts turns shares the mask of the same state without the counts, as far as tokens
// are too short to notice: only the others are walked.
func (a *automaton) newMask(vm *vocabMasks, s int32) *Mask {
	m := NewMask(vm.v.size)
	a.bytes += 8*len(m.words) + 32
	longest := int32(vm.v.longest)
	short := min(a.reach(s)-1, longest)
	if short > 0 {
		if r := a.relax(s, short); r != s && r != dead {
			base := a.mask(vm.v, r)
			if short == longest {
				return base
			}
			copy(m.words, base.words)
			a.walk(vm, s, m, int(short))
			return m
		}
	}
	if a.states[s].accepts {
		for _, id := range vm.v.stops {
			if int(id) < vm.v.size {
				m.Set(id)
			}
		}
	}
	a.walk(vm, s, m, 0)
	return m
}

// walk sets the tokens that lead from s to a living state, and clears those that do not, of those longer than short bytes.
func (a *automaton) walk(vm *vocabMasks, s int32, m *Mask, short int) {
	trie, path, k := vm.v.trie, vm.path, a.p.classes
	path[0] = s
	for i := 0; i < len(trie); {
		n := &trie[i]
		if int(n.long) <= short {
			i = int(n.skip)
			continue
		}
		at := int(path[n.depth])*k + int(a.p.classOf[n.b])
		to := a.trans[at]
		if to == unknown {
			to = a.step(path[n.depth], n.b)
		}
		if to == dead {
			if short > 0 {
				vm.v.clear(m, i, short)
			}
			i = int(n.skip)
			continue
		}
		path[n.depth+1] = to
		if int(n.depth) >= short {
			for _, id := range vm.v.same[n.lo:n.hi] {
				m.Set(id)
			}
		}
		i++
	}
}

// clear removes the tokens longer than short bytes at and below a node.
func (v *Vocab) clear(m *Mask, at, short int) {
	for i := at; i < int(v.trie[at].skip); i++ {
		if n := &v.trie[i]; int(n.depth) >= short {
			for _, id := range v.same[n.lo:n.hi] {
				m.words[id/64] &^= 1 << (id % 64)
			}
		}
	}
}

// reach returns how many bytes it takes from s until the count of some repetition matters.
func (a *automaton) reach(s int32) int32 {
	least := int32(math.MaxInt32)
	for _, t := range a.states[s].threads {
		for ; t != 0; t = a.cells[t].parent {
			c := &a.cells[t]
			for _, turns := range []int32{c.lo, c.hi} { // both 0 where nothing repeats
				if turns > 0 {
					least = min(least, int32(min(int64(turns)*int64(a.p.least[c.node]), math.MaxInt32)))
				}
			}
		}
	}
	return least
}

// relax returns s with repetitions that do not count the turns that take more than limit bytes.
func (a *automaton) relax(s, limit int32) int32 {
	moved := map[int32]int32{0: 0}
	var to []int32
	same := true
	for _, t := range a.states[s].threads {
		r := a.relaxCell(moved, t, limit)
		to, same = append(to, r), same && r == t
	}
	if same {
		return s
	}
	a.begin()
	a.threads = append(a.threads, to...)
	a.accepts = a.states[s].accepts
	return a.state()
}

// manyTurns are more than any token has.
const manyTurns = 1 << 30

func (a *automaton) relaxCell(moved map[int32]int32, id, limit int32) int32 {
	to, ok := moved[id]
	if ok {
		return to
	}
	c := a.cells[id]
	c.parent = a.relaxCell(moved, c.parent, limit)
	if a.p.nodes[c.node].op == opRepeat {
		turns := limit / a.p.least[c.node]
		if c.lo > turns {
			c.lo = manyTurns
		}
		if c.hi > turns {
			c.hi = -1
		}
	}
	to = a.cell(c.node, c.lo, c.hi, c.parent)
	moved[id] = to
	return to
}
