package token

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// addedTokens finds added tokens in a text: first those written for raw text, then those for normalised text.
type addedTokens struct {
	list            []Added
	raw, rawPlain   matcher // plain: without the special ones, for AsText
	norm, normPlain matcher
}

// setAdded puts the added tokens of a model file into the vocabulary and prepares to find them.
func (t *Tokenizer) setAdded(list []Added) error {
	t.added = addedTokens{list: slices.Clone(list)}
	var raw, rawPlain, norm, normPlain []Added
	for _, a := range list {
		k := userDefined
		if a.Special {
			k = control
		}
		if id := int(a.ID); id < len(t.kinds) && t.kinds[id] == unknown {
			k = unknown // Decode shows it
		}
		if err := t.set(int(a.ID), a.Text, k); err != nil {
			return err
		}
		t.index[a.Text] = a.ID
		if a.Text == "" {
			continue
		}
		if a.Normalized && t.norm != nil {
			a.Text = t.normalized(a.Text)
			norm = append(norm, a)
			if !a.Special {
				normPlain = append(normPlain, a)
			}
			continue
		}
		raw = append(raw, a)
		if !a.Special {
			rawPlain = append(rawPlain, a)
		}
	}
	t.added.raw, t.added.rawPlain = newMatcher(raw), newMatcher(rawPlain)
	t.added.norm, t.added.normPlain = newMatcher(norm), newMatcher(normPlain)
	return nil
}

func (t *Tokenizer) normalized(s string) string {
	var out buffer
	in := input(s, 0)
	t.norm.apply(&out, &in)
	return string(out.b)
}

// matcher finds the leftmost, then longest, of a set of strings.
type matcher struct {
	first [256]bool
	only  int // the first byte that all share, or -1
	byTwo map[[2]byte][]Added
	one   map[byte][]Added // strings of one byte
	n     int
}

func newMatcher(list []Added) matcher {
	m := matcher{only: -1, n: len(list), byTwo: map[[2]byte][]Added{}, one: map[byte][]Added{}}
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b Added) int { return cmp.Compare(len(b.Text), len(a.Text)) })
	for i, a := range list {
		c := a.Text[0]
		switch {
		case i == 0:
			m.only = int(c)
		case m.only != int(c):
			m.only = -1
		}
		m.first[c] = true
		if len(a.Text) == 1 {
			m.one[c] = append(m.one[c], a)
		} else {
			m.byTwo[[2]byte{c, a.Text[1]}] = append(m.byTwo[[2]byte{c, a.Text[1]}], a)
		}
	}
	return m
}

// match is one added token found in a text.
type match struct {
	start, stop int
	token       *Added
}

// next finds the first match that begins at from or later.
func (m *matcher) next(s string, from int) (match, bool) {
	if m.n == 0 {
		return match{}, false
	}
	for i := from; i < len(s); {
		if m.only >= 0 {
			k := strings.IndexByte(s[i:], byte(m.only))
			if k < 0 {
				return match{}, false
			}
			i += k
		} else if !m.first[s[i]] {
			i++
			continue
		}
		a := m.at(s, i)
		if a == nil {
			i++
			continue
		}
		stop := i + len(a.Text)
		if a.SingleWord && (endsWord(s[:i]) || startsWord(s[stop:])) {
			i = stop
			continue
		}
		return widen(s, from, match{i, stop, a}), true
	}
	return match{}, false
}

// at is the longest string of the set that s holds at i.
func (m *matcher) at(s string, i int) *Added {
	if i+1 < len(s) {
		list := m.byTwo[[2]byte{s[i], s[i+1]}]
		for k := range list {
			if strings.HasPrefix(s[i:], list[k].Text) {
				return &list[k]
			}
		}
	}
	if list := m.one[s[i]]; len(list) > 0 {
		return &list[0]
	}
	return nil
}

// widen lets a match take the white space that its token asks for.
func widen(s string, from int, f match) match {
	if f.token.LStrip {
		f.start = from + len(strings.TrimRightFunc(s[from:f.start], unicode.IsSpace))
	}
	if f.token.RStrip {
		f.stop = len(s) - len(strings.TrimLeftFunc(s[f.stop:], unicode.IsSpace))
	}
	return f
}

func endsWord(s string) bool {
	r, _ := utf8.DecodeLastRuneInString(s)
	return s != "" && isWordRune(r)
}

func startsWord(s string) bool {
	r, _ := utf8.DecodeRuneInString(s)
	return s != "" && isWordRune(r)
}

// isWordRune is \w of Unicode regular expressions.
func isWordRune(r rune) bool {
	return unicode.IsLetter(r) || unicode.Is(unicode.M, r) || unicode.Is(unicode.Nd, r) || unicode.Is(unicode.Nl, r) ||
		unicode.Is(unicode.Pc, r) || unicode.Is(unicode.Other_Alphabetic, r) || r == '\u200c' || r == '\u200d'
}

// sections cuts text at its added tokens and encodes what lies between.
func (t *Tokenizer) sections(st *state, text string, policy Policy) error {
	m := &t.added.raw
	if policy == AsText {
		m = &t.added.rawPlain
	}
	pos := 0
	for {
		f, ok := m.next(text, pos)
		if !ok {
			return t.section(st, text[pos:], pos, policy)
		}
		if err := t.section(st, text[pos:f.start], pos, policy); err != nil {
			return err
		}
		if err := st.special(f, Span{f.start, f.stop}, policy); err != nil {
			return err
		}
		pos = f.stop
	}
}

// special appends an added token, or refuses it.
func (st *state) special(f match, at Span, policy Policy) error {
	if policy == Forbid && f.token.Special {
		return fmt.Errorf("token: text holds the special token %q at byte %d: encode it with Allow or AsText", f.token.Text, at.Start)
	}
	st.ids = append(st.ids, f.token.ID)
	if st.track {
		st.spans = append(st.spans, at)
	}
	return nil
}

// section encodes text without added tokens of the raw kind.
func (t *Tokenizer) section(st *state, s string, base int, policy Policy) error {
	if s == "" {
		return nil
	}
	st.b = input(s, base)
	cur := st.b
	if t.norm != nil {
		st.a.reset(&st.b, st.track)
		if t.norm.apply(&st.a, &st.b) {
			cur = st.a
		}
	}
	m := &t.added.norm
	if policy == AsText {
		m = &t.added.normPlain
	}
	text, pos := cur.text(), 0
	for {
		f, ok := m.next(text, pos)
		if !ok {
			return t.stretch(st, cur.sub(pos, len(text)))
		}
		if err := t.stretch(st, cur.sub(pos, f.start)); err != nil {
			return err
		}
		if err := st.special(f, cur.span(f.start, f.stop), policy); err != nil {
			return err
		}
		pos = f.stop
	}
}

// stretch encodes normalised text without any added token.
func (t *Tokenizer) stretch(st *state, in buffer) error {
	if len(in.b) == 0 {
		return nil
	}
	st.prevUnk = false
	s := in.text()
	switch {
	case t.split != nil && !st.track:
		return t.model.(*bpe).words(st, s, t.split)
	case t.split != nil:
		for i := 0; i < len(s); {
			j := t.split(s, i)
			if err := t.word(st, in.sub(i, j)); err != nil {
				return err
			}
			i = j
		}
		return nil
	case t.pre != nil:
		words, err := t.pre.cut([]buffer{in})
		if err != nil {
			return err
		}
		for _, w := range words {
			if err := t.word(st, w); err != nil {
				return err
			}
		}
		return nil
	}
	return t.word(st, in)
}

// word encodes one pre-token and notes where its ids come from.
func (t *Tokenizer) word(st *state, w buffer) error {
	if len(w.b) == 0 {
		return nil
	}
	st.ends = st.ends[:0]
	if err := t.model.encode(st, w.text()); err != nil {
		return err
	}
	if st.track {
		from := 0
		for _, end := range st.ends {
			st.spans = append(st.spans, w.span(from, end))
			from = end
		}
	}
	return nil
}
