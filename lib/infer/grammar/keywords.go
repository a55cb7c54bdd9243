package grammar

import (
	"net/url"
	"strconv"
	"strings"
)

// keywordRole says what a keyword of JSON Schema is about.
type keywordRole uint8

const (
	unknownWord keywordRole = iota
	annotation              // says nothing about what is valid
	combines                // $ref, allOf … enum, type
	ofStrings
	ofNumbers
	ofArrays
	ofObjects
)

var keywordRoles = map[string]keywordRole{}

func init() {
	for role, names := range map[keywordRole]string{
		annotation: "$schema $id $comment $defs $anchor $vocabulary definitions title description default example examples deprecated readOnly writeOnly contentEncoding contentMediaType discriminator externalDocs",
		combines:   "$ref allOf anyOf oneOf enum const type nullable",
		ofStrings:  "minLength maxLength pattern format",
		ofNumbers:  "minimum maximum exclusiveMinimum exclusiveMaximum multipleOf",
		ofArrays:   "items prefixItems additionalItems minItems maxItems uniqueItems",
		ofObjects:  "properties required additionalProperties patternProperties propertyNames minProperties maxProperties unevaluatedProperties",
	} {
		for _, n := range strings.Fields(names) {
			keywordRoles[n] = role
		}
	}
}

// keywords refuses what is not understood: a schema is never taken for less than it says.
func (c *schemaCompiler) keywords(s *value) {
	for _, name := range s.names {
		if keywordRoles[name] == unknownWord && !strings.HasPrefix(name, "x-") {
			c.fail(s, "the keyword %q is not supported", name)
		}
	}
}

// count reads a keyword that is a whole number of 0 or more; ok is false where s does not have it.
func (c *schemaCompiler) count(s *value, name string) (n int, ok bool) {
	v := s.get(name)
	if v == nil {
		return 0, false
	}
	d, err := parseDecimal(v.text)
	if v.kind == '0' && err == nil && !d.neg && d.frac == "" {
		if n, err = strconv.Atoi(d.whole); err == nil && n <= maxCount {
			return n, true
		}
	}
	c.fail(v, "want a whole number of 0 to %d", maxCount)
	return 0, false
}

// counts returns the largest of the least and the least of the largest counts of a term; hi is −1 where there is none.
func (c *schemaCompiler) counts(t term, least, largest string) (lo, hi int) {
	hi = -1
	for _, s := range t {
		if n, ok := c.count(s, least); ok {
			lo = max(lo, n)
		}
		if n, ok := c.count(s, largest); ok && (hi < 0 || n < hi) {
			hi = n
		}
	}
	return lo, hi
}

// percent undoes the escapes of a URI's fragment.
func percent(s string) string {
	if u, err := url.PathUnescape(s); err == nil {
		return u
	}
	return s
}
