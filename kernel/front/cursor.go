package front

import (
	"sync"
	"unicode/utf16"
	"unicode/utf8"

	"quire/kernel/link"
)

// offsets translates cursor positions. The protocol counts code points (since 5.2); some front ends count UTF-16 code units, which
// differ behind every character outside the basic plane (most emoji).
//
// A front end shows what it counts when it sends a position that only exists in UTF-16: behind the last code point. From then on
// everything of the same front end session is read, and answered, in UTF-16. Anything out of range is clamped.
type offsets struct {
	mu    sync.Mutex
	utf16 map[string]bool // front end sessions that count UTF-16 code units
}

// position reads the place that a request names and gives the way back from code points to the front end's own counting.
func (o *offsets) position(session string, req positionRequest) (p link.Position, back func(int) int) {
	points := utf8.RuneCountInString(req.Code)
	cursor := points
	if req.Cursor != nil {
		cursor = *req.Cursor
	}
	p = link.Position{Code: req.Code, Cursor: min(max(cursor, 0), points), Detail: req.Detail}
	units := points
	for _, r := range req.Code {
		units += utf16.RuneLen(r) - 1
	}
	if !o.isUTF16(session, cursor > points && cursor <= units) {
		return p, func(at int) int { return at }
	}
	if req.Cursor != nil {
		p.Cursor = codePoint(req.Code, cursor)
	}
	return p, func(at int) int { return codeUnit(req.Code, at) }
}

func (o *offsets) isUTF16(session string, shown bool) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if shown {
		if o.utf16 == nil {
			o.utf16 = map[string]bool{}
		}
		o.utf16[session] = true
	}
	return o.utf16[session]
}

// codePoint turns an offset in UTF-16 code units into one in code points; the middle of a character counts as its beginning.
func codePoint(code string, unit int) int {
	point, at := 0, 0
	for _, r := range code {
		if at += utf16.RuneLen(r); at > unit {
			break
		}
		point++
	}
	return point
}

// codeUnit turns an offset in code points into one in UTF-16 code units.
func codeUnit(code string, point int) int {
	unit := 0
	for _, r := range code {
		if point <= 0 {
			break
		}
		unit += utf16.RuneLen(r)
		point--
	}
	return unit
}
