package clean

import (
	"math/bits"
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
	best, at := uint32(1), 0
	again := s.repeats(n)
	s.counts.reset(len(again))
	for _, i := range again {
		if int(i)+n > len(s.words) {
			break
		}
		if c, first := s.counts.add(s.gram(int(i), n), uint32(i)); c > best || c == best && c > 1 && int(first) < at {
			best, at = c, int(first)
		}
	}
	return int(best) * (s.chars(at, at+n) + n - 1)
}

// DupGram returns the code points in sequences of n words that occurred before, each word counted once. 2 ≤ n ≤ 13.
func (s *Stats) DupGram(n int) int {
	again := s.repeats(n)
	s.grams.reset(len(again))
	dup, free := 0, 0 // words before free are counted
	for _, at := range again {
		i := int(at)
		if i+n > len(s.words) {
			break
		}
		if i >= free && !s.grams.add(s.gram(i, n)) {
			dup += s.chars(i, i+n)
			free = i + n
		}
	}
	return dup
}

// places are the words that begin a sequence which occurs more than once.
type places struct {
	at    []int32 // ascending
	known bool
}

// repeats returns where sequences of n words can be that occur more than once: where shorter ones do, of two words, or of five where n
// allows. Most texts have few such places, which makes the longer sequences cheap.
func (s *Stats) repeats(n int) []int32 {
	p, short := &s.twos, 2
	if n >= 5 {
		p, short = &s.fives, 5
	}
	if p.known {
		return p.at
	}
	total := max(0, len(s.words)-short+1)
	s.counts.reset(total)
	s.marks = append(s.marks[:0], make([]bool, total)...)
	for i := range total {
		if c, first := s.counts.add(s.gram(i, short), uint32(i)); c > 1 {
			s.marks[i], s.marks[first] = true, true
		}
	}
	p.at, p.known = p.at[:0], true
	for i, again := range s.marks {
		if again {
			p.at = append(p.at, int32(i))
		}
	}
	return p.at
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

// hashCount counts hashes, as hashSet.
type hashCount struct {
	cells []countCell
	shift int
}

type countCell struct {
	key          uint64
	count, first uint32
}

func (h *hashCount) reset(n int) {
	size := tableSize(n)
	if size > cap(h.cells) {
		h.cells = make([]countCell, size)
	}
	h.cells = h.cells[:size]
	clear(h.cells)
	h.shift = 64 - bits.TrailingZeros(uint(size))
}

// add counts the key and returns how often it occurred and where first.
func (h *hashCount) add(key uint64, at uint32) (count, first uint32) {
	key = max(key, 1)
	mask := uint64(len(h.cells) - 1)
	for i := key * mix >> h.shift; ; i++ {
		switch c := &h.cells[i&mask]; c.key {
		case 0:
			*c = countCell{key, 1, at}
			return 1, at
		case key:
			c.count++
			return c.count, c.first
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
