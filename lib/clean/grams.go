package clean

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"unsafe"
)

// gramBase is the base of the polynomial that hashes sequences of words: odd, so that no word is lost.
const gramBase = 0x9E3779B97F4A7C15

// maxGram is the longest sequence of words that a rule asks about.
const maxGram = 13

var gramPower = func() (p [maxGram + 1]uint64) {
	p[0] = 1
	for i := 1; i < len(p); i++ {
		p[i] = p[i-1] * gramBase
	}
	return p
}()

// gram returns the hash of words i…i+n−1.
func (s *Stats) gram(i, n int) uint64 { return s.prefix[i+n] - s.prefix[i]*gramPower[n] }

// chars returns the code points of words i…j−1, spaces left out.
func (s *Stats) chars(i, j int) int { return int(s.ends[j] - s.ends[i]) }

// TopGram returns the code points, spaces between words included, that the most frequent sequence of n words covers where it occurs
// at all; 0 for texts of fewer than n words. 2 ≤ n ≤ 13. As datatrove, it counts a sequence that occurs once too; among equally frequent
// ones the first counts.
func (s *Stats) TopGram(n int) int {
	if s.Words < n {
		return 0
	}
	r := s.repeats(n)
	return r.most * (s.chars(r.first, r.first+n) + n - 1)
}

// DupGram returns the code points in sequences of n words that occurred before, each word counted once. 2 ≤ n ≤ 13.
func (s *Stats) DupGram(n int) int {
	if r := s.repeats(n); r.dup >= 0 {
		return r.dup
	}
	if s.level != n { // the table is of longer sequences by now
		s.level = 0
		s.repeats(n)
	}
	r := &s.repeated[n]
	r.dup = 0
	free := 0 // words before it are counted
	for k, at := range r.at {
		i := int(at)
		if i < free {
			continue
		}
		if e := &s.heads.entries[s.slots[k]]; e.times != 0 {
			e.times = 0 // from now on, it occurred before
		} else {
			r.dup += s.chars(i, i+n)
			free = i + n
		}
	}
	return r.dup
}

// repeated is what is known of the sequences of one length that occur more than once.
type repeated struct {
	at    []int32 // where they begin, ascending
	most  int     // how often the most frequent one occurs; 1 where none does again
	first int     // where that one is first
	dup   int     // what DupGram returns; −1 while it is unknown
}

// repeats finds the sequences of n words that occur more than once. They can begin only where one of n−1 words does so, and another at
// the next word: the longer, the fewer places.
func (s *Stats) repeats(n int) *repeated {
	for s.level < n {
		s.level++
		r := &s.repeated[s.level]
		switch s.level {
		case 1:
			continue
		case 2:
			s.pairs(r)
		default:
			s.longer(r, s.repeated[s.level-1].at)
		}
		s.keepRepeated(r)
	}
	return &s.repeated[n]
}

// pairs looks for repeated pairs of words. A first walk finds where there can be any: where hashes share one of many places with others.
func (s *Stats) pairs(r *repeated) {
	n := max(0, s.Words-1)
	s.head = slices.Grow(s.head[:0], n)[:n]
	size := 4 * tableSize(n)
	s.seen = slices.Grow(s.seen[:0], size)[:size]
	clear(s.seen)
	seen, places, shift := s.seen, s.head, 64-bits.TrailingZeros(uint(size))
	for i := range places {
		place := s.gram(i, 2) * mix >> shift
		places[i] = int32(place)
		seen[place] = seen[place]<<1 | 1
	}
	at := slices.Grow(r.at[:0], n)[:n]
	k := 0
	for i, place := range places {
		at[k] = int32(i)
		k += int(seen[place] >> 1 & 1)
	}
	r.at = at[:k]
	s.heads.reset(k)
	s.slots = slices.Grow(s.slots[:0], k)[:k]
	for k, i := range r.at {
		s.head[i], s.slots[k] = s.heads.add(max(s.gram(int(i), 2), 1), i)
	}
}

// longer looks for repeated sequences of one word more than those at shorter places, of which head tells the first.
func (s *Stats) longer(r *repeated, shorter []int32) {
	at := slices.Grow(r.at[:0], len(shorter))[:len(shorter)]
	k := 0
	for j := 1; j < len(shorter); j++ { // without a branch, which could not be foreseen
		at[k] = shorter[j-1]
		next := 0
		if shorter[j] == shorter[j-1]+1 {
			next = 1
		}
		k += next
	}
	r.at = at[:k]
	s.heads.reset(k)
	for k, i := range r.at {
		s.head[i], s.slots[k] = s.heads.add(1<<63|uint64(s.head[i])<<32|uint64(s.head[i+1]), i)
	}
}

// keepRepeated leaves of the places those of sequences that occur more than once.
func (s *Stats) keepRepeated(r *repeated) {
	entries := s.heads.entries
	k, best := 0, uint64(0)
	for j, i := range r.at {
		slot := s.slots[j]
		e := entries[slot]
		best = max(best, uint64(e.times)<<32|uint64(^uint32(e.head)))
		r.at[k], s.slots[k] = i, slot
		again := 0
		if e.times > 1 {
			again = 1
		}
		k += again
	}
	r.at = r.at[:k]
	r.most, r.first, r.dup = 1, 0, -1
	if k > 0 {
		r.most, r.first = int(best>>32), int(^uint32(best))
	}
}

// headTable finds the first of equal sequences by a key, which is not 0.
type headTable struct {
	entries []headEntry
	shift   int
}

type headEntry struct {
	key   uint64
	head  int32
	times uint32
}

// reset empties the table and makes room for n keys.
func (h *headTable) reset(n int) {
	size := tableSize(n)
	h.entries = slices.Grow(h.entries[:0], size)[:size]
	clear(h.entries)
	h.shift = 64 - bits.TrailingZeros(uint(size))
}

// add counts the key of the sequence at i and returns where the first of its kind is, and its entry.
func (h *headTable) add(key uint64, i int32) (head, slot int32) {
	mask := uint64(len(h.entries) - 1)
	for at := key * mix >> h.shift; ; at++ {
		e := &h.entries[at&mask]
		if e.key != key && e.key != 0 {
			continue
		}
		if head = e.head; e.key == 0 { // a conditional move: what is new cannot be foreseen
			head = i
		}
		e.key, e.head = key, head
		e.times++
		return head, int32(at & mask)
	}
}

// hashSet is a set of hashes that is emptied often. Zero marks a free place; the hash zero is kept as one.
type hashSet struct {
	keys  []uint64
	shift int
}

// reset empties the set and makes room for n keys, half of its places at most.
func (h *hashSet) reset(n int) {
	size := tableSize(n)
	if size > cap(h.keys) {
		h.keys = make([]uint64, size)
	}
	h.keys = h.keys[:size]
	clear(h.keys)
	h.shift = 64 - bits.TrailingZeros(uint(size))
}

func tableSize(n int) int { return 1 << bits.Len(uint(2*n|7)) }

// add reports whether the key is new.
func (h *hashSet) add(key uint64) bool {
	key = max(key, 1)
	mask := uint64(len(h.keys) - 1)
	for i := key * mix >> h.shift; ; i++ {
		switch p := &h.keys[i&mask]; *p {
		case 0:
			*p = key
			return true
		case key:
			return false
		}
	}
}

const mix = 0xD6E8FEB86659FD93

// Seeds of hashes.
const (
	wordSeed   = 0xA0761D6478BD642F
	stringSeed = 0xE7037ED1A0B428DB
	foldSeed   = 0x8EBC6AF09C88C6E3
)

// hashString is a fast 64-bit hash, multiply and fold over sixteen bytes at a time (as wyhash of Wang Yi). It is not made to resist an
// adversary: two of a text's words with one hash count as one word, no more.
func hashString(s string) uint64 {
	b := unsafe.Slice(unsafe.StringData(s), len(s))
	h := uint64(len(s)) * stringSeed
	for ; len(b) > 16; b = b[16:] {
		h = fold(h^binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:]))
	}
	var lo, hi uint64
	switch n := len(b); {
	case n >= 8:
		lo, hi = binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[n-8:])
	case n >= 4:
		lo, hi = uint64(binary.LittleEndian.Uint32(b)), uint64(binary.LittleEndian.Uint32(b[n-4:]))
	case n > 0:
		lo = uint64(b[0])<<16 | uint64(b[n/2])<<8 | uint64(b[n-1])
	}
	return fold(h^lo, hi)
}

// fold hashes two numbers.
func fold(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a^wordSeed, b^foldSeed)
	return hi ^ lo
}
