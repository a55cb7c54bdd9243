package jinja

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"quire/lib/chat/taint"
)

// TestHostileTemplatesEnd gives templates that would run or grow without end.
func TestHostileTemplatesEnd(t *testing.T) {
	for name, source := range map[string]string{
		"doubling":      "{% set ns = namespace(x='ab') %}{% for i in range(100000) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
		"doubling list": "{% set ns = namespace(x=[1]) %}{% for i in range(100000) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
		"repeat":        "{{ 'ab' * 9000000000000000000 }}",
		"repeat list":   "{{ [1] * 9000000000000000000 }}",
		"recursion":     "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
		"nested loops":  "{% for a in range(100000) %}{% for b in range(100000) %}{% for c in range(100000) %}{% endfor %}{% endfor %}{% endfor %}",
		"shared values": "{% set ns = namespace(x=[1]) %}{% for i in range(100) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x | tojson }}",
		"deep value":    "{% set ns = namespace(x=[1]) %}{% for i in range(90000) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x }}",
		"deep equality": "{% set ns = namespace(x=[1], y=[1]) %}{% for i in range(100) %}{% set ns.x = [ns.x, ns.x] %}{% set ns.y = [ns.y, ns.y] %}{% endfor %}{{ ns.x == ns.y }}",
		"replace":       "{% set x = 'a' * 60000 %}{% set y = x.replace('a', x) %}",
		"join":          "{% set x = 'a' * 60000000 %}{{ [x, x, x] | join }}",
		"indent":        "{{ ('\\n' * 30000000) | indent(1000, true, true) }}",
		"nested text":   strings.Repeat("(", 100000) + "{{" + strings.Repeat("(", 100000) + "1",
		"nested list":   "{{" + strings.Repeat("[", 50000) + strings.Repeat("]", 50000) + "}}",
		"nested if":     strings.Repeat("{% if 1 %}", 20000),
		"not":           "{{" + strings.Repeat("not ", 50000) + "1}}",
		"minus":         "{{" + strings.Repeat("-", 100000) + "1}}",
		"power":         "{{ 10 ** 100 }}",
		"overflow":      "{{ 9223372036854775807 + 1 }}",
		"lowest by -1":  "{{ (-9223372036854775807 - 1) // -1 }}",
		"huge range":    "{{ range(-9223372036854775807, 9223372036854775807, 9223372036854775807) | list | length + range(10**6) | length }}",
		"too long":      strings.Repeat("a", maxSource+1),
		"generation":    "{% macro m() %}{% generation %}x{% endgeneration %}{% endmacro %}{{ m() }}",
	} {
		start := time.Now()
		text, err := renderSource(source, &Dict{})
		if err == nil {
			t.Errorf("%s: no error, %d bytes", name, len(text))
		} else if strings.Contains(err.Error(), "\n") || len(err.Error()) > 300 {
			t.Errorf("%s: error is long: %.400q", name, err)
		}
		if d := time.Since(start); d > 3*time.Minute {
			t.Errorf("%s took %v", name, d)
		}
	}
	deep := strings.Repeat("[", 5000) + strings.Repeat("]", 5000)
	if _, err := FromJSON([]byte(deep), 1); err == nil {
		t.Error("JSON of 5000 levels was taken")
	}
}

func TestErrorsNameLines(t *testing.T) {
	for source, want := range map[string]string{
		"a\n{% if x %}\n{{ x.y.z }}\n{% endif %}{{ x.y.z }}": "jinja: t:4: x is undefined, so it has no attribute \"y\"",
		"{{ 1 }}\n\n{{ 'a' + 1 }}":                           "jinja: t:3: cannot compute str + int",
		"{#\n\n#}{% for %}":                                  "jinja: t:3: expected a name, found \"%}\"",
		"\n{{ raise_exception('no ' + 'way') }}":             "jinja: t:2: no way",
		"{{ x | nope }}":                                     "jinja: t:1: unknown filter \"nope\"",
	} {
		tmpl, err := Parse("t", source)
		if err == nil {
			_, err = tmpl.Render(&Dict{}, Config{})
		}
		if fmt.Sprint(err) != want {
			t.Errorf("%q: error %v, want %s", source, err, want)
		}
	}
}

// TestOriginsSurvive follows two sources through the operations of templates.
func TestOriginsSurvive(t *testing.T) {
	vars := &Dict{}
	vars.Set("a", taint.Data("x<1>y", 1))
	vars.Set("b", taint.Data("<2>", 2))
	vars.Set("bos", taint.Literal("<s>"))
	for source, want := range map[string]string{
		"{{ bos + a + '|' ~ b }}":                              "<s>[1:x<1>y]|[2:<2>]",
		"{{ a[1:4] }}{{ a[::-1] }}":                            "[1:<1>y>1<x]",
		"{{ ('  ' + a + ' ').strip().split('<')[1] }}":         "[1:1>y]",
		"{{ a.replace('1', '-' + b) }}":                        "[1:x<]-[2:<2>][1:>y]",
		"{{ [a, b, 'c'] | join('<s>') }}":                      "[1:x<1>y]<s>[2:<2>]<s>c",
		"{{ {'k': a, 'l': [b]} | tojson }}":                    `{"k": "[1:x<1>y]", "l": ["[2:<2>]"]}`,
		"{{ [a] }}":                                            "['[1:x<1>y]']",
		"{% set t %}({{ b }}){% endset %}{{ t | upper }}":      "([2:<2>])",
		"{% macro m(q) %}<{{ q }}>{% endmacro %}{{ m(a) }}":    "<[1:x<1>y]>",
		"{{ ('A' + a) | title }}":                              "[1:Ax<1>Y]",
		"{% for c in a %}{{ c }}.{% endfor %}":                 "[1:x].[1:<].[1:1].[1:>].[1:y].",
		"{{ 'p\\nq' | indent(a) }}{{ b | safe | string | e }}": "p\n[1:x<1>y]q[2:&lt;2&gt;]",
	} {
		tmpl, err := Parse("t", source)
		if err != nil {
			t.Fatal(err)
		}
		out, err := tmpl.Render(vars, Config{})
		if err != nil {
			t.Fatal(err)
		}
		var got strings.Builder
		at := 0
		for _, s := range out.Spans {
			fmt.Fprintf(&got, "%s[%d:%s]", out.Text[at:s.Start], s.Source, out.Text[s.Start:s.End])
			at = s.End
		}
		got.WriteString(out.Text[at:])
		if got.String() != want {
			t.Errorf("%s\n got %s\nwant %s", source, got.String(), want)
		}
	}
}
