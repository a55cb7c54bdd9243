package token

import (
	"encoding/binary"
	"errors"
	"strings"
	"unicode/utf8"
)

// normalizer rewrites text before the model sees it.
type normalizer interface {
	// apply writes the normal form of in to out, or reports false when in is its own normal form.
	apply(out, in *buffer) bool
}

const (
	spaceMark   = "\u2581" // how SentencePiece writes a space
	replacement = "\ufffd"
)

// spNormalizer is SentencePiece's: a character map, rules for spaces, user-defined symbols left alone. Where it escapes
// spaces, its output has plain spaces for both ' ' and U+2581 (see the package comment).
type spNormalizer struct {
	charsmap    *charsmap
	dummyPrefix bool
	suffixSpace bool
	removeExtra bool
	escape      bool
	userDefined *matcher // nil: none
}

func (n *spNormalizer) apply(out, in *buffer) bool {
	s := in.text()
	if n.charsmap != nil || n.removeExtra || n.suffixSpace {
		n.full(out, in, s)
		return true
	}
	marked := n.escape && strings.Contains(s, spaceMark)
	valid := utf8.ValidString(s)
	if !n.dummyPrefix && !marked && valid {
		return false
	}
	if n.dummyPrefix {
		out.put(" ", in.span(0, 0))
	}
	if !marked && valid {
		out.keep(in, 0, len(s))
		return true
	}
	for i := 0; i < len(s); {
		r, w := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && w == 1:
			out.put(replacement, in.span(i, i+1))
		case marked && r == '\u2581':
			out.put(" ", in.span(i, i+w))
		default:
			out.keep(in, i, i+w)
		}
		i += w
	}
	return true
}

// full follows Normalizer::Normalize step by step.
func (n *spNormalizer) full(out, in *buffer, s string) {
	i := 0
	for n.removeExtra && i < len(s) {
		p, w := n.prefix(s[i:])
		if p != " " {
			break
		}
		i += w
	}
	if i == len(s) {
		return
	}
	if n.dummyPrefix && !n.suffixSpace {
		out.put(" ", in.span(i, i))
	}
	prevSpace := n.removeExtra
	for i < len(s) {
		p, w := n.prefix(s[i:])
		for prevSpace && strings.HasPrefix(p, " ") {
			p = p[1:]
		}
		if p != "" {
			n.emit(out, p, in.span(i, i+w))
			prevSpace = n.removeExtra && strings.HasSuffix(p, " ")
		}
		i += w
	}
	for n.removeExtra && len(out.b) > 0 && out.b[len(out.b)-1] == ' ' {
		out.pop(1)
	}
	if n.dummyPrefix && n.suffixSpace {
		out.put(" ", in.span(len(s), len(s)))
	}
}

func (n *spNormalizer) emit(out *buffer, p string, at Span) {
	if n.escape && strings.Contains(p, spaceMark) {
		p = strings.ReplaceAll(p, spaceMark, " ")
	}
	out.put(p, at)
}

// prefix returns the normal form of the beginning of s and how many bytes it stands for.
func (n *spNormalizer) prefix(s string) (string, int) {
	if n.userDefined != nil {
		if a := n.userDefined.at(s, 0); a != nil {
			return a.Text, len(a.Text)
		}
	}
	if n.charsmap != nil {
		if to, w := n.charsmap.longest(s); w > 0 {
			return to, w
		}
	}
	r, w := utf8.DecodeRuneInString(s)
	if r == utf8.RuneError && w == 1 {
		return replacement, 1
	}
	return s[:w], w
}

// charsmap is SentencePiece's precompiled character map: a darts-clone double array whose values are offsets into a
// blob of zero-terminated strings.
type charsmap struct {
	units []uint32
	blob  string
}

func newCharsmap(b []byte) (*charsmap, error) {
	if len(b) == 0 {
		return nil, nil
	}
	if len(b) < 4 {
		return nil, errors.New("character map is shorter than its size field")
	}
	size := binary.LittleEndian.Uint32(b)
	if uint64(size) > uint64(len(b)-4) || size%4 != 0 || size == 0 {
		return nil, errors.New("character map is shorter than its trie")
	}
	c := &charsmap{units: make([]uint32, size/4), blob: string(b[4+size:])}
	for i := range c.units {
		c.units[i] = binary.LittleEndian.Uint32(b[4+4*i:])
	}
	return c, nil
}

// maxMatches is how many prefixes SentencePiece looks at.
const maxMatches = 32

// longest returns what the longest mapped prefix of s becomes, and its length; 0 if none is mapped.
func (c *charsmap) longest(s string) (to string, w int) {
	pos := unitOffset(c.units[0])
	found := 0
	for i := 0; i < len(s) && found < maxMatches; i++ {
		pos ^= uint32(s[i])
		if int(pos) >= len(c.units) || c.units[pos]&(1<<31|0xFF) != uint32(s[i]) {
			break
		}
		u := c.units[pos]
		pos ^= unitOffset(u)
		if u>>8&1 != 0 && int(pos) < len(c.units) {
			to, w = c.string(c.units[pos]&(1<<31-1)), i+1
			found++
		}
	}
	return to, w
}

func (c *charsmap) string(at uint32) string {
	if int(at) >= len(c.blob) {
		return ""
	}
	s := c.blob[at:]
	if end := strings.IndexByte(s, 0); end >= 0 {
		s = s[:end]
	}
	return s
}

func unitOffset(u uint32) uint32 { return u >> 10 << (u & (1 << 9) >> 6) }
