package jinja

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// clock is what both oracles use for strftime_now.
func clock() time.Time { return time.Date(2024, 7, 26, 13, 5, 9, 0, time.UTC) }

type oracleResult struct{ Text, Error *string }

type namedTemplate struct{ Name, Source string }

// npm installs the two packages once into a folder of the test binary and skips where that cannot be done.
var npm = sync.OnceValues(func() (string, string) {
	if _, err := exec.LookPath("npm"); err != nil {
		return "", "npm is not installed"
	}
	dir, err := os.MkdirTemp("", "quire-npm-")
	if err != nil {
		return "", err.Error()
	}
	npmDir = dir
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute) // a registry that cannot be reached
	defer cancel()
	cmd := exec.CommandContext(ctx, "npm", "install", "--prefix", dir, "--no-audit", "--no-fund", "@huggingface/jinja@0.5.11", "@huggingface/ollama-utils@0.0.18")
	cmd.WaitDelay = time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", "npm cannot install @huggingface/jinja: " + string(out)
	}
	return dir, ""
})

func TestMain(m *testing.M) {
	code := m.Run()
	if npmDir != "" {
		os.RemoveAll(npmDir)
	}
	os.Exit(code)
}

// npmDir is removed at the end.
var npmDir string

func npmFolder(t *testing.T) string {
	t.Helper()
	dir, why := npm()
	if why != "" {
		t.Skip("needs npm packages: " + why)
	}
	return dir
}

// oracle runs a script of testdata over all pairs of template and context.
func oracle(t *testing.T, dir string, command []string, script string, templates []string, contexts json.RawMessage) [][]oracleResult {
	t.Helper()
	jobs, err := json.Marshal(map[string]any{"templates": templates, "contexts": contexts})
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(filepath.Join("testdata", script))
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{script: source, "jobs.json": jobs} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(command[0], append(command[1:], script, "jobs.json")...)
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v", script, err)
	}
	var results [][]oracleResult
	if err := json.Unmarshal(out, &results); err != nil {
		t.Fatal(err)
	}
	return results
}

func publishedTemplates(t *testing.T) []namedTemplate {
	t.Helper()
	dir := npmFolder(t)
	source, err := os.ReadFile("testdata/published.mjs")
	if err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(dir, "published.mjs")
	if err := os.WriteFile(script, source, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("node", script)
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var list []namedTemplate
	if err := json.Unmarshal(out, &list); err != nil {
		t.Fatal(err)
	}
	return list
}

func contexts(t *testing.T) (json.RawMessage, []*Dict) {
	t.Helper()
	data, err := os.ReadFile("testdata/contexts.json")
	if err != nil {
		t.Fatal(err)
	}
	v, err := FromJSON(data, 1)
	if err != nil {
		t.Fatal(err)
	}
	var out []*Dict
	for _, c := range v.([]any) {
		out = append(out, c.(*Dict))
	}
	return data, out
}

// deviates are templates that @huggingface/jinja renders unlike Jinja2: it prints a list as JSON, and its lstrip takes no argument.
var deviates = map[string]bool{"library/glm4:9b": true, "library/qwq:32b": true}

// compare renders every pair. With strict both sides must agree on which pairs are errors; else a pair that one side refuses is
// only counted, because the oracle is known to accept and refuse other things than Jinja2.
func compare(t *testing.T, templates []namedTemplate, vars []*Dict, want [][]oracleResult, strict bool) {
	t.Helper()
	equal, refused, differ := 0, 0, 0
	for i, tmpl := range templates {
		parsed, err := Parse(tmpl.Name, tmpl.Source)
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		for j, context := range vars {
			if _, only := context.Get("only_python"); only && !strict {
				continue
			}
			got, err := parsed.Render(context, Config{Now: clock})
			w := want[i][j]
			switch {
			case err == nil && w.Text != nil && got.Text == *w.Text:
				equal++
			case err != nil && w.Error != nil:
				refused++
			case !strict && deviates[tmpl.Name]:
				differ++
			case err == nil && w.Text != nil:
				t.Errorf("%s, context %d:\n got %q\nwant %q", tmpl.Name, j, got.Text, *w.Text)
			case strict:
				t.Errorf("%s, context %d: error %v, the oracle %v", tmpl.Name, j, err, w.Error)
			default:
				differ++
			}
		}
	}
	t.Logf("%d templates: %d equal texts, %d pairs refused by both, %d by one", len(templates), equal, refused, differ)
	if equal < len(templates) {
		t.Errorf("only %d texts were compared", equal)
	}
}

func sources(list []namedTemplate) []string {
	var out []string
	for _, n := range list {
		out = append(out, n.Source)
	}
	return out
}

func pythonWithJinja2(t *testing.T) {
	t.Helper()
	if err := exec.Command("python3", "-c", "import jinja2").Run(); err != nil {
		t.Skip("needs python3 with jinja2")
	}
}

func TestPublishedTemplatesAsJinja2(t *testing.T) {
	pythonWithJinja2(t)
	list := publishedTemplates(t)
	raw, vars := contexts(t)
	compare(t, list, vars, oracle(t, t.TempDir(), []string{"python3"}, "oracle.py", sources(list), raw), true)
}

func TestPublishedTemplatesAsHuggingFaceJinja(t *testing.T) {
	list := publishedTemplates(t)
	raw, vars := contexts(t)
	compare(t, list, vars, oracle(t, npmFolder(t), []string{"node"}, "oracle.mjs", sources(list), raw), false)
}
