package chat

import (
	"strings"

	"quire/lib/chat/jinja"
	"quire/lib/chat/taint"
)

// withLoss drops the ranges of messages that training is told to leave out. Ranges and answers stand in the same order; where a
// template leaves answers out, the bytes of a range tell whose it is.
func withLoss(r Rendered, messages []Message) []jinja.Range {
	var answers []Message
	for _, m := range messages {
		if m.Role == Assistant {
			answers = append(answers, m)
		}
	}
	var out []jinja.Range
	for i, g := range r.Loss {
		skip := len(r.Loss) == len(answers) && answers[i].NoLoss
		for _, s := range r.Spans {
			if s.Start < g.End && s.End > g.Start && s.Source <= len(messages) && messages[s.Source-1].NoLoss {
				skip = true
			}
		}
		if !skip {
			out = append(out, g)
		}
	}
	return out
}

// findTurns finds what the assistant writes in the text of a template that does not mark it. A turn holds the bytes that came
// from an assistant's message; it begins where the prompt for that turn would end and ends with the first stop string behind it.
func (t *Template) findTurns(c Conversation, o Options, full taint.String) []jinja.Range {
	var out []jinja.Range
	for i, m := range c.Messages {
		first, last, ok := extent(full.Spans, i+1)
		if !ok || m.Role != Assistant {
			continue
		}
		low, high := 0, len(full.Text) // between the bytes of other messages
		for _, s := range full.Spans {
			switch {
			case s.Source == meta || s.Source == i+1:
			case s.End <= first:
				low = s.End
			case s.Start >= last:
				high = min(high, s.Start)
			}
		}
		out = append(out, jinja.Range{Start: low + t.promptTail(c, i, o, full.Text[low:first]), End: t.turnEnd(full.Text[:high], last)})
	}
	return out
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

// promptTail is how much of gap, the template's own text in front of message i, belongs to the prompt: the part that also stands
// behind the last message when the conversation up to there is rendered as a prompt. A template that refuses to render that
// gives the whole gap.
func (t *Template) promptTail(c Conversation, i int, o Options, gap string) int {
	o.Open = true
	prompt, err := t.run(Conversation{Messages: c.Messages[:i], Tools: c.Tools}, o)
	if err != nil {
		return len(gap)
	}
	tail := prompt.Text
	for _, s := range prompt.Spans {
		if s.Source != meta {
			tail = prompt.Text[s.End:]
		}
	}
	n := 0
	for n < min(len(tail), len(gap)) && tail[n] == gap[n] {
		n++
	}
	return n
}

// turnEnd is the end of the first stop string in text at or behind a place; the place itself when there is none.
func (t *Template) turnEnd(text string, at int) int {
	best, end := -1, at
	for _, stop := range t.Stops {
		if j := strings.Index(text[at:], stop); j >= 0 && (best < 0 || j < best) {
			best, end = j, at+j+len(stop)
		}
	}
	return end
}
