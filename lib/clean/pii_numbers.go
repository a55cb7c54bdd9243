package clean

import (
	"strings"
	"time"
)

// digits is a number as people write one: groups of digits between single spaces, hyphens and dots, perhaps behind a plus.
type digits struct {
	plus   bool
	groups []group
	all    string // the digits of all groups
}

type group struct {
	start, end int
	sep        byte // before the group; 0 for none
}

// maxGroups is the number of groups that the longest phone number or card is written in.
const maxGroups = 6

// A card's number has this many digits: ISO/IEC 7812-1.
const (
	minCardLen = 13
	maxCardLen = 19
)

// groupsAt reads the groups of digits that begin at text[i].
func groupsAt(text string, i int, buf *[maxGroups]group, all *[32]byte) (d digits) {
	n := 0
	d.groups = buf[:0]
	if text[i] == '+' {
		d.plus = true
		i++
	}
	sep := byte(0)
	for len(d.groups) < maxGroups && i < len(text) {
		open := text[i] == '('
		start := i
		if open {
			i++
		}
		if i == len(text) || !isDigit(text[i]) {
			break
		}
		end := digitsEnd(text, i)
		if n+end-i > maxCardLen+1 {
			break
		}
		n += copy(all[n:], text[i:end])
		if open {
			if end == len(text) || text[end] != ')' {
				break
			}
			end++
		}
		d.groups = append(d.groups, group{start, end, sep})
		if i = end; i == len(text) {
			break
		}
		switch sep = text[i]; sep {
		case ' ', '-', '.':
			i++
		default:
			if !open {
				i = len(text)
			}
			sep = 0
		}
	}
	d.all = string(all[:n])
	return d
}

// numberAt finds an identity number, a bank card or a phone number that begins at text[i].
func numberAt(text string, i int) (Finding, bool) {
	if end := i + 18; end <= len(text) && chineseID(text[i:end]) && (end == len(text) || !isAlnum(text[end])) {
		return Finding{ChineseID, i, end}, true
	}
	var buf [maxGroups]group
	var all [32]byte
	d := groupsAt(text, i, &buf, &all)
	for ; len(d.groups) > 0; d.groups = d.groups[:len(d.groups)-1] {
		last := d.groups[len(d.groups)-1]
		total := 0
		for _, g := range d.groups {
			total += g.end - g.start
			if text[g.start] == '(' {
				total -= 2
			}
		}
		num := d
		num.all = d.all[:total]
		if end := last.end; end < len(text) && (isAlnum(text[end]) || (text[end] == '-' || text[end] == '.') && end+1 < len(text) && isDigit(text[end+1])) {
			continue
		}
		switch {
		case bankCard(num):
			return Finding{BankCard, i, last.end}, true
		case phone(num, text):
			return Finding{Phone, i, last.end}, true
		}
	}
	return Finding{}, false
}

// chineseID reports whether 18 characters are an identity number: province, birth date, check digit of ISO 7064 MOD 11-2.
func chineseID(s string) bool {
	sum := 0
	for i := range 17 {
		if !isDigit(s[i]) {
			return false
		}
		sum += int(s[i]-'0') << (17 - i) % 11
	}
	if !strings.Contains("11 12 13 14 15 21 22 23 31 32 33 34 35 36 37 41 42 43 44 45 46 50 51 52 53 54 61 62 63 64 65 71 81 82 83", s[:2]) {
		return false
	}
	if birth, err := time.Parse("20060102", s[6:14]); err != nil || birth.Year() < 1880 || birth.Year() > 2100 {
		return false
	}
	last := s[17]
	if last == 'x' {
		last = 'X'
	}
	return "10X98765432"[sum%11] == last
}

// bankCard reports whether a number has the range and length of a card issuer, is grouped as cards are, and passes Luhn's check.
func bankCard(d digits) bool {
	n := len(d.all)
	if d.plus || n < minCardLen || n > maxCardLen || !cardRange(d.all) {
		return false
	}
	for i, g := range d.groups {
		if size := g.end - g.start; len(d.groups) > 1 && (g.sep == '.' || i < len(d.groups)-1 && size != 4 && size != 6 || i == len(d.groups)-1 && size > 7) {
			return false
		}
	}
	sum := 0
	for i := range n {
		v := int(d.all[n-1-i] - '0')
		if i%2 == 1 {
			if v *= 2; v > 9 {
				v -= 9
			}
		}
		sum += v
	}
	return sum%10 == 0
}

// cardRange reports whether a number begins and is as long as an issuer's (ISO/IEC 7812: Visa, Mastercard, American Express,
// Discover, JCB, Diners Club, UnionPay).
func cardRange(s string) bool {
	four := int(s[0]-'0')*1000 + int(s[1]-'0')*100 + int(s[2]-'0')*10 + int(s[3]-'0')
	n := len(s)
	switch {
	case s[0] == '4':
		return n == 13 || n == 16 || n == 19
	case four >= 5100 && four <= 5599, four >= 2221 && four <= 2720, four >= 3528 && four <= 3589, four == 6011, four >= 6440 && four <= 6599:
		return n == 16
	case four/100 == 34 || four/100 == 37:
		return n == 15
	case four >= 3000 && four <= 3059, four/100 == 36, four/100 == 38:
		return n == 14
	case four/100 == 62:
		return n >= 16
	}
	return false
}

// phone reports whether a number is a phone's: international with its plus; Chinese mobile and landline; North American. A bare run
// of digits is one only if it is a Chinese mobile number: other countries' would be any number.
func phone(d digits, text string) bool {
	n := len(d.all)
	if d.plus {
		return n >= 8 && n <= 15 && d.all[0] != '0'
	}
	s := d.all
	if strings.HasPrefix(s, "86") && n == 13 && len(d.groups) > 1 {
		s = s[2:]
	}
	if len(s) == 11 && s[0] == '1' && s[1] >= '3' && !dotted(d) && mobileGroups(d) {
		return true
	}
	var sizes [maxGroups]int
	for i, g := range d.groups {
		sizes[i] = g.end - g.start
	}
	switch {
	case len(d.groups) == 2 && s[0] == '0' && d.groups[1].sep != '.' && (sizes[0] == 3 || sizes[0] == 4 || text[d.groups[0].start] == '(') && sizes[1] >= 7 && sizes[1] <= 8:
		return s[1] >= '1' // 010-12345678, (0755) 1234567
	case len(d.groups) == 4 && sizes[0] == 1 && s[0] == '1':
		return american(s[1:], sizes[1:], text[d.groups[1].start])
	case len(d.groups) == 3:
		return american(s, sizes[:], text[d.groups[0].start])
	}
	return false
}

// american reports whether ten digits in groups of 3, 3 and 4 are a North American number; first is the first group's first byte.
func american(s string, sizes []int, first byte) bool {
	area := sizes[0] == 3 || sizes[0] == 5 && first == '('
	return len(s) == 10 && area && sizes[1] == 3 && sizes[2] == 4 && s[0] >= '2' && s[3] >= '2'
}

func dotted(d digits) bool {
	for _, g := range d.groups {
		if g.sep == '.' {
			return true
		}
	}
	return false
}

// mobileGroups reports whether eleven digits are grouped as Chinese mobile numbers are: all together, or 3-4-4.
func mobileGroups(d digits) bool {
	groups := d.groups
	if g := groups[0]; g.end-g.start == 2 {
		groups = groups[1:]
	}
	if len(groups) == 3 {
		return groups[0].end-groups[0].start == 3 && groups[1].end-groups[1].start == 4
	}
	return len(groups) == 1
}
