package grammar

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// validator compiles a schema with the independent implementation that generated texts are checked with.
func validator(t testing.TB, schema string) func(text string) error {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(schema))
	if err != nil {
		t.Fatalf("%s: %v", schema, err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatalf("%s: %v", schema, err)
	}
	s, err := c.Compile("schema.json")
	if err != nil {
		t.Fatalf("%s: %v", schema, err)
	}
	return func(text string) error {
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
		if err != nil {
			return err
		}
		return s.Validate(v)
	}
}

// TestSchemaTable: what is taken and what is not, one feature a row.
func TestSchemaTable(t *testing.T) {
	for _, c := range []struct {
		schema   string
		yes, not []string
	}{
		{`true`, []string{`{"a":[1,-2.5e+3,"x\n\u0001é",null,{}]}`, `[]`, `""`}, []string{``, `[1,]`, `{"a":1`, `01`, `"\u0041"`, ` 1`, `[1, 2]`, `-0x`, `"\xff"`}},
		{`{"type":"string","minLength":2,"maxLength":3}`, []string{`"日本"`, `"\"\\\n"`}, []string{`"a"`, `"abcd"`}},
		{`{"type":"string","maxLength":5000,"minLength":3}`, []string{`"` + strings.Repeat("é", 5000) + `"`}, []string{`"` + strings.Repeat("é", 5001) + `"`}},
		{`{"type":"string","pattern":"^a+\"$","maxLength":4}`, []string{`"aa\""`, `"aaa\""`}, []string{`"\""`, `"aaaa\""`}},
		{`{"type":"string","pattern":"b"}`, []string{`"abc"`, `"b"`}, []string{`"ac"`}},
		{`{"type":"string","format":"date"}`, []string{`"2024-02-29"`, `"2000-02-29"`}, []string{`"2023-02-29"`, `"1900-02-29"`, `"2024-04-31"`}},
		{`{"type":"string","format":"ipv6"}`, []string{`"::"`, `"::1"`, `"fe80::1:2"`, `"1:2:3:4:5:6:7:8"`}, []string{`"1::2::3"`, `"1:2:3"`}},
		{`{"type":"integer"}`, []string{`0`, `-12`, `999999999999999999`}, []string{`-0`, `1.0`, `1e3`, `00`}},
		{`{"type":"integer","minimum":-3,"exclusiveMaximum":12}`, []string{`-3`, `0`, `11`, `9`}, []string{`-4`, `12`, `-30`, `100`}},
		{`{"type":"number","minimum":0.25,"maximum":1.5}`, []string{`0.25`, `1`, `1.5`, `1.50`, `0.9`, `1.4999`}, []string{`0`, `0.2`, `0.249`, `1.51`, `-1`, `2`, `10`, `1e0`}},
		{`{"type":"number","exclusiveMinimum":-2,"maximum":-0.5}`, []string{`-1.99`, `-0.5`, `-1`, `-0.50`}, []string{`-2`, `-2.0`, `-0.49`, `0`, `0.5`, `1`, `-3`}},
		{`{"type":"number","minimum":0,"exclusiveMaximum":10}`, []string{`0`, `9.99`, `-0.0`, `-0`}, []string{`10`, `10.0`, `-0.1`}},
		{`{"type":"integer","multipleOf":7,"minimum":10}`, []string{`14`, `21`, `700`}, []string{`7`, `15`}},
		{`{"type":"number","multipleOf":0.25}`, []string{`0.5`, `1`, `-2.75`, `0.50`}, []string{`0.3`, `0.125`}},
		{`{"enum":[1.0,"a",null,{"b":[2]},10e1]}`, []string{`1`, `"a"`, `null`, `{"b":[2]}`, `100`}, []string{`2`, `"b"`}},
		{`{"enum":[1,2,3,"x"],"type":"integer","minimum":2}`, []string{`2`, `3`}, []string{`1`, `"x"`}},
		{`{"const":5,"enum":[4,5.0]}`, []string{`5`}, []string{`4`}},
		{`{"type":["boolean","null"]}`, []string{`true`, `null`}, []string{`1`}},
		{`{"type":"string","nullable":true}`, []string{`"a"`, `null`}, []string{`1`}},
		{`{"type":"array","items":{"type":"boolean"},"minItems":1,"maxItems":2}`, []string{`[true]`, `[true,false]`}, []string{`[]`, `[true,true,true]`, `[1]`}},
		{`{"type":"array","prefixItems":[{"const":1},{"const":2}],"items":{"const":3},"minItems":1,"maxItems":4}`, []string{`[1]`, `[1,2]`, `[1,2,3,3]`}, []string{`[]`, `[2]`, `[1,3]`, `[1,2,3,3,3]`}},
		{`{"type":"array","items":[{"const":1}],"additionalItems":false}`, []string{`[]`, `[1]`}, []string{`[1,1]`}},
		{`{"type":"object","properties":{"a":{"const":1},"b":{"const":2},"c":{"const":3}},"required":["b"]}`,
			[]string{`{"b":2}`, `{"a":1,"b":2,"c":3}`, `{"b":2,"c":3}`}, []string{`{}`, `{"a":1}`, `{"b":2,"a":1}`, `{"b":2,}`, `{"b":2,"d":4}`}},
		{`{"type":"object","properties":{"ab":{"const":1}},"additionalProperties":{"const":0}}`,
			[]string{`{}`, `{"ab":1}`, `{"ab":1,"a":0,"abc":0,"":0}`, `{"b":0}`}, []string{`{"ab":0}`, `{"b":1}`, `{"a":0,"ab":0}`}},
		{`{"type":"object","properties":{"a":{},"b":{},"c":{}},"minProperties":2,"maxProperties":2}`, []string{`{"a":1,"b":1}`, `{"b":1,"c":1}`}, []string{`{"a":1}`, `{"a":1,"b":1,"c":1}`, `{}`}},
		{`{"type":"object","patternProperties":{"^x":{"const":1},"y$":{"enum":[1,2]}},"additionalProperties":false}`,
			[]string{`{"x":1}`, `{"y":2}`, `{"xy":1}`, `{}`}, []string{`{"xy":2}`, `{"z":1}`}},
		{`{"type":"object","propertyNames":{"pattern":"^[a-c]+$"},"additionalProperties":{"type":"null"}}`, []string{`{"abc":null}`}, []string{`{"d":null}`}},
		{`{"allOf":[{"type":"object","properties":{"a":{"type":"integer","minimum":3}},"required":["a"]},{"properties":{"a":{"maximum":5},"b":{"const":1}}}]}`,
			[]string{`{"a":3}`, `{"a":5,"b":1}`}, []string{`{"a":2}`, `{"a":6}`, `{"b":1}`}},
		{`{"anyOf":[{"type":"string","maxLength":2},{"type":"string","pattern":"^z"}],"minLength":1}`, []string{`"ab"`, `"zzz"`}, []string{`""`, `"abc"`}},
		{`{"oneOf":[{"type":"object","properties":{"k":{"const":"a"},"v":{"type":"integer"}},"required":["k"]},{"type":"object","properties":{"k":{"const":"b"},"v":{"type":"string"}},"required":["k"]}]}`,
			[]string{`{"k":"a","v":1}`, `{"k":"b","v":""}`}, []string{`{"k":"a","v":""}`, `{}`}},
		{`{"$defs":{"n":{"type":"object","properties":{"v":{"type":"integer"},"next":{"anyOf":[{"$ref":"#/$defs/n"},{"type":"null"}]}},"required":["v","next"]}},"$ref":"#/$defs/n"}`,
			[]string{`{"v":1,"next":null}`, `{"v":1,"next":{"v":2,"next":null}}`}, []string{`{"v":1}`, `{"v":1,"next":{}}`}},
		{`{"$defs":{"t":{"$anchor":"tree","type":"array","items":{"$ref":"#tree"}}},"$ref":"#tree"}`, []string{`[]`, `[[],[[]]]`}, []string{`[1]`}},
	} {
		g, err := JSONSchema([]byte(c.schema))
		if err != nil {
			t.Errorf("%s: %v", c.schema, err)
			continue
		}
		for _, s := range c.yes {
			if !g.Match(s) {
				t.Errorf("%s does not take %.60s", c.schema, s)
			}
			if strings.Contains(c.schema, "nullable") || strings.Contains(c.schema, "additionalItems") { // not of draft 2020-12
				continue
			}
			if err := validator(t, c.schema)(s); err != nil {
				t.Errorf("the table is wrong: %s, %.60s: %v", c.schema, s, err)
			}
		}
		for _, s := range c.not {
			if g.Match(s) {
				t.Errorf("%s takes %.60s", c.schema, s)
			}
		}
	}
}

// TestSchemaErrors: what cannot be kept is refused, with the place.
func TestSchemaErrors(t *testing.T) {
	for _, c := range []struct{ schema, want string }{
		{`{"properties":{"a":{"not":{}}}}`, `#/properties/a: the keyword "not" is not supported`},
		{`{"if":{},"then":{}}`, `"if" is not supported`},
		{`{"type":"array","uniqueItems":true}`, "uniqueItems"},
		{`{"type":"strin"}`, `"strin" is no type`},
		{`{"type":"string","format":"chess"}`, `the format "chess" is not supported`},
		{`{"type":"string","pattern":"(?=a)"}`, "a pattern"},
		{`{"$ref":"http://example.com/x"}`, "only references within the schema"},
		{`{"$ref":"#/$defs/x"}`, "there is nothing at"},
		{`{"oneOf":[{"type":"integer"},{"type":"number","minimum":3}]}`, "alternatives 0 and 1 may both hold"},
		{`{"type":"integer","minimum":5,"maximum":4}`, "no text matches it"},
		{`{"type":"object","properties":{"a":{"$ref":"#"}},"required":["a"]}`, "no text matches it"},
		{`{"type":"object","minProperties":3}`, "names that are not listed may repeat"},
		{`{"minLength":-1}`, "want a whole number"},
		{`{"maximum":1e999}`, "at most 400 digits"},
		{`{"a":1,"a":2}`, "duplicate"},
		{`[`, "unexpected EOF"},
		{`{} {}`, "something follows"},
		{`3`, "a schema is an object, true or false"},
		{strings.Repeat(`{"items":`, 300) + `{}` + strings.Repeat(`}`, 300), "nests deeper"},
		{`{"anyOf":[` + strings.Repeat(`{"type":"null"},`, 600) + `{}]}`, "more than 512 alternatives"},
		{`{"multipleOf":0}`, "multipleOf"},
		{`{"type":"number","multipleOf":999999}`, "too many"},
	} {
		_, err := JSONSchema([]byte(c.schema))
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%.60s: error %v: want one with %q", c.schema, err, c.want)
		}
	}
}

// randomSchema is a schema with a way to draw values that are valid under it.
type randomSchema struct {
	text  string
	value func() string
}

type schemaMaker struct{ *rand.Rand }

func (r schemaMaker) one(list ...string) string { return list[r.IntN(len(list))] }

func quoted(s string) string { return string(quote(nil, s)) }

// scalar draws a schema of no objects or arrays.
func (r schemaMaker) scalar() randomSchema {
	switch r.IntN(9) {
	case 0:
		lo := r.IntN(4)
		hi := lo + r.IntN(40)
		return randomSchema{fmt.Sprintf(`{"type":"string","minLength":%d,"maxLength":%d}`, lo, hi), func() string {
			s := make([]rune, lo+r.IntN(hi-lo+1))
			for i := range s {
				s[i] = []rune("aZ\"\\\n\x01é日🙂 /")[r.IntN(11)]
			}
			return quoted(string(s))
		}}
	case 1:
		p := [][]string{{`^[a-z]{2,5}$`, "ab", "abcde"}, {`\\d-?\\d+`, "12-3", "x1-1y"}, {`^(foo|bar)\"?$`, "foo", `bar"`}, {`é`, "é", "aéb"}}[r.IntN(4)]
		return randomSchema{`{"type":"string","pattern":"` + p[0] + `"}`, func() string { return quoted(p[1+r.IntN(len(p)-1)]) }}
	case 2:
		f := [][]string{{"date", "2024-02-29"}, {"time", "10:00:59Z"}, {"date-time", "2023-01-31T23:59:00.5+08:00"}, {"duration", "P1Y2M3DT4H", "P3W", "PT5S"},
			{"email", "a.b+c@example.com"}, {"hostname", "a-b.example"}, {"ipv4", "192.168.0.255"}, {"ipv6", "fe80::a", "::"},
			{"uuid", "123e4567-e89b-12d3-a456-426614174000"}, {"uri", "https://example.com:80/a%20b?c=d#e"}}[r.IntN(10)]
		return randomSchema{`{"type":"string","format":"` + f[0] + `"}`, func() string { return quoted(f[1+r.IntN(len(f)-1)]) }}
	case 3:
		lo := r.IntN(2000) - 1000
		hi := lo + r.IntN(500)
		return randomSchema{fmt.Sprintf(`{"type":"integer","minimum":%d,"maximum":%d}`, lo, hi), func() string { return fmt.Sprint(lo + r.IntN(hi-lo+1)) }}
	case 4:
		lo := r.IntN(20000) - 10000
		hi := lo + 1 + r.IntN(500)
		return randomSchema{fmt.Sprintf(`{"type":"number","exclusiveMinimum":%v,"maximum":%v}`, float64(lo)/100, float64(hi)/100), func() string {
			return fmt.Sprint(float64(lo+1+r.IntN(hi-lo)) / 100)
		}}
	case 5:
		m := 1 + r.IntN(12)
		return randomSchema{fmt.Sprintf(`{"type":"integer","multipleOf":%d}`, m), func() string { return fmt.Sprint(m * (r.IntN(900) - 450)) }}
	case 6:
		return randomSchema{r.one(`{"type":"number"}`, `{"type":"number","minimum":-1e30}`), func() string { return r.one("0", "-1.5", "123456") }}
	case 7:
		return randomSchema{`{"enum":["a","b\n",1,2.50,null,true,{"k":[1,{}]}]}`, func() string { return r.one(`"a"`, `"b\n"`, `1`, `2.5`, `null`, `true`, `{"k":[1,{}]}`) }}
	default:
		return randomSchema{r.one(`{"type":["boolean","null"]}`, `{"const":null}`, `{"type":"null"}`), func() string { return "null" }}
	}
}

// any draws a schema.
func (r schemaMaker) any(depth int) randomSchema {
	if depth == 0 {
		return r.scalar()
	}
	switch r.IntN(8) {
	case 0:
		item, lo := r.any(depth-1), r.IntN(3)
		hi := lo + r.IntN(4)
		return randomSchema{fmt.Sprintf(`{"type":"array","items":%s,"minItems":%d,"maxItems":%d}`, item.text, lo, hi), func() string {
			list := make([]string, lo+r.IntN(hi-lo+1))
			for i := range list {
				list[i] = item.value()
			}
			return "[" + strings.Join(list, ",") + "]"
		}}
	case 1:
		a, b, rest := r.any(depth-1), r.scalar(), r.scalar()
		return randomSchema{fmt.Sprintf(`{"type":"array","prefixItems":[%s,%s],"items":%s,"minItems":1}`, a.text, b.text, rest.text), func() string {
			return r.one("["+a.value()+"]", "["+a.value()+","+b.value()+"]", "["+a.value()+","+b.value()+","+rest.value()+"]")
		}}
	case 2, 3:
		return r.object(depth)
	case 4:
		a, b := r.any(depth-1), r.any(depth-1)
		return randomSchema{`{"anyOf":[` + a.text + `,` + b.text + `]}`, func() string { return r.one(a.value(), b.value()) }}
	case 5:
		a, o := r.scalar(), r.object(depth)
		array := randomSchema{`{"type":"array","items":` + a.text + `}`, func() string { return "[" + a.value() + "]" }}
		return randomSchema{`{"oneOf":[` + array.text + `,` + o.text + `,{"type":"integer"}]}`, func() string { return r.one(array.value(), o.value(), "7") }}
	case 6:
		lo := r.IntN(50)
		return randomSchema{fmt.Sprintf(`{"allOf":[{"type":"number","minimum":%d},{"type":["integer","string"],"maximum":%d},{"anyOf":[{"multipleOf":2},{"multipleOf":3}]}]}`, lo, lo+40),
			func() string { return fmt.Sprint((lo + 6) / 6 * 6) }}
	default:
		return randomSchema{`{"$ref":"#/$defs/tree"}`, func() string { return r.one(`{"v":1}`, `{"v":-2,"kids":[{"v":0,"kids":[]}]}`) }}
	}
}

func (r schemaMaker) object(depth int) randomSchema {
	var props, required []string
	var values []func() string
	var names []string
	for i := range 1 + r.IntN(4) {
		s := r.any(depth - 1)
		name := r.one("a", "key", "na\"me", "日") + fmt.Sprint(i)
		names = append(names, name)
		props = append(props, quoted(name)+":"+s.text)
		values = append(values, s.value)
		if r.IntN(2) == 0 {
			required = append(required, quoted(name))
		}
	}
	text := `{"type":"object","properties":{` + strings.Join(props, ",") + `},"required":[` + strings.Join(required, ",") + `]`
	extra := r.IntN(3)
	switch extra {
	case 0:
		text += `,"additionalProperties":false`
	case 1:
		text += `,"additionalProperties":{"type":"integer"},"maxProperties":` + fmt.Sprint(len(names)+1)
	case 2:
		text += fmt.Sprintf(`,"minProperties":%d`, max(1, len(required)))
	}
	return randomSchema{text + "}", func() string {
		var list []string
		for i, name := range names {
			if q := quoted(name); strings.Contains(strings.Join(required, ","), q) || r.IntN(2) == 0 || extra == 2 {
				list = append(list, q+":"+values[i]())
			}
		}
		if extra == 1 && r.IntN(2) == 0 {
			list = append(list, `"other":5`)
		}
		return "{" + strings.Join(list, ",") + "}"
	}}
}

// TestRandomSchemas draws schemas; random tokens under the mask must give texts that an independent validator takes, and
// values known to be valid must be of the language.
func TestRandomSchemas(t *testing.T) {
	const seed = 20240229
	r := schemaMaker{rand.New(rand.NewPCG(seed, 1))}
	n := 1000
	if testing.Short() {
		n = 100
	}
	longest := 0
	for i := range n {
		s := r.any(1 + r.IntN(3))
		text := `{"$defs":{"tree":{"type":"object","properties":{"v":{"type":"integer"},"kids":{"type":"array","items":{"$ref":"#/$defs/tree"}}},"required":["v"]}},"allOf":[` + s.text + `]}`
		g, err := JSONSchema([]byte(text))
		if err != nil {
			t.Fatalf("schema %d of seed %d: %s: %v", i, seed, text, err)
		}
		valid := validator(t, text)
		for range 3 {
			if v := s.value(); valid(v) != nil {
				t.Fatalf("the generator is wrong: %s under %s: %v", v, text, valid(v))
			} else if !g.Match(v) {
				t.Fatalf("schema %d of seed %d: %s is valid and not of the language of %s", i, seed, v, text)
			}
		}
		out := generate(t, g, letters, r.Rand, false)
		if err := valid(out); err != nil {
			t.Fatalf("schema %d of seed %d: %s came out under %s: %v", i, seed, out, text, err)
		}
		longest = max(longest, len(out))
	}
	if longest < 100 {
		t.Errorf("the longest text has %d bytes: the test says little", longest)
	}
}
