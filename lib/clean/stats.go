package clean

import (
	"math/bits"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Stats is what the rules ask about a text, found in one walk over its bytes. Lengths are in Unicode code points. It may be measured
// again and again; it belongs to one goroutine.
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
	chinese  hanStats
	suspect  bool     // the line has a word of policyPhrases or of lorem ipsum
	words    []uint64 // hash of each word and symbol
	prefix   []uint64 // polynomial over words: of n words, the hash is prefix[i+n] − prefix[i]·base^n
	ends     []int32  // code points of words 0…i−1
	starts   []int32  // 0, 1, 2 …
	head     []int32  // of each word, where the sequence that begins there is first; for the length that is looked at
	times    []uint32 // of each first place, how often
	repeated [maxGram + 1]repeated
	heads    headTable
	lines    hashSet
	paras    hashSet
}

// Measure takes the numbers of a text. Until the next one, s refers to it.
func (s *Stats) Measure(text string) {
	s.begin(text)
	var stops uint8
	for rest := text; len(rest) > 0; {
		line := rest
		if i := strings.IndexByte(rest, '\n'); i >= 0 {
			line, rest = rest[:i], rest[i+1:]
			s.Newlines++
			s.Chars++
		} else {
			rest = ""
		}
		s.line(line, &stops)
	}
	s.StopWords = bits.OnesCount8(stops)
	s.paragraphs(text)
	s.prefix = append(s.prefix, 0)
	h := uint64(0)
	for _, w := range s.words {
		h = h*gramBase + w
		s.prefix = append(s.prefix, h)
	}
	if n := len(s.words); n > len(s.head) {
		s.head, s.times = make([]int32, n), make([]uint32, n)
	}
}

// begin empties s for a text, keeping its memory.
func (s *Stats) begin(text string) {
	*s = Stats{text: text, words: s.words[:0], prefix: s.prefix[:0], ends: s.ends[:0], starts: s.starts, head: s.head, times: s.times,
		repeated: s.repeated, heads: s.heads, lines: s.lines, paras: s.paras}
	for n := range s.repeated {
		s.repeated[n].known = false
	}
	lines := strings.Count(text, "\n") + 1
	s.lines.reset(lines)
	s.paras.reset(lines)
	s.ends = append(s.ends, 0)
}

// line measures one line.
func (s *Stats) line(line string, stops *uint8) {
	words, sentences := s.RealWords, s.Sentences
	begun := s.Chars
	s.suspect = false
	longest := s.scan(line, stops)
	chars := s.Chars - begun
	trimmed := strings.TrimSpace(line)
	if trimmed == "" {
		return
	}
	s.Lines++
	s.LineChars += chars
	if chars <= 30 {
		s.ShortLines++
	}
	if strings.HasPrefix(trimmed, "-") || strings.HasPrefix(trimmed, "•") || strings.HasPrefix(trimmed, "* ") {
		s.BulletLines++
	}
	ellipsis := strings.HasSuffix(trimmed, "...") || strings.HasSuffix(trimmed, "…")
	if ellipsis {
		s.EllipsisLines++
	}
	last, _ := utf8.DecodeLastRuneInString(trimmed)
	punct := terminal(last)
	if punct {
		s.PunctLines++
	}
	if !s.lines.add(hashString(line)) {
		s.DupLines++
		s.DupLineChars += chars
	}
	if punct && !ellipsis && s.RealWords-words >= 3 && longest <= 1000 && !(s.suspect && policy(trimmed)) {
		s.C4Lines++
		s.C4Sentences += max(1, s.Sentences-sentences)
	}
	if s.suspect && containsFold(trimmed, "lorem ipsum") {
		s.LoremIpsum = true
	}
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
	case unicode.IsLetter(r) || unicode.IsMark(r):
		return classLetter, size
	case unicode.IsNumber(r):
		return classDigit, size
	case unicode.IsSpace(r):
		return classSpace, size
	case r == '’':
		return classInner, size
	default:
		return classSymbol, size
	}
}

// ideograph reports whether r is a Han ideograph or kana.
func ideograph(r rune) bool {
	return r >= 0x3040 && r <= 0x30ff || r >= 0x3400 && r <= 0x4dbf || r >= 0x4e00 && r <= 0x9fff ||
		r >= 0xf900 && r <= 0xfaff || r >= 0x20000 && r <= 0x3ffff
}

// scan finds the words of a line and returns the length of the longest run without a space.
func (s *Stats) scan(line string, stops *uint8) (longest int) {
	run := 0 // code points since the last space
	for i := 0; i < len(line); {
		cl, size := byteClass[line[i]], 1
		if cl == classWide {
			cl, size = class(line[i:])
		}
		switch cl {
		case classSpace:
			i += size
			s.Chars++
			longest, run = max(longest, run), 0
		case classLetter, classDigit:
			n, chars, alpha := word(line[i:])
			w := line[i : i+n]
			s.addWord(w, chars)
			s.RealWords++
			s.WordChars += chars
			if alpha {
				s.AlphaWords++
				*stops |= stopWord(w)
				s.suspect = s.suspect || suspectWord(w)
			}
			i += n
			run += chars
		case classIdeograph:
			s.addWord(line[i:i+size], 1)
			s.RealWords++
			s.WordChars++
			s.AlphaWords++
			s.Ideographs++
			i += size
			run++
		default:
			n, chars := s.symbol(line, i, size)
			i += n
			run += chars
		}
	}
	return max(longest, run)
}

// symbol measures the run of the symbol at line[i:], whose first character has this size.
func (s *Stats) symbol(line string, i, size int) (n, chars int) {
	first := line[i : i+size]
	n, chars = size, 1
	broken := size == 1 && first[0] >= utf8.RuneSelf // a byte that is no UTF-8; the next character may begin with it
	for !broken && strings.HasPrefix(line[i+n:], first) {
		n += size
		chars++
	}
	s.addWord(line[i:i+n], chars)
	switch first {
	case "#":
		s.Hashes += chars
	case "{":
		s.Braces += chars
	case ".":
		s.Ellipses += chars / 3
		s.sentenceEnd(line[i+n:])
	case "…":
		s.Ellipses += chars
		s.sentenceEnd(line[i+n:])
	case "!", "?":
		s.sentenceEnd(line[i+n:])
	case "。", "！", "？":
		s.Sentences++
	}
	return n, chars
}

func (s *Stats) sentenceEnd(behind string) {
	if behind == "" {
		s.Sentences++
		return
	}
	switch behind[0] {
	case ' ', '\t', '\r', '"', '\'', ')', ']':
		s.Sentences++
	default:
		if strings.HasPrefix(behind, "”") || strings.HasPrefix(behind, "’") || strings.HasPrefix(behind, "»") {
			s.Sentences++
		}
	}
}

// word returns the bytes and code points of the word that s begins with, and whether it has a letter.
func word(s string) (n, chars int, alpha bool) {
	for n < len(s) {
		run, any := n, uint8(0)
		for n < len(s) && byteClass[s[n]] >= classDigit {
			any |= byteClass[s[n]] - classDigit
			n++
		}
		chars += n - run
		alpha = alpha || any != 0
		if n == len(s) {
			break
		}
		cl, size := class(s[n:])
		switch {
		case cl == classLetter:
			alpha = true
		case cl == classDigit:
		case cl == classInner && n+size < len(s):
			if next, _ := class(s[n+size:]); next < classDigit {
				return n, chars, alpha
			}
		default:
			return n, chars, alpha
		}
		n += size
		chars++
	}
	return n, chars, alpha
}

func (s *Stats) addWord(w string, chars int) {
	s.Words++
	s.Chars += chars
	s.words = append(s.words, hashString(w))
	s.ends = append(s.ends, s.ends[len(s.ends)-1]+int32(chars))
}

// stopWord returns the bit of one of Gopher's eight words, 0 for any other.
func stopWord(w string) uint8 {
	switch w {
	case "the":
		return 1
	case "be":
		return 2
	case "to":
		return 4
	case "of":
		return 8
	case "and":
		return 16
	case "that":
		return 32
	case "have":
		return 64
	case "with":
		return 128
	}
	return 0
}

// terminal reports whether a line that ends in r ends a sentence or quotation.
func terminal(r rune) bool {
	switch r {
	case '.', '!', '?', '"', '\'', '…', '。', '！', '？', '”', '’', '」', '』':
		return true
	}
	return false
}

// suspectWord reports whether a word begins as those that policyPhrases and lorem ipsum cannot do without.
func suspectWord(w string) bool {
	if len(w) < 5 {
		return false
	}
	switch w[0] | 0x20 {
	case 'j', 't', 'p', 'c', 'l':
		for _, key := range [...]string{"javascript", "terms", "privacy", "cookie", "lorem"} {
			if w[0]|0x20 == key[0] && containsFold(w, key) {
				return true
			}
		}
	}
	return false
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

// paragraphs measures the parts of the text between blank lines.
func (s *Stats) paragraphs(text string) {
	for rest := strings.TrimSpace(text); rest != ""; {
		para := rest
		if i := strings.Index(rest, "\n\n"); i >= 0 {
			para, rest = rest[:i], strings.TrimLeft(rest[i:], "\n")
		} else {
			rest = ""
		}
		s.Paragraphs++
		if !s.paras.add(hashString(para)) {
			s.DupParagraphs++
			s.DupParaChars += utf8.RuneCountInString(para)
		}
	}
}
