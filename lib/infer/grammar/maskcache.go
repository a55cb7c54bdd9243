package grammar

// vocabMasks are the masks of one vocabulary by state.
type vocabMasks struct {
	v       *Vocab
	of      []*Mask // by state
	relaxed []int32 // by cell, plus one: the cell with counts beyond any token made infinite
	path    []int32 // states along the token that is looked at
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

// newMask shares the mask of a state that differs in nothing that a token can notice, or walks the trie.
func (a *automaton) newMask(vm *vocabMasks, s int32) *Mask {
	if r := a.relax(vm, s, int32(vm.v.longest)); r != s && r > 0 {
		return a.mask(vm.v, r)
	}
	m := NewMask(vm.v.size)
	a.bytes += 8*len(m.words) + 32
	if a.states[s].accepts {
		for _, id := range vm.v.stops {
			if int(id) < vm.v.size {
				m.Set(id)
			}
		}
	}
	a.walk(vm, s, m)
	return m
}

// walk sets the tokens that lead from s to a living state.
func (a *automaton) walk(vm *vocabMasks, s int32, m *Mask) {
	trie, path, k := vm.v.trie, vm.path, a.p.classes
	path[0] = s
	for i := 0; i < len(trie); {
		n := &trie[i]
		at := int(path[n.depth])*k + int(a.p.classOf[n.b])
		to := a.trans[at]
		if to == unknown {
			to = a.step(path[n.depth], n.b)
		}
		if to == dead {
			i = int(n.skip)
			continue
		}
		path[n.depth+1] = to
		for _, id := range vm.v.same[n.lo:n.hi] {
			m.Set(id)
		}
		i++
	}
}

// relax returns the state whose repetitions need not count what is beyond limit bytes: each turn reads one or more.
func (a *automaton) relax(vm *vocabMasks, s, limit int32) int32 {
	same := true
	for _, t := range a.states[s].threads {
		same = same && a.relaxCell(vm, t, limit) == t
	}
	if same {
		return s
	}
	a.begin()
	for _, t := range a.states[s].threads {
		a.threads = append(a.threads, a.relaxCell(vm, t, limit))
	}
	a.accepts = a.states[s].accepts
	return a.state()
}

func (a *automaton) relaxCell(vm *vocabMasks, id, limit int32) int32 {
	if id == 0 {
		return 0
	}
	for len(vm.relaxed) < len(a.cells) {
		vm.relaxed = append(vm.relaxed, 0)
	}
	if r := vm.relaxed[id]; r > 0 {
		return r - 1
	}
	c := a.cells[id]
	parent := a.relaxCell(vm, c.parent, limit)
	if a.p.nodes[c.node].op == opRepeat {
		if c.lo = min(c.lo, limit+1); c.hi > limit {
			c.hi = -1
		}
	}
	to := a.cell(c.node, c.lo, c.hi, parent)
	vm.relaxed[id] = to + 1
	return to
}
