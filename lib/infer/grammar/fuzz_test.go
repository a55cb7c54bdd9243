package grammar

import (
	"encoding/json"
	"math/rand/v2"
	"testing"
	"unicode/utf8"
)

// wander follows a random text of a grammar for a while: every state has a way on, and tokens that the mask allows are
// accepted.
func wander(t *testing.T, g *Grammar, seed uint64) (text []byte, complete bool) {
	rng := rand.New(rand.NewPCG(seed, 0))
	m := g.Matcher(letters)
	for range 30 {
		var ids []uint32
		for id := range m.Mask().All() {
			ids = append(ids, id)
		}
		if len(ids) == 0 {
			t.Fatalf("nothing can follow %q", text)
		}
		id := ids[rng.IntN(len(ids))]
		if err := m.Accept(id); err != nil {
			t.Fatalf("after %q: %v", text, err)
		}
		text = append(text, letters.Bytes(id)...)
		if m.Done() {
			break
		}
	}
	if m.Complete() != g.Match(string(text)) {
		t.Fatalf("%q: the matcher says complete %v, Match %v", text, m.Complete(), !m.Complete())
	}
	return text, m.Complete()
}

func FuzzEBNF(f *testing.F) {
	for _, s := range []string{
		`root ::= "a"`, "root ::= x (\",\" x)* # list\nx ::= [0-9a-f]{1,3} | \"(\" root \")\"", `root ::= [^\x00-\x7f\u00e9]+ .`,
		`root ::= ("a"? "b"*){2,9}`, "root ::= root \"a\"", `root ::= "\U0001F642"`, "a ::= b\nb ::= a", `root ::= ((((`, `root ::= "a"{1000000}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, source string) {
		if g, err := EBNF(source); err == nil {
			wander(t, g, 1)
		}
	})
}

func FuzzRegexp(f *testing.F) {
	for _, s := range []string{`a|b*`, `(?i)[k\x{212a}]\b.`, `^(a|b)*a(a|b){5}$`, `\pL+\d{2,}`, `(?m)^$`, `[^\x00-\x{10FFFF}]`, `(`, `((a{1,30}){1,30}){1,30}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, expr string) {
		g, err := Regexp(expr)
		if err != nil {
			return
		}
		if text, complete := wander(t, g, 2); complete && !utf8.Valid(text) {
			t.Fatalf("%q is complete and no UTF-8", text)
		}
	})
}

func FuzzJSONSchema(f *testing.F) {
	for _, s := range []string{
		`{"type":"object","properties":{"a":{"type":"string","maxLength":5}},"required":["a"]}`,
		`{"$defs":{"t":{"type":"array","items":{"$ref":"#/$defs/t"},"maxItems":2}},"$ref":"#/$defs/t"}`,
		`{"oneOf":[{"const":1},{"enum":["a",null]}]}`, `{"allOf":[{"minimum":1.5},{"maximum":3e2,"multipleOf":0.5}],"type":"number"}`,
		`{"type":"string","format":"date-time"}`, `{"patternProperties":{"^a":{"type":"integer"}},"minProperties":1,"propertyNames":{"maxLength":3}}`,
		`{"prefixItems":[true,false],"type":["array","null"]}`, `{"$ref":"#"}`, `{"anyOf":[{"$ref":"#"},{"type":"null"}]}`, `{"type":"integer","exclusiveMinimum":-1e2}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, schema string) {
		g, err := JSONSchema([]byte(schema))
		if err != nil {
			return
		}
		if text, complete := wander(t, g, 3); complete && !json.Valid(text) {
			t.Fatalf("%q is complete and no JSON", text)
		}
	})
}
