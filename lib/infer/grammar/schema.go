package grammar

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// JSONSchema is the language of the values that are valid under a JSON Schema, in one spelling each: see the package
// comment for the spelling and for what of JSON Schema is taken.
func JSONSchema(schema []byte) (*Grammar, error) {
	root, err := parseJSON(schema)
	if err != nil {
		return nil, fmt.Errorf("grammar: JSON Schema: %w", err)
	}
	c := &schemaCompiler{b: newBuilder(), root: root, rules: map[string]int32{}, patterns: map[string]*dfa{}}
	c.rule([]*value{root})
	for len(c.queue) > 0 && c.b.err == nil {
		job := c.queue[0]
		c.queue = c.queue[1:]
		start := c.anyOf(job.terms, 0)
		c.b.rules[job.rule].start = start
	}
	if c.b.err != nil {
		return nil, fmt.Errorf("grammar: JSON Schema: %w", c.b.err)
	}
	productive := c.b.productive()
	for _, o := range c.overlaps {
		if productive[c.b.rules[o.rule].start] {
			return nil, fmt.Errorf("grammar: JSON Schema: %s: alternatives %d and %d may both hold: make them exclude each other, or use anyOf", o.path, o.i, o.j)
		}
	}
	return c.b.named("JSON Schema")
}

// A term is schemas that must all hold, each taken without its $ref, allOf, anyOf and oneOf, which the term holds already.
type term []*value

// maxTerms bounds the alternatives that one place has once allOf, anyOf and oneOf are multiplied out.
const maxTerms = 1 << 9

// schemaCompiler makes one rule for each set of schemas that must hold at a place together.
type schemaCompiler struct {
	b        *builder
	root     *value
	rules    map[string]int32 // by the paths of the set
	queue    []schemaJob
	overlaps []overlap
	checking bool // the terms are only to be found empty

	patterns map[string]*dfa
	steps    int // of multiplying out
	work     int // transitions of automata over characters
}

// Bounds of the work that a schema may ask for.
const (
	maxSteps  = 1 << 17
	maxEffort = 1 << 23
)

type schemaJob struct {
	rule  int32
	terms []term
}

// overlap is a rule that must match nothing: two alternatives of a oneOf at once.
type overlap struct {
	rule int32
	path string
	i, j int
}

func (c *schemaCompiler) fail(v *value, format string, args ...any) {
	c.b.fail("%s: %s", v.path, fmt.Sprintf(format, args...))
}

// rule returns the rule for values under all of the schemas.
func (c *schemaCompiler) rule(set []*value) int32 {
	paths := make([]string, 0, len(set))
	for _, s := range set {
		if path := strconv.Quote(s.path); !slices.Contains(paths, path) {
			paths = append(paths, path)
		}
	}
	key := strings.Join(paths, " ")
	if r, ok := c.rules[key]; ok {
		return r
	}
	r := c.b.rule(key)
	c.rules[key] = r
	var terms []term
	c.expand(&terms, set, nil, nil)
	c.queue = append(c.queue, schemaJob{r, terms})
	return r
}

// expand multiplies out: it appends to terms what todo and have and one alternative of each of choices come to.
func (c *schemaCompiler) expand(terms *[]term, todo []*value, have term, choices []*value) {
	if c.steps++; c.steps > maxSteps {
		c.fail(c.root, "anyOf, oneOf and allOf take more than %d steps to multiply out", maxSteps)
	}
	for len(todo) > 0 && c.b.err == nil {
		s := todo[0]
		todo = todo[1:]
		switch {
		case s.kind == 't' || slices.Contains(have, s):
			continue
		case s.kind == 'f':
			return
		case s.kind != '{':
			c.fail(s, "a schema is an object, true or false")
			return
		}
		c.keywords(s)
		have = append(slices.Clip(have), s)
		if ref := s.get("$ref"); ref != nil {
			todo = append([]*value{c.resolve(ref)}, todo...)
		}
		for i, name := range s.names {
			switch v := s.items[i]; name {
			case "allOf", "anyOf", "oneOf":
				if v.kind != '[' || len(v.items) == 0 {
					c.fail(v, "want a list of schemas")
					return
				}
				if name == "allOf" {
					todo = slices.Concat(v.items, todo)
				} else {
					choices = append(slices.Clip(choices), v)
				}
			}
		}
	}
	if c.b.err != nil {
		return
	}
	if len(choices) == 0 {
		if *terms = append(*terms, have); len(*terms) > maxTerms {
			c.fail(c.root, "anyOf, oneOf and allOf come to more than %d alternatives", maxTerms)
		}
		return
	}
	v := choices[0]
	if strings.HasSuffix(v.path, "/oneOf") && !c.checking {
		c.exclusive(v, have)
	}
	for _, alt := range v.items {
		c.expand(terms, []*value{alt}, have, choices[1:])
	}
}

// exclusive asks that no two alternatives of a oneOf hold together with have.
func (c *schemaCompiler) exclusive(v *value, have term) {
	c.checking = true
	defer func() { c.checking = false }()
	for i := range v.items {
		for j := range i {
			var both []term
			c.expand(&both, []*value{v.items[j], v.items[i]}, have, nil)
			if c.b.err != nil {
				return
			}
			r := c.b.rule(v.path)
			c.queue = append(c.queue, schemaJob{r, both})
			c.overlaps = append(c.overlaps, overlap{r, v.path, j, i})
		}
	}
}

// resolve finds what a $ref points to.
func (c *schemaCompiler) resolve(ref *value) *value {
	name, local := strings.CutPrefix(ref.text, "#")
	if ref.kind != '"' || !local {
		c.fail(ref, "only references within the schema, #…, can be followed")
		return ref
	}
	at := c.root
	if name != "" && name[0] != '/' {
		if at = anchored(c.root, name); at == nil {
			c.fail(ref, "there is no $anchor %q", name)
			return ref
		}
		return at
	}
	for _, part := range strings.Split(name, "/")[1:] {
		part = unpointer.Replace(percent(part))
		next := at.get(part)
		for i, item := range at.items {
			if at.kind == '[' && fmt.Sprint(i) == part {
				next = item
			}
		}
		if next == nil {
			c.fail(ref, "there is nothing at %q", ref.text)
			return ref
		}
		at = next
	}
	return at
}

func anchored(v *value, name string) *value {
	if a := v.get("$anchor"); a != nil && a.text == name {
		return v
	}
	for _, item := range v.items {
		if found := anchored(item, name); found != nil {
			return found
		}
	}
	return nil
}

// anyOf is a value under one of the terms.
func (c *schemaCompiler) anyOf(terms []term, next int32) int32 {
	alts := make([]int32, 0, len(terms))
	for _, t := range terms {
		alts = append(alts, c.term(t, next))
	}
	return c.b.alt(alts...)
}

// typeSet is the types that a value may have. A number is an integer or a fraction.
type typeSet uint8

const (
	nullType typeSet = 1 << iota
	boolType
	stringType
	arrayType
	objectType
	integerType
	fractionType
	allTypes = 1<<iota - 1
)

var typeNames = map[string]typeSet{"null": nullType, "boolean": boolType, "string": stringType, "array": arrayType,
	"object": objectType, "integer": integerType, "number": integerType | fractionType}

// types are those that all schemas of the term allow.
func (c *schemaCompiler) types(t term) typeSet {
	all := typeSet(allTypes)
	for _, s := range t {
		v := s.get("type")
		if v == nil {
			continue
		}
		list := []*value{v}
		if v.kind == '[' {
			list = v.items
		}
		var own typeSet
		for _, name := range list {
			bits, ok := typeNames[name.text]
			if !ok || name.kind != '"' {
				c.fail(v, "%q is no type: want null, boolean, string, array, object, integer or number", name.text)
			}
			own |= bits
		}
		if n := s.get("nullable"); n != nil && n.kind == 't' {
			own |= nullType
		}
		all &= own
	}
	return all
}

// term is a value under all schemas of t.
func (c *schemaCompiler) term(t term, next int32) int32 {
	if c.b.err != nil {
		return 0
	}
	types := c.types(t)
	if list, ok := c.listed(t); ok {
		alts := make([]int32, len(list))
		for i, text := range list {
			alts[i] = c.b.lit(text, next)
		}
		return c.b.alt(alts...)
	}
	var alts []int32
	if types&objectType != 0 {
		alts = append(alts, c.object(t, next))
	}
	if types&arrayType != 0 {
		alts = append(alts, c.array(t, next))
	}
	return c.b.alt(c.scalar(t, types, alts, next)...)
}

// scalar appends what is no object or array.
func (c *schemaCompiler) scalar(t term, types typeSet, alts []int32, next int32) []int32 {
	if types&stringType != 0 {
		alts = append(alts, c.string(t, next))
	}
	if types&(integerType|fractionType) != 0 {
		alts = append(alts, c.number(t, types&fractionType == 0, next))
	}
	if types&boolType != 0 {
		alts = append(alts, c.b.lit("true", next), c.b.lit("false", next))
	}
	if types&nullType != 0 {
		alts = append(alts, c.b.lit("null", next))
	}
	return alts
}

// listed returns the texts of the values that every enum and const of t has and that its other keywords take; ok is false
// where there is no enum and no const.
func (c *schemaCompiler) listed(t term) (texts []string, ok bool) {
	for _, s := range t {
		for _, name := range []string{"const", "enum"} {
			v := s.get(name)
			if v == nil {
				continue
			}
			list := []*value{v}
			if name == "enum" {
				if list = v.items; v.kind != '[' {
					c.fail(v, "want a list of values")
				}
			}
			own := c.spelled(list)
			if ok {
				has := make(map[string]bool, len(own))
				for _, x := range own {
					has[x] = true
				}
				own = slices.DeleteFunc(texts, func(x string) bool { return !has[x] })
			}
			texts, ok = own, true
		}
	}
	if !ok {
		return nil, false
	}
	others := c.others(t)
	return slices.DeleteFunc(texts, func(x string) bool {
		if x[0] == '{' || x[0] == '[' {
			return !c.takesComposite(t, x)
		}
		return others == nil || !others.Match(x)
	}), true
}

// spelled returns the distinct texts of list.
func (c *schemaCompiler) spelled(list []*value) (texts []string) {
	seen := make(map[string]bool, len(list))
	for _, v := range list {
		text, err := canonical(nil, v)
		if err != nil {
			c.fail(v, "%v", err)
		}
		if !seen[string(text)] {
			seen[string(text)] = true
			texts = append(texts, string(text))
		}
	}
	return texts
}

// takesComposite reports whether an object or array of an enum has a type that t allows. Other keywords beside such an enum
// are refused.
func (c *schemaCompiler) takesComposite(t term, text string) bool {
	for _, s := range t {
		for _, name := range s.names {
			if role := keywordRoles[name]; role == ofArrays || role == ofObjects {
				c.fail(s, "%s beside an enum or const of objects or arrays is not supported", name)
			}
		}
	}
	if text[0] == '{' {
		return c.types(t)&objectType != 0
	}
	return c.types(t)&arrayType != 0
}

// others is the grammar of the scalars that t takes but for its enums; nil where there is none.
func (c *schemaCompiler) others(t term) *Grammar {
	sub := &schemaCompiler{b: newBuilder(), root: c.root, patterns: c.patterns, work: c.work}
	sub.b.rule("scalar")
	sub.b.rules[0].start = sub.b.alt(sub.scalar(t, c.types(t), nil, 0)...)
	c.work = sub.work
	if sub.b.err != nil && c.b.err == nil {
		c.b.err = sub.b.err
	}
	g, err := sub.b.finish()
	if err != nil {
		return nil
	}
	return g
}
