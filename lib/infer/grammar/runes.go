package grammar

import (
	"slices"
	"unicode/utf8"
)

// runeRange is the characters lo to hi, both included.
type runeRange struct{ lo, hi rune }

const (
	surrogateMin = 0xD800
	surrogateMax = 0xDFFF
)

// invert returns the characters that are in none of ranges, which it sorts.
func invert(ranges []runeRange) []runeRange {
	slices.SortFunc(ranges, func(a, b runeRange) int { return int(a.lo - b.lo) })
	var out []runeRange
	next := rune(0)
	for _, r := range ranges {
		if r.lo > next {
			out = append(out, runeRange{next, r.lo - 1})
		}
		next = max(next, r.hi+1)
	}
	if next <= utf8.MaxRune {
		out = append(out, runeRange{next, utf8.MaxRune})
	}
	return out
}

// class is one character of ranges in UTF-8; surrogates are no characters.
func (b *builder) class(ranges []runeRange, next int32) int32 {
	var alts []int32
	for _, r := range ranges {
		alts = b.utf8(alts, r.lo, min(r.hi, surrogateMin-1), next)
		alts = b.utf8(alts, max(r.lo, surrogateMax+1), r.hi, next)
	}
	return b.merged(alts)
}

// merged is any of the nodes, those that read a byte and go on alike made one.
func (b *builder) merged(alts []int32) int32 {
	var out []int32
	at := map[int32]int{}
	for _, a := range alts {
		n := b.nodes[a]
		if i, ok := at[n.next]; ok && n.op == opBytes && b.err == nil {
			set := b.sets[b.nodes[out[i]].set]
			for w := range set {
				set[w] |= b.sets[n.set][w]
			}
			out[i] = b.bytes(set, n.next)
			continue
		}
		if n.op == opBytes {
			at[n.next] = len(out)
		}
		out = append(out, a)
	}
	return b.alt(out...)
}

// utf8 appends the ways to write the characters lo to hi, which all have their bytes in ranges.
func (b *builder) utf8(alts []int32, lo, hi rune, next int32) []int32 {
	if lo > hi {
		return alts
	}
	for _, last := range []rune{0x7F, 0x7FF, 0xFFFF} { // the last character of one, two and three bytes
		if lo <= last && hi > last {
			return b.utf8(b.utf8(alts, lo, last, next), last+1, hi, next)
		}
	}
	if hi < utf8.RuneSelf {
		var s byteSet
		s.add(byte(lo), byte(hi))
		return append(alts, b.bytes(s, next))
	}
	for shift := 6; shift < 6*utf8.RuneLen(lo); shift += 6 { // cut where lower bytes do not span all of their range
		m := rune(1)<<shift - 1
		if lo&^m == hi&^m {
			continue
		}
		if lo&m != 0 {
			return b.utf8(b.utf8(alts, lo, lo|m, next), lo|m+1, hi, next)
		}
		if hi&m != m {
			return b.utf8(b.utf8(alts, lo, hi&^m-1, next), hi&^m, hi, next)
		}
	}
	from, to := utf8.AppendRune(nil, lo), utf8.AppendRune(nil, hi)
	for i := len(from) - 1; i >= 0; i-- {
		var s byteSet
		s.add(from[i], to[i])
		next = b.bytes(s, next)
	}
	return append(alts, next)
}
