package infer

import (
	"strings"

	"quire/lib/token"
)

// texter turns tokens into text as they come and looks for stop strings. What could be the beginning of one is held back.
type texter struct {
	stream *token.Stream
	stops  []string
	held   string
}

func newTexter(tok *token.Tokenizer, stops []string) *texter {
	if tok == nil {
		return nil
	}
	return &texter{stream: tok.Stream(false), stops: stops}
}

// push returns the text that is certain with id, and whether a stop string ended it; look says whether stop strings count yet.
func (t *texter) push(id uint32, look bool) (text string, stopped bool) {
	if t == nil {
		return "", false
	}
	t.held += t.stream.Push(id)
	return t.settle(look)
}

// flush ends the text.
func (t *texter) flush() (text string) {
	if t == nil {
		return ""
	}
	text = t.held + t.stream.Flush()
	for _, s := range t.stops {
		if i := strings.Index(text, s); i >= 0 {
			text = text[:i]
		}
	}
	t.held = ""
	return text
}

func (t *texter) settle(look bool) (text string, stopped bool) {
	if !look {
		text, t.held = t.held, ""
		return text, false
	}
	first, keep := len(t.held), 0
	for _, s := range t.stops {
		if i := strings.Index(t.held[:min(len(t.held), first+len(s))], s); i >= 0 && i < first {
			first, stopped = i, true
		}
		keep = max(keep, overlap(t.held, s))
	}
	if stopped {
		text, t.held = t.held[:first], ""
		return text, true
	}
	text, t.held = t.held[:len(t.held)-keep], t.held[len(t.held)-keep:]
	return text, false
}

// overlap is the length of the longest end of text that s begins with.
func overlap(text, s string) int {
	for n := min(len(text), len(s)-1); n > 0; n-- {
		if strings.HasSuffix(text, s[:n]) {
			return n
		}
	}
	return 0
}
