package token

import (
	"cmp"
	"slices"
	"sync"
	"unicode"
)

// anyScript is the script of spaces and of characters that have none.
const anyScript = ""

// scriptCutter cuts where the script of the text changes, as Hugging Face's UnicodeScripts: a character of any script joins its
// neighbours, and kana count as Han.
func scriptCutter() *cutter {
	return &cutter{func(s string) ([]Span, error) {
		var out []Span
		start, last := 0, anyScript
		for i, r := range s {
			script := scriptOf(r)
			if script == anyScript {
				continue
			}
			if last != anyScript && script != last {
				out = append(out, Span{start, i})
				start = i
			}
			last = script
		}
		if start < len(s) {
			out = append(out, Span{start, len(s)})
		}
		return out, nil
	}, isolated, false}
}

func scriptOf(r rune) string {
	if r == ' ' {
		return anyScript
	}
	if r == 'ー' { // the prolonged sound mark is Common in Unicode
		return "Han"
	}
	ranges := scriptRanges()
	i, found := slices.BinarySearchFunc(ranges, r, func(s scriptRange, r rune) int {
		switch {
		case s.hi < r:
			return -1
		case s.lo > r:
			return 1
		}
		return 0
	})
	if !found {
		return anyScript
	}
	if name := ranges[i].name; name != "Hiragana" && name != "Katakana" {
		return name
	}
	return "Han"
}

type scriptRange struct {
	lo, hi rune
	name   string
}

// scriptRanges lists the scripts' ranges in order. Ranges of a stride other than one are listed character by character.
var scriptRanges = sync.OnceValue(func() []scriptRange {
	var all []scriptRange
	add := func(lo, hi, stride rune, name string) {
		if stride == 1 {
			all = append(all, scriptRange{lo, hi, name})
			return
		}
		for r := lo; r <= hi; r += stride {
			all = append(all, scriptRange{r, r, name})
		}
	}
	for name, table := range unicode.Scripts {
		for _, r := range table.R16 {
			add(rune(r.Lo), rune(r.Hi), rune(r.Stride), name)
		}
		for _, r := range table.R32 {
			add(rune(r.Lo), rune(r.Hi), rune(r.Stride), name)
		}
	}
	slices.SortFunc(all, func(a, b scriptRange) int { return cmp.Compare(a.lo, b.lo) })
	return all
})
