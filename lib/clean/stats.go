package clean

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
	"unsafe"
)

// Stats is what the rules ask about a text. Lengths are in Unicode code points. It may be measured again and again; it belongs to one
// goroutine.
//
// A word is a run of letters, marks and digits with single apostrophes, hyphens, dots or underscores inside it; an ideograph or kana is
// a word by itself; any other run of one repeated character that is no space is a symbol. datatrove counts symbols among the words,
// as its tokenizers do, and so do the rules that name it.
type Stats struct {
	Chars      int // code points
	Words      int // words and symbols
	RealWords  int // words alone
	WordChars  int // code points in words
	AlphaWords int // words that have a letter
	Hashes     int // characters #
	Ellipses   int // "..." and …
	Newlines   int
	StopWords  int // different ones of the eight that Gopher asks for
	Sentences  int // ends of sentences: runs of . ! ? 。！？ and … before a space or the end, or after an ideograph
	Ideographs int
	Braces     int // characters {

	Lines         int // that are not blank
	BulletLines   int
	EllipsisLines int
	PunctLines    int // end in terminal punctuation
	ShortLines    int // at most 30 code points
	LineChars     int // code points in lines, newlines left out
	DupLines      int // not the first of their kind
	DupLineChars  int
	Paragraphs    int // between blank lines
	DupParagraphs int
	DupParaChars  int
	C4Lines       int // lines that C4 keeps
	C4Sentences   int // sentences in those
	LoremIpsum    bool

	text     string // what was measured
	bytes    []byte // the same, not to be written
	edge     []byte // one of its ends
	wide     bool   // it has characters that are not ASCII
	marks    []marks
	chinese  hanStats
	prefix   []uint64 // polynomial over hashes of words: of n words, the hash is prefix[i+n] − prefix[i]·base^n
	ends     []int32  // code points of words 0…i−1
	level    int      // sequences of up to as many words are looked for
	head     []int32  // of each repeated sequence of level words, by its place, where it is first
	slots    []int32  // of each place in repeated[level], its entry among heads
	seen     []uint8  // of places of pairs of words, a bit for each one there
	repeated [maxGram + 1]repeated
	heads    headTable
	lines    hashSet
	paras    hashSet
}

// Measure takes the numbers of a text. Until the next one, s refers to it.
func (s *Stats) Measure(text string) {
	*s = Stats{text: text, bytes: unsafe.Slice(unsafe.StringData(text), len(text)), edge: s.edge, marks: s.marks, prefix: s.prefix, ends: s.ends,
		head: s.head, slots: s.slots, seen: s.seen, repeated: s.repeated, heads: s.heads, lines: s.lines, paras: s.paras}
	s.mark()
	s.hashWords()
	s.findEnds()
	s.findClues()
	s.Hashes, s.Braces = strings.Count(text, "#"), strings.Count(text, "{")
	s.measureLines()
}

// hashWords hashes all words, and finds stop words on the way.
func (s *Stats) hashWords() {
	s.prefix = slices.Grow(s.prefix[:0], s.Words+1)[:s.Words+1]
	s.ends = slices.Grow(s.ends[:0], s.Words+1)[:s.Words+1]
	prefix, ends := s.prefix, s.ends
	prefix[0], ends[0] = 0, 0
	word, hash, chars, stops := 1, uint64(0), 0, uint8(0)
	for k := range s.marks[:len(s.marks)-1] {
		m := &s.marks[k]
		after, next := ^m.more, ^s.marks[k+1].more // bytes that do not belong to what is before them
		for begin := ^(m.space | m.more); begin != 0; begin &= begin - 1 {
			shift := bits.TrailingZeros64(begin)
			i := k*64 + shift
			n := 1 + bits.TrailingZeros64(after>>shift>>1|next<<(63-shift))
			var h uint64
			if b := s.bytes[i:]; n <= 16 && len(b) >= 16 {
				head := binary.LittleEndian.Uint64(b) & firstBytes[n][0]
				h = fold(head, binary.LittleEndian.Uint64(b[8:])&firstBytes[n][1])
				stop := &stopWords[head*stopMix>>60]
				bit := stop.bit
				if stop.word != head {
					bit = 0
				}
				stops |= bit
			} else {
				n = 1 + s.run(i+1)
				var bit uint8
				h, bit = hashRareWord(b[:n])
				stops |= bit
			}
			hash = hash*gramBase + h
			if s.wide {
				n = s.points(i, i+n)
			}
			chars += n
			prefix[word], ends[word] = hash, int32(chars)
			word++
		}
	}
	s.StopWords = bits.OnesCount8(stops)
}

// hashRareWord returns the hash of a long word, or of one at the end of the text, and the bit of a stop word.
func hashRareWord(word []byte) (hash uint64, stop uint8) {
	if len(word) > 16 {
		return hashString(unsafe.String(&word[0], len(word))), 0
	}
	var b [16]byte
	copy(b[:], word)
	head := binary.LittleEndian.Uint64(b[:])
	if s := stopWords[head*stopMix>>60]; s.word == head {
		stop = s.bit
	}
	return fold(head, binary.LittleEndian.Uint64(b[8:])), stop
}

// firstBytes keep of sixteen bytes as many.
var firstBytes = func() (t [17][2]uint64) {
	for n := range t {
		t[n][0] = 1<<(8*min(n, 8)) - 1
		t[n][1] = 1<<(8*max(n-8, 0)) - 1
	}
	return t
}()

// stopWords holds Gopher's eight words, as a number of their bytes, where multiplication by stopMix puts them.
var stopWords = func() (t [16]struct {
	word uint64
	bit  uint8
}) {
	for i, w := range []string{"the", "be", "to", "of", "and", "that", "have", "with"} {
		var b [8]byte
		copy(b[:], w)
		word := binary.LittleEndian.Uint64(b[:])
		t[word*stopMix>>60].word, t[word*stopMix>>60].bit = word, 1<<i
	}
	return t
}()

const stopMix = 0x9927A129ABED2903 // gives each of them a place of its own

// findEnds finds the ends of sentences and the ellipses that are written in ASCII.
func (s *Stats) findEnds() {
	for k := range s.marks {
		m := &s.marks[k]
		for stop := m.stop &^ (m.word | m.more); stop != 0; stop &= stop - 1 {
			i := k*64 + bits.TrailingZeros64(stop)
			n := 1 + s.run(i+1)
			if s.text[i] == '.' {
				s.Ellipses += n / 3
			}
			if sentenceEnds(s.text[i+n:]) {
				m.end |= stop & -stop
			}
		}
		s.Sentences += bits.OnesCount64(m.end)
	}
}

// sentenceEnds reports whether a stop ends a sentence with this text behind it.
func sentenceEnds(behind string) bool {
	if behind == "" {
		return true
	}
	switch behind[0] {
	case ' ', '\n', '\t', '\r', '"', '\'', ')', ']':
		return true
	}
	return strings.HasPrefix(behind, "”") || strings.HasPrefix(behind, "’") || strings.HasPrefix(behind, "»")
}

// measureLines measures all lines and paragraphs.
func (s *Stats) measureLines() {
	s.lines.reset(s.Newlines + 1)
	s.paras.reset(s.Newlines + 1)
	p := paragraphs{
		first: len(s.text) - len(strings.TrimLeftFunc(s.text, unicode.IsSpace)),
		last:  len(strings.TrimRightFunc(s.text, unicode.IsSpace)),
	}
	begin := 0
	for k := range s.marks {
		for newline := s.marks[k].newline; newline != 0; newline &= newline - 1 {
			end := k*64 + bits.TrailingZeros64(newline)
			s.line(&p, begin, end)
			begin = end + 1
		}
	}
	s.line(&p, begin, len(s.text))
	s.paragraph(&p)
}

// paragraphs is where the walk over a text's lines is in its paragraphs, which are between empty lines. Space around the text belongs
// to none.
type paragraphs struct {
	first, last int    // the text without space around it
	begin, end  int    // the paragraph's lines so far; the same where it has none
	hash        uint64 // of its lines' hashes
}

// paragraph counts the lines so far as one.
func (s *Stats) paragraph(p *paragraphs) {
	if p.begin == p.end {
		return
	}
	s.Paragraphs++
	if !s.paras.add(p.hash) {
		s.DupParagraphs++
		s.DupParaChars += s.points(p.begin, p.end)
	}
	p.begin, p.end, p.hash = 0, 0, 0
}

// inParagraph adds the line of bytes begin…end−1 to its paragraph; one that is empty ends it.
func (s *Stats) inParagraph(p *paragraphs, begin, end int, hash uint64) {
	from, to := max(begin, p.first), min(end, p.last)
	if from >= to {
		s.paragraph(p)
		return
	}
	if p.begin == p.end {
		p.begin = from
	}
	p.end = to
	if from != begin || to != end {
		hash = hashString(s.text[from:to])
	}
	p.hash = fold(p.hash, hash)
}

// line measures the line of bytes begin…end−1.
func (s *Stats) line(p *paragraphs, begin, end int) {
	hash := hashString(s.text[begin:end])
	s.inParagraph(p, begin, end, hash)
	line := s.text[begin:end]
	trimmed := strings.TrimSpace(line)
	if trimmed == "" {
		return
	}
	chars := s.points(begin, end)
	s.Lines++
	s.LineChars += chars
	if chars <= 30 {
		s.ShortLines++
	}
	if bullet(trimmed) {
		s.BulletLines++
	}
	last := rune(trimmed[len(trimmed)-1])
	if last >= utf8.RuneSelf {
		last, _ = utf8.DecodeLastRuneInString(trimmed)
	}
	ellipsis := last == '…' || last == '.' && strings.HasSuffix(trimmed, "...")
	if ellipsis {
		s.EllipsisLines++
	}
	if !s.lines.add(hash) {
		s.DupLines++
		s.DupLineChars += chars
	}
	words, sentences, clues := s.between(begin, end)
	if clues > 0 && containsFold(trimmed, "lorem ipsum") {
		s.LoremIpsum = true
	}
	if !terminal(last) {
		return
	}
	s.PunctLines++
	if !ellipsis && words >= 3 && !(chars > 1000 && longestRun(line) > 1000) && !(clues > 0 && policy(trimmed)) {
		s.C4Lines++
		s.C4Sentences += max(1, sentences)
	}
}

// bullet reports whether a trimmed line begins as an item of a list.
func bullet(line string) bool {
	switch line[0] {
	case '-':
		return true
	case '*':
		return strings.HasPrefix(line, "* ")
	}
	return strings.HasPrefix(line, "•")
}

// longestRun returns the code points of a line's longest part without a space.
func longestRun(line string) (longest int) {
	run := 0
	for i := 0; i < len(line); {
		cl, size := class(line[i:])
		i += size
		run++
		if cl == classSpace {
			run = 0
		}
		longest = max(longest, run)
	}
	return longest
}

// terminal reports whether a line that ends in r ends a sentence or quotation.
func terminal(r rune) bool {
	switch r {
	case '.', '!', '?', '"', '\'', '…', '。', '！', '？', '”', '’', '」', '』':
		return true
	}
	return false
}

// findClues leaves of the marked letters those that begin a part of policyPhrases or of lorem ipsum.
func (s *Stats) findClues() {
	for k := range s.marks {
		m := &s.marks[k]
		found := uint64(0)
		for clue := m.clue; clue != 0; clue &= clue - 1 {
			b := s.bytes[k*64+bits.TrailingZeros64(clue):]
			if len(b) < 4 {
				break // every phrase is longer
			}
			switch four := binary.LittleEndian.Uint32(b) | 0x20202020; {
			case four == 'v'|'a'<<8|'s'<<16|'c'<<24, // javascript
				four == 'v'|'a'<<8|'c'<<16|'y'<<24, // privacy policy
				four == 'm'|'s'<<8|' '<<16|'o'<<24, // terms of use
				four == 'm'|' '<<8|'i'<<16|'p'<<24, // lorem ipsum
				four<<8 == 'k'<<8|'i'<<16|'e'<<24:  // cookies
				found |= clue & -clue
			}
		}
		m.clue = found
	}
}

// policy reports whether a line is one that C4 drops: about scripts, cookies and terms of use.
func policy(line string) bool {
	for _, phrase := range policyPhrases {
		if containsFold(line, phrase) {
			return true
		}
	}
	return false
}

var policyPhrases = []string{"javascript", "terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies"}

// containsFold reports whether s has the lower-case ASCII phrase in any case.
func containsFold(s, phrase string) bool {
	first := phrase[0]
	for i := 0; i+len(phrase) <= len(s); i++ {
		if s[i]|0x20 == first && strings.EqualFold(s[i:i+len(phrase)], phrase) {
			return true
		}
	}
	return false
}
