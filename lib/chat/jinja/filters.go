package jinja

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"quire/lib/chat/taint"
)

type filterFunc func(st *state, v any, a *args) any

var filters map[string]filterFunc

func init() { // not in the declaration: map, select and their kin look filters and tests up by name
	filters = map[string]filterFunc{
		"tojson":     tojson,
		"trim":       asText(trimMethod(true, true)),
		"upper":      asText(textMethods["upper"]),
		"lower":      asText(textMethods["lower"]),
		"title":      asText(textMethods["title"]),
		"capitalize": asText(textMethods["capitalize"]),
		"replace":    asText(textMethods["replace"]),
		"indent":     indent,
		"escape":     escape,
		"e":          escape,
		"safe":       func(_ *state, v any, _ *args) any { return v },
		"string":     func(st *state, v any, a *args) any { return st.str(a.line, v) },
		"int":        toInt,
		"float":      toFloat,
		"abs":        abs,
		"round":      round,
		"length":     length,
		"count":      length,
		"wordcount": func(st *state, v any, a *args) any {
			return int64(len(strings.FieldsFunc(st.str(a.line, v).Text, isSpace)))
		},
		"default":    defaultFilter,
		"d":          defaultFilter,
		"list":       func(st *state, v any, a *args) any { return append([]any{}, st.iterate(a.line, v)...) },
		"items":      items,
		"dictsort":   dictsort,
		"first":      func(st *state, v any, a *args) any { return edge(st, v, a, false) },
		"last":       func(st *state, v any, a *args) any { return edge(st, v, a, true) },
		"join":       join,
		"map":        mapFilter,
		"select":     func(st *state, v any, a *args) any { return selectFilter(st, v, a, false, true) },
		"reject":     func(st *state, v any, a *args) any { return selectFilter(st, v, a, false, false) },
		"selectattr": func(st *state, v any, a *args) any { return selectFilter(st, v, a, true, true) },
		"rejectattr": func(st *state, v any, a *args) any { return selectFilter(st, v, a, true, false) },
		"sort":       sortFilter,
		"unique":     unique,
		"reverse":    reverse,
		"min":        func(st *state, v any, a *args) any { return extreme(st, v, a, -1) },
		"max":        func(st *state, v any, a *args) any { return extreme(st, v, a, 1) },
		"sum":        sum,
		"batch":      batch,
	}
}

// asText turns a method of texts into a filter, which takes any value by its str.
func asText(f textFunc) filterFunc {
	return func(st *state, v any, a *args) any { return f(st, st.str(a.line, v), a) }
}

func tojson(st *state, v any, a *args) any {
	style := JSONStyle{EscapeASCII: truthy(a.or(0, "ensure_ascii", false)), SortKeys: truthy(a.or(3, "sort_keys", false))}
	switch n := a.or(1, "indent", nil).(type) {
	case int64:
		style.Indent, style.Lines = strings.Repeat(" ", int(min(max(n, 0), 64))), true
	case taint.String:
		style.Indent, style.Lines = n.Text, true
	}
	if pair, ok := sequence(a.or(2, "separators", nil)); ok && len(pair) == 2 {
		style.Item, style.Key = st.str(a.line, pair[0]).Text, st.str(a.line, pair[1]).Text
	}
	var b taint.Builder
	st.writeJSON(a.line, &b, v, style)
	return b.String()
}

func indent(st *state, v any, a *args) any {
	s := st.str(a.line, v)
	pad, ok := a.or(0, "width", int64(4)).(taint.String)
	if !ok {
		pad = taint.Literal(strings.Repeat(" ", int(min(max(a.int(st, 0, "width", 4), 0), 1024))))
	}
	first, blank := truthy(a.or(1, "first", false)), truthy(a.or(2, "blank", false))
	st.charge(a.line, itemCost*strings.Count(s.Text, "\n"))
	var b taint.Builder
	lines := split(s, &[]string{"\n"}[0], -1)
	for i, line := range lines {
		line := line.(taint.String)
		if i > 0 {
			b.Literal("\n")
		}
		if i > 0 && (blank || line.Text != "") || i == 0 && first {
			b.Write(pad)
		}
		b.Write(line)
		st.charge(a.line, len(pad.Text)+len(line.Text))
		if b.Len() > st.cfg.MaxBytes {
			st.fail(a.line, "a text of more than %d bytes", st.cfg.MaxBytes)
		}
	}
	return b.String()
}

var htmlEscapes = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "'", "&#39;", `"`, "&#34;")

func escape(st *state, v any, a *args) any {
	s := st.str(a.line, v)
	st.charge(a.line, 5*len(s.Text))
	return s.Map(htmlEscapes.Replace)
}

func toInt(st *state, v any, a *args) any {
	fallback := a.or(0, "default", int64(0))
	if s, ok := v.(taint.String); ok {
		text := strings.TrimSpace(s.Text)
		if n, err := strconv.ParseInt(text, int(a.int(st, 1, "base", 10)), 64); err == nil {
			return n
		}
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return fallback
		}
		v = f
	}
	if n, ok := integer(v); ok {
		return n
	}
	f, ok := number(v)
	if !ok || math.IsNaN(f) || math.Abs(f) >= 1<<63 {
		return fallback
	}
	return int64(f)
}

func toFloat(st *state, v any, a *args) any {
	if s, ok := v.(taint.String); ok {
		if f, err := strconv.ParseFloat(strings.TrimSpace(s.Text), 64); err == nil {
			return f
		}
	}
	if f, ok := number(v); ok {
		return f
	}
	return a.or(0, "default", 0.0)
}

func abs(st *state, v any, a *args) any {
	if n, ok := integer(v); ok && n != math.MinInt64 {
		return max(n, -n)
	}
	f, ok := number(v)
	if !ok {
		st.fail(a.line, "abs of %s", describe(v))
	}
	return math.Abs(f)
}

func round(st *state, v any, a *args) any {
	f, ok := number(v)
	if !ok {
		st.fail(a.line, "round of %s", describe(v))
	}
	scale := math.Pow(10, float64(a.int(st, 0, "precision", 0)))
	switch method := st.str(a.line, a.or(1, "method", taint.Literal("common"))).Text; method {
	case "ceil":
		return math.Ceil(f*scale) / scale
	case "floor":
		return math.Floor(f*scale) / scale
	case "common":
		return math.RoundToEven(f*scale) / scale
	default:
		st.fail(a.line, "round: method %q, want common, ceil or floor", method)
		return nil
	}
}

func length(st *state, v any, a *args) any {
	switch v := v.(type) {
	case taint.String:
		st.charge(a.line, len(v.Text))
		return int64(textLen(v.Text))
	case *Dict:
		return int64(v.Len())
	case undefined:
		return int64(0)
	}
	items, ok := sequence(v)
	if !ok {
		st.fail(a.line, "%s has no length", describe(v))
	}
	return int64(len(items))
}

func defaultFilter(_ *state, v any, a *args) any {
	_, missing := v.(undefined)
	if missing || truthy(a.or(1, "boolean", false)) && !truthy(v) {
		return a.or(0, "default_value", taint.String{})
	}
	return v
}

func items(st *state, v any, a *args) any {
	switch v := v.(type) {
	case undefined:
		return []any{}
	case *Dict:
		return st.items(a.line, v)
	}
	st.fail(a.line, "items of %s, want dict", describe(v))
	return nil
}

func edge(st *state, v any, a *args, last bool) any {
	list := st.iterate(a.line, v)
	switch {
	case len(list) == 0:
		return undefined{"an item of an empty sequence"}
	case last:
		return list[len(list)-1]
	}
	return list[0]
}

func join(st *state, v any, a *args) any {
	list := st.iterate(a.line, v)
	if attr, ok := a.get(1, "attribute"); ok && attr != nil {
		list = st.attributes(a.line, list, attr)
	}
	return st.join(a.line, list, st.str(a.line, a.or(0, "d", taint.String{})), false)
}

// attribute follows a name with dots, or a number, into v.
func (st *state) attribute(line int, v, path any) any {
	s, ok := path.(taint.String)
	if !ok {
		return st.item(line, v, path)
	}
	for _, part := range strings.Split(s.Text, ".") {
		var key any = taint.Literal(part)
		if n, err := strconv.ParseInt(part, 10, 64); err == nil {
			key = n
		}
		v = st.item(line, v, key)
	}
	return v
}

func (st *state) attributes(line int, list []any, path any) []any {
	out := make([]any, len(list))
	for i, v := range list {
		out[i] = st.attribute(line, v, path)
	}
	return out
}

func mapFilter(st *state, v any, a *args) any {
	list := st.iterate(a.line, v)
	if path, ok := a.get(len(a.pos), "attribute"); ok {
		out := st.attributes(a.line, list, path)
		fallback, ok := a.get(len(a.pos), "default")
		for i := range out {
			if _, missing := out[i].(undefined); missing && ok {
				out[i] = fallback
			}
		}
		return out
	}
	name := a.text(st, 0, "filter").Text
	f, ok := filters[name]
	if !ok {
		st.fail(a.line, "map: unknown filter %q", name)
	}
	inner := &args{line: a.line, name: "filter " + name, pos: a.pos[1:], kw: a.kw}
	out := make([]any, len(list))
	for i, item := range list {
		st.step(a.line)
		out[i] = f(st, item, inner)
	}
	return out
}

// selectFilter keeps the items whose value, or whose attribute, passes a test (truth when none is named) as wanted.
func selectFilter(st *state, v any, a *args, attr, want bool) any {
	rest := a.pos
	var path any
	if attr {
		path, rest = a.require(st, 0, "attribute"), a.pos[min(1, len(a.pos)):]
	}
	test := func(_ *state, v any, _ *args) bool { return truthy(v) }
	inner := &args{line: a.line}
	if len(rest) > 0 {
		name := st.str(a.line, rest[0]).Text
		f, ok := tests[name]
		if !ok {
			st.fail(a.line, "%s: unknown test %q", a.name, name)
		}
		test = f
		inner.name, inner.pos = "test "+name, rest[1:]
	}
	out := []any{}
	for _, item := range st.iterate(a.line, v) {
		st.step(a.line)
		value := item
		if attr {
			value = st.attribute(a.line, item, path)
		}
		if test(st, value, inner) == want {
			out = append(out, item)
		}
	}
	return out
}

// sortKey is what items are ordered by: an attribute where one is given, and texts without regard to case unless asked.
func sortKey(st *state, v any, a *args, cased bool, attr any) any {
	if attr != nil {
		v = st.attribute(a.line, v, attr)
	}
	if s, ok := v.(taint.String); ok && !cased {
		return taint.Literal(strings.ToLower(s.Text))
	}
	return v
}

func sortFilter(st *state, v any, a *args) any {
	list := slices.Clone(st.iterate(a.line, v))
	reverse, cased, attr := truthy(a.or(0, "reverse", false)), truthy(a.or(1, "case_sensitive", false)), a.or(2, "attribute", nil)
	slices.SortStableFunc(list, func(x, y any) int {
		c := st.order(a.line, sortKey(st, x, a, cased, attr), sortKey(st, y, a, cased, attr))
		if reverse {
			return -c
		}
		return c
	})
	return list
}

func dictsort(st *state, v any, a *args) any {
	d, ok := v.(*Dict)
	if !ok {
		st.fail(a.line, "dictsort of %s, want dict", describe(v))
	}
	cased, by, reverse := truthy(a.or(0, "case_sensitive", false)), 0, truthy(a.or(2, "reverse", false))
	if st.str(a.line, a.or(1, "by", taint.Literal("key"))).Text == "value" {
		by = 1
	}
	list := st.items(a.line, d)
	slices.SortStableFunc(list, func(x, y any) int {
		c := st.order(a.line, sortKey(st, x.(Tuple)[by], a, cased, nil), sortKey(st, y.(Tuple)[by], a, cased, nil))
		if reverse {
			return -c
		}
		return c
	})
	return list
}

func unique(st *state, v any, a *args) any {
	cased, attr := truthy(a.or(0, "case_sensitive", false)), a.or(1, "attribute", nil)
	seen := map[any]bool{}
	out := []any{}
	for _, item := range st.iterate(a.line, v) {
		key := sortKey(st, item, a, cased, attr)
		if !hashable(key) {
			st.fail(a.line, "unique: %s cannot be a key", describe(key))
		}
		if k := hashKey(key); !seen[k] {
			seen[k] = true
			out = append(out, item)
		}
	}
	return out
}

func reverse(st *state, v any, a *args) any {
	if s, ok := v.(taint.String); ok {
		back := int64(-1)
		st.charge(a.line, itemCost*len(s.Text))
		return stepText(s, [3]*int64{2: &back})
	}
	list := slices.Clone(st.iterate(a.line, v))
	slices.Reverse(list)
	return list
}

func extreme(st *state, v any, a *args, sign int) any {
	list := st.iterate(a.line, v)
	if len(list) == 0 {
		return undefined{"an item of an empty sequence"}
	}
	cased, attr := truthy(a.or(0, "case_sensitive", false)), a.or(1, "attribute", nil)
	best := list[0]
	for _, item := range list[1:] {
		if st.order(a.line, sortKey(st, item, a, cased, attr), sortKey(st, best, a, cased, attr)) == sign {
			best = item
		}
	}
	return best
}

func sum(st *state, v any, a *args) any {
	list := st.iterate(a.line, v)
	if attr, ok := a.get(0, "attribute"); ok && attr != nil {
		list = st.attributes(a.line, list, attr)
	}
	total := a.or(1, "start", int64(0))
	for _, item := range list {
		total = (&binaryExpr{a.line, "+", &constExpr{total}, &constExpr{item}}).eval(st, nil)
	}
	return total
}

func batch(st *state, v any, a *args) any {
	n := a.int(st, 0, "linecount", 0)
	if n < 1 {
		st.fail(a.line, "batch: size %d, want at least 1", n)
	}
	fill, filled := a.get(1, "fill_with")
	out := []any{}
	for part := range slices.Chunk(st.iterate(a.line, v), int(min(n, maxRange))) {
		part = slices.Clone(part)
		for filled && fill != nil && int64(len(part)) < min(n, maxRange) {
			part = append(part, fill)
		}
		out = append(out, part)
	}
	return out
}
