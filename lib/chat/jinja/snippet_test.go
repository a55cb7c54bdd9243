package jinja

import (
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite golden files from the oracle")

const snippetContext = `{"messages":[{"role":"system","content":"Sé \"x\""},{"role":"user","content":"héllo\n"}],
 "big":[12345678901234567890123, -5, 1E2], "deep":{"a":{"b":{"c":[true,null,"é"]}}}, "float":0.1}`

// snippets are small templates, one a line of testdata/snippets.txt; NL stands for a line feed. Their answers in
// snippets.golden.json are Jinja2's; -update asks it again.
func snippets(t *testing.T) []namedTemplate {
	t.Helper()
	data, err := os.ReadFile("testdata/snippets.txt")
	if err != nil {
		t.Fatal(err)
	}
	var out []namedTemplate
	for line := range strings.Lines(string(data)) {
		out = append(out, namedTemplate{Name: "snippet", Source: strings.ReplaceAll(strings.TrimSuffix(line, "\n"), "NL", "\n")})
	}
	return out
}

func TestSnippetsAnswerAsJinja2(t *testing.T) {
	list := snippets(t)
	const golden = "testdata/snippets.golden.json"
	if *update {
		pythonWithJinja2(t)
		want := oracle(t, t.TempDir(), []string{"python3"}, "oracle.py", sources(list), json.RawMessage("["+snippetContext+"]"))
		data, _ := json.MarshalIndent(want, "", " ")
		if err := os.WriteFile(golden, append(data, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	var want [][]oracleResult
	if err := json.Unmarshal(data, &want); err != nil {
		t.Fatal(err)
	}
	if len(want) != len(list) {
		t.Fatalf("golden file has %d answers for %d snippets: run with -update", len(want), len(list))
	}
	v, err := FromJSON([]byte(snippetContext), 1)
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range list {
		w := want[i][0]
		got, err := renderSource(s.Source, v.(*Dict))
		switch {
		case err != nil && w.Error != nil:
		case err != nil:
			t.Errorf("%s\n error %v\n  want %q", s.Source, err, *w.Text)
		case w.Error != nil:
			t.Errorf("%s\n  got %q\n want error %s", s.Source, got, *w.Error)
		case got != *w.Text:
			t.Errorf("%s\n  got %q\n want %q", s.Source, got, *w.Text)
		}
	}
}

func renderSource(source string, vars *Dict) (string, error) {
	tmpl, err := Parse("snippet", source)
	if err != nil {
		return "", err
	}
	out, err := tmpl.Render(vars, Config{Now: clock})
	return out.Text, err
}
