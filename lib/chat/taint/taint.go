// Package taint has strings that remember which of their bytes came from data.
//
// A chat template mixes two kinds of text: what the template's author wrote, where "<|im_end|>" is a control token, and what
// users, tools and models wrote, where the same ten bytes are only text. Once both are one Go string the difference is lost, and
// a user who types a control token gets one. A [String] keeps the difference: cutting, joining and rewriting carry it along.
//
// Invariant: the spans of a String are sorted, not empty, inside the text, do not overlap, and neighbours that touch have
// different sources.
//
// Deliberately absent: any policy. What a source number means is the caller's business; lib/chat gives message i the source i+1.
package taint

import "slices"

// Span says that bytes Start to End of a text came from data source Source. Bytes without a span were written by the template.
type Span struct {
	Start, End int
	Source     int
}

// String is text with the origin of its bytes. The zero value is the empty text. It is immutable and may be shared.
type String struct {
	Text  string
	Spans []Span
}

// Literal is text that the template's author wrote.
func Literal(s string) String { return String{Text: s} }

// Data is text that came from the given source.
func Data(s string, source int) String {
	if s == "" {
		return String{}
	}
	return String{Text: s, Spans: []Span{{0, len(s), source}}}
}

// Slice is bytes i to j. It panics as slicing a string does.
func (s String) Slice(i, j int) String {
	out := String{Text: s.Text[i:j]}
	if len(s.Spans) == 1 && s.Spans[0].Start <= i && s.Spans[0].End >= j && i < j {
		out.Spans = []Span{{0, j - i, s.Spans[0].Source}}
		return out
	}
	for _, p := range s.Spans {
		if a, b := max(p.Start, i), min(p.End, j); a < b {
			out.Spans = append(out.Spans, Span{a - i, b - i, p.Source})
		}
	}
	return out
}

// Concat is s followed by t.
func (s String) Concat(t String) String {
	var b Builder
	b.Grow(len(s.Text) + len(t.Text))
	b.Write(s)
	b.Write(t)
	return b.String()
}

// Map rewrites every stretch of one origin by f and keeps the origins.
func (s String) Map(f func(string) string) String {
	var b Builder
	at := 0
	for _, p := range s.Spans {
		b.Literal(f(s.Text[at:p.Start]))
		b.Write(Data(f(s.Text[p.Start:p.End]), p.Source))
		at = p.End
	}
	b.Literal(f(s.Text[at:]))
	return b.String()
}

// Builder joins Strings. The zero value is ready; a Builder must not be copied after use.
type Builder struct {
	text  []byte
	spans []Span
}

// Grow makes room for n more bytes.
func (b *Builder) Grow(n int) { b.text = slices.Grow(b.text, n) }

// Len is the number of bytes so far.
func (b *Builder) Len() int { return len(b.text) }

// Literal appends text of the template.
func (b *Builder) Literal(s string) { b.text = append(b.text, s...) }

// Data appends text of a source.
func (b *Builder) Data(s string, source int) {
	if s != "" {
		b.span(Span{0, len(s), source})
		b.text = append(b.text, s...)
	}
}

// Write appends s with its origins.
func (b *Builder) Write(s String) {
	for _, p := range s.Spans {
		b.span(p)
	}
	b.text = append(b.text, s.Text...)
}

// span appends p, whose offsets count from the present end, and joins it to a neighbour of the same source.
func (b *Builder) span(p Span) {
	p.Start += len(b.text)
	p.End += len(b.text)
	if n := len(b.spans); n > 0 && b.spans[n-1].End == p.Start && b.spans[n-1].Source == p.Source {
		b.spans[n-1].End = p.End
		return
	}
	b.spans = append(b.spans, p)
}

// String is the text so far.
func (b *Builder) String() String {
	return String{Text: string(b.text), Spans: slices.Clone(b.spans)}
}
