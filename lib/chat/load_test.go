package chat

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestLoadTemplate(t *testing.T) {
	const template = `{{ bos_token }}{% for m in messages %}[{{ m.role }}]{{ m.content }}{{ eos_token }}{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}`
	for name, files := range map[string]map[string]string{
		"text and objects": {
			"tokenizer_config.json":  `{"chat_template":"` + template + `","bos_token":{"content":"<s>","lstrip":false},"eos_token":"</s>","added_tokens_decoder":{"7":{"content":"<|end|>"},"2":{"content":"</s>"}}}`,
			"generation_config.json": `{"eos_token_id":[2,7]}`,
		},
		"named templates": {
			"tokenizer_config.json":  `{"chat_template":[{"name":"tool_use","template":"x"},{"name":"default","template":"` + template + `"}],"bos_token":"<s>","eos_token":"</s>","added_tokens_decoder":{"7":{"content":"<|end|>"}}}`,
			"generation_config.json": `{"eos_token_id":7}`,
		},
		"own file": {
			"chat_template.jinja":    template + "\n",
			"tokenizer_config.json":  `{"bos_token":"<s>","eos_token":"</s>","added_tokens_decoder":{"7":{"content":"<|end|>"}}}`,
			"generation_config.json": `{"eos_token_id":[7]}`,
		},
	} {
		tmpl, err := LoadTemplate(folder(t, files))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		conv := Conversation{Messages: []Message{{Role: User, Content: "a"}, {Role: Assistant, Content: "b"}}}
		r, err := tmpl.Render(conv, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := marked(r); got != "<s>[user]a</s>[assistant]«b</s>»" || !slices.Equal(tmpl.Stops, []string{"</s>", "<|end|>"}) {
			t.Errorf("%s: %q, stops %q", name, got, tmpl.Stops)
		}
		if prompt, err := tmpl.Prompt(conv, Options{}); prompt != "[assistant]" || err != nil {
			t.Errorf("%s: generation prompt %q, %v", name, prompt, err)
		}
	}
	for name, files := range map[string]map[string]string{
		"name a built-in one":   {"tokenizer_config.json": `{"bos_token":null}`},
		"tokenizer_config.json": {"tokenizer_config.json": `{"bos_token":`},
		":1: unknown filter":    {"tokenizer_config.json": `{"chat_template":"{{ x | nope }}"}`},
	} {
		if _, err := LoadTemplate(folder(t, files)); err == nil || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "\n") {
			t.Errorf("error %v does not say %q", err, name)
		}
	}
}

// TestArgumentsAsTheTemplateWants gives the same call to a template that takes a dict and to one that takes a text.
func TestArgumentsAsTheTemplateWants(t *testing.T) {
	conv := Conversation{Messages: []Message{{Role: User, Content: "q"}, {Role: Assistant, ToolCalls: []ToolCall{{Name: "f", Arguments: `{"a":  1}`}}}}}
	for source, want := range map[string]string{
		"{% for m in messages %}{% for c in m.tool_calls or [] %}{{ c.function.arguments | tojson }}{% endfor %}{% endfor %}":       `{"a": 1}`,
		"{% for m in messages %}{% for c in m.tool_calls or [] %}{{ 'x' + c.function.arguments }}{% endfor %}{% endfor %}":          `x{"a":  1}`,
		"{% for m in messages %}{% for c in m.tool_calls or [] %}{{ c.function.arguments.items() | list }}{% endfor %}{% endfor %}": `[('a', 1)]`,
	} {
		tmpl, err := Parse("t", source, Special{})
		if err != nil {
			t.Fatal(err)
		}
		r, err := tmpl.Render(conv, Options{})
		if err != nil || r.Text != want {
			t.Errorf("%s: %q, %v", source, r.Text, err)
		}
	}
}
