package token

import (
	"sync"
	"unicode"
	"unicode/utf8"
)

// class holds what splitters ask about a character.
type class uint8

const (
	isLetter  class = 1 << iota // \p{L}
	isNumber                    // \p{N}
	isSpace                     // \s
	isNewline                   // \r or \n
	isUpper                     // \p{Lu} \p{Lt} \p{Lm} \p{Lo} \p{M}, as o200k groups them
	isLower                     // \p{Ll} \p{Lm} \p{Lo} \p{M}
)

// classTable has the class of every character, by pages of 256 that equal ones share.
type classTable struct {
	ascii [128]class
	page  [0x1100]uint8
	pages [][256]class
}

var classes = sync.OnceValue(buildClasses)

func buildClasses() *classTable {
	all := make([]class, 0x110000)
	mark := func(t *unicode.RangeTable, c class) {
		for _, r := range t.R16 {
			for x := int(r.Lo); x <= int(r.Hi); x += int(r.Stride) {
				all[x] |= c
			}
		}
		for _, r := range t.R32 {
			for x := int(r.Lo); x <= int(r.Hi); x += int(r.Stride) {
				all[x] |= c
			}
		}
	}
	mark(unicode.L, isLetter)
	mark(unicode.N, isNumber)
	mark(unicode.White_Space, isSpace)
	for _, t := range []*unicode.RangeTable{unicode.Lu, unicode.Lt, unicode.Lm, unicode.Lo, unicode.M} {
		mark(t, isUpper)
	}
	for _, t := range []*unicode.RangeTable{unicode.Ll, unicode.Lm, unicode.Lo, unicode.M} {
		mark(t, isLower)
	}
	all['\r'] |= isNewline
	all['\n'] |= isNewline
	t := &classTable{}
	copy(t.ascii[:], all)
	seen := map[[256]class]uint8{}
	for i := range t.page {
		p := [256]class(all[i<<8:])
		k, ok := seen[p]
		if !ok {
			k = uint8(len(t.pages))
			seen[p] = k
			t.pages = append(t.pages, p)
		}
		t.page[i] = k
	}
	return t
}

// at returns the class of the character at s[i] and its length; past the end, no class and 0. A byte that is no UTF-8
// has no class and length 1.
func (t *classTable) at(s string, i int) (class, int) {
	if i >= len(s) {
		return 0, 0
	}
	if c := s[i]; c < utf8.RuneSelf {
		return t.ascii[c], 1
	}
	r, n := utf8.DecodeRuneInString(s[i:])
	return t.pages[t.page[uint32(r)>>8]][r&0xFF], n
}

// run returns the end of the run of characters at i that have any of the classes want.
func (t *classTable) run(s string, i int, want class) int {
	for i < len(s) {
		if c := s[i]; c < utf8.RuneSelf {
			if t.ascii[c]&want == 0 {
				return i
			}
			i++
			continue
		}
		c, n := t.at(s, i)
		if c&want == 0 {
			return i
		}
		i += n
	}
	return i
}

// runNot is run for characters that have none of the classes.
func (t *classTable) runNot(s string, i int, avoid class) int {
	for i < len(s) {
		c, n := t.at(s, i)
		if c&avoid != 0 {
			return i
		}
		i += n
	}
	return i
}
