package jinja

import (
	"strings"
	"unicode"

	"quire/lib/chat/taint"
)

type textFunc func(st *state, s taint.String, a *args) any

var textMethods = map[string]textFunc{
	"strip":      trimMethod(true, true),
	"lstrip":     trimMethod(true, false),
	"rstrip":     trimMethod(false, true),
	"startswith": affix(strings.HasPrefix),
	"endswith":   affix(strings.HasSuffix),
	"find":       find(strings.Index, false),
	"rfind":      find(strings.LastIndex, false),
	"index":      find(strings.Index, true),
	"rindex":     find(strings.LastIndex, true),
	"upper":      mapped(strings.ToUpper),
	"lower":      mapped(strings.ToLower),
	"isdigit":    every(unicode.IsDigit),
	"isnumeric":  every(unicode.IsNumber),
	"isalpha":    every(unicode.IsLetter),
	"isalnum":    every(func(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) }),
	"isspace":    every(isSpace),
	"islower":    cased(unicode.IsLower, unicode.IsUpper),
	"isupper":    cased(unicode.IsUpper, unicode.IsLower),
	"title":      func(_ *state, s taint.String, _ *args) any { return wholeMap(s, title) },
	"capitalize": func(_ *state, s taint.String, _ *args) any { return wholeMap(s, capitalize) },
	"splitlines": func(st *state, s taint.String, a *args) any {
		st.charge(a.line, len(s.Text)+itemCost*strings.Count(s.Text, "\n"))
		return splitLines(s)
	},
	"split": func(st *state, s taint.String, a *args) any {
		sep, most := splitArgs(st, s, a)
		return split(s, sep, most)
	},
	"rsplit": func(st *state, s taint.String, a *args) any {
		sep, most := splitArgs(st, s, a)
		if sep == nil {
			st.fail(a.line, "rsplit: give the separator")
		}
		return rsplit(s, *sep, most)
	},
	"partition": func(st *state, s taint.String, a *args) any {
		sep := a.text(st, 0, "sep")
		if i := strings.Index(s.Text, sep.Text); i >= 0 {
			return Tuple{s.Slice(0, i), sep, s.Slice(i+len(sep.Text), len(s.Text))}
		}
		return Tuple{s, taint.String{}, taint.String{}}
	},
	"rpartition": func(st *state, s taint.String, a *args) any {
		sep := a.text(st, 0, "sep")
		if i := strings.LastIndex(s.Text, sep.Text); i >= 0 {
			return Tuple{s.Slice(0, i), sep, s.Slice(i+len(sep.Text), len(s.Text))}
		}
		return Tuple{taint.String{}, taint.String{}, s}
	},
	"removeprefix": func(st *state, s taint.String, a *args) any {
		return s.Slice(len(s.Text)-len(strings.TrimPrefix(s.Text, a.text(st, 0, "prefix").Text)), len(s.Text))
	},
	"removesuffix": func(st *state, s taint.String, a *args) any {
		return s.Slice(0, len(strings.TrimSuffix(s.Text, a.text(st, 0, "suffix").Text)))
	},
	"replace": func(st *state, s taint.String, a *args) any {
		return replace(st, a.line, s, a.text(st, 0, "old"), a.text(st, 1, "new"), a.int(st, 2, "count", -1))
	},
	"count": func(st *state, s taint.String, a *args) any {
		st.charge(a.line, len(s.Text))
		return int64(strings.Count(s.Text, a.text(st, 0, "sub").Text))
	},
	"join": func(st *state, s taint.String, a *args) any {
		return st.join(a.line, st.iterate(a.line, a.require(st, 0, "iterable")), s, true)
	},
}

// wholeMap rewrites a text by a function that must see all of it; the result keeps its origin when it has one alone, and else
// counts as data throughout.
func wholeMap(s taint.String, f func(string) string) taint.String {
	out := f(s.Text)
	if len(s.Spans) == 0 {
		return taint.Literal(out)
	}
	return taint.Data(out, s.Spans[0].Source)
}

// join puts sep between the items; strict wants every item to be a text already.
func (st *state) join(line int, items []any, sep taint.String, strict bool) taint.String {
	var b taint.Builder
	for i, item := range items {
		if i > 0 {
			b.Write(sep)
		}
		if _, ok := item.(taint.String); strict && !ok {
			st.fail(line, "join: item %d is %s, want str", i, describe(item))
		}
		s := st.str(line, item)
		st.charge(line, len(s.Text)+len(sep.Text))
		if b.Write(s); b.Len() > st.cfg.MaxBytes {
			st.fail(line, "a text of more than %d bytes", st.cfg.MaxBytes)
		}
	}
	return b.String()
}

func textMethod(s taint.String, name string) *function {
	f, ok := textMethods[name]
	if !ok {
		return nil
	}
	return &function{name, func(st *state, a *args) any { return f(st, s, a) }}
}

func listMethod(items []any, name string) *function {
	switch name {
	case "index", "count":
		return &function{name, func(st *state, a *args) any {
			v, n := a.require(st, 0, "value"), int64(0)
			for i, item := range items {
				if st.equal(a.line, item, v) {
					if name == "index" {
						return int64(i)
					}
					n++
				}
			}
			if name == "index" {
				st.fail(a.line, "index: value is not in the list")
			}
			return n
		}}
	case "append", "extend", "insert", "pop", "remove", "clear", "reverse", "sort":
		return readOnly("list", name)
	}
	return nil
}

// readOnly stands for the methods that Jinja2's immutable sandbox forbids.
func readOnly(of, name string) *function {
	return &function{name, func(st *state, a *args) any {
		st.fail(a.line, "%s.%s would change a value: a template may only read", of, name)
		return nil
	}}
}

func dictMethod(d *Dict, name string) *function {
	switch name {
	case "get":
		return &function{name, func(st *state, a *args) any {
			if v, ok := d.get(a.require(st, 0, "key")); ok {
				return v
			}
			return a.or(1, "default", nil)
		}}
	case "keys":
		return &function{name, func(*state, *args) any { return d.keys }}
	case "values":
		return &function{name, func(*state, *args) any { return d.values }}
	case "copy":
		return &function{name, func(*state, *args) any { return d }}
	case "items":
		return &function{name, func(st *state, a *args) any { return st.items(a.line, d) }}
	case "pop", "popitem", "update", "setdefault", "clear":
		return readOnly("dict", name)
	}
	return nil
}

func (st *state) items(line int, d *Dict) []any {
	st.charge(line, itemCost*d.Len())
	out := make([]any, d.Len())
	for i, k := range d.keys {
		out[i] = Tuple{k, d.values[i]}
	}
	return out
}
