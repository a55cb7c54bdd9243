package grammar

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestHostile: sources made to cost much end soon, with an error or a grammar.
func TestHostile(t *testing.T) {
	const limit = 2 * time.Minute // of a busy machine under the race detector; elsewhere each takes a second at most
	many := func(n int, f func(i int) string) string {
		list := make([]string, n)
		for i := range list {
			list[i] = f(i)
		}
		return strings.Join(list, ",")
	}
	for _, c := range []struct {
		name string
		make func() (*Grammar, error)
	}{
		{"many names", func() (*Grammar, error) {
			return JSONSchema([]byte(`{"type":"object","additionalProperties":{},"properties":{` + many(20_000, func(i int) string { return fmt.Sprintf(`"n%d":{}`, i) }) + `}}`))
		}},
		{"exponential choices", func() (*Grammar, error) {
			return JSONSchema([]byte(`{"allOf":[` + many(30, func(i int) string { return fmt.Sprintf(`{"anyOf":[{"minLength":%d},{"maxLength":%d}]}`, i, i) }) + `,{"anyOf":[false,false]}]}`))
		}},
		{"many patterns", func() (*Grammar, error) {
			return JSONSchema([]byte(`{"allOf":[` + many(5000, func(i int) string { return fmt.Sprintf(`{"pattern":"\\pL{20}x%d"}`, i) }) + `]}`))
		}},
		{"long chain", func() (*Grammar, error) { return Regexp(strings.Repeat("[ab]", 8000)) }},
		{"large classes", func() (*Grammar, error) { return Regexp(`(\pL\pN?){300}`) }},
		{"many alternatives of oneOf", func() (*Grammar, error) {
			return JSONSchema([]byte(`{"oneOf":[` + many(400, func(i int) string { return fmt.Sprintf(`{"const":%d}`, i) }) + `]}`))
		}},
		{"counts within counts", func() (*Grammar, error) { return EBNF(`root ::= ((([ab]{1,1000}){1,1000}){1,1000}){1,1000}`) }},
		{"ambiguous", func() (*Grammar, error) {
			return EBNF("root ::= (x | y)*\nx ::= \"a\"{1,50} | \"aa\" x?\ny ::= (\"a\"? x){1,20}")
		}},
		{"deep brackets", func() (*Grammar, error) {
			return EBNF("root ::= a* \nb ::= \"x\" a\na ::= \"(\" a* \")\" b? | \"(\" b* \")\"")
		}},
	} {
		start := time.Now()
		g, err := c.make()
		compiled := time.Since(start)
		if err == nil {
			m := g.Matcher(letters)
			for range 20 {
				var last uint32
				for last = range m.Mask().All() {
					if last >= 256 {
						break
					}
				}
				if m.Accept(last) != nil {
					break
				}
			}
		} else if strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", c.name, err)
		}
		if all := time.Since(start); all > limit {
			t.Errorf("%s took %v, %v of it to compile", c.name, all, compiled)
		} else {
			t.Logf("%s: compiled in %v, all %v, error %.150v", c.name, compiled, all, err)
		}
	}
}
