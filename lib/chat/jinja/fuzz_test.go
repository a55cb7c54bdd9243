package jinja

import (
	"strings"
	"testing"
)

func FuzzRender(f *testing.F) {
	for _, line := range snippetsForFuzz {
		f.Add(line)
	}
	v, err := FromJSON([]byte(snippetContext), 1)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, source string) {
		tmpl, err := Parse("fuzz", source)
		if err != nil {
			return
		}
		out, err := tmpl.Render(v.(*Dict), Config{MaxSteps: 20_000, MaxBytes: 1 << 20, Now: clock})
		if err != nil {
			if !strings.HasPrefix(err.Error(), "jinja: fuzz:") {
				t.Fatalf("error without a place: %v", err)
			}
			return
		}
		at := 0
		for _, s := range out.Spans {
			if s.Start < at || s.End <= s.Start || s.End > len(out.Text) || s.Source != 1 {
				t.Fatalf("bad span %v in %q", s, out.Text)
			}
			at = s.End
		}
	})
}

var snippetsForFuzz = []string{
	"{% for m in messages %}{{ m.role|upper ~ m['content'][::-1] }}{% endfor %}",
	"{% macro a(x, y=1) %}{{ x * y }}{% endmacro %}{{ a('b', 3) }}{{ deep | tojson(indent=2) }}",
	"{%- set ns = namespace(a=[]) -%}{% set ns.a = ns.a + [1] %}{{ ns.a | map('string') | join(',') }}",
	"{% raw %}{{ {% endraw %}{# c -#} {% generation %}x{% endgeneration %}",
	"{% set x %}{{ 'a,b'.split(',')[0].strip() }}{% endset %}{{ x.replace('', 'zz') | indent(2, true) }}",
	"{{ '%d' | trim }}{{ range(3) | batch(2, none) | list }}{{ strftime_now('%-d %b') }}",
}
