package token

import "unsafe"

// buffer is a stretch of text with the place in the input that every byte of it comes from.
type buffer struct {
	b     []byte
	src   []Span // of each byte; nil: byte i is byte base+i of the input
	base  int
	track bool
}

// input is a buffer over a part of the input itself, read only.
func input(s string, base int) buffer {
	return buffer{b: unsafe.Slice(unsafe.StringData(s), len(s)), base: base}
}

// text is the buffer's content without a copy: valid until the buffer is written again.
func (d *buffer) text() string { return unsafe.String(unsafe.SliceData(d.b), len(d.b)) }

// reset empties the buffer for a transformation of in.
func (d *buffer) reset(in *buffer, track bool) {
	d.b, d.src, d.track, d.base = d.b[:0], d.src[:0], track, in.base
	if track && d.src == nil {
		d.src = []Span{}
	}
	if !track {
		d.src = nil
	}
}

// span is where bytes i to j of the buffer come from.
func (d *buffer) span(i, j int) Span {
	if d.src == nil {
		return Span{d.base + i, d.base + j}
	}
	if i < j {
		return Span{d.src[i].Start, d.src[j-1].End}
	}
	if i < len(d.src) {
		return Span{d.src[i].Start, d.src[i].Start}
	}
	if i > 0 {
		return Span{d.src[i-1].End, d.src[i-1].End}
	}
	return Span{d.base, d.base}
}

// sub is a part of the buffer, sharing its memory.
func (d *buffer) sub(i, j int) buffer {
	out := buffer{b: d.b[i:j], base: d.base + i, track: d.track}
	if d.src != nil {
		out.src = d.src[i:j]
	}
	return out
}

// put appends s, all of which comes from at.
func (d *buffer) put(s string, at Span) {
	d.b = append(d.b, s...)
	if d.track {
		for range len(s) {
			d.src = append(d.src, at)
		}
	}
}

// keep appends bytes i to j of in.
func (d *buffer) keep(in *buffer, i, j int) {
	d.b = append(d.b, in.b[i:j]...)
	if d.track {
		for ; i < j; i++ {
			d.src = append(d.src, in.span(i, i+1))
		}
	}
}

// pop drops the last n bytes.
func (d *buffer) pop(n int) {
	d.b = d.b[:len(d.b)-n]
	if d.track {
		d.src = d.src[:len(d.b)]
	}
}
