package grammar

import (
	"errors"
	"fmt"
)

// finish checks what was built and makes the grammar of it. Alternatives that no text can complete are removed, so that
// every state that can be reached can be finished.
func (b *builder) finish() (*Grammar, error) {
	if b.err != nil {
		return nil, b.err
	}
	nullable := b.fixpoint(func(n *node, is func(int32) bool) bool { return n.op != opBytes && b.passes(n, is) })
	if err := b.bodies(nullable); err != nil {
		return nil, err
	}
	productive := b.productive()
	if !productive[b.rules[0].start] {
		return nil, errors.New("no text matches it")
	}
	b.prune(productive)
	if err := b.leftRecursion(nullable); err != nil {
		return nil, err
	}
	b.classify()
	b.measure()
	p := b.program
	g := &Grammar{p: &p}
	if g.auto = newAutomaton(g.p); g.auto.start == dead {
		return nil, errors.New("its beginning can be read in too many ways")
	}
	return g, nil
}

// passes reports whether n is passed where is holds of what it needs.
func (b *builder) passes(n *node, is func(int32) bool) bool {
	switch n.op {
	case opReturn:
		return true
	case opBytes:
		return is(n.next)
	case opSplit:
		for _, a := range n.alts {
			if is(a) {
				return true
			}
		}
		return false
	case opCall:
		return is(b.rules[n.body].start) && is(n.next)
	}
	return is(n.next) && (n.lo == 0 || is(n.body))
}

// fixpoint is the least set of nodes that holds says are in it.
func (b *builder) fixpoint(holds func(n *node, is func(int32) bool) bool) []bool {
	in := make([]bool, len(b.nodes))
	is := func(i int32) bool { return in[i] }
	b.settle(func(i int32) bool {
		if in[i] || !holds(&b.nodes[i], is) {
			return false
		}
		in[i] = true
		return true
	})
	return in
}

// settle calls update for every node, and again for those that lead to a node that it changed, until nothing changes.
func (b *builder) settle(update func(i int32) bool) {
	users := make([][]int32, len(b.nodes))
	use := func(of int32, by int) { users[of] = append(users[of], int32(by)) }
	todo := make([]int32, len(b.nodes))
	for i := range b.nodes {
		todo[i] = int32(len(b.nodes) - 1 - i) // popped in ascending order: what follows a node was made before it
		n := &b.nodes[i]
		switch n.op {
		case opSplit:
			for _, a := range n.alts {
				use(a, i)
			}
			continue
		case opCall:
			use(b.rules[n.body].start, i)
		case opRepeat:
			use(n.body, i)
		}
		use(n.next, i)
	}
	for len(todo) > 0 {
		i := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if update(i) {
			todo = append(todo, users[i]...)
		}
	}
}

// productive are the nodes from which the end of their rule can be reached.
func (b *builder) productive() []bool {
	return b.fixpoint(func(n *node, is func(int32) bool) bool {
		return (n.op != opBytes || b.sets[n.set] != byteSet{}) && b.passes(n, is)
	})
}

// maxEmptyTurns bounds repetitions of what may be empty.
const maxEmptyTurns = 64

// bodies settles repetitions of what may be empty: any number of them may be.
func (b *builder) bodies(nullable []bool) error {
	for i := range b.nodes {
		n := &b.nodes[i]
		if n.op != opRepeat || !nullable[n.body] {
			continue
		}
		if n.hi > maxEmptyTurns {
			return fmt.Errorf("what may be empty is repeated up to %d times: at most %d, or write what is not empty", n.hi, maxEmptyTurns)
		}
		n.lo = 0
	}
	return nil
}

func (b *builder) prune(productive []bool) {
	for i := range b.nodes {
		n := &b.nodes[i]
		switch n.op {
		case opSplit:
			kept := make([]int32, 0, len(n.alts))
			for _, a := range n.alts {
				if productive[a] {
					kept = append(kept, a)
				}
			}
			n.alts = kept
		case opRepeat:
			if !productive[n.body] {
				*n = node{op: opSplit, alts: []int32{n.next}}
			}
		}
	}
}

// leftRecursion looks for a rule that calls itself before it has read anything: it would be called for ever.
func (b *builder) leftRecursion(nullable []bool) error {
	const (
		unseen = iota
		open
		closed
	)
	state := make([]uint8, len(b.rules))
	seen := make([]int32, len(b.nodes)) // the last rule, plus one, that looked at the node
	var visit func(r int32) error
	visit = func(r int32) error {
		switch state[r] {
		case closed:
			return nil
		case open:
			return errors.New("rule " + b.rules[r].name + " begins with itself: write it with the recursion at the end, or with * or +")
		}
		state[r] = open
		todo := []int32{b.rules[r].start}
		for len(todo) > 0 {
			i := todo[len(todo)-1]
			todo = todo[:len(todo)-1]
			if seen[i] == r+1 {
				continue
			}
			seen[i] = r + 1
			n := &b.nodes[i]
			switch n.op {
			case opSplit:
				todo = append(todo, n.alts...)
			case opRepeat:
				todo = append(todo, n.body)
				if n.lo == 0 || nullable[n.body] {
					todo = append(todo, n.next)
				}
			case opCall:
				if err := visit(n.body); err != nil {
					return err
				}
				if nullable[b.rules[n.body].start] {
					todo = append(todo, n.next)
				}
			}
		}
		state[r] = closed
		return nil
	}
	return visit(0)
}

// classify finds the bytes that no set tells apart.
func (b *builder) classify() {
	b.classes = 1
	for _, s := range b.sets {
		var in, out [256]int // by class: its number plus one for bytes in s, and for bytes outside
		n := 0
		for c := range 256 {
			old := b.classOf[c]
			to := &out[old]
			if s.has(byte(c)) {
				to = &in[old]
			}
			if *to == 0 {
				n++
				*to = n
			}
			b.classOf[c] = uint8(*to - 1)
		}
		b.classes = n
	}
}

// measure finds the fewest bytes of a turn of each repetition, up to a bound that no token is longer than.
func (b *builder) measure() {
	const bound = 64
	fewest := make([]int32, len(b.nodes)) // to the end of the rule
	for i := range fewest {
		fewest[i] = bound
	}
	b.settle(func(i int32) bool {
		n, least := &b.nodes[i], int32(bound)
		switch n.op {
		case opReturn:
			least = 0
		case opBytes:
			least = 1 + fewest[n.next]
		case opSplit:
			for _, a := range n.alts {
				least = min(least, fewest[a])
			}
		case opCall:
			least = fewest[b.rules[n.body].start] + fewest[n.next]
		case opRepeat:
			least = fewest[n.next] + min(n.lo, bound)*fewest[n.body]
		}
		if least >= fewest[i] {
			return false
		}
		fewest[i] = least
		return true
	})
	b.least = make([]int32, len(b.nodes))
	for i := range b.nodes {
		if n := &b.nodes[i]; n.op == opRepeat {
			b.least[i] = max(1, fewest[n.body])
		}
	}
}
