package clean

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// marks says of 64 bytes of a text what each of them is, a bit a byte, so that words are found by counting bits and not by looking at
// one byte after another: where a word ends cannot be foreseen, and a processor that guesses wrong waits longer than the word is.
type marks struct {
	// What classify finds.
	word    uint64 // letters and digits; after join, also what is inside a word
	letter  uint64
	space   uint64
	inner   uint64 // ' - . _
	stop    uint64 // . ! ?
	newline uint64
	clue    uint64 // k, v or m; after clues, those inside the beginning of a phrase that C4 looks for
	wide    uint64 // of characters that are not ASCII
	same    uint64 // as the byte before

	// What wide and join add.
	tail  uint64 // of a longer character, not its first byte
	tails int    // in all blocks before
	more  uint64 // of the word or symbol that the byte before belongs to
	real  uint64 // first bytes of words and ideographs
	end   uint64 // of a sentence
}

// Lanes of a byte's class: each mark has eight bits of a number, so that eight bytes' classes can be or-ed together.
const (
	laneWord = iota * 8
	laneLetter
	laneSpace
	laneInner
	laneStop
	laneNewline
	laneClue
	laneWide
)

var byteLanes = func() (t [256]uint64) {
	for c := range t {
		set := func(lane int, ok bool) {
			if ok {
				t[c] |= 1 << lane
			}
		}
		cl := byteClass[c]
		set(laneWord, cl >= classDigit)
		set(laneLetter, cl == classLetter)
		set(laneSpace, cl == classSpace)
		set(laneInner, cl == classInner)
		set(laneStop, c == '.' || c == '!' || c == '?')
		set(laneNewline, c == '\n')
		set(laneClue, c|0x20 == 'k' || c|0x20 == 'v' || c|0x20 == 'm')
		set(laneWide, cl == classWide)
	}
	return t
}()

// classify marks blocks of 64 bytes, which are behind the byte before them. Its faster variants give the same bits.
var classify = classifyPortable

func classifyPortable(ms []marks, b []byte) {
	for k := range ms {
		m := marks{}
		for i := 0; i < 64; i += 8 {
			p := (*[9]byte)(b[64*k+i:])
			lanes := byteLanes[p[1]] | byteLanes[p[2]]<<1 | byteLanes[p[3]]<<2 | byteLanes[p[4]]<<3 |
				byteLanes[p[5]]<<4 | byteLanes[p[6]]<<5 | byteLanes[p[7]]<<6 | byteLanes[p[8]]<<7
			m.word |= lanes >> laneWord & 0xff << i
			m.letter |= lanes >> laneLetter & 0xff << i
			m.space |= lanes >> laneSpace & 0xff << i
			m.inner |= lanes >> laneInner & 0xff << i
			m.stop |= lanes >> laneStop & 0xff << i
			m.newline |= lanes >> laneNewline & 0xff << i
			m.clue |= lanes >> laneClue & 0xff << i
			m.wide |= lanes >> laneWide << i
			// Bytes that differ from the one before have a bit; the multiplication gathers the others' bits.
			const low = 0x7f7f7f7f7f7f7f7f
			differ := binary.LittleEndian.Uint64(p[1:]) ^ binary.LittleEndian.Uint64(p[:])
			equal := ^((differ&low + low) | differ | low)
			m.same |= equal >> 7 * 0x0102040810204080 >> 56 << i
		}
		ms[k] = m
	}
}

// mark marks the whole text. Behind the text is a zero byte at least, and a block of space.
func (s *Stats) mark() {
	n := len(s.bytes)
	last := n / 64
	s.marks = slices.Grow(s.marks[:0], last+2)[:last+2]
	s.edge = append(append(s.edge[:0], 0), s.bytes[:min(n, 64)]...) // the first block lacks a byte before, the last one bytes behind
	if last > 0 {
		classify(s.marks[:1], s.edge)
		classify(s.marks[1:last], s.bytes[63:])
		s.edge = append(s.edge[:0], s.bytes[64*last-1:]...)
	}
	classify(s.marks[last:last+1], append(s.edge, make([]byte, 64)...))
	s.marks[last+1] = marks{space: ^uint64(0)}
	for k := range s.marks {
		s.wide = s.wide || s.marks[k].wide != 0
	}
	if s.wide {
		s.markWide()
	}
	s.join()
}

// markWide marks the characters that are not ASCII.
func (s *Stats) markWide() {
	next := 0
	for k := range s.marks {
		for w := s.marks[k].wide; w != 0; w &= w - 1 {
			if i := k*64 + bits.TrailingZeros64(w); i >= next {
				next = i + s.wideChar(i)
			}
		}
	}
}

// wideChar marks the character at byte i and returns its length.
func (s *Stats) wideChar(i int) int {
	cl, size := class(s.text[i:])
	m, next := &s.marks[i/64], &s.marks[i/64+1]
	here := uint64(1)<<size - 1
	here, there := here<<(i%64), here>>(64-i%64) // bits of its bytes, in m and next
	first := uint64(1) << (i % 64)
	if cl == classInner && s.within(i, size) {
		cl = classDigit // as good as any part of a word that is no letter
	}
	switch cl {
	case classLetter:
		m.letter |= here
		next.letter |= there
		fallthrough
	case classDigit:
		m.word |= here
		next.word |= there
	case classSpace:
		m.space |= here
		next.space |= there
	case classIdeograph:
		m.real |= first
		s.Ideographs++
	default:
		s.wideSymbol(i, size, m, first)
	}
	m.tail |= here &^ first
	next.tail |= there
	return size
}

// within reports whether the character at byte i is between two parts of a word.
func (s *Stats) within(i, size int) bool {
	if i == 0 || i+size == len(s.text) || s.marks[(i-1)/64].word>>((i-1)%64)&1 == 0 {
		return false
	}
	next, _ := class(s.text[i+size:])
	return next >= classDigit
}

// wideSymbol marks the symbol at byte i, whose bit of m is first. A byte that is no UTF-8 is a symbol by itself.
func (s *Stats) wideSymbol(i, size int, m *marks, first uint64) {
	char, behind := s.text[i:i+size], s.text[i+size:]
	if size > 1 && strings.HasSuffix(s.text[:i], char) {
		m.more |= first
	}
	switch char {
	case "…":
		s.Ellipses++
		if !strings.HasPrefix(behind, char) && sentenceEnds(behind) {
			m.end |= first
		}
	case "。", "！", "？":
		m.end |= first &^ m.more
	}
}

// join finds which bytes belong together, and counts the words.
func (s *Stats) join() {
	var before, digits uint64 // the last block's words; the carry of words without a letter
	var noLetter, tails int
	for k := range s.marks[:len(s.marks)-1] {
		m := &s.marks[k]
		m.word |= m.inner & (m.word<<1 | before>>63) & (m.word>>1 | s.marks[k+1].word<<63)
		m.more |= m.word&(m.word<<1|before>>63) | m.same&^(m.word|m.space|m.wide) | m.tail
		before = m.word
		begin := m.word &^ m.more
		m.real |= begin

		// Added to what is no letter, the beginning of a word runs on through it and arrives behind words without a letter.
		plain := m.word &^ m.letter
		var arrived uint64
		arrived, digits = bits.Add64(plain, begin&plain, digits)
		noLetter += bits.OnesCount64(arrived &^ m.word)

		s.Words += bits.OnesCount64(^(m.space | m.more))
		s.RealWords += bits.OnesCount64(m.real)
		s.WordChars += bits.OnesCount64(m.word &^ m.tail)
		s.Newlines += bits.OnesCount64(m.newline)
		m.tails = tails
		tails += bits.OnesCount64(m.tail)
	}
	s.WordChars += s.Ideographs
	s.AlphaWords = s.RealWords - noLetter
	s.Chars = len(s.bytes) - tails
}

// points returns the code points in bytes from…to−1, which begin and end between characters.
func (s *Stats) points(from, to int) int {
	if !s.wide {
		return to - from
	}
	return s.point(to) - s.point(from)
}

// point returns the code points before byte i.
func (s *Stats) point(i int) int {
	m := &s.marks[i/64]
	return i - m.tails - bits.OnesCount64(m.tail&(1<<(i%64)-1))
}

// run returns how many bytes from i on belong to what is before them.
func (s *Stats) run(i int) (n int) {
	for {
		k, shift := i/64, i%64
		more := s.marks[k].more>>shift | s.marks[k+1].more<<1<<(63-shift)
		ones := bits.TrailingZeros64(^more)
		n += ones
		if ones < 64 {
			return n
		}
		i += 64
	}
}

// between returns how many words begin, sentences end and clues are in bytes from…to−1.
func (s *Stats) between(from, to int) (words, sentences, clues int) {
	in := ^uint64(0) << (from % 64)
	for k := from / 64; k*64 < to; k++ {
		if rest := to - k*64; rest < 64 {
			in &= 1<<rest - 1
		}
		m := &s.marks[k]
		words += bits.OnesCount64(m.real & in)
		sentences += bits.OnesCount64(m.end & in)
		clues += bits.OnesCount64(m.clue & in)
		in = ^uint64(0)
	}
	return words, sentences, clues
}

// Classes of bytes and characters.
const (
	classSpace = iota
	classSymbol
	classInner // ' - . _ ’ : part of a word between two of its characters
	classIdeograph
	classWide // first byte of a longer character
	classDigit
	classLetter // from classDigit on, part of a word
)

var byteClass = func() (t [256]uint8) {
	for c := range t {
		switch {
		case c >= utf8.RuneSelf:
			t[c] = classWide
		case c <= ' ' || c == 0x7f:
			t[c] = classSpace
		case c >= '0' && c <= '9':
			t[c] = classDigit
		case c|0x20 >= 'a' && c|0x20 <= 'z':
			t[c] = classLetter
		case c == '\'' || c == '-' || c == '.' || c == '_':
			t[c] = classInner
		default:
			t[c] = classSymbol
		}
	}
	return t
}()

// class returns the class of the character that s begins with, and its bytes.
func class(s string) (cl uint8, size int) {
	if cl := byteClass[s[0]]; cl != classWide {
		return cl, 1
	}
	r, size := utf8.DecodeRuneInString(s)
	switch {
	case ideograph(r):
		return classIdeograph, size
	case int(r) < len(wideClasses()):
		return wideClasses()[r], size
	default:
		return wideClass(r), size
	}
}

// wideClasses holds the classes of the characters of Unicode's first plane, which tables of ranges take long to find.
var wideClasses = sync.OnceValue(func() *[1 << 16]uint8 {
	var t [1 << 16]uint8
	for r := range t {
		t[r] = wideClass(rune(r))
	}
	return &t
})

// wideClass returns the class of a character that is neither ASCII nor an ideograph.
func wideClass(r rune) uint8 {
	switch {
	case unicode.IsLetter(r) || unicode.IsMark(r):
		return classLetter
	case unicode.IsNumber(r):
		return classDigit
	case unicode.IsSpace(r):
		return classSpace
	case r == '’':
		return classInner
	default:
		return classSymbol
	}
}

// ideograph reports whether r is a Han ideograph or kana.
func ideograph(r rune) bool {
	return r >= 0x3040 && r <= 0x30ff || r >= 0x3400 && r <= 0x4dbf || r >= 0x4e00 && r <= 0x9fff ||
		r >= 0xf900 && r <= 0xfaff || r >= 0x20000 && r <= 0x3ffff
}
