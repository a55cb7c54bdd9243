package clean

import (
	_ "embed"
	"strings"
	"sync"
)

//go:embed script.txt
var scriptText string

// Marks of a character in hanTable.
const (
	simplifiedOnly = 1 << iota
	traditionalOnly
)

const (
	hanFirst = 0x4e00
	hanLast  = 0x9fff
)

// hanTable holds, for each ideograph of the basic block, in which script it is written.
var hanTable = sync.OnceValue(func() *[hanLast - hanFirst + 1]uint8 {
	var t [hanLast - hanFirst + 1]uint8
	mark := uint8(simplifiedOnly)
	for line := range strings.Lines(scriptText) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		for _, r := range strings.TrimSpace(line) {
			t[r-hanFirst] = mark
		}
		mark = traditionalOnly
	}
	return &t
})

// Script counts the characters of a text that only simplified and only traditional Chinese writes. Most characters are common to
// both; a text of either script has hardly any of the other's, and one that has both is a mixture or badly converted. Japanese
// counts as a mixture too: it has its own simplified forms beside the traditional ones.
func Script(text string) (simplified, traditional int) {
	table := hanTable()
	for _, r := range text {
		if r < hanFirst || r > hanLast {
			continue
		}
		switch table[r-hanFirst] {
		case simplifiedOnly:
			simplified++
		case traditionalOnly:
			traditional++
		}
	}
	return simplified, traditional
}
