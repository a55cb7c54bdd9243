package clean

import (
	"math/bits"
	"unsafe"
)

// gramBase is the base of the polynomial that hashes sequences of words: odd, so that no word is lost.
const gramBase = 0x9E3779B97F4A7C15

// maxGram is the longest sequence of words that a rule asks about.
const maxGram = 10

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
// at all; 0 for texts of fewer than n words. 1 ≤ n ≤ 10. As datatrove, it counts a sequence that occurs once too; among equally frequent
// ones the first counts.
func (s *Stats) TopGram(n int) int {
	total := len(s.words) - n + 1
	if total <= 0 {
		return 0
	}
	s.counts.reset(total)
	best, at := uint32(0), 0
	for i := range total {
		if c, first := s.counts.add(s.gram(i, n), uint32(i)); c > best || c == best && int(first) < at {
			best, at = c, int(first)
		}
	}
	return int(best) * (s.chars(at, at+n) + n - 1)
}

// DupGram returns the code points in sequences of n words that occurred before, each word counted once. 1 ≤ n ≤ 10.
func (s *Stats) DupGram(n int) int {
	s.grams.reset(len(s.words))
	dup := 0
	for i := 0; i+n <= len(s.words); {
		if s.grams.add(s.gram(i, n)) {
			i++
		} else {
			dup += s.chars(i, i+n)
			i += n
		}
	}
	return dup
}

// hashSet is a set of hashes that is emptied often: an entry belongs to it only if it carries the set's turn.
type hashSet struct {
	keys  []uint64
	turns []uint32
	turn  uint32
	shift int
}

// reset empties the set and makes room for n keys.
func (h *hashSet) reset(n int) {
	if size := 1 << bits.Len(uint(2*n)); size > len(h.keys) || h.turn == 1<<32-1 {
		size = max(size, len(h.keys))
		*h = hashSet{keys: make([]uint64, size), turns: make([]uint32, size), shift: 64 - bits.Len(uint(size)) + 1}
	}
	h.turn++
}

// add reports whether the key is new.
func (h *hashSet) add(key uint64) bool {
	mask := len(h.keys) - 1
	for i := int(key * mix >> h.shift); ; i = (i + 1) & mask {
		switch {
		case h.turns[i] != h.turn:
			h.turns[i], h.keys[i] = h.turn, key
			return true
		case h.keys[i] == key:
			return false
		}
	}
}

// hashCount counts hashes, as hashSet.
type hashCount struct {
	set   hashSet
	count []uint32
	first []uint32
}

func (h *hashCount) reset(n int) {
	h.set.reset(n)
	if len(h.count) < len(h.set.keys) {
		h.count, h.first = make([]uint32, len(h.set.keys)), make([]uint32, len(h.set.keys))
	}
}

// add counts the key and returns how often it occurred and where first.
func (h *hashCount) add(key uint64, at uint32) (count, first uint32) {
	mask := len(h.set.keys) - 1
	for i := int(key * mix >> h.set.shift); ; i = (i + 1) & mask {
		switch {
		case h.set.turns[i] != h.set.turn:
			h.set.turns[i], h.set.keys[i], h.count[i], h.first[i] = h.set.turn, key, 1, at
			return 1, at
		case h.set.keys[i] == key:
			h.count[i]++
			return h.count[i], h.first[i]
		}
	}
}

const mix = 0xD6E8FEB86659FD93

// hashString is a fast 64-bit hash of short strings, multiply and fold over eight bytes at a time. It is not made to resist an
// adversary: two of a text's words with one hash count as one word, no more.
func hashString(s string) uint64 {
	h := uint64(len(s)) * 0xA0761D6478BD642F
	p := unsafe.StringData(s)
	for len(s) >= 8 {
		h = fold(h ^ *(*uint64)(unsafe.Pointer(p)))
		s = s[8:]
		p = unsafe.StringData(s)
	}
	var tail uint64
	for i := range len(s) {
		tail |= uint64(s[i]) << (8 * i)
	}
	return fold(h ^ tail ^ 0xE7037ED1A0B428DB)
}

func fold(x uint64) uint64 {
	hi, lo := bits.Mul64(x, 0x8EBC6AF09C88C6E3)
	return hi ^ lo
}
