package grammar

import (
	"slices"
	"strings"
	"unicode/utf8"
)

var anyChar = []runeRange{{0, utf8.MaxRune}}

// string is a string under all schemas of t.
func (c *schemaCompiler) string(t term, next int32) int32 {
	d := c.stringDFA(t)
	lo, hi := c.counts(t, "minLength", "maxLength")
	if hi >= 0 && hi < lo {
		return c.b.alt()
	}
	end := c.b.lit(`"`, next)
	if d == nil {
		char := func(next int32) int32 { return stringChar(c.b, anyChar, next) }
		return c.b.lit(`"`, c.b.repeat(char, lo, hi, end))
	}
	if lo > 0 || hi >= 0 {
		d = c.both(t, d, func() (*dfa, error) { return lengths(lo, hi) })
	}
	return c.emitString(d, end)
}

// emitString is a string of d's language, without the quote that ends it.
func (c *schemaCompiler) emitString(d *dfa, end int32) int32 {
	if d == nil || c.b.err != nil {
		return 0
	}
	return c.b.lit(`"`, c.b.emit(d, stringChar, end))
}

// stringDFA is what the patterns and formats of t take; nil where it has none.
func (c *schemaCompiler) stringDFA(t term) *dfa {
	var d *dfa
	for _, s := range t {
		if v := s.get("pattern"); v != nil {
			if v.kind != '"' {
				c.fail(v, "want a regular expression as a string")
			}
			d = c.both(t, d, func() (*dfa, error) { return c.pattern(v.text) })
		}
		v := s.get("format")
		if v == nil {
			continue
		}
		if expr, ok := formats[v.text]; ok {
			d = c.both(t, d, func() (*dfa, error) { return regexpDFA(expr, true) })
		} else if !slices.Contains(numberFormats, v.text) {
			c.fail(v, "the format %q is not supported", v.text)
		}
	}
	return d
}

// both is d, which may be nil, and what made gives.
func (c *schemaCompiler) both(t term, d *dfa, made func() (*dfa, error)) *dfa {
	if c.b.err != nil {
		return d
	}
	e, err := made()
	if err == nil && d != nil {
		e, err = d.and(e)
	}
	if err != nil {
		c.fail(t[len(t)-1], "a pattern: %v", err)
		return d
	}
	c.spend(e)
	return e
}

// spend counts the work that making d was.
func (c *schemaCompiler) spend(d *dfa) {
	if c.work += len(d.trans) * len(d.bounds); c.work > maxEffort {
		c.fail(c.root, "its patterns, formats and bounds of numbers need more than %d transitions together", maxEffort)
	}
}

// pattern is an expression that a part of the text must match.
func (c *schemaCompiler) pattern(expr string) (*dfa, error) {
	if d := c.patterns[expr]; d != nil {
		return d, nil
	}
	d, err := regexpDFA(expr, false)
	if err == nil {
		c.patterns[expr] = d
	}
	return d, err
}

// number is a number under all schemas of t.
func (c *schemaCompiler) number(t term, integer bool, next int32) int32 {
	r := numberRange{integer: integer}
	for _, s := range t {
		for i, name := range s.names {
			v := s.items[i]
			if keywordRoles[name] == ofNumbers {
				c.bound(&r, s, name, v)
			}
		}
		if f := s.get("format"); f != nil && (f.text == "int32" || f.text == "int64") {
			ends := map[string][2]string{"int32": {"-2147483648", "2147483647"}, "int64": {"-9223372036854775808", "9223372036854775807"}}[f.text]
			lo, _ := parseDecimal(ends[0])
			hi, _ := parseDecimal(ends[1])
			r.atLeast(limit{lo, false})
			r.atMost(limit{hi, false})
			r.integer = true
		}
	}
	d, err := r.dfa()
	if err != nil {
		c.fail(t[len(t)-1], "%v", err)
		return 0
	}
	c.spend(d)
	return c.b.emit(d, (*builder).class, next)
}

func (c *schemaCompiler) bound(r *numberRange, s *value, name string, v *value) {
	if v.kind == 't' || v.kind == 'f' { // draft 4: exclusiveMinimum says how minimum is meant
		if name != "exclusiveMinimum" && name != "exclusiveMaximum" {
			c.fail(v, "want a number")
		}
		return
	}
	d, err := parseDecimal(v.text)
	if v.kind != '0' || err != nil {
		c.fail(v, "want a number of at most %d digits", maxDigits)
		return
	}
	old := func(name string) bool { e := s.get(name); return e != nil && e.kind == 't' }
	switch name {
	case "minimum":
		r.atLeast(limit{d, old("exclusiveMinimum")})
	case "exclusiveMinimum":
		r.atLeast(limit{d, true})
	case "maximum":
		r.atMost(limit{d, old("exclusiveMaximum")})
	case "exclusiveMaximum":
		r.atMost(limit{d, true})
	case "multipleOf":
		if d.neg {
			c.fail(v, "want a number above 0")
		}
		r.multiples = append(r.multiples, d)
	}
}

// numberFormats say nothing about strings; int32 and int64 are ranges of numbers.
var numberFormats = []string{"int32", "int64", "float", "double"}

const (
	day   = `(([0-9]{4}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8])))|(([02468][048]|[13579][26])00|[0-9]{2}(0[48]|[2468][048]|[13579][26]))-02-29)`
	clock = `([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])`
	octet = `(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])`
	ip4   = octet + `(\.` + octet + `){3}`
	label = `[A-Za-z0-9]([A-Za-z0-9-]{0,28}[A-Za-z0-9])?`
	host  = label + `(\.` + label + `){0,7}`
	hex16 = `[0-9A-Fa-f]{1,4}`
	pchar = `([A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})`
)

// formats are the formats of strings: each text that one takes is of the format, though a few of the format's are not taken
// (labels of host names over 30 characters, quoted parts of addresses, leap seconds, URIs without a host).
var formats = map[string]string{
	"date":      day,
	"time":      clock,
	"date-time": day + `T` + clock,
	"duration":  `P([0-9]{1,9}W|([0-9]{1,9}Y([0-9]{1,9}M([0-9]{1,9}D)?)?|[0-9]{1,9}M([0-9]{1,9}D)?|[0-9]{1,9}D)(T` + span + `)?|T` + span + `)`,
	"email":     `[A-Za-z0-9_+-]{1,30}(\.[A-Za-z0-9_+-]{1,30})?@` + host,
	"hostname":  host,
	"ipv4":      ip4,
	"ipv6":      strings.ReplaceAll(`((H:){7}H|(H:){1,7}:|(H:){1,6}:H|(H:){1,5}(:H){1,2}|(H:){1,4}(:H){1,3}|(H:){1,3}(:H){1,4}|(H:){1,2}(:H){1,5}|H:(:H){1,6}|:((:H){1,7}|:))`, "H", hex16),
	"uuid":      `[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}`,
	"uri":       `[A-Za-z][A-Za-z0-9+.-]*://` + host + `(:[1-9][0-9]{0,3})?(/` + pchar + `*)*(\?(` + pchar + `|[/?])*)?(#(` + pchar + `|[/?])*)?`,
}

const span = `([0-9]{1,9}H([0-9]{1,9}M([0-9]{1,9}S)?)?|[0-9]{1,9}M([0-9]{1,9}S)?|[0-9]{1,9}S)`
