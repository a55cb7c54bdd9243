package chat

import (
	"strings"

	"quire/lib/chat/jinja"
	"quire/lib/chat/taint"
)

// withLoss drops the ranges of messages that training is told to leave out.
func withLoss(r Rendered, messages []Message) []jinja.Range {
	var out []jinja.Range
	for _, g := range r.Loss {
		keep := true
		for _, s := range r.Spans {
			if s.Start < g.End && s.End > g.Start && s.Source <= len(messages) && messages[s.Source-1].NoLoss {
				keep = false
			}
		}
		if keep {
			out = append(out, g)
		}
	}
	return out
}

// findTurns finds what the assistant writes in the text of a template that does not mark it. A turn holds the bytes that came
// from an assistant's message; it begins where the prompt for that turn would end and ends with the first stop string behind it.
func (t *Template) findTurns(c Conversation, o Options, full taint.String) ([]jinja.Range, error) {
	var out []jinja.Range
	low := 0 // the end of what belongs to earlier messages
	for i, m := range c.Messages {
		first, last, ok := extent(full.Spans, i+1)
		if !ok {
			continue
		}
		if m.Role == Assistant {
			start, err := t.turnStart(c, i, o, full.Text, low, first)
			if err != nil {
				return nil, err
			}
			last = t.turnEnd(full, last)
			out = append(out, jinja.Range{Start: start, End: last})
		}
		low = max(low, last)
	}
	return out, nil
}

// extent is the stretch from the first to the last byte of a source.
func extent(spans []taint.Span, source int) (first, last int, ok bool) {
	for _, s := range spans {
		if s.Source == source {
			if !ok {
				first, ok = s.Start, true
			}
			last = s.End
		}
	}
	return first, last, ok
}

// turnStart renders the prompt for message i. Where the whole text begins with it, the turn begins at its end, but inside
// [low, first]. Templates that rewrite earlier turns defeat this; then the last place of the generation prompt in that stretch
// counts, and else the message's first byte.
func (t *Template) turnStart(c Conversation, i int, o Options, full string, low, first int) (int, error) {
	before := Conversation{Messages: c.Messages[:i], Tools: c.Tools}
	o.Open = false
	closed, err := t.run(before, o)
	if err != nil { // some templates refuse a conversation that is cut here
		return first, nil
	}
	o.Open = true
	open, err := t.run(before, o)
	if err != nil {
		return first, nil
	}
	if n := common(open.Text, full); n >= low && n <= first && (n == len(open.Text) || n > len(closed.Text)) {
		return n, nil
	}
	if prompt, ok := strings.CutPrefix(open.Text, closed.Text); ok && prompt != "" && low <= first {
		if at := strings.LastIndex(full[low:first], prompt); at >= 0 {
			return low + at + len(prompt), nil
		}
	}
	return first, nil
}

// common is the length of the longest beginning that two texts share.
func common(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// turnEnd is the end of the first stop string that the template wrote behind position at, before any other data.
func (t *Template) turnEnd(full taint.String, at int) int {
	limit := len(full.Text)
	for _, s := range full.Spans {
		if s.Start >= at {
			limit = s.Start
			break
		}
	}
	best := -1
	end := at
	for _, stop := range t.Stops {
		if j := strings.Index(full.Text[at:limit], stop); j >= 0 && (best < 0 || j < best) {
			best, end = j, at+j+len(stop)
		}
	}
	return end
}
