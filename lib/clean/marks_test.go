package clean

import (
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"
)

// walk measures a text by looking at one character after another: the definition of what [Stats] says of words, lines and sentences.
func walk(text string) (s Stats) {
	stops := map[string]bool{}
	seen := map[string]bool{}
	s.Chars, s.Newlines = utf8.RuneCountInString(text), strings.Count(text, "\n")
	for line := range strings.SplitSeq(text, "\n") {
		before := s
		longest := 0
		for i := 0; i < len(line); {
			word := wordAt(line[i:])
			chars := utf8.RuneCountInString(word)
			cl, _ := class(word)
			switch {
			case cl == classSpace:
				longest = 0
			case cl == classIdeograph:
				s.Ideographs++
				fallthrough
			case cl >= classDigit:
				s.RealWords++
				s.WordChars += chars
				if cl == classIdeograph || hasLetter(word) {
					s.AlphaWords++
				}
				if strings.Contains(" the be to of and that have with ", " "+word+" ") {
					stops[word] = true
				}
			default:
				s.symbol(word, line[i+len(word):])
			}
			if cl != classSpace {
				s.Words++
				longest += chars
			}
			if i += len(word); longest > 1000 {
				before.C4Lines = -1 // for ever
			}
		}
		s.walkedLine(line, &before, seen)
	}
	s.StopWords = len(stops)
	return s
}

// wordAt returns the space, word or symbol that s begins with.
func wordAt(s string) string {
	cl, n := class(s)
	switch {
	case cl >= classDigit:
		for n < len(s) {
			cl, size := class(s[n:])
			if cl == classInner && n+size < len(s) {
				cl, _ = class(s[n+size:])
			}
			if cl < classDigit {
				break
			}
			n += size
		}
	case cl == classSymbol || cl == classInner:
		for char := s[:n]; utf8.ValidString(char) && strings.HasPrefix(s[n:], char); {
			n += len(char)
		}
	}
	return s[:n]
}

func hasLetter(word string) bool {
	for i := range word {
		if cl, _ := class(word[i:]); cl == classLetter {
			return true
		}
	}
	return false
}

func (s *Stats) symbol(symbol, behind string) {
	ends := behind == "" || strings.ContainsAny(behind[:1], " \t\r\"')]") ||
		strings.HasPrefix(behind, "”") || strings.HasPrefix(behind, "’") || strings.HasPrefix(behind, "»")
	switch char, _ := utf8.DecodeRuneInString(symbol); char {
	case '.':
		s.Ellipses += len(symbol) / 3
	case '…':
		s.Ellipses += len(symbol) / len("…")
	case '!', '?':
	case '。', '！', '？':
		ends = true
	default:
		ends = false
		s.Hashes += strings.Count(symbol, "#")
		s.Braces += strings.Count(symbol, "{")
	}
	if ends {
		s.Sentences++
	}
}

func (s *Stats) walkedLine(line string, before *Stats, seen map[string]bool) {
	count := func(n *int, ok bool) {
		if ok {
			*n++
		}
	}
	t, chars := strings.TrimSpace(line), utf8.RuneCountInString(line)
	if t == "" {
		return
	}
	last, _ := utf8.DecodeLastRuneInString(t)
	ellipsis := strings.HasSuffix(t, "...") || last == '…'
	s.Lines++
	s.LineChars += chars
	count(&s.ShortLines, chars <= 30)
	count(&s.BulletLines, strings.HasPrefix(t, "-") || strings.HasPrefix(t, "•") || strings.HasPrefix(t, "* "))
	count(&s.EllipsisLines, ellipsis)
	count(&s.PunctLines, terminal(last))
	if seen[line] {
		s.DupLines++
		s.DupLineChars += chars
	}
	seen[line] = true
	dropped := before.C4Lines < 0
	for _, p := range policyPhrases {
		dropped = dropped || containsFold(t, p)
	}
	if terminal(last) && !ellipsis && s.RealWords-before.RealWords >= 3 && !dropped {
		s.C4Lines++
		s.C4Sentences += max(1, s.Sentences-before.Sentences)
	}
	s.LoremIpsum = s.LoremIpsum || containsFold(t, "lorem ipsum")
}

// sameCounts compares what Measure and walk say of a text.
func sameCounts(t testing.TB, s *Stats, text string) {
	t.Helper()
	want := walk(text)
	for _, c := range []struct {
		name      string
		got, want int
	}{
		{"Chars", s.Chars, want.Chars}, {"Words", s.Words, want.Words}, {"RealWords", s.RealWords, want.RealWords},
		{"WordChars", s.WordChars, want.WordChars}, {"AlphaWords", s.AlphaWords, want.AlphaWords}, {"Hashes", s.Hashes, want.Hashes},
		{"Ellipses", s.Ellipses, want.Ellipses}, {"Newlines", s.Newlines, want.Newlines}, {"StopWords", s.StopWords, want.StopWords},
		{"Sentences", s.Sentences, want.Sentences}, {"Ideographs", s.Ideographs, want.Ideographs}, {"Braces", s.Braces, want.Braces},
		{"Lines", s.Lines, want.Lines}, {"BulletLines", s.BulletLines, want.BulletLines}, {"EllipsisLines", s.EllipsisLines, want.EllipsisLines},
		{"PunctLines", s.PunctLines, want.PunctLines}, {"ShortLines", s.ShortLines, want.ShortLines}, {"LineChars", s.LineChars, want.LineChars},
		{"DupLines", s.DupLines, want.DupLines}, {"DupLineChars", s.DupLineChars, want.DupLineChars},
		{"C4Lines", s.C4Lines, want.C4Lines}, {"C4Sentences", s.C4Sentences, want.C4Sentences},
	} {
		if c.got != c.want {
			t.Fatalf("%s = %d, want %d, of %q", c.name, c.got, c.want, text)
		}
	}
	if s.LoremIpsum != want.LoremIpsum {
		t.Fatalf("LoremIpsum = %v of %q", s.LoremIpsum, text)
	}
}

// Texts of all that marks distinguish, at all places of blocks: words, symbols and characters cross their ends.
func TestMeasureIsTheWalk(t *testing.T) {
	parts := strings.Split("a|B|the|with|'|-|.|..|...|…|……|’| | | |\t|\r|\x00|\x7f|é|文|。|！|\xff|\xe2\x80|\xe2|\u00a0|\u2003|9|٣|_|#|##|{|“|”|»|!|?|"+
		"use cookies|application/x-JavaScript|Lorem Ipsum|Terms of use|\u0301|abcdefghijklmnopqrstuvwxyz|3.14|don't|l’été|•|* |- |𝒳|𠀀|語言|privacy policy|"+
		strings.Repeat("long", 40), "|")
	parts = append(parts, "\n", "\n", "\n\n")
	var s Stats
	for seed := range uint64(20_000) {
		rng := rand.New(rand.NewPCG(1, seed))
		var b strings.Builder
		for range rng.IntN(120) {
			b.WriteString(parts[rng.IntN(len(parts))])
		}
		s.Measure(b.String())
		sameCounts(t, &s, b.String())
	}
}

// A run of more than 1,000 characters makes C4 drop a line.
func TestLongRuns(t *testing.T) {
	for run, want := range map[int]int{1000: 1, 1001: 0} {
		for _, char := range []string{"x", "é", "文", "."} {
			text := "one two three " + strings.Repeat(char, run) + " end."
			var s Stats
			s.Measure(text)
			sameCounts(t, &s, text)
			if s.C4Lines != want {
				t.Errorf("a run of %d %q: %d lines are kept", run, char, s.C4Lines)
			}
		}
	}
}

// Every byte at every place of a block has the same marks by all variants.
func TestClassifyVariants(t *testing.T) {
	text := make([]byte, 1+64*300)
	for i := range text {
		text[i] = byte(i + i/256*7)
		if i%3 == 0 && i > 0 {
			text[i] = text[i-1]
		}
	}
	got, want := make([]marks, 300), make([]marks, 300)
	classify(got, text)
	classifyPortable(want, text)
	for k := range want {
		if got[k] != want[k] {
			t.Fatalf("block %d: %+v, want %+v", k, got[k], want[k])
		}
	}
}

// Files of classifiers hold places of hashes: qualityMagic counts their versions.
func TestHashesStay(t *testing.T) {
	var s Stats
	s.Measure("the internationalization of 語言")
	for i, want := range []uint64{0x9f8f7d3f4cac25a1, 0x59b794304f2ddd8, 0x4cfc2d527890214f, 0x7216348a5e16b035, 0xd78c315771990c30} {
		if got := s.gram(i, 1); got != want {
			t.Errorf("word %d is %#x", i, got)
		}
	}
}
