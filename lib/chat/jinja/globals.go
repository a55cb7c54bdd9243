package jinja

import (
	"fmt"
	"strings"
	"time"

	"quire/lib/chat/taint"
)

var globals = map[string]*function{
	"range": {"range", func(st *state, a *args) any {
		if len(a.pos) == 0 || len(a.pos) > 3 {
			st.fail(a.line, "range takes one to three numbers")
		}
		start, stop := int64(0), a.int(st, 0, "stop", 0)
		if len(a.pos) > 1 {
			start, stop = stop, a.int(st, 1, "stop", 0)
		}
		step := a.int(st, 2, "step", 1)
		if step == 0 {
			st.fail(a.line, "range: step is zero")
		}
		out := []any{}
		for i := start; step > 0 && i < stop || step < 0 && i > stop; i += step {
			if len(out) == maxRange {
				st.fail(a.line, "range of more than %d numbers", maxRange)
			}
			out = append(out, i)
			if next := i + step; (next > i) != (step > 0) {
				break
			}
		}
		st.charge(a.line, itemCost*len(out))
		return out
	}},
	"namespace": {"namespace", func(st *state, a *args) any {
		ns := &namespace{vars: map[string]any{}}
		for _, v := range a.pos {
			d, ok := v.(*Dict)
			if !ok {
				st.fail(a.line, "namespace takes dicts and keywords, not %s", describe(v))
			}
			for i, k := range d.keys {
				ns.vars[st.str(a.line, k).Text] = d.values[i]
			}
		}
		for _, k := range a.kw {
			ns.vars[k.name] = k.value
		}
		return ns
	}},
	"dict": {"dict", func(st *state, a *args) any {
		d := &Dict{}
		for _, v := range a.pos {
			from, ok := v.(*Dict)
			if !ok {
				st.fail(a.line, "dict takes dicts and keywords, not %s", describe(v))
			}
			for i, k := range from.keys {
				d.set(k, from.values[i])
			}
		}
		for _, k := range a.kw {
			d.Set(k.name, k.value)
		}
		return d
	}},
	"raise_exception": {"raise_exception", func(st *state, a *args) any {
		st.fail(a.line, "%s", st.str(a.line, a.require(st, 0, "message")).Text)
		return nil
	}},
	"strftime_now": {"strftime_now", func(st *state, a *args) any {
		return taint.Literal(strftime(st.cfg.Now(), a.text(st, 0, "format").Text))
	}},
}

// layouts are the directives of strftime in Go's time layout.
var layouts = map[byte]string{
	'Y': "2006", 'y': "06", 'm': "01", 'd': "02", 'e': "_2", 'b': "Jan", 'h': "Jan", 'B': "January", 'a': "Mon", 'A': "Monday",
	'H': "15", 'I': "03", 'M': "04", 'S': "05", 'p': "PM", 'Z': "MST", 'z': "-0700", 'F': "2006-01-02", 'T': "15:04:05",
	'D': "01/02/06", 'R': "15:04", 'c': "Mon Jan _2 15:04:05 2006", 'x': "01/02/06", 'X': "15:04:05", 'j': "002",
}

// strftime is C's, in English; "%-d" drops leading zeros, and directives that it does not know stay as they are.
func strftime(t time.Time, format string) string {
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			b.WriteByte(format[i])
			continue
		}
		i++
		bare := format[i] == '-' && i+1 < len(format)
		if bare {
			i++
		}
		text := ""
		switch layout, ok := layouts[format[i]]; {
		case ok:
			text = t.Format(layout)
		case format[i] == '%':
			text = "%"
		case format[i] == 'f':
			text = fmt.Sprintf("%06d", t.Nanosecond()/1000)
		default:
			text = "%" + string(format[i])
		}
		if bare {
			text = strings.TrimLeft(text[:len(text)-1], "0 ") + text[len(text)-1:]
		}
		b.WriteString(text)
	}
	return b.String()
}
