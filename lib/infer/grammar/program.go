package grammar

import (
	"encoding/binary"
	"fmt"
)

// Limits of a compiled grammar: what goes beyond is an error, so that a hostile one costs little.
const (
	maxSource = 1 << 20 // bytes of a schema, an expression or a grammar
	maxNodes  = 1 << 18
	maxRules  = 1 << 14
	maxDepth  = 250 // of nesting in a source
)

// op is what a node does.
type op uint8

const (
	opReturn op = iota // ends a rule or one turn of a repetition: goes on with what the stack says
	opBytes            // reads one byte of a set
	opSplit            // goes on with all of alts
	opCall             // a rule, then next
	opRepeat           // body, lo to hi times, then next
)

// node is one step of a rule. Node 0 is the only opReturn.
type node struct {
	op     op
	set    int32 // opBytes: of program.sets
	next   int32
	body   int32 // opCall: the rule; opRepeat: the first node of what is repeated
	lo, hi int32 // opRepeat; hi −1: no end
	alts   []int32
}

type rule struct {
	name  string
	start int32
}

// program is a grammar as a recursive transition network over bytes (Woods 1970). Rule 0 is the text.
type program struct {
	nodes []node
	rules []rule
	sets  []byteSet
	least []int32 // by node of opRepeat: the fewest bytes of a turn, 1 or more

	classOf [256]uint8 // bytes that no set tells apart have one class
	classes int
}

// byteSet is a set of bytes as bits.
type byteSet [4]uint64

func (s *byteSet) add(lo, hi byte) {
	for b := int(lo); b <= int(hi); b++ {
		s[b/64] |= 1 << (b % 64)
	}
}

func (s *byteSet) has(b byte) bool { return s[b/64]>>(b%64)&1 != 0 }

// builder makes programs back to front: each method takes the node that follows and returns the node that begins. Equal
// nodes are one.
type builder struct {
	program
	setIndex map[byteSet]int32
	index    map[string]int32
	err      error
}

func newBuilder() *builder {
	return &builder{program: program{nodes: make([]node, 1)}, setIndex: map[byteSet]int32{}, index: map[string]int32{}}
}

// fail keeps the first error.
func (b *builder) fail(format string, args ...any) {
	if b.err == nil {
		b.err = fmt.Errorf(format, args...)
	}
}

func (b *builder) add(n node) int32 {
	if len(b.nodes) >= maxNodes {
		b.fail("it needs more than %d states", maxNodes)
		return 0
	}
	key := make([]byte, 0, 24+4*len(n.alts))
	key = append(key, byte(n.op))
	for _, v := range []int32{n.set, n.next, n.body, n.lo, n.hi} {
		key = binary.LittleEndian.AppendUint32(key, uint32(v))
	}
	for _, v := range n.alts {
		key = binary.LittleEndian.AppendUint32(key, uint32(v))
	}
	if id, ok := b.index[string(key)]; ok {
		return id
	}
	id := int32(len(b.nodes))
	b.nodes = append(b.nodes, n)
	b.index[string(key)] = id
	return id
}

func (b *builder) bytes(s byteSet, next int32) int32 {
	id, ok := b.setIndex[s]
	if !ok {
		id = int32(len(b.sets))
		b.sets = append(b.sets, s)
		b.setIndex[s] = id
	}
	return b.add(node{op: opBytes, set: id, next: next})
}

func (b *builder) lit(s string, next int32) int32 {
	for i := len(s) - 1; i >= 0; i-- {
		var set byteSet
		set.add(s[i], s[i])
		next = b.bytes(set, next)
	}
	return next
}

// alt is any of the nodes; without one it is what nothing matches.
func (b *builder) alt(alts ...int32) int32 {
	if len(alts) == 1 {
		return alts[0]
	}
	return b.add(node{op: opSplit, alts: alts})
}

// hole is a node that fill gives its alternatives later: how loops are made.
func (b *builder) hole() int32 {
	if len(b.nodes) >= maxNodes {
		b.fail("it needs more than %d states", maxNodes)
		return 0
	}
	b.nodes = append(b.nodes, node{op: opSplit})
	return int32(len(b.nodes) - 1)
}

func (b *builder) fill(hole int32, alts ...int32) {
	if hole != 0 {
		b.nodes[hole].alts = alts
	}
}

// rule reserves a rule.
func (b *builder) rule(name string) int32 {
	if len(b.rules) >= maxRules {
		b.fail("it needs more than %d rules", maxRules)
		return 0
	}
	b.rules = append(b.rules, rule{name: name})
	return int32(len(b.rules) - 1)
}

func (b *builder) call(rule, next int32) int32 {
	return b.add(node{op: opCall, body: rule, next: next})
}

// frag is a piece of a grammar: given the node that follows, it makes its own and returns the first.
type frag func(next int32) int32

// loop is f any number of times.
func (b *builder) loop(f frag, next int32) int32 {
	h := b.hole()
	b.fill(h, f(h), next)
	return h
}

// repeat is f at least lo times and at most hi, −1 for no end. Small counts are written out, others counted.
func (b *builder) repeat(f frag, lo, hi int, next int32) int32 {
	switch {
	case hi == 0:
		return next
	case hi < 0 && lo == 0:
		return b.loop(f, next)
	case hi < 0 && lo == 1:
		h := b.hole()
		first := f(h)
		b.fill(h, first, next)
		return first
	case lo == 1 && hi == 1:
		return f(next)
	case lo == 0 && hi == 1:
		return b.alt(f(next), next)
	}
	return b.add(node{op: opRepeat, body: f(0), next: next, lo: int32(lo), hi: int32(hi)})
}
