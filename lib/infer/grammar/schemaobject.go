package grammar

import (
	"slices"
)

// object is an object under all schemas of t: the names that the schemas list, in their order, then others.
func (c *schemaCompiler) object(t term, next int32) int32 {
	o := &objectCompiler{c: c, t: t, required: map[string]bool{}, at: map[objectPlace]int32{}, end: c.b.lit("}", next)}
	o.lo, o.hi = c.counts(t, "minProperties", "maxProperties")
	o.collect()
	names := o.nameDFA()
	if c.b.err != nil {
		return 0
	}
	for _, name := range o.names {
		if names != nil && !names.match(name) {
			o.values = append(o.values, -1)
			continue
		}
		o.values = append(o.values, c.rule(o.schemasOf(name)))
	}
	o.others(names)
	if o.lo > len(o.names)+1 {
		c.fail(t[len(t)-1], "minProperties %d with %d names in properties: names that are not listed may repeat, so that no more than one of them counts", o.lo, len(o.names))
	}
	if c.b.err != nil {
		return 0
	}
	return c.b.lit("{", o.from(objectPlace{}))
}

// objectCompiler makes one object.
type objectCompiler struct {
	c        *schemaCompiler
	t        term
	names    []string // listed by properties or required
	values   []int32  // rules of their values; −1: the name must not occur
	required map[string]bool
	more     []others
	lo, hi   int
	end      int32
	at       map[objectPlace]int32
}

// others is a group of names that are not listed, with the rule of their values.
type others struct {
	names *dfa // nil: any
	value int32
}

// objectPlace is a place between two members.
type objectPlace struct {
	i     int  // names before have been decided on
	n     int  // members so far, as far as it matters
	extra bool // a name that is not listed has come
	least int  // members that count for minProperties, as far as it matters
}

// collect lists the names in the order in which the schemas have them.
func (o *objectCompiler) collect() {
	listed := map[string]bool{}
	add := func(name string) {
		if !listed[name] {
			listed[name] = true
			o.names = append(o.names, name)
		}
	}
	for _, s := range o.t {
		for _, k := range []string{"properties", "patternProperties"} {
			if p := s.get(k); p != nil && p.kind != '{' {
				o.c.fail(p, "want an object of schemas")
			}
		}
		if p := s.get("properties"); p != nil {
			for _, name := range p.names {
				add(name)
			}
		}
	}
	for _, s := range o.t {
		if r := s.get("required"); r != nil {
			if r.kind != '[' {
				o.c.fail(r, "want a list of names")
			}
			for _, name := range r.items {
				add(name.text)
				o.required[name.text] = true
			}
		}
	}
}

// nameDFA is what propertyNames takes; nil: any.
func (o *objectCompiler) nameDFA() (d *dfa) {
	var sets []*value
	for _, s := range o.t {
		if p := s.get("propertyNames"); p != nil {
			sets = append(sets, p)
		}
	}
	if len(sets) == 0 {
		return nil
	}
	var terms []term
	o.c.expand(&terms, sets, nil, nil)
	if len(terms) > 1 {
		o.c.fail(sets[0], "anyOf and oneOf are not supported here")
	}
	if len(terms) == 0 || o.c.types(terms[0])&stringType == 0 {
		d, _ = words(nil)
		return d
	}
	t := terms[0]
	d = o.c.stringDFA(t)
	if list, ok := o.c.listed(t); ok {
		var names []string
		for _, text := range list {
			if v, err := parseJSON([]byte(text)); err == nil && v.kind == '"' {
				names = append(names, v.text)
			}
		}
		return o.c.both(t, nil, func() (*dfa, error) { return words(names) })
	}
	lo, hi := o.c.counts(t, "minLength", "maxLength")
	return o.c.both(o.t, d, func() (*dfa, error) { return lengths(lo, hi) })
}

// match runs d over text.
func (d *dfa) match(text string) bool {
	s := int32(0)
	for _, r := range text {
		s = d.trans[s][d.class(r)]
	}
	return d.accepts[s]
}

// pattern is a name of patternProperties as a dfa.
func (o *objectCompiler) pattern(expr string) *dfa {
	d, err := o.c.pattern(expr)
	if err != nil {
		o.c.fail(o.t[0], "a pattern: %v", err)
	}
	return d
}

// schemasOf are the schemas that hold for the value of a listed name.
func (o *objectCompiler) schemasOf(name string) (set []*value) {
	for _, s := range o.t {
		found := false
		if p := s.get("properties"); p != nil {
			if v := p.get(name); v != nil {
				set, found = append(set, v), true
			}
		}
		if p := s.get("patternProperties"); p != nil {
			for i, expr := range p.names {
				if d := o.pattern(expr); d != nil && d.match(name) {
					set, found = append(set, p.items[i]), true
				}
			}
		}
		if a := s.get("additionalProperties"); a != nil && !found {
			set = append(set, a)
		}
	}
	return set
}

// maxPatterns bounds the patterns of patternProperties, whose names are told apart by which of them match.
const maxPatterns = 4

// others finds the groups of names that are not listed. Where a schema lists properties and none says what else there may
// be, there is nothing else.
func (o *objectCompiler) others(names *dfa) {
	var patterns []string
	closed, says := false, false
	for _, s := range o.t {
		closed = closed || s.get("properties") != nil || s.get("patternProperties") != nil
		says = says || s.get("additionalProperties") != nil
		if u := s.get("unevaluatedProperties"); u != nil {
			if u.kind != 't' && u.kind != 'f' {
				o.c.fail(u, "unevaluatedProperties is only supported as true or false")
			}
			closed = closed || u.kind == 'f'
		}
		if p := s.get("patternProperties"); p != nil {
			for _, expr := range p.names {
				if !slices.Contains(patterns, expr) {
					patterns = append(patterns, expr)
				}
			}
		}
	}
	if len(patterns) > maxPatterns {
		o.c.fail(o.t[0], "more than %d patterns in patternProperties", maxPatterns)
		return
	}
	free := o.unlisted(names)
	for which := range 1 << len(patterns) {
		if which == 0 && closed && !says || o.c.b.err != nil {
			continue
		}
		d := free
		for i, expr := range patterns {
			p := o.pattern(expr)
			if p == nil {
				return
			}
			if which>>i&1 == 0 {
				p = p.not()
			}
			d = o.c.both(o.t, d, func() (*dfa, error) { return p, nil })
		}
		o.more = append(o.more, others{d, o.c.rule(o.matching(patterns, which))})
	}
}

// unlisted is the names that are not listed and that propertyNames takes.
func (o *objectCompiler) unlisted(names *dfa) *dfa {
	if len(o.names) == 0 {
		return names
	}
	return o.c.both(o.t, names, func() (*dfa, error) {
		d, err := words(o.names)
		if err != nil {
			return nil, err
		}
		return d.not(), nil
	})
}

// matching are the schemas of a name that is not listed, given which patterns match it.
func (o *objectCompiler) matching(patterns []string, which int) (set []*value) {
	for _, s := range o.t {
		found := false
		for i, expr := range patterns {
			if p := s.get("patternProperties"); p != nil && which>>i&1 != 0 {
				if v := p.get(expr); v != nil {
					set, found = append(set, v), true
				}
			}
		}
		if a := s.get("additionalProperties"); a != nil && !found {
			set = append(set, a)
		}
	}
	return set
}

// from is the rest of the object.
func (o *objectCompiler) from(p objectPlace) int32 {
	if hole, ok := o.at[p]; ok {
		return hole
	}
	b := o.c.b
	hole := b.hole()
	o.at[p] = hole
	if b.err != nil {
		return 0
	}
	var alts []int32
	if p.i < len(o.names) {
		name, skipped := o.names[p.i], p
		skipped.i++
		if !o.required[name] {
			alts = append(alts, o.from(skipped))
		}
		if o.values[p.i] >= 0 && (o.hi < 0 || p.n < o.hi) {
			after := o.counted(skipped, true)
			alts = append(alts, o.member(p, string(quote(nil, name))+":", b.call(o.values[p.i], o.from(after))))
		}
		b.fill(hole, alts...)
		return hole
	}
	if p.least >= o.lo {
		alts = append(alts, o.end)
	}
	for _, g := range o.more {
		if o.hi >= 0 && p.n >= o.hi {
			break
		}
		after := o.counted(p, !p.extra)
		after.extra = true
		value := b.lit(`":`, b.call(g.value, o.from(after)))
		if g.names == nil {
			char := func(next int32) int32 { return stringChar(b, anyChar, next) }
			alts = append(alts, o.member(p, `"`, b.loop(char, value)))
		} else {
			alts = append(alts, o.member(p, `"`, b.emit(g.names, stringChar, value)))
		}
	}
	b.fill(hole, alts...)
	return hole
}

// member is what begins a member, and the comma before it.
func (o *objectCompiler) member(p objectPlace, text string, next int32) int32 {
	if p.n > 0 {
		text = "," + text
	}
	return o.c.b.lit(text, next)
}

// counted is p with one member more; beyond what matters nothing is counted.
func (o *objectCompiler) counted(p objectPlace, new bool) objectPlace {
	p.n = min(p.n+1, max(o.hi, 1))
	if new {
		p.least = min(p.least+1, o.lo)
	}
	return p
}
