package dedup

import (
	"encoding/binary"
	"math/bits"
	"sync"
	"unicode"
	"unicode/utf8"
	"unsafe"
)

// A word counts wordWeight and a character of a script without spaces charWeight towards a shingle's length: a Chinese word has some
// 1.6 characters, so that a shingle of five words is one of eight characters.
const (
	wordWeight = 8
	charWeight = 5
)

// MaxShingle is the longest shingle, in words.
const MaxShingle = 64

// Shingles appends the hash of every sequence of n words of a text to dst and returns it. The text is read as n-gram methods read it:
// case folded, punctuation and spaces left out; a word is a run of letters, marks and digits. In scripts that are written without
// spaces (Han, kana, Thai, Lao, Khmer, Burmese, Tibetan) a character is taken for five eighths of a word, so that five words are eight
// characters; texts that mix scripts are measured the same way. A text of fewer words is one shingle, one without words has none.
//
// 1 ≤ n ≤ [MaxShingle]. The hashes are the same on every machine and in every version of the index format.
func Shingles(dst []uint64, text string, n int) []uint64 {
	s := scanners.Get().(*scanner)
	defer scanners.Put(s)
	return s.shingles(dst, text, n)
}

var scanners = sync.Pool{New: func() any { return new(scanner) }}

// Length returns how many words a text has, as [Shingles] measures them.
func Length(text string) float64 {
	s := scanners.Get().(*scanner)
	defer scanners.Put(s)
	s.scan(text)
	sum := 0
	for _, w := range s.weights {
		sum += int(w)
	}
	return float64(sum) / wordWeight
}

// scanner finds shingles. It keeps its memory from text to text.
type scanner struct {
	prefix  []uint64 // polynomial over the words' hashes: of words i…j−1, the hash is prefix[j] − prefix[i]·base^(j−i)
	weights []uint8  // of each word
	chars   bool     // some word is a character
	folded  []byte   // a word that is not ASCII, in lower case
}

const shingleBase = 0x9E3779B97F4A7C15

// shinglePower holds the powers of the base for all numbers of words and characters that a shingle can have.
var shinglePower = func() (p [MaxShingle*wordWeight/charWeight + 2]uint64) {
	p[0] = 1
	for i := 1; i < len(p); i++ {
		p[i] = p[i-1] * shingleBase
	}
	return p
}()

func (s *scanner) shingles(dst []uint64, text string, n int) []uint64 {
	s.scan(text)
	words := len(s.prefix) - 1
	if words == 0 {
		return dst
	}
	begun := len(dst)
	if s.chars {
		dst = s.weighed(dst, n*wordWeight)
	} else {
		for i := 0; i+n <= words; i++ {
			dst = append(dst, fold(s.prefix[i+n]-s.prefix[i]*shinglePower[n]))
		}
	}
	if len(dst) == begun {
		dst = append(dst, fold(s.prefix[words]))
	}
	return dst
}

// weighed appends the hashes of the shortest sequences that weigh enough, from each word on.
func (s *scanner) weighed(dst []uint64, enough int) []uint64 {
	end, have := 0, 0
	for i := range s.weights {
		for have < enough && end < len(s.weights) {
			have += int(s.weights[end])
			end++
		}
		if have < enough {
			break
		}
		dst = append(dst, fold(s.prefix[end]-s.prefix[i]*shinglePower[end-i]))
		have -= int(s.weights[i])
	}
	return dst
}

// fold spreads the bits of a hash.
func fold(x uint64) uint64 {
	hi, lo := bits.Mul64(x^0xE7037ED1A0B428DB, 0x8EBC6AF09C88C6E3)
	return hi ^ lo
}

// Classes of characters.
const (
	classOther = iota
	classChar  // a word by itself
	classWord  // part of a word
)

// alnum tells ASCII letters and digits. Setting bit 0x20 folds their case.
var alnum = func() (t [256]bool) {
	for c := range t {
		t[c] = c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
	}
	return t
}()

// scan finds the words of a text.
func (s *scanner) scan(str string) {
	text := unsafe.Slice(unsafe.StringData(str), len(str))
	s.prefix, s.weights, s.chars = append(s.prefix[:0], 0), s.weights[:0], false
	for i := 0; i < len(text); {
		c := text[i]
		if alnum[c] {
			end := i + 1
			for end < len(text) && alnum[text[end]] {
				end++
			}
			if end == len(text) || text[end] < utf8.RuneSelf {
				s.add(hashWord(text, i, end, 0x2020202020202020), wordWeight)
				i = end
				continue
			}
		} else if c < utf8.RuneSelf {
			i++
			continue
		}
		i = s.wide(text, i)
	}
}

// wide adds the word or character that begins at i, in which there are characters beyond ASCII, and returns where it ends.
func (s *scanner) wide(text []byte, i int) (end int) {
	s.folded = s.folded[:0]
	for i < len(text) {
		r, size := rune(text[i]), 1
		cl := classOther
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRune(text[i:])
			cl = class(r)
		} else if alnum[r] {
			cl = classWord
		}
		if cl != classWord {
			if len(s.folded) > 0 {
				break
			}
			if cl == classChar {
				s.chars = true
				s.add(fold(uint64(r)), charWeight)
			}
			return i + size
		}
		s.folded = utf8.AppendRune(s.folded, unicode.ToLower(r))
		i += size
	}
	s.add(hashWord(s.folded, 0, len(s.folded), 0), wordWeight)
	return i
}

func (s *scanner) add(h uint64, weight uint8) {
	s.prefix = append(s.prefix, s.prefix[len(s.prefix)-1]*shingleBase+h)
	s.weights = append(s.weights, weight)
}

// hashWord returns a hash of text[from:to] with these bits set in every eight bytes.
func hashWord(text []byte, from, to int, set uint64) uint64 {
	h := uint64(to-from) * 0xA0761D6478BD642F
	for to-from > 8 {
		h = fold(h ^ (binary.LittleEndian.Uint64(text[from:]) | set))
		from += 8
	}
	var tail uint64
	if from+8 <= len(text) {
		tail = binary.LittleEndian.Uint64(text[from:])
	} else {
		for i, c := range text[from:] {
			tail |= uint64(c) << (8 * i)
		}
	}
	mask := ^uint64(0) >> (64 - 8*(to-from))
	return fold(h ^ (tail|set)&mask)
}

// class returns the class of a character beyond ASCII.
func class(r rune) int {
	switch {
	case r >= 0x4e00 && r <= 0x9fff, // Han
		r >= 0x3040 && r <= 0x30ff, r >= 0x3400 && r <= 0x4dbf, r >= 0xf900 && r <= 0xfaff, r >= 0x20000 && r <= 0x3ffff: // kana, Han
		return classChar
	case r >= 0x0e00 && r <= 0x0fff, r >= 0x1000 && r <= 0x109f, r >= 0x1780 && r <= 0x17ff: // Thai, Lao, Tibetan, Burmese, Khmer
		if unicode.IsLetter(r) {
			return classChar
		}
		return classOther
	case unicode.IsLetter(r), unicode.IsMark(r), unicode.IsNumber(r):
		return classWord
	}
	return classOther
}
