package grammar

import (
	"encoding/binary"
	"slices"
)

// The lazy automaton. A thread is a place in a rule with the stack of places to return to; a state is the set of threads
// that one text may have. States are numbered as they are met and every transition is computed once: for a regular grammar
// that is the subset construction done on demand (Thompson 1968), for a recursive one its pushdown counterpart.

// cell is a thread's place, or one of the stack below it: cells are numbered, equal ones have one number, 0 is the end.
type cell struct {
	node, lo, hi int32 // lo and hi: turns that a repetition still needs and may have; 0 elsewhere
	parent       int32
}

type state struct {
	threads []int32 // cells of opBytes nodes, ascending
	accepts bool    // the text may end here
}

const (
	unknown = 0
	dead    = -1

	maxThreads = 1 << 12       // a text that may stand in more places at once is not gone on with
	maxMemory  = 64 << 20      // bytes; beyond, the automaton is begun anew at the next token
	hardMemory = 4 * maxMemory // beyond, nothing new is looked at before that
)

type automaton struct {
	p      *program
	cells  []cell
	byCell map[cell]int32
	states []state // 0 is not used
	byKey  map[string]int32
	trans  []int32 // of state·classes + class
	start  int32
	masks  map[*Vocab]*vocabMasks
	bytes  int // about what all this needs

	mark    []uint32 // by cell: the closure that saw it last
	now     uint32
	threads []int32
	accepts bool
	tooMany bool
	key     []byte
}

func newAutomaton(p *program) *automaton {
	a := &automaton{p: p, cells: make([]cell, 1), mark: make([]uint32, 1), byCell: map[cell]int32{}, byKey: map[string]int32{},
		states: make([]state, 1), trans: make([]int32, p.classes), masks: map[*Vocab]*vocabMasks{}}
	a.begin()
	a.enter(p.rules[0].start, 0)
	a.start = a.state()
	return a
}

// begin starts a closure: the threads that can read the next byte.
func (a *automaton) begin() {
	a.now++
	a.threads, a.accepts, a.tooMany = a.threads[:0], false, false
}

// close adds what can be read from a place without reading anything before.
func (a *automaton) close(n, lo, hi, parent int32) {
	if n == 0 && parent == 0 {
		a.accepts = true
		return
	}
	for n == 0 {
		c := a.cells[parent]
		n, lo, hi, parent = c.node, c.lo, c.hi, c.parent
		if n == 0 && parent == 0 {
			a.accepts = true
			return
		}
	}
	c := a.cell(n, lo, hi, parent)
	if a.mark[c] == a.now || a.tooMany {
		return
	}
	a.mark[c] = a.now
	switch nd := &a.p.nodes[n]; nd.op {
	case opBytes:
		a.threads = append(a.threads, c)
		a.tooMany = len(a.threads) > maxThreads
	case opSplit:
		for _, alt := range nd.alts {
			a.enter(alt, parent)
		}
	case opCall:
		a.enter(a.p.rules[nd.body].start, a.push(nd.next, parent))
	case opRepeat:
		if lo == 0 {
			a.enter(nd.next, parent)
		}
		if hi != 0 {
			a.enter(nd.body, a.cell(n, max(lo-1, 0), max(hi-1, -1), parent))
		}
	}
}

// enter is close at the beginning of a node: a repetition has all of its turns before it.
func (a *automaton) enter(n, parent int32) {
	nd := &a.p.nodes[n]
	a.close(n, nd.lo, nd.hi, parent)
}

// push returns the stack that goes on with n; returning to what only returns needs no place of its own.
func (a *automaton) push(n, parent int32) int32 {
	if n == 0 {
		return parent
	}
	nd := &a.p.nodes[n]
	return a.cell(n, nd.lo, nd.hi, parent)
}

func (a *automaton) cell(n, lo, hi, parent int32) int32 {
	c := cell{n, lo, hi, parent}
	id, ok := a.byCell[c]
	if !ok {
		id = int32(len(a.cells))
		a.cells = append(a.cells, c)
		a.mark = append(a.mark, 0)
		a.byCell[c] = id
		a.bytes += 72
	}
	return id
}

// state numbers the closure: dead where nothing can be read and the text may not end.
func (a *automaton) state() int32 {
	if a.tooMany || len(a.threads) == 0 && !a.accepts {
		return dead
	}
	slices.Sort(a.threads)
	a.threads = slices.Compact(a.threads)
	a.key = a.key[:0]
	if a.accepts {
		a.key = append(a.key, 1)
	}
	for _, c := range a.threads {
		a.key = binary.LittleEndian.AppendUint32(a.key, uint32(c))
	}
	if id, ok := a.byKey[string(a.key)]; ok {
		return id
	}
	id := int32(len(a.states))
	a.states = append(a.states, state{slices.Clone(a.threads), a.accepts})
	a.byKey[string(a.key)] = id
	a.trans = append(a.trans, make([]int32, a.p.classes)...)
	a.bytes += 4*a.p.classes + 2*len(a.key) + 120
	return id
}

// step returns the state after a byte, or dead.
func (a *automaton) step(s int32, b byte) int32 {
	at := int(s)*a.p.classes + int(a.p.classOf[b])
	if a.trans[at] == unknown {
		if a.bytes > hardMemory {
			return dead
		}
		to := a.next(s, b) // may move trans
		a.trans[at] = to
	}
	return a.trans[at]
}

func (a *automaton) next(s int32, b byte) int32 {
	a.begin()
	for _, t := range a.states[s].threads {
		c := a.cells[t]
		if n := &a.p.nodes[c.node]; a.p.sets[n.set].has(b) {
			if n.next == 0 {
				a.close(0, 0, 0, c.parent)
			} else {
				a.enter(n.next, c.parent)
			}
		}
	}
	return a.state()
}

// run returns the state after text, or dead.
func (a *automaton) run(s int32, text []byte) int32 {
	for _, b := range text {
		if s = a.step(s, b); s == dead {
			return dead
		}
	}
	return s
}

// from copies state s of another automaton of the same program.
func (a *automaton) from(other *automaton, s int32) int32 {
	moved := map[int32]int32{0: 0}
	a.begin()
	var path []int32
	for _, t := range other.states[s].threads {
		for path = path[:0]; ; t = other.cells[t].parent {
			if _, ok := moved[t]; ok {
				break
			}
			path = append(path, t)
		}
		to := moved[t]
		for _, id := range slices.Backward(path) {
			c := other.cells[id]
			to = a.cell(c.node, c.lo, c.hi, to)
			moved[id] = to
		}
		a.threads = append(a.threads, to)
	}
	a.accepts = other.states[s].accepts
	return a.state()
}
