package grammar

// array is an array under all schemas of t.
func (c *schemaCompiler) array(t term, next int32) int32 {
	lo, hi := c.counts(t, "minItems", "maxItems")
	prefix := 0
	for _, s := range t {
		list, _ := c.itemsOf(s)
		prefix = max(prefix, len(list))
		if u := s.get("uniqueItems"); u != nil && u.kind != 'f' && (hi < 0 || hi > 1) {
			c.fail(s, "uniqueItems is only supported with maxItems 0 or 1")
		}
	}
	end := c.b.lit("]", next)
	if hi == 0 && lo == 0 {
		return c.b.lit("[", end)
	}
	if hi >= 0 && hi < lo || c.b.err != nil {
		return c.b.alt()
	}
	if hi >= 0 {
		prefix = min(prefix, hi)
	}
	tail := c.rest(t, prefix, lo, hi, end)
	for i := prefix - 1; i >= 0; i-- {
		item := c.b.call(c.rule(c.itemAt(t, i)), tail)
		if i > 0 {
			item = c.b.lit(",", item)
		}
		if tail = item; i >= lo {
			tail = c.b.alt(end, item)
		}
	}
	return c.b.lit("[", tail)
}

// rest is what comes after the first items, which have schemas of their own.
func (c *schemaCompiler) rest(t term, prefix, lo, hi int, end int32) int32 {
	item := c.rule(c.itemAt(t, -1))
	if hi >= 0 {
		hi -= prefix
	}
	lo = max(0, lo-prefix)
	more := func(next int32) int32 { return c.b.lit(",", c.b.call(item, next)) }
	if prefix > 0 || hi == 0 {
		return c.b.repeat(more, lo, hi, end)
	}
	first := c.b.call(item, c.b.repeat(more, max(0, lo-1), max(hi-1, -1), end))
	if lo > 0 {
		return first
	}
	return c.b.alt(end, first)
}

// itemsOf returns the schemas of the first items and that of all others, nil where any value may stand.
func (c *schemaCompiler) itemsOf(s *value) (first []*value, others *value) {
	others = s.get("items")
	list := s.get("prefixItems")
	if others != nil && others.kind == '[' { // before 2020-12
		list, others = others, s.get("additionalItems")
	}
	if list != nil {
		if list.kind != '[' {
			c.fail(list, "want a list of schemas")
		}
		first = list.items
	}
	return first, others
}

// itemAt are the schemas of item i, or of those after the first ones for −1.
func (c *schemaCompiler) itemAt(t term, i int) []*value {
	var set []*value
	for _, s := range t {
		first, others := c.itemsOf(s)
		switch {
		case i >= 0 && i < len(first):
			set = append(set, first[i])
		case others != nil:
			set = append(set, others)
		}
	}
	return set
}
