package chat

import (
	"slices"
	"strings"
)

// CallFormat is how a family of models writes its tool calls.
type CallFormat string

const (
	NoCalls        CallFormat = "none"
	InternLM2Calls CallFormat = "internlm2" // <|action_start|><|plugin|>{JSON}<|action_end|>, or <|interpreter|> and code
	QwenCalls      CallFormat = "qwen"      // <tool_call>{JSON}</tool_call>; Hermes too
	Llama3Calls    CallFormat = "llama3"    // the whole text is {JSON}; or <|python_tag|> and JSON, name.call(…) or code
	MistralCalls   CallFormat = "mistral"   // [TOOL_CALLS] and a list, or name[ARGS]{JSON}
	DeepSeekCalls  CallFormat = "deepseek"  // <｜tool▁call▁begin｜>function<｜tool▁sep｜>name, fenced JSON
)

// syntax is what the parser looks for in one format.
type syntax struct {
	opens  []string // begin a region of calls
	closes []string // end it
	calls  func(region string) []ToolCall
}

var syntaxes = map[CallFormat]syntax{
	InternLM2Calls: {[]string{"<|action_start|>"}, []string{"<|action_end|>"}, internLM2Call},
	QwenCalls:      {[]string{"\n<tool_call>", "<tool_call>"}, []string{"</tool_call>"}, jsonCalls},
	Llama3Calls:    {[]string{"<|python_tag|>"}, nil, llama3Call},
	MistralCalls:   {[]string{"[TOOL_CALLS]"}, nil, mistralCalls},
	DeepSeekCalls:  {[]string{"<｜tool▁calls▁begin｜>", "<｜tool▁call▁begin｜>"}, []string{"<｜tool▁calls▁end｜>"}, deepSeekCalls},
}

// guessFormat names the format whose marks stand in a template.
func guessFormat(source string) CallFormat {
	for _, f := range []CallFormat{InternLM2Calls, DeepSeekCalls, MistralCalls, Llama3Calls, QwenCalls} {
		for _, open := range syntaxes[f].opens {
			if strings.Contains(source, open) {
				return f
			}
		}
	}
	return NoCalls
}

// Event is one step of what the model says: a stretch of its answer, a stretch of its reasoning, or a finished call.
type Event struct {
	Content   string
	Reasoning string
	Call      *ToolCall
}

// Parser takes apart the text of one answer while it streams in. What stands between the
// marks of a call and cannot be read as one comes out as content, marks and all; only junk beside a call is dropped.
type Parser struct {
	syntax syntax
	stops  []string
	bare   bool // a text that begins with a brace may be a call
	buf    string
	state  parseState
	open   string // the mark that the region at hand began with
}

type parseState uint8

const (
	atStart     parseState = iota // nothing but white space so far
	inText                        // content
	inReasoning                   // between <think> and </think>
	inRegion                      // inside a call
	afterGap                      // behind a call or the reasoning: white space is dropped
	afterThink                    // behind <think>: line feeds are dropped
	finished                      // behind a stop string: nothing counts any more
)

// Parser starts to take an answer apart. prompt is the text that the answer continues; a prompt that ends in <think> means that
// the answer begins with reasoning.
func (t *Template) Parser(prompt string) *Parser {
	p := &Parser{syntax: syntaxes[t.Calls], stops: t.Stops, bare: t.Calls == Llama3Calls}
	if strings.HasSuffix(strings.TrimRight(prompt, blanks), "<think>") {
		p.state = afterThink
	}
	return p
}

// ParseAnswer takes a whole answer apart.
func (t *Template) ParseAnswer(prompt, answer string) Message {
	p := t.Parser(prompt)
	m := Message{Role: Assistant}
	for _, e := range append(p.Write(answer), p.Close()...) {
		m.Content += e.Content
		m.ReasoningContent += e.Reasoning
		if e.Call != nil {
			m.ToolCalls = append(m.ToolCalls, *e.Call)
		}
	}
	return m
}

// Write takes the next piece of the answer and gives what is certain by now.
func (p *Parser) Write(text string) []Event {
	p.buf += text
	return p.advance(false)
}

// Close ends the answer. A call that breaks off is mended as far as it goes.
func (p *Parser) Close() []Event { return p.advance(true) }

func (p *Parser) advance(end bool) []Event {
	var out []Event
	for p.step(&out, end) {
	}
	return out
}

// step does one thing; false when more text is needed.
func (p *Parser) step(out *[]Event, end bool) bool {
	switch p.state {
	case finished:
		p.buf = ""
		return false
	case atStart:
		return p.start(end)
	case afterGap:
		p.buf = strings.TrimLeft(p.buf, blanks)
		return p.become(inText, p.buf != "")
	case afterThink:
		p.buf = strings.TrimLeft(p.buf, "\n")
		return p.become(inReasoning, p.buf != "")
	case inReasoning:
		return p.scan(thinkEnds, end, func(text string) {
			emit(out, Event{Reasoning: text})
		}, func(string) { p.state = afterGap })
	case inText:
		return p.scan(p.syntax.opens, end, func(text string) {
			emit(out, Event{Content: text})
		}, func(mark string) { p.state, p.open = inRegion, mark })
	}
	return p.region(out, end)
}

func (p *Parser) become(s parseState, ok bool) bool {
	if ok {
		p.state = s
	}
	return ok
}

func emit(out *[]Event, e Event) {
	if e.Content+e.Reasoning != "" || e.Call != nil {
		*out = append(*out, e)
	}
}

// blanks are single bytes, so that a piece of text never ends inside one.
const blanks = " \t\r\n"

// thinkEnds close the reasoning; the line feed before the mark belongs to it.
var thinkEnds = []string{"\n</think>", "</think>"}

// start decides, at the first byte that is no white space, whether the answer begins with reasoning or with a bare call.
func (p *Parser) start(end bool) bool {
	const think = "<think>"
	rest := strings.TrimLeft(p.buf, blanks)
	switch {
	case strings.HasPrefix(rest, think):
		p.buf, p.state = rest[len(think):], afterThink
	case !end && strings.HasPrefix(think, rest):
		return false
	case p.bare && strings.HasPrefix(rest, "{"):
		p.state, p.open = inRegion, ""
	default:
		p.state = inText
	}
	return true
}

// scan gives out text up to the next mark or stop string and keeps back what may become one.
func (p *Parser) scan(marks []string, end bool, give func(string), found func(mark string)) bool {
	at, mark := p.find(marks)
	if at < 0 {
		keep := 0
		if !end {
			keep = p.pending(marks)
		}
		give(p.buf[:len(p.buf)-keep])
		p.buf = p.buf[len(p.buf)-keep:]
		return false
	}
	give(p.buf[:at])
	p.buf = p.buf[at+len(mark):]
	if !slices.Contains(marks, mark) { // a stop string
		p.state = finished
	} else {
		found(mark)
	}
	return true
}

// find is the first place of a mark or a stop string.
func (p *Parser) find(marks []string) (at int, mark string) {
	at = -1
	for _, list := range [][]string{marks, p.stops} {
		for _, m := range list {
			if i := strings.Index(p.buf, m); i >= 0 && (at < 0 || i < at) {
				at, mark = i, m
			}
		}
	}
	return at, mark
}

// pending is the length of the longest end of the buffer that a mark or a stop string begins with.
func (p *Parser) pending(marks []string) int {
	keep := 0
	for _, list := range [][]string{marks, p.stops} {
		for _, m := range list {
			for n := min(len(m)-1, len(p.buf)); n > keep; n-- {
				if strings.HasSuffix(p.buf, m[:n]) {
					keep = n
				}
			}
		}
	}
	return keep
}

// region waits for the end of the calls: the closing mark, a further opening one, a stop string, or the end of the answer.
func (p *Parser) region(out *[]Event, end bool) bool {
	marks := slices.Concat(p.syntax.closes, p.syntax.opens)
	if p.open == "<｜tool▁calls▁begin｜>" { // its opening mark for single calls belongs inside
		marks = []string{"<｜tool▁calls▁end｜>", "<｜tool▁calls▁begin｜>"}
	}
	at, mark := p.find(marks)
	if at < 0 && !end {
		return false
	}
	body := p.buf
	if at >= 0 {
		body, p.buf = p.buf[:at], p.buf[at+len(mark):]
	} else {
		p.buf = ""
	}
	calls := p.syntax.calls(body)
	for i := range calls {
		emit(out, Event{Call: &calls[i]})
	}
	closed := at >= 0 && slices.Contains(p.syntax.closes, mark)
	if len(calls) == 0 {
		text := p.open + body
		if closed {
			text += mark
		}
		emit(out, Event{Content: text})
	}
	switch {
	case at < 0 || !slices.Contains(marks, mark):
		p.state = finished
	case !closed:
		p.open = mark
	case len(calls) == 0:
		p.state = inText
	default:
		p.state = afterGap
	}
	return true
}
