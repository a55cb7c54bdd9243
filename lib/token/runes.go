package token

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

const bigramBits = 21

// bigrams is a set of pairs of characters: exact for ASCII, else a superset of what was added.
type bigrams struct {
	ascii [128][2]uint64
	other [1 << (bigramBits - 6)]uint64
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
