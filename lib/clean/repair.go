package clean

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// NFC returns the text in Unicode normal form C: composed, canonically equal.
func NFC(text string) string { return norm.NFC.String(text) }

// NFKC returns the text in Unicode normal form KC, which also folds compatible forms: ﬁ to fi, Ａ to A, ① to 1. It loses distinctions.
func NFKC(text string) string { return norm.NFKC.String(text) }

// Repair returns the text as it was meant: UTF-8 that was read as Windows-1252 or Latin-1 is decoded ("donâ€™t" to "don’t"), up to
// three times over; line ends of any kind become \n; control characters, soft hyphens, byte order marks and zero-width spaces go
// (joiners stay, as Persian, Hindi and emoji need them, and the spaces that Thai and Khmer set between words); bytes that are no UTF-8 become U+FFFD.
//
// A sequence is decoded only where the text shows that it was damaged, as ftfy does (Speer 2019, doi:10.5281/zenodo.2591652):
// "voilà »" and „Spaß“ are left alone.
func Repair(text string) string {
	if clean(text) {
		return text
	}
	text = strings.ToValidUTF8(text, "\uFFFD")
	for range 3 {
		next := mojibake(text)
		if next == text {
			break
		}
		text = next
	}
	return tidy(text)
}

// clean reports whether a text is plain ASCII without control characters, of which there is nothing to repair.
func clean(text string) bool {
	for i := range len(text) {
		if c := text[i]; c < ' ' && c != '\n' && c != '\t' || c >= 0x7f {
			return false
		}
	}
	return true
}

// tidy drops control characters and unifies line ends.
func tidy(text string) string {
	var b strings.Builder
	b.Grow(len(text))
	before := rune(0)
	for i, r := range text {
		last := before
		before = r
		switch {
		case r == '\u200b' && unspaced(last):
			b.WriteRune(r)
		case r == '\r':
			if !strings.HasPrefix(text[i+1:], "\n") {
				b.WriteByte('\n')
			}
		case r == '\u2028' || r == '\u2029' || r == '\u0085':
			b.WriteByte('\n')
		case r == '\n' || r == '\t':
			b.WriteRune(r)
		case unicode.IsControl(r) || r == '\u00ad' || r == '\ufeff' || r == '\u200b' || r == '\u2060' || r&0xfffe == 0xfffe:
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// unspaced reports whether r is a letter of Thai, Lao, Burmese or Khmer, which mark the ends of words by zero-width spaces.
func unspaced(r rune) bool {
	return r >= 0x0e00 && r <= 0x0eff || r >= 0x1000 && r <= 0x109f || r >= 0x1780 && r <= 0x17ff
}

// windows1252 maps the characters of Windows-1252's bytes 0x80…0x9f; the five bytes that it leaves free are Latin-1's.
var windows1252 = func() map[rune]byte {
	m := map[rune]byte{0x81: 0x81, 0x8d: 0x8d, 0x8f: 0x8f, 0x90: 0x90, 0x9d: 0x9d}
	i := 0
	for _, r := range "€\x00‚ƒ„…†‡ˆ‰Š‹Œ\x00Ž\x00\x00‘’“”•–—˜™š›œ\x00žŸ" {
		if r != 0 {
			m[r] = byte(0x80 + i)
		}
		i++
	}
	return m
}()

// byteOf returns the byte that a character was read from, if it is one that Windows-1252 or Latin-1 has above ASCII.
func byteOf(r rune) (byte, bool) {
	if r >= 0x80 && r <= 0xff {
		return byte(r), true
	}
	b, ok := windows1252[r]
	return b, ok
}

// garbled is one character of UTF-8 found as characters of Windows-1252.
type garbled struct {
	r     rune
	bytes int // of UTF-8
	size  int // bytes that the damaged form takes
}

// garbledAt decodes the damaged character that s begins with.
func garbledAt(s string) (g garbled, ok bool) {
	var raw [4]byte
	n, need := 0, 0
	for i, r := range s {
		b, in := byteOf(r)
		if !in {
			break
		}
		if n == 0 {
			switch {
			case b >= 0xc2 && b <= 0xdf:
				need = 2
			case b >= 0xe0 && b <= 0xef:
				need = 3
			case b >= 0xf0 && b <= 0xf4:
				need = 4
			default:
				return g, false
			}
		}
		raw[n] = b
		n++
		if n == need {
			c, size := utf8.DecodeRune(raw[:n])
			if size != n || c == utf8.RuneError {
				return g, false
			}
			return garbled{c, n, i + utf8.RuneLen(r)}, true
		}
	}
	return g, false
}

// evident reports whether a damaged character that stands alone, with the one behind it, cannot be what was meant.
func evident(g garbled, behind string) bool {
	switch {
	case g.bytes == 4:
		return true
	case g.bytes == 3 && g.r >= 0x2010 && g.r <= 0x27ff: // dashes, quotes, arrows, signs
		return true
	case g.bytes == 2 && g.r >= 0xa0 && g.r <= 0xff && (g.r < 0xc0 || g.r >= 0xe0): // Â or Ã before a sign
		return true
	}
	next, ok := garbledAt(behind)
	return ok && next.bytes == g.bytes
}

// mojibake decodes the damaged characters of a text once, if some are evident.
func mojibake(text string) string {
	found := false
	for i, r := range text {
		if r < 0xc2 || r > 0xf4 {
			continue
		}
		if g, ok := garbledAt(text[i:]); ok && evident(g, text[i+g.size:]) {
			found = true
			break
		}
	}
	if !found {
		return text
	}
	var b strings.Builder
	b.Grow(len(text))
	for i := 0; i < len(text); {
		if g, ok := garbledAt(text[i:]); ok {
			b.WriteRune(g.r)
			i += g.size
			continue
		}
		_, size := utf8.DecodeRuneInString(text[i:])
		b.WriteString(text[i : i+size])
		i += size
	}
	return b.String()
}
