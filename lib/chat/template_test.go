package chat

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"
)

type renderCase struct {
	Name         string `json:"name"`
	Open         bool   `json:"open"`
	Conversation `json:",inline"`
}

func readJSON(t *testing.T, path string, v any) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, v); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

func cases(t *testing.T) []renderCase {
	t.Helper()
	var out []renderCase
	readJSON(t, "testdata/cases.json", &out)
	return out
}

func mustBuiltin(t testing.TB, name string) *Template {
	t.Helper()
	tmpl, err := Builtin(name)
	if err != nil {
		t.Fatal(err)
	}
	return tmpl
}

// TestBuiltinsAsPublished compares with golden.json, which golden.py makes of the templates that the models' authors published.
func TestBuiltinsAsPublished(t *testing.T) {
	var golden map[string]map[string]string
	readJSON(t, "testdata/golden.json", &golden)
	for name, texts := range golden {
		tmpl := mustBuiltin(t, name)
		compared := 0
		for _, c := range cases(t) {
			want, ok := texts[c.Name]
			if !ok {
				continue
			}
			compared++
			if name == "deepseek" { // its published template passes over tools
				c.Tools = nil
			}
			got, err := tmpl.Render(c.Conversation, Options{Open: c.Open})
			if err != nil {
				t.Errorf("%s, %s: %v", name, c.Name, err)
			} else if got.Text != want {
				t.Errorf("%s, %s:\n%s", name, c.Name, cmp.Diff(want, got.Text))
			}
		}
		if compared != len(texts) || compared < 5 {
			t.Errorf("%s: compared %d of %d texts", name, compared, len(texts))
		}
	}
}

// marked writes a rendering with «» around what the model writes.
func marked(r Rendered) string {
	var b strings.Builder
	at := 0
	for _, g := range r.Loss {
		b.WriteString(r.Text[at:g.Start] + "«" + r.Text[g.Start:g.End] + "»")
		at = g.End
	}
	return b.String() + r.Text[at:]
}

func TestLossOfBuiltins(t *testing.T) {
	conv := Conversation{Messages: []Message{{Role: User, Content: "q"}, {Role: Assistant, Content: "a1"}, {Role: User, Content: "r"}, {Role: Assistant, Content: "a2"}}}
	want := map[string]string{
		"internlm2": "<s><|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n«a1<|im_end|>»\n<|im_start|>user\nr<|im_end|>\n<|im_start|>assistant\n«a2<|im_end|>»\n",
		"chatml":    "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n«a1<|im_end|>»\n<|im_start|>user\nr<|im_end|>\n<|im_start|>assistant\n«a2<|im_end|>»\n",
		"llama2":    "<s>[INST] q [/INST]« a1 </s>»<s>[INST] r [/INST]« a2 </s>»",
		"llama3": "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nq<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n«a1<|eot_id|>»" +
			"<|start_header_id|>user<|end_header_id|>\n\nr<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n«a2<|eot_id|>»",
		"mistral":  "<s>[INST] q[/INST]« a1</s>»[INST] r[/INST]« a2</s>»",
		"gemma":    "<bos><start_of_turn>user\nq<end_of_turn>\n<start_of_turn>model\n«a1<end_of_turn>»\n<start_of_turn>user\nr<end_of_turn>\n<start_of_turn>model\n«a2<end_of_turn>»\n",
		"deepseek": "<｜begin▁of▁sentence｜><｜User｜>q<｜Assistant｜>«a1<｜end▁of▁sentence｜>»<｜User｜>r<｜Assistant｜>«a2<｜end▁of▁sentence｜>»",
		"qwen3":    "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n«a1<|im_end|>»\n<|im_start|>user\nr<|im_end|>\n<|im_start|>assistant\n«<think>\n\n</think>\n\na2<|im_end|>»\n",
	}
	for name, w := range want {
		r, err := mustBuiltin(t, name).Render(conv, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := marked(r); got != w {
			t.Errorf("%s:\n got %q\nwant %q", name, got, w)
		}
	}
	conv.Messages[1].NoLoss = true
	r, _ := mustBuiltin(t, "mistral").Render(conv, Options{})
	if got := marked(r); got != "<s>[INST] q[/INST] a1</s>[INST] r[/INST]« a2</s>»" {
		t.Errorf("without loss on the first answer: %q", got)
	}
}

// unmarked is a template without its {% generation %} tags.
func unmarked(t *testing.T, b *Template) *Template {
	t.Helper()
	source := strings.NewReplacer("{%- generation %}", "", "{%- endgeneration %}", "").Replace(b.Source)
	out, err := Parse(b.Name, source, Special{b.BOS, b.EOS, b.Stops, b.Calls})
	if err != nil {
		t.Fatal(err)
	}
	out.textOnly = true
	return out
}

// TestLossWithoutMarks takes the marks out of every built-in template: what is found by the borders of messages must be the same.
func TestLossWithoutMarks(t *testing.T) {
	compared := 0
	for _, b := range builtins {
		with := mustBuiltin(t, b.names[0])
		without := unmarked(t, with)
		for _, c := range cases(t) {
			want, err := with.Render(c.Conversation, Options{Open: c.Open})
			if err != nil {
				continue
			}
			got, err := without.Render(c.Conversation, Options{Open: c.Open})
			if err != nil {
				t.Errorf("%s, %s: %v", b.file, c.Name, err)
				continue
			}
			if marked(got) != marked(want) {
				t.Errorf("%s, %s:\n got %q\nwant %q", b.file, c.Name, marked(got), marked(want))
			}
			compared++
		}
	}
	if compared < 75 {
		t.Errorf("only %d renderings compared", compared)
	}
}

func TestInternLM2Tools(t *testing.T) {
	schema := `{"type": "object", "properties": {"location": {"type": "string", "description": "The city and state, e.g. San Francisco, CA"}, "unit": {"type": "string"}}, "required": ["location"]}`
	tool, err := NewTool("get_current_weather", "Get the current weather in a given location", []byte(schema))
	if err != nil {
		t.Fatal(err)
	}
	conv := Conversation{Tools: []Tool{tool}, Messages: []Message{
		{Role: System, Content: "You are InternLM2-Chat, a harmless AI assistant"},
		{Role: System, Name: "interpreter", Content: "You now have access to a Jupyter notebook environment supporting Python code execution."},
		{Role: User, Content: "I want to know today's weather in Shanghai"},
		{Role: User, Name: "file", Content: `[{"path": "data.csv", "size": "10K"}]`},
		{Role: Assistant, Content: "Sure, I will search for the weather of Shanghai.", ToolCalls: []ToolCall{{Name: "get_current_weather", Arguments: `{"location": "Shanghai"}`}}},
		{Role: ToolRole, Content: `{"temperature": 22}`},
		{Role: Assistant, Content: "I have processed the data.\n\n", ToolCalls: []ToolCall{{Code: true, Arguments: "print(1)"}}},
		{Role: Environment, Content: "![image](xxx.png)"},
		{Role: Assistant, Content: "The weather in Shanghai is 22 celsius"},
	}}
	want := `<s><|im_start|>system
You are InternLM2-Chat, a harmless AI assistant<|im_end|>
<|im_start|>system name=<|plugin|>
[
    {
        "name": "get_current_weather",
        "description": "Get the current weather in a given location",
        "parameters": {
            "type": "object",
            "properties": {
                "location": {
                    "type": "string",
                    "description": "The city and state, e.g. San Francisco, CA"
                },
                "unit": {
                    "type": "string"
                }
            },
            "required": [
                "location"
            ]
        }
    }
]
<|im_end|>
<|im_start|>system name=<|interpreter|>
You now have access to a Jupyter notebook environment supporting Python code execution.<|im_end|>
<|im_start|>user
I want to know today's weather in Shanghai<|im_end|>
<|im_start|>user name=file
[{"path": "data.csv", "size": "10K"}]<|im_end|>
<|im_start|>assistant
«Sure, I will search for the weather of Shanghai.<|action_start|><|plugin|>
{"name": "get_current_weather", "parameters": {"location": "Shanghai"}}<|action_end|><|im_end|>»
<|im_start|>environment name=<|plugin|>
{"temperature": 22}<|im_end|>
<|im_start|>assistant
«I have processed the data.

<|action_start|><|interpreter|>
` + "```python\nprint(1)\n```" + `<|action_end|><|im_end|>»
<|im_start|>environment name=<|interpreter|>
![image](xxx.png)<|im_end|>
<|im_start|>assistant
«The weather in Shanghai is 22 celsius<|im_end|>»
<|im_start|>assistant
`
	r, err := mustBuiltin(t, "internlm2").Render(conv, Options{Open: true})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, marked(r)); diff != "" {
		t.Error(diff)
	}
}

func TestMistralTools(t *testing.T) {
	cs := cases(t)
	i := slices.IndexFunc(cs, func(c renderCase) bool { return c.Name == "one call" })
	r, err := mustBuiltin(t, "mistral").Render(cs[i].Conversation, Options{Open: true})
	if err != nil {
		t.Fatal(err)
	}
	want := `<s>[INST] weather in Paris?[/INST]«[TOOL_CALLS] [{"name": "get_weather", "arguments": {"city": "Paris", "days": 2, "é": [1, 2.5, null, true, {}]}, "id": "abcdef123"}]</s>»` +
		`[TOOL_RESULTS] {"content": {"t": 21}, "call_id": "abcdef123"}[/TOOL_RESULTS]« 21 degrees</s>»` +
		`[AVAILABLE_TOOLS] [{"type": "function", "function": {"name": "get_weather", "description": "Weather of a city – now", "parameters": {"type": "object", "properties": {"city": {"type": "string", "description": "the \"city\""}, "days": {"type": "integer"}}, "required": ["city"]}}}][/AVAILABLE_TOOLS]` +
		"[INST] S\n\nthanks[/INST]"
	if diff := cmp.Diff(want, marked(r)); diff != "" {
		t.Error(diff)
	}
	if _, err := mustBuiltin(t, "mistral").Render(Conversation{Messages: []Message{{Role: ToolRole, ToolCallID: "short"}}}, Options{}); err == nil || !strings.Contains(err.Error(), "9 letters") {
		t.Errorf("a short call id gives %v", err)
	}
}
