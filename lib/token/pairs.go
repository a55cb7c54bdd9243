package token

import "math/bits"

// pairTable maps two adjacent ids to their merge, by open addressing at most half full.
type pairTable struct {
	slots []pairSlot
	shift uint
	n     int
}

type pairSlot struct {
	key uint64 // left<<32 | right; noPair marks an empty slot
	val uint64 // rank<<32 | id of the merged token
}

const noPair = ^uint64(0)

func newPairTable(size int) *pairTable {
	b := max(bits.Len(uint(2*size)), 4)
	p := &pairTable{slots: make([]pairSlot, 1<<b), shift: uint(64 - b)}
	for i := range p.slots {
		p.slots[i].key = noPair
	}
	return p
}

func pairKey(left, right uint32) uint64 { return uint64(left)<<32 | uint64(right) }

// find returns rank<<32 | merged, or noPair.
func (p *pairTable) find(left, right uint32) uint64 {
	key := pairKey(left, right)
	mask := uint64(len(p.slots) - 1)
	for h := key * 0x9E3779B97F4A7C15 >> (p.shift & 63); ; h++ {
		s := &p.slots[h&mask]
		if s.key == key {
			return s.val
		}
		if s.key == noPair {
			return noPair
		}
	}
}

// add records a merge; the first of two for one pair stays.
func (p *pairTable) add(left, right uint32, rank, merged uint32) {
	if p.n*2 >= len(p.slots) {
		p.grow()
	}
	key := pairKey(left, right)
	mask := uint64(len(p.slots) - 1)
	h := key * 0x9E3779B97F4A7C15 >> p.shift
	for p.slots[h&mask].key != noPair {
		if p.slots[h&mask].key == key {
			return
		}
		h++
	}
	p.slots[h&mask] = pairSlot{key, uint64(rank)<<32 | uint64(merged)}
	p.n++
}

func (p *pairTable) grow() {
	bigger := newPairTable(len(p.slots))
	for _, s := range p.slots {
		if s.key != noPair {
			bigger.add(uint32(s.key>>32), uint32(s.key), uint32(s.val>>32), uint32(s.val))
		}
	}
	*p = *bigger
}

// replace records a merge; the last of two for one pair stays, as in Hugging Face's table.
func (p *pairTable) replace(left, right uint32, rank, merged uint32) {
	key := pairKey(left, right)
	mask := uint64(len(p.slots) - 1)
	for h := key * 0x9E3779B97F4A7C15 >> p.shift; p.slots[h&mask].key != noPair; h++ {
		if s := &p.slots[h&mask]; s.key == key {
			s.val = uint64(rank)<<32 | uint64(merged)
			return
		}
	}
	p.add(left, right, rank, merged)
}
