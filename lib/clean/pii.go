package clean

import (
	"iter"
	"net/netip"
	"strings"
)

// Kinds of personal and secret data.
const (
	Email     = "email"
	IPAddress = "ip"
	Phone     = "phone"
	ChineseID = "chinese_id"
	BankCard  = "bank_card"
	Secret    = "secret" // keys, tokens, passwords
)

const maxEmailLen = 254 // RFC 5321 §4.5.3.1.3

// Finding is a place of personal or secret data in a text: text[Start:End].
type Finding struct {
	Kind       string
	Start, End int
}

// FindPII returns the personal and secret data of a text from front to back: e-mail addresses, public IP addresses, phone numbers,
// Chinese identity numbers (GB 11643-1999, birth date and check digit), bank cards (issuer's range, length and Luhn's digit), and keys
// and tokens (the prefixes that services give theirs, private key blocks, and random values that are assigned to a name such as
// api_key or password). Findings do not overlap.
func FindPII(text string) iter.Seq[Finding] {
	return func(yield func(Finding) bool) {
		done := 0 // findings end here so far
		for i := 0; i < len(text); i++ {
			c := text[i]
			trigger := piiTrigger[c]
			if trigger == 0 {
				continue
			}
			f, ok := Finding{}, false
			switch trigger {
			case triggerAt:
				f, ok = emailAt(text, i, done)
			case triggerDigit:
				if boundary(text, i) {
					if f, ok = numberAt(text, i); !ok {
						f, ok = addressAt(text, i)
					}
				}
				if !ok && isDigit(c) {
					i = digitsEnd(text, i) - 1
				}
			case triggerColon:
				if f, ok = ipv6At(text, i, done); !ok {
					f, ok = assignedAt(text, i, done)
				}
			case triggerEqual:
				f, ok = assignedAt(text, i, done)
			case triggerKey:
				if boundary(text, i) {
					f, ok = keyAt(text, i)
				}
			}
			if !ok {
				continue
			}
			if !yield(f) {
				return
			}
			done = f.End
			i = max(i, f.End-1)
		}
	}
}

// What the byte at which a finding is recognised can begin or be part of.
const (
	triggerAt = iota + 1
	triggerDigit
	triggerColon
	triggerEqual
	triggerKey
)

var piiTrigger = func() (t [256]uint8) {
	t['@'], t[':'], t['='] = triggerAt, triggerColon, triggerEqual
	for c := '0'; c <= '9'; c++ {
		t[c] = triggerDigit
	}
	t['+'], t['('] = triggerDigit, triggerDigit
	for _, k := range secretPrefixes {
		t[k.prefix[0]] = triggerKey
	}
	return t
}()

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isAlnum(c byte) bool { return byteClass[c] >= classDigit }

// boundary reports whether nothing that could belong to the same token stands before text[i].
func boundary(text string, i int) bool {
	return i == 0 || !isAlnum(text[i-1]) && text[i-1] != '_' && text[i-1] != '-' && !(text[i-1] == '.' && i > 1 && isAlnum(text[i-2]))
}

func digitsEnd(text string, i int) int {
	i++
	for i < len(text) && isDigit(text[i]) {
		i++
	}
	return i
}

// emailAt finds the address around the @ at text[at], not before text[from].
func emailAt(text string, at, from int) (Finding, bool) {
	start := at
	for start > from && (isAlnum(text[start-1]) || strings.IndexByte("._%+-", text[start-1]) >= 0) {
		start--
	}
	for start < at && !isAlnum(text[start]) {
		start++
	}
	if start == at || text[at-1] == '.' || at-start > 64 {
		return Finding{}, false
	}
	end := at + 1
	label, dots, last := 0, 0, at+1
	for ; end < len(text); end++ {
		c := text[end]
		if isAlnum(c) || c == '-' && label > 0 {
			label++
			continue
		}
		if c != '.' || label == 0 || end+1 == len(text) || !isAlnum(text[end+1]) {
			break
		}
		dots++
		label, last = 0, end+1
	}
	top := text[last:end]
	if dots == 0 || len(top) < 2 || end-start > maxEmailLen || strings.ContainsFunc(top, func(r rune) bool { return r|0x20 < 'a' || r|0x20 > 'z' }) {
		return Finding{}, false
	}
	return Finding{Email, start, end}, true
}

// addressAt finds a public IPv4 address that begins at text[i].
func addressAt(text string, i int) (Finding, bool) {
	end, dots := i, 0
	for end < len(text) && (isDigit(text[end]) || text[end] == '.' && dots < 3 && end > i && isDigit(text[end-1])) {
		if text[end] == '.' {
			dots++
		}
		end++
	}
	if dots != 3 || end < len(text) && (isAlnum(text[end]) || text[end] == '.' && end+1 < len(text) && isDigit(text[end+1])) {
		return Finding{}, false
	}
	if numbering(text[:i]) {
		return Finding{}, false
	}
	a, err := netip.ParseAddr(text[i:end])
	if err != nil || !public(a) {
		return Finding{}, false
	}
	return Finding{IPAddress, i, end}, true
}

// numbering reports whether a text ends in a word that is followed by the number of a section or version.
func numbering(before string) bool {
	before = strings.TrimRight(before[max(0, len(before)-12):], " \u00a0")
	for _, w := range [...]string{"section", "sections", "sec.", "§", "version", "ver.", "chapter", "clause", "release", "第", "版本"} {
		if len(before) >= len(w) && strings.EqualFold(before[len(before)-len(w):], w) {
			return true
		}
	}
	return false
}

// ipv6At finds a public IPv6 address whose first colon is text[colon].
func ipv6At(text string, colon, from int) (Finding, bool) {
	hex := func(c byte) bool { return isDigit(c) || c|0x20 >= 'a' && c|0x20 <= 'f' }
	start := colon
	for start > from && colon-start < 4 && hex(text[start-1]) {
		start--
	}
	if start == colon || !boundary(text, start) || start > 1 && text[start-1] == ':' && hex(text[start-2]) {
		return Finding{}, false
	}
	end := colon
	for end < len(text) && (hex(text[end]) || text[end] == ':') {
		end++
	}
	if text[end-1] == ':' && !strings.HasSuffix(text[start:end], "::") {
		end--
	}
	if end < len(text) && isAlnum(text[end]) || strings.Count(text[start:end], ":") < 2 {
		return Finding{}, false
	}
	a, err := netip.ParseAddr(text[start:end])
	if err != nil || !public(a) {
		return Finding{}, false
	}
	return Finding{IPAddress, start, end}, true
}

// reserved are the ranges of RFC 6890 that netip does not name: carriers, documentation, benchmarks, future use.
var reserved = func() (p []netip.Prefix) {
	for s := range strings.FieldsSeq("0.0.0.0/8 100.64.0.0/10 192.0.0.0/24 192.0.2.0/24 192.88.99.0/24 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 240.0.0.0/4 2001:db8::/32 64:ff9b::/96 100::/64") {
		p = append(p, netip.MustParsePrefix(s))
	}
	return p
}()

// public reports whether an address is one of a host on the internet.
func public(a netip.Addr) bool {
	if !a.IsGlobalUnicast() || a.IsPrivate() || a.Is6() && a.As16()[0]&0xe0 != 0x20 { // 2000::/3 is all that is given out
		return false
	}
	for _, p := range reserved {
		if p.Contains(a) {
			return false
		}
	}
	return true
}

// datatrove's replacements, so that masked corpora of both can be mixed; where it has several, they take turns. Kinds that datatrove
// leaves alone have values that are no one's.
var maskValues = map[string][]string{
	Email:     {"email@example.com", "firstname.lastname@example.org"},
	IPAddress: {"22.214.171.124", "126.96.36.199", "188.8.131.52", "184.108.40.206", "220.127.116.11", "18.104.22.168"},
	Phone:     {"+1 555-0100"},
	ChineseID: {"000000000000000000"},
	BankCard:  {"0000 0000 0000 0000"},
	Secret:    {"SECRET"},
}

// Mask returns the text with every finding of [FindPII] replaced: e-mail addresses and IP addresses as datatrove does, the rest by
// values that belong to no one.
func Mask(text string) string {
	var b strings.Builder
	turn := map[string]int{}
	end := 0
	for f := range FindPII(text) {
		if end == 0 {
			b.Grow(len(text))
		}
		b.WriteString(text[end:f.Start])
		values := maskValues[f.Kind]
		b.WriteString(values[turn[f.Kind]%len(values)])
		turn[f.Kind]++
		end = f.End
	}
	if end == 0 {
		return text
	}
	b.WriteString(text[end:])
	return b.String()
}
