package token

import (
	"strings"
	"unicode/utf8"
	"unsafe"
)

// decoding says how ids become text: a surface for each id, and what depends on position.
type decoding struct {
	at    []surface
	blob  []byte // all surfaces, and slack so that 16 bytes may be read from any of them
	strip strip
	chain []chainStep // set: Hugging Face decoders that look at tokens around; surfaces are not used
}

type surface struct {
	off   uint32
	size  uint16
	flags surfaceFlags
}

type surfaceFlags uint8

const (
	special  surfaceFlags = 1 << iota // left out unless asked for
	oneByte                           // a byte token: runs of them are checked to be UTF-8
	spaceful                          // begins with a space that strip may take
	verbatim                          // strip never takes anything of it
)

// strip says which spaces at the start of the text were not in the input.
type strip uint8

const (
	stripNone strip = iota
	stripOnce       // the dummy prefix
	stripAll        // one from every token until there is text, as SentencePiece does where it removes extra spaces
)

const surfaceSlack = 16

// add appends the surface of the next id. Surfaces over 65,535 bytes are cut: no piece of a bounded model has one.
func (d *decoding) add(s string, f surfaceFlags) {
	s = s[:min(len(s), 1<<16-1)]
	if f&verbatim == 0 && strings.HasPrefix(s, " ") {
		f |= spaceful
	}
	d.at = append(d.at, surface{uint32(len(d.blob)), uint16(len(s)), f})
	d.blob = append(d.blob, s...)
}

func (d *decoding) seal() {
	d.blob = append(d.blob, make([]byte, surfaceSlack)...)
}

// decoding of a SentencePiece model.
func (m *spModel) decoding(t *Tokenizer) decoding {
	var d decoding
	for i, piece := range t.pieces {
		switch t.kinds[i] {
		case control:
			d.add(piece, special)
		case unknown:
			d.add(m.unkSurface, verbatim)
		case byteKind:
			b, _ := byteOf(piece)
			d.add(string([]byte{b}), oneByte)
		default:
			d.add(strings.ReplaceAll(piece, spaceMark, " "), 0)
		}
	}
	switch {
	case m.removeExtraSpace:
		d.strip = stripAll
	case m.addDummyPrefix:
		d.strip = stripOnce
	}
	d.seal()
	return d
}

// Decode returns the text that ids stand for, without special tokens. Ids outside of the vocabulary stand for nothing.
func (t *Tokenizer) Decode(ids []uint32) string { return t.decode(ids, false) }

// DecodeAll is Decode that keeps special tokens, as their text.
func (t *Tokenizer) DecodeAll(ids []uint32) string { return t.decode(ids, true) }

func (t *Tokenizer) decode(ids []uint32, specials bool) string {
	b := t.AppendDecode(make([]byte, 0, 5*len(ids)+surfaceSlack), ids, specials)
	return unsafe.String(unsafe.SliceData(b), len(b))
}

// AppendDecode appends the text of ids to dst.
func (t *Tokenizer) AppendDecode(dst []byte, ids []uint32, specials bool) []byte {
	if t.dec.chain != nil {
		return append(dst, t.chained(ids, specials)...)
	}
	var p progress
	dst = t.dec.push(dst, &p, ids, specials)
	return p.flush(dst)
}

// Bytes returns what id adds to a text when it is not the first: nothing for special tokens and ids outside of the
// vocabulary. Pieces may be parts of characters. The result must not be changed.
func (t *Tokenizer) Bytes(id uint32) []byte {
	if int(id) >= len(t.pieces) || t.IsSpecial(id) {
		return nil
	}
	if t.dec.chain != nil {
		if b, ok := byteOf(t.pieces[id]); ok {
			return []byte{b}
		}
		rest, _ := strings.CutPrefix(t.chained([]uint32{id, id}, false), t.chained([]uint32{id}, false))
		return []byte(rest)
	}
	s := &t.dec.at[id]
	if s.flags&special != 0 {
		return nil
	}
	end := s.off + uint32(s.size)
	return t.dec.blob[s.off:end:end]
}

// progress is what decoding must remember between two ids.
type progress struct {
	stripped bool    // no more leading spaces to take
	run      [4]byte // bytes of byte tokens that are not yet a character
	n        int
}

// push appends what ids add to the text.
func (d *decoding) push(dst []byte, p *progress, ids []uint32, specials bool) []byte {
	for i := 0; i < len(ids); i++ {
		id := ids[i]
		if int(id) >= len(d.at) {
			continue
		}
		s := &d.at[id]
		off, n := int(s.off), int(s.size)
		if s.flags != 0 || !p.stripped || p.n > 0 {
			if s.flags&special != 0 && !specials {
				continue
			}
			if s.flags&oneByte != 0 {
				p.stripped = true
				if c, n := d.character(ids[i:]); n > 0 && p.n == 0 {
					dst = append(dst, c[:n]...)
					i += n - 1
				} else {
					dst = p.byte(dst, d.blob[off])
				}
				continue
			}
			dst = p.flush(dst)
			if d.takes(p, s) {
				off, n = off+1, n-1
			}
		}
		if free := len(dst); n <= surfaceSlack && cap(dst)-free >= surfaceSlack {
			*(*[surfaceSlack]byte)(dst[free : free+surfaceSlack]) = [surfaceSlack]byte(d.blob[off : off+surfaceSlack])
			dst = dst[:free+n]
		} else {
			dst = append(dst, d.blob[off:off+n]...)
		}
	}
	return dst
}

// character returns the bytes that the byte tokens at the start of ids stand for, when those are one whole character; n is 0 otherwise.
func (d *decoding) character(ids []uint32) (c [utf8.UTFMax]byte, n int) {
	for want := 1; n < want; n++ {
		if n == len(ids) || int(ids[n]) >= len(d.at) || d.at[ids[n]].flags&oneByte == 0 {
			return c, 0
		}
		c[n] = d.blob[d.at[ids[n]].off]
		if n == 0 {
			want = int(runeSize[c[0]>>3])
		}
	}
	if !utf8.Valid(c[:n]) {
		return c, 0
	}
	return c, n
}

// runeSize is the size of a character by the upper five bits of its first byte; 1 where none begins.
var runeSize = [32]uint8{
	1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
	1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 4, 1,
}

// takes reports whether the leading space of s was not in the input.
func (d *decoding) takes(p *progress, s *surface) bool {
	if p.stripped {
		return false
	}
	take := d.strip != stripNone && s.flags&(spaceful|special) == spaceful
	left := int(s.size)
	if take {
		left--
	}
	p.stripped = left > 0 || d.strip == stripNone || take && d.strip == stripOnce
	return take
}

// byte adds a byte token: characters are written when they are whole, bytes that belong to none as U+FFFD.
func (p *progress) byte(dst []byte, b byte) []byte {
	p.run[p.n] = b
	p.n++
	for p.n > 0 && utf8.FullRune(p.run[:p.n]) {
		r, n := utf8.DecodeRune(p.run[:p.n])
		dst = utf8.AppendRune(dst, r)
		copy(p.run[:], p.run[n:p.n])
		p.n -= n
	}
	return dst
}

// flush writes what remains of a run of byte tokens.
func (p *progress) flush(dst []byte) []byte {
	for range p.n {
		dst = append(dst, replacement...)
	}
	p.n = 0
	return dst
}

// Stream decodes ids as they are generated and never gives out part of a character. Not for use by two goroutines.
type Stream struct {
	t        *Tokenizer
	specials bool
	p        progress
	out      []byte // decoded and not given out: the start of a character
	ids      []uint32
	sent     int
}

// Stream begins a text; specials says whether special tokens appear in it.
func (t *Tokenizer) Stream(specials bool) *Stream { return &Stream{t: t, specials: specials} }

// Push adds an id and returns the text that is complete with it, often "".
func (s *Stream) Push(id uint32) string {
	if s.t.dec.chain != nil {
		s.ids = append(s.ids, id)
		full := s.t.chained(s.ids, s.specials)
		return s.since(full, len(full)-cutRune([]byte(full)))
	}
	s.out = s.t.dec.push(s.out, &s.p, []uint32{id}, s.specials)
	n := len(s.out) - cutRune(s.out)
	text := string(s.out[:n])
	s.out = s.out[:copy(s.out, s.out[n:])]
	return text
}

// Flush ends the text and returns what was held back; an incomplete character comes as it is.
func (s *Stream) Flush() string {
	if s.t.dec.chain != nil {
		full := s.t.chained(s.ids, s.specials)
		return s.since(full, len(full))
	}
	text := string(s.p.flush(s.out))
	*s = Stream{t: s.t, specials: s.specials}
	return text
}

func (s *Stream) since(full string, end int) string {
	if end <= s.sent {
		return ""
	}
	text := full[s.sent:end]
	s.sent = end
	return text
}

// cutRune returns how many bytes at the end of b begin a character that is not complete.
func cutRune(b []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(b); n++ {
		if c := b[len(b)-n]; utf8.RuneStart(c) {
			if !utf8.FullRune(b[len(b)-n:]) {
				return n
			}
			return 0
		}
	}
	return 0
}
