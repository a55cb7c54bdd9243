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

// byteRange is the values of one byte of a character.
type byteRange struct{ lo, hi byte }

// class is one character of ranges in UTF-8; surrogates are no characters.
func (b *builder) class(ranges []runeRange, next int32) int32 {
	var ways [][]byteRange
	for _, r := range ranges {
		ways = appendUTF8(ways, r.lo, min(r.hi, surrogateMin-1))
		ways = appendUTF8(ways, max(r.lo, surrogateMax+1), r.hi)
	}
	return b.tree(ways, next)
}

// tree is any of the ways to write a character, with one node for those that begin alike, so that a text is at few places at
// once.
func (b *builder) tree(ways [][]byteRange, next int32) int32 {
	var order []byteRange
	after := map[byteRange][][]byteRange{}
	for _, w := range ways {
		if len(w) == 0 {
			return next
		}
		if after[w[0]] == nil {
			order = append(order, w[0])
		}
		after[w[0]] = append(after[w[0]], w[1:])
	}
	var targets []int32
	sets := map[int32]*byteSet{}
	for _, r := range order {
		to := b.tree(after[r], next)
		if sets[to] == nil {
			sets[to] = new(byteSet)
			targets = append(targets, to)
		}
		sets[to].add(r.lo, r.hi)
	}
	for i, to := range targets {
		targets[i] = b.bytes(*sets[to], to)
	}
	return b.alt(targets...)
}

// appendUTF8 appends the ways to write the characters lo to hi, each a range for every byte.
func appendUTF8(ways [][]byteRange, lo, hi rune) [][]byteRange {
	if lo > hi {
		return ways
	}
	for _, last := range []rune{0x7F, 0x7FF, 0xFFFF} { // the last character of one, two and three bytes
		if lo <= last && hi > last {
			return appendUTF8(appendUTF8(ways, lo, last), last+1, hi)
		}
	}
	for shift := 6; shift < 6*utf8.RuneLen(lo); shift += 6 { // cut where lower bytes do not span all of their range
		m := rune(1)<<shift - 1
		if lo&^m == hi&^m {
			continue
		}
		if lo&m != 0 {
			return appendUTF8(appendUTF8(ways, lo, lo|m), lo|m+1, hi)
		}
		if hi&m != m {
			return appendUTF8(appendUTF8(ways, lo, hi&^m-1), hi&^m, hi)
		}
	}
	from, to := utf8.AppendRune(nil, lo), utf8.AppendRune(nil, hi)
	way := make([]byteRange, len(from))
	for i := range from {
		way[i] = byteRange{from[i], to[i]}
	}
	return append(ways, way)
}
