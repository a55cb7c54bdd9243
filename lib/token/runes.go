package token

import "unicode/utf8"

// runeTable maps characters to ids, by pages of 256.
type runeTable struct{ pages [0x1100]*[256]uint32 }

func (t *runeTable) get(r rune) uint32 {
	if p := t.pages[uint32(r)>>8]; p != nil {
		return p[r&0xFF]
	}
	return noSymbol
}

func (t *runeTable) set(r rune, id uint32) {
	p := t.pages[uint32(r)>>8]
	if p == nil {
		p = new([256]uint32)
		for i := range p {
			p[i] = noSymbol
		}
		t.pages[uint32(r)>>8] = p
	}
	p[r&0xFF] = id
}

// runeSet is a set of characters, by pages of 256.
type runeSet struct{ pages [0x1100]*[4]uint64 }

func (t *runeSet) has(r rune) bool {
	p := t.pages[uint32(r)>>8]
	return p != nil && p[r>>6&3]>>(r&63)&1 != 0
}

func (t *runeSet) add(r rune) {
	p := &t.pages[uint32(r)>>8]
	if *p == nil {
		*p = new([4]uint64)
	}
	(*p)[r>>6&3] |= 1 << (r & 63)
}

const bigramBits = 21

// bigrams is a set of pairs of characters that stand side by side in a piece: exact for ASCII, else a superset of what
// was added. Pieces of byte-level models may begin or end inside of a character; partial has, for those, the last byte
// before and the first byte after each place between two characters.
type bigrams struct {
	ascii   [128][2]uint64
	other   [1 << (bigramBits - 6)]uint64
	partial [256][4]uint64
}

func (b *bigrams) risky(last, first byte) bool {
	return b.partial[last][first>>6]>>(first&63)&1 != 0
}

// addBytes adds what a piece of a byte-level model bridges.
func (b *bigrams) addBytes(piece string) {
	for p := 1; p < len(piece); p++ {
		if !utf8.RuneStart(piece[p]) {
			continue
		}
		before, n := utf8.DecodeLastRuneInString(piece[:p])
		after, k := utf8.DecodeRuneInString(piece[p:])
		if before == utf8.RuneError && n <= 1 || after == utf8.RuneError && k <= 1 {
			last, first := piece[p-1], piece[p]
			b.partial[last][first>>6] |= 1 << (first & 63)
		} else {
			b.add(before, after)
		}
	}
}

func (b *bigrams) has(x, y rune) bool {
	if x|y < 128 {
		return b.ascii[x&127][y>>6&1]>>(y&63)&1 != 0
	}
	h := bigramHash(x, y)
	return b.other[h>>6]>>(h&63)&1 != 0
}

func (b *bigrams) add(x, y rune) {
	if x|y < 128 {
		b.ascii[x&127][y>>6&1] |= 1 << (y & 63)
		return
	}
	h := bigramHash(x, y)
	b.other[h>>6] |= 1 << (h & 63)
}

func bigramHash(x, y rune) uint64 {
	return (uint64(x)<<32 | uint64(y)) * 0x9E3779B97F4A7C15 >> (64 - bigramBits)
}

// addText adds every pair of adjacent characters of s.
func (b *bigrams) addText(s string) {
	prev := rune(-1)
	for _, r := range s {
		if prev >= 0 {
			b.add(prev, r)
		}
		prev = r
	}
}
