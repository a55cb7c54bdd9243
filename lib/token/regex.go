package token

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dlclark/regexp2"
)

// regexLimit is how long one stretch of text may keep a pattern busy: patterns come from files.
const regexLimit = 20 * time.Second

// pretokenizer cuts text into words and may rewrite it.
type pretokenizer interface {
	cut(words []buffer) ([]buffer, error)
}

// setPattern chooses the splitter of a byte-level tokenizer.
func (t *Tokenizer) setPattern(pattern string) error {
	t.pattern = pattern
	if t.split = knownSplitter(pattern); t.split != nil {
		return nil
	}
	p, err := newPattern(pattern, isolated, false)
	if err != nil {
		return err
	}
	t.pre = p
	return nil
}

// behaviour says what happens to what a pattern matches.
type behaviour uint8

const (
	isolated behaviour = iota // a word of its own
	removed
	mergedWithPrevious
	mergedWithNext
	contiguous // neighbouring matches are one word
)

var behaviours = map[string]behaviour{"Isolated": isolated, "Removed": removed,
	"MergedWithPrevious": mergedWithPrevious, "MergedWithNext": mergedWithNext, "Contiguous": contiguous}

// cutter cuts text where find matches.
type cutter struct {
	find   func(s string) ([]Span, error)
	how    behaviour
	invert bool // what lies between matches is treated as the match
}

// newPattern is a cutter for a regular expression.
func newPattern(pattern string, how behaviour, invert bool) (*cutter, error) {
	if split := knownSplitter(pattern); split != nil {
		return &cutter{func(s string) ([]Span, error) { return splitAll(s, split), nil }, how, invert}, nil
	}
	re, err := compile(pattern)
	if err != nil {
		return nil, err
	}
	return &cutter{func(s string) ([]Span, error) { return matchAll(re, s) }, how, invert}, nil
}

func compile(pattern string) (*regexp2.Regexp, error) {
	re, err := regexp2.Compile(pattern, regexp2.None)
	if err != nil {
		return nil, fmt.Errorf("pattern %q: %w", pattern, err)
	}
	re.MatchTimeout = regexLimit
	return re, nil
}

func splitAll(s string, split splitter) []Span {
	var out []Span
	for i := 0; i < len(s); {
		j := split(s, i)
		out = append(out, Span{i, j})
		i = j
	}
	return out
}

// literal is a cutter for a fixed string.
func literal(text string, how behaviour, invert bool) *cutter {
	return &cutter{func(s string) ([]Span, error) {
		var out []Span
		for i := 0; text != ""; {
			k := strings.Index(s[i:], text)
			if k < 0 {
				break
			}
			out = append(out, Span{i + k, i + k + len(text)})
			i += k + len(text)
		}
		return out, nil
	}, how, invert}
}

// runes is a cutter for single characters.
func runes(is func(rune) bool, how behaviour) *cutter {
	return &cutter{func(s string) ([]Span, error) {
		var out []Span
		for i := 0; i < len(s); {
			r, n := utf8.DecodeRuneInString(s[i:])
			if is(r) {
				out = append(out, Span{i, i + n})
			}
			i += n
		}
		return out, nil
	}, how, false}
}

// matchAll returns the non-empty matches of re in s, as bytes. regexp2 works on characters; a byte that is no UTF-8 is
// one character there.
func matchAll(re *regexp2.Regexp, s string) ([]Span, error) {
	text := make([]rune, 0, len(s))
	at := make([]int, 0, len(s)+1)
	for i, r := range s {
		text, at = append(text, r), append(at, i)
	}
	at = append(at, len(s))
	var out []Span
	m, err := re.FindRunesMatch(text)
	for ; m != nil && err == nil; m, err = re.FindNextMatch(m) {
		if m.Length > 0 {
			out = append(out, Span{at[m.Index], at[m.Index+m.Length]})
		}
	}
	if err != nil {
		return nil, fmt.Errorf("token: pre-tokenizer: %w", err)
	}
	return out, nil
}

func (c *cutter) cut(words []buffer) ([]buffer, error) {
	var out []buffer
	for _, w := range words {
		found, err := c.find(w.text())
		if err != nil {
			return nil, err
		}
		for _, p := range c.arrange(found, len(w.b)) {
			if p.Start < p.End {
				out = append(out, w.sub(p.Start, p.End))
			}
		}
	}
	return out, nil
}

// part is a stretch of a text and whether it counts as a match.
type part struct {
	Span
	match bool
}

// arrange turns matches into words.
func (c *cutter) arrange(found []Span, size int) []Span {
	var parts []part
	last := 0
	for _, f := range found {
		if f.Start > last {
			parts = append(parts, part{Span{last, f.Start}, c.invert})
		}
		parts = append(parts, part{f, !c.invert})
		last = f.End
	}
	if last < size {
		parts = append(parts, part{Span{last, size}, c.invert})
	}
	var out []Span
	prev := false
	for i, p := range parts {
		join := false
		switch c.how {
		case removed:
			if p.match {
				continue
			}
		case mergedWithPrevious:
			join = p.match && !prev && len(out) > 0
		case mergedWithNext:
			join = i > 0 && parts[i-1].match && !p.match
		case contiguous:
			join = i > 0 && p.match == parts[i-1].match
		}
		if join {
			out[len(out)-1].End = p.End
		} else {
			out = append(out, p.Span)
		}
		prev = p.match
	}
	return out
}
