package clean

import (
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
	if len(s.words) < n {
		return 0
	}
	r := s.repeats(n)
	return int(r.most) * (s.chars(int(r.first), int(r.first)+n) + n - 1)
}

// DupGram returns the code points in sequences of n words that occurred before, each word counted once. 2 ≤ n ≤ 13.
func (s *Stats) DupGram(n int) int { return s.repeats(n).dup }

// repeated is what is known of the sequences of one length that occur more than once.
type repeated struct {
	known bool
	at    []int32 // where they begin, ascending
	most  uint32  // how often the most frequent one occurs; 1 where none does again
	first int32   // where that one is first
	dup   int     // code points in those that occurred before, each word counted once
}

// repeats finds the sequences of n words that occur more than once. They can begin only where a sequence of n−1 words does that occurs
// more than once, which most texts have few of: only pairs are looked for everywhere.
func (s *Stats) repeats(n int) *repeated {
	r := &s.repeated[n]
	if r.known {
		return r
	}
	*r = repeated{known: true, at: r.at[:0], most: 1}
	if n == 2 {
		s.starts = s.starts[:0]
		for i := range max(0, len(s.words)-1) {
			s.starts = append(s.starts, int32(i))
		}
	}
	from := s.starts
	if n > 2 {
		from = s.repeats(n - 1).at
	}
	for len(from) > 0 && int(from[len(from)-1])+n > len(s.words) {
		from = from[:len(from)-1]
	}
	s.heads.reset(len(from))
	for _, i := range from {
		s.occurs(r, i, n)
	}
	r.at = slices.Grow(r.at, len(from))[:len(from)]
	k := 0
	for _, i := range from { // without a branch, which could not be foreseen
		r.at[k] = i
		again := 0
		if s.times[s.head[i]] > 1 {
			again = 1
		}
		k += again
	}
	r.at = r.at[:k]
	free := int32(0) // words before it are counted
	for _, i := range r.at {
		if i < free {
			continue
		}
		if head := s.head[i]; s.times[head] != 0 {
			s.times[head] = 0 // from now on, it occurred before
		} else {
			r.dup += s.chars(int(i), int(i)+n)
			free = i + int32(n)
		}
	}
	return r
}

// occurs counts the sequence of n words at i with the equal one that came first.
func (s *Stats) occurs(r *repeated, i int32, n int) {
	key := s.gram(int(i), n)
	mask := uint64(len(s.heads.at) - 1)
	for slot := key * mix >> s.heads.shift; ; slot++ {
		head := s.heads.at[slot&mask] - 1
		if head < 0 {
			s.heads.at[slot&mask] = i + 1
			s.head[i], s.times[i] = i, 1
			return
		}
		if s.gram(int(head), n) == key {
			s.head[i] = head
			s.times[head]++
			if t := s.times[head]; t > r.most || t == r.most && head < r.first {
				r.most, r.first = t, head
			}
			return
		}
	}
}

// headTable finds the first of equal sequences by their hash. It holds places in the text, plus one; zero is free.
type headTable struct {
	at    []int32
	shift int
}

func (h *headTable) reset(n int) {
	size := tableSize(n)
	if size > cap(h.at) {
		h.at = make([]int32, size)
	}
	h.at = h.at[:size]
	clear(h.at)
	h.shift = 64 - bits.TrailingZeros(uint(size))
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
