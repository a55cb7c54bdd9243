package token

import (
	"strings"
	"unicode/utf8"
)

// splitter returns the end of the pre-token that begins at s[i]. Pre-tokens are contiguous and never empty.
type splitter func(s string, i int) int

// Patterns of published byte-level tokenizers that have a hand-written splitter. Llama 3's equals cl100k's.
const (
	PatternGPT2   = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
	PatternCL100K = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	PatternQwen2  = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	PatternO200K  = `[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	// PatternDigits2 is cl100k's with numbers in groups of two, better for vocabularies under 64k.
	PatternDigits2 = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,2}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
)

// cl100kPossessive is how newer tiktoken writes PatternCL100K. It differs at the end of the text, where white space is
// one pre-token whatever it is made of.
const cl100kPossessive = `'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s`

// knownSplitter returns the hand-written splitter of a pattern, or nil.
func knownSplitter(pattern string) splitter {
	t := classes()
	switch pattern {
	case PatternGPT2, `'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`:
		return t.splitGPT2
	case PatternCL100K:
		return func(s string, i int) int { return t.splitCL100K(s, i, 3) }
	case cl100kPossessive:
		return func(s string, i int) int {
			if j := t.run(s, i, isSpace); j == len(s) {
				return j
			}
			return t.splitCL100K(s, i, 3)
		}
	case PatternDigits2:
		return func(s string, i int) int { return t.splitCL100K(s, i, 2) }
	case PatternQwen2:
		return func(s string, i int) int { return t.splitCL100K(s, i, 1) }
	case PatternO200K:
		return t.splitO200K
	}
	return nil
}

// contraction returns the length of 's, 't, 're, 've, 'm, 'll or 'd at s[i], or 0; fold ignores case. U+017F is the
// one character beyond ASCII that folds to a letter of these.
func contraction(s string, i int, fold bool) int {
	if i+1 >= len(s) || s[i] != '\'' {
		return 0
	}
	c := s[i+1]
	var d byte
	if i+2 < len(s) {
		d = s[i+2]
	}
	if fold {
		if strings.HasPrefix(s[i+1:], "\u017f") {
			return 3
		}
		c, d = c|0x20, d|0x20
		if c < 'a' || s[i+1] < 'A' {
			return 0
		}
	}
	switch {
	case c == 's' || c == 't' || c == 'm' || c == 'd':
		return 2
	case (c == 'r' || c == 'v') && d == 'e', c == 'l' && d == 'l':
		return 3
	}
	return 0
}

func (t *classTable) splitGPT2(s string, i int) int {
	if n := contraction(s, i, false); n > 0 {
		return i + n
	}
	c, n := t.at(s, i)
	j := i
	if s[i] == ' ' {
		j++
		c, n = t.at(s, j)
	}
	switch {
	case c&isLetter != 0:
		return t.run(s, j+n, isLetter)
	case c&isNumber != 0:
		return t.run(s, j+n, isNumber)
	case c&isSpace == 0 && n > 0:
		return t.runNot(s, j+n, isSpace|isLetter|isNumber)
	}
	return t.blank(s, i, t.run(s, i, isSpace))
}

// blank returns where \s+(?!\S)|\s+ ends, for the run of white space s[i:end]: the last character of a run is left to
// the word after it.
func (t *classTable) blank(s string, i, end int) int {
	if end == len(s) {
		return end
	}
	_, n := utf8.DecodeLastRuneInString(s[i:end])
	if end-n > i {
		return end - n
	}
	return end
}

// spaces returns where \s*[\r\n]+|\s+(?!\S)|\s+ ends.
func (t *classTable) spaces(s string, i int) int {
	end := t.run(s, i, isSpace)
	if k := strings.LastIndexAny(s[i:end], "\r\n"); k >= 0 {
		return i + k + 1
	}
	return t.blank(s, i, end)
}

// splitCL100K takes numbers in groups of up to digits characters.
func (t *classTable) splitCL100K(s string, i int, digits int) int {
	c, n := t.at(s, i)
	if c&isLetter != 0 {
		return t.run(s, i+n, isLetter)
	}
	if c&isNumber != 0 {
		return t.number(s, i+n, digits-1)
	}
	if s[i] == '\'' {
		if k := contraction(s, i, true); k > 0 {
			return i + k
		}
	}
	if c&isNewline == 0 {
		if d, m := t.at(s, i+n); d&isLetter != 0 {
			return t.run(s, i+n+m, isLetter)
		}
	}
	if j := t.other(s, i, c); j > 0 {
		return t.run(s, j, isNewline)
	}
	return t.spaces(s, i)
}

// number returns the end of up to n more number characters.
func (t *classTable) number(s string, i, n int) int {
	for ; n > 0; n-- {
		c, w := t.at(s, i)
		if c&isNumber == 0 {
			break
		}
		i += w
	}
	return i
}

// other returns the end of ` ?[^\s\p{L}\p{N}]+` at i, whose class is c, or 0.
func (t *classTable) other(s string, i int, c class) int {
	j := i
	if s[i] == ' ' {
		j++
		d, n := t.at(s, j)
		if c = d; n == 0 {
			return 0
		}
	}
	if c&(isSpace|isLetter|isNumber) != 0 {
		return 0
	}
	return t.runNot(s, j, isSpace|isLetter|isNumber)
}

func (t *classTable) splitO200K(s string, i int) int {
	c, n := t.at(s, i)
	if c&isNumber != 0 {
		return t.number(s, i+n, 2)
	}
	if c&(isLetter|isNewline) == 0 {
		// A mark may be the prefix or a word of its own; it is the prefix only of a word that ends in lower case.
		if j, lower := t.cased(s, i+n); j > 0 && (lower || c&isUpper == 0) {
			return j
		}
	}
	if j, _ := t.cased(s, i); j > 0 {
		return j
	}
	if j := t.other(s, i, c); j > 0 {
		for j < len(s) && (s[j] == '\r' || s[j] == '\n' || s[j] == '/') {
			j++
		}
		return j
	}
	return t.spaces(s, i)
}

// cased returns the end of o200k's word at i, without its prefix: upper case then lower case, either may be missing,
// and a contraction. 0 means no word. Where upper case is not followed by lower, the word ends after the last
// character that counts as both, for the pattern prefers to end in lower case.
func (t *classTable) cased(s string, i int) (word int, lower bool) {
	end, both := i, 0
	for {
		c, n := t.at(s, end)
		if c&isUpper == 0 {
			if c&isLower != 0 {
				end = t.run(s, end+n, isLower)
				both = end
			}
			break
		}
		end += n
		if c&isLower != 0 {
			both = end
		}
	}
	if end == i {
		return 0, false
	}
	if both > 0 {
		end = both
	}
	return end + contraction(s, end, true), both > 0
}
