package chat

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"quire/lib/show"
	"quire/lib/token"
)

// Chat is a template joined to a tokenizer. It is immutable and may be shared by goroutines.
type Chat struct {
	*Template
	tok     *token.Tokenizer
	control []token.Added // the tokens that the template may write, longest first
	guarded []bool        // by id: no text outside the template may give this token
	stops   []uint32
}

// New joins a template to the tokenizer of the model. It fails when the template's stop tokens mean nothing to the tokenizer.
func New(tok *token.Tokenizer, t *Template) (*Chat, error) {
	c := &Chat{Template: t, tok: tok, guarded: make([]bool, tok.VocabSize())}
	for _, a := range tok.Added() {
		written := strings.Contains(t.Source, a.Text) || slices.Contains([]string{t.BOS, t.EOS}, a.Text) || slices.Contains(t.Stops, a.Text)
		if a.Text == "" || !a.Special && !written {
			continue
		}
		c.control = append(c.control, a)
		if int(a.ID) < len(c.guarded) {
			c.guarded[a.ID] = true
		}
	}
	slices.SortStableFunc(c.control, func(a, b token.Added) int { return len(b.Text) - len(a.Text) })
	for _, s := range t.Stops {
		if id, ok := c.controlID(s); ok && !slices.Contains(c.stops, id) {
			c.stops = append(c.stops, id)
		}
	}
	if len(t.Stops) > 0 && len(c.stops) == 0 {
		return nil, fmt.Errorf("chat: the tokenizer has none of the tokens %q that end a turn of template %s: take the template of this model", t.Stops, t.Name)
	}
	return c, nil
}

func (c *Chat) controlID(text string) (uint32, bool) {
	for _, a := range c.control {
		if a.Text == text {
			return a.ID, true
		}
	}
	return 0, false
}

// Tokenizer is the tokenizer that New was given.
func (c *Chat) Tokenizer() *token.Tokenizer { return c.tok }

// StopIDs are the tokens that end the assistant's turn. The strings are in Stops.
func (c *Chat) StopIDs() []uint32 { return slices.Clone(c.stops) }

// Encoded is a conversation as tokens. Mask[i] says that the model writes token i and training takes a loss on it; Spans[i] are
// the bytes of Text that token i stands for.
type Encoded struct {
	Text  string
	IDs   []uint32
	Mask  []bool
	Spans []token.Span
}

// Encode renders the conversation and encodes it.
func (c *Chat) Encode(conv Conversation, o Options) (*Encoded, error) {
	r, err := c.Render(conv, o)
	if err != nil {
		return nil, err
	}
	e := &encoder{c: c, r: r, out: &Encoded{Text: r.Text}}
	if err := e.run(); err != nil {
		return nil, fmt.Errorf("chat: template %s: %w", c.Name, err)
	}
	return e.out, nil
}

type encoder struct {
	c    *Chat
	r    Rendered
	out  *Encoded
	loss int // the range of r.Loss at or after the last token
}

// run walks the text from control token to control token and encodes what stands between them in one go, as the tokenizer itself
// would cut it.
func (e *encoder) run() error {
	text, at, span := e.r.Text, 0, 0
	for pos := 0; pos < len(text); {
		for span < len(e.r.Spans) && e.r.Spans[span].End <= pos {
			span++
		}
		limit := len(text) // control tokens lie before the next byte of data
		if span < len(e.r.Spans) {
			limit = e.r.Spans[span].Start
		}
		if limit <= pos {
			pos = e.r.Spans[span].End
			continue
		}
		a, ok := e.c.tokenAt(text[pos:limit])
		if !ok {
			_, n := utf8.DecodeRuneInString(text[pos:])
			pos += n
			continue
		}
		start, end := pos, pos+len(a.Text)
		if a.LStrip {
			start = at + len(strings.TrimRightFunc(text[at:start], unicode.IsSpace))
		}
		if a.RStrip {
			end += len(text[end:]) - len(strings.TrimLeftFunc(text[end:], unicode.IsSpace))
		}
		if err := e.plain(at, start); err != nil {
			return err
		}
		e.add(a.ID, token.Span{Start: start, End: end}, pos)
		at, pos = end, end
	}
	return e.plain(at, len(text))
}

// tokenAt is the longest control token that text begins with.
func (c *Chat) tokenAt(text string) (token.Added, bool) {
	for _, a := range c.control {
		if strings.HasPrefix(text, a.Text) {
			return a, true
		}
	}
	return token.Added{}, false
}

// add appends a token; at is the byte whose range decides about the loss.
func (e *encoder) add(id uint32, s token.Span, at int) {
	for e.loss < len(e.r.Loss) && e.r.Loss[e.loss].End <= at {
		e.loss++
	}
	e.out.IDs = append(e.out.IDs, id)
	e.out.Mask = append(e.out.Mask, e.loss < len(e.r.Loss) && e.r.Loss[e.loss].Start <= at)
	e.out.Spans = append(e.out.Spans, s)
}

// plain encodes bytes start to end as text. Where a token would straddle the border of what the model writes, the two sides are
// encoded apart, as they are when the model is served. Where the tokenizer finds a control token, because a message spells it out
// or names its place in the vocabulary, the text is cut inside it.
func (e *encoder) plain(start, end int) error {
	if start >= end {
		return nil
	}
	text := e.r.Text[start:end]
	ids, spans, err := e.c.tok.EncodeSpans(text, token.Options{})
	if err != nil {
		return err
	}
	if cuts := e.cuts(text, start, ids, spans); len(cuts) > 0 {
		from := 0
		for _, to := range append(cuts, len(text)) {
			if err := e.plain(start+from, start+to); err != nil {
				return err
			}
			from = to
		}
		return nil
	}
	for i, id := range ids {
		s := token.Span{Start: spans[i].Start + start, End: spans[i].End + start}
		e.add(id, s, s.Start)
	}
	return nil
}

// cuts are the places inside text, which begins at byte start, where it has to be encoded in parts.
func (e *encoder) cuts(text string, start int, ids []uint32, spans []token.Span) []int {
	var out []int
	for i, id := range ids {
		if int(id) >= len(e.c.guarded) || !e.c.guarded[id] {
			continue
		}
		_, n := utf8.DecodeRuneInString(text[spans[i].Start:])
		if cut := spans[i].Start + n; cut < spans[i].End {
			out = append(out, cut)
		}
	}
	for _, g := range e.r.Loss {
		for _, border := range []int{g.Start - start, g.End - start} {
			if 0 < border && border < len(text) && straddles(spans, border) {
				out = append(out, border)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func straddles(spans []token.Span, border int) bool {
	return slices.ContainsFunc(spans, func(s token.Span) bool { return s.Start < border && border < s.End })
}

// Pieces are the texts of the tokens, one each; a token that completes a character begun by others may hold a part of it.
func (e *Encoded) Pieces() []string {
	out := make([]string, len(e.Spans))
	for i, s := range e.Spans {
		out[i] = e.Text[s.Start:s.End]
	}
	return out
}

// MIMEBundle shows the tokens in colour: strong are those that the model learns to write.
func (e *Encoded) MIMEBundle() map[string]any {
	values := make([]float64, len(e.Mask))
	for i, m := range e.Mask {
		if m {
			values[i] = 1
		}
	}
	return show.Tokens(e.IDs, e.Pieces(), values).MIMEBundle()
}
