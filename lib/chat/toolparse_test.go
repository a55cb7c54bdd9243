package chat

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func call(name, arguments string) ToolCall { return ToolCall{Name: name, Arguments: arguments} }

func code(text string) ToolCall { return ToolCall{Code: true, Arguments: text} }

var answers = []struct {
	name, template, answer string
	want                   Message
}{
	{"plain", "internlm2", "Hello <b> there", Message{Content: "Hello <b> there"}},
	{"stop", "internlm2", "Hello<|im_end|>\n<|im_start|>user", Message{Content: "Hello"}},
	{"plugin", "internlm2", "Sure.<|action_start|><|plugin|>\n{\"name\": \"w\", \"parameters\": {\"location\": \"Shanghai\"}}<|action_end|><|im_end|>",
		Message{Content: "Sure.", ToolCalls: []ToolCall{call("w", `{"location": "Shanghai"}`)}}},
	{"interpreter", "internlm2", "Look.\n\n<|action_start|><|interpreter|>\n```python\nx = {'a': 1}\nprint(x)\n```<|action_end|>\n<|im_end|>",
		Message{Content: "Look.\n\n", ToolCalls: []ToolCall{code("x = {'a': 1}\nprint(x)")}}},
	{"MindSearch", "internlm2", "<|action_start|><|interpreter|>```python\ngraph = WebSearchGraph()\n```<|action_end|>", Message{ToolCalls: []ToolCall{code("graph = WebSearchGraph()")}}},
	{"missing brace", "internlm2", "<|action_start|><|plugin|>\n{\"name\": \"w\", \"parameters\": {\"location\": \"Shanghai\"}<|action_end|>", Message{ToolCalls: []ToolCall{call("w", `{"location":"Shanghai"}`)}}},
	{"missing first brace", "internlm2", "<|action_start|><|plugin|>\n\"name\": \"w\", \"parameters\": {\"a\": 1}}<|action_end|>", Message{ToolCalls: []ToolCall{call("w", `{"a":1}`)}}},
	{"single quotes", "internlm2", "<|action_start|><|plugin|>{'name': 'w', 'parameters': {'a': 'it's', 'b': True, 'c': None}}<|action_end|>", Message{ToolCalls: []ToolCall{call("w", `{"a":"it's","b":true,"c":null}`)}}},
	{"trailing commas", "internlm2", "<|action_start|><|plugin|>{\"name\": \"w\", \"parameters\": {\"a\": [1, 2,], },}<|action_end|>", Message{ToolCalls: []ToolCall{call("w", `{"a":[1,2]}`)}}},
	{"code fence", "internlm2", "<|action_start|><|plugin|>\n```json\n{\"name\": \"w\", \"parameters\": {}}\n```\n<|action_end|>", Message{ToolCalls: []ToolCall{call("w", `{}`)}}},
	{"truncated", "internlm2", "ok<|action_start|><|plugin|>\n{\"name\": \"w\", \"parameters\": {\"q\": \"how to", Message{Content: "ok", ToolCalls: []ToolCall{call("w", `{"q":"how to"}`)}}},
	{"no kind, no end", "internlm2", "<|action_start|>{\"name\": \"w\", \"parameters\": {}}<|im_end|>", Message{ToolCalls: []ToolCall{call("w", `{}`)}}},
	{"quotes inside", "internlm2", "<|action_start|><|plugin|>{\"name\": \"w\", \"parameters\": {\"code\": \"print(\"hi\")\"}}<|action_end|>", Message{ToolCalls: []ToolCall{call("w", `{"code":"print(\"hi\")"}`)}}},
	{"curly quotes", "internlm2", "<|action_start|><|plugin|>{“name”: “w”, “parameters”: {“a”: “你好”}}<|action_end|>", Message{ToolCalls: []ToolCall{call("w", `{"a":"你好"}`)}}},
	{"arguments packed twice", "internlm2", "<|action_start|><|plugin|>{\"name\": \"w\", \"parameters\": \"{\\\"a\\\": 1}\"}<|action_end|>", Message{ToolCalls: []ToolCall{call("w", `{"a": 1}`)}}},
	{"not a call", "internlm2", "a<|action_start|>hello<|action_end|>b", Message{Content: "a<|action_start|>hello<|action_end|>b"}},
	{"qwen two", "qwen2.5", "Two.\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1}}\n</tool_call>\n<tool_call>\n{\"name\": \"g\", \"arguments\": {}}\n</tool_call><|im_end|>",
		Message{Content: "Two.", ToolCalls: []ToolCall{call("f", `{"a": 1}`), call("g", `{}`)}}},
	{"qwen unclosed", "qwen2.5", "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1}}\n<tool_call>{\"name\": \"g\"}", Message{ToolCalls: []ToolCall{call("f", `{"a": 1}`), call("g", `{}`)}}},
	{"qwen3 reasoning", "qwen3", "<think>\nLet me\n\nsee\n</think>\n\nYes<|im_end|>", Message{ReasoningContent: "Let me\n\nsee", Content: "Yes"}},
	{"qwen3 reasoning and call", "qwen3", "\n<think>\nwhy\n</think>\n\n<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call>", Message{ReasoningContent: "why", ToolCalls: []ToolCall{call("f", `{}`)}}},
	{"llama JSON", "llama3.1", "{\"name\": \"f\", \"parameters\": {\"a\": \"b\"}}<|eot_id|>", Message{ToolCalls: []ToolCall{call("f", `{"a": "b"}`)}}},
	{"llama two", "llama3.1", "{\"name\": \"f\", \"parameters\": {}}; {\"name\": \"g\", \"parameters\": {}}", Message{ToolCalls: []ToolCall{call("f", `{}`), call("g", `{}`)}}},
	{"llama other JSON", "llama3.1", "{\"answer\": 42}<|eot_id|>", Message{Content: "{\"answer\": 42}"}},
	{"llama code", "llama3.1", "<|python_tag|>print(1)\nprint(2)<|eom_id|>", Message{ToolCalls: []ToolCall{code("print(1)\nprint(2)")}}},
	{"llama method", "llama3.1", "<|python_tag|>brave_search.call(query=\"a, (b)\", n=3)<|eom_id|>", Message{ToolCalls: []ToolCall{call("brave_search", `{"query":"a, (b)","n":3}`)}}},
	{"mistral", "mistral", "[TOOL_CALLS] [{\"name\": \"f\", \"arguments\": {\"a\": 1}, \"id\": \"abcdef123\"}]</s>", Message{ToolCalls: []ToolCall{{ID: "abcdef123", Name: "f", Arguments: `{"a": 1}`}}}},
	{"mistral broken", "mistral", "[TOOL_CALLS] [{\"name\": \"f\", \"arguments\": {\"a\": 1}, {\"name\": \"g\"}", Message{ToolCalls: []ToolCall{call("f", `{"a":1}`)}}},
	{"mistral later form", "mistral", "[TOOL_CALLS]f[ARGS]{\"a\": 1}[TOOL_CALLS]g{\"b\": 2}</s>", Message{ToolCalls: []ToolCall{call("f", `{"a": 1}`), call("g", `{"b": 2}`)}}},
	{"deepseek", "deepseek", "hm<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n```json\n{\"a\": 1}\n```<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>g\n```json\n{}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜><｜end▁of▁sentence｜>",
		Message{Content: "hm", ToolCalls: []ToolCall{call("f", `{"a": 1}`), call("g", `{}`)}}},
	{"deepseek 3.1", "deepseek", "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>f<｜tool▁sep｜>{\"a\": 1}<｜tool▁call▁end｜><｜tool▁calls▁end｜>", Message{ToolCalls: []ToolCall{call("f", `{"a": 1}`)}}},
	{"deepseek truncated", "deepseek", "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n```json\n{\"a\": [1, 2", Message{ToolCalls: []ToolCall{call("f", `{"a":[1,2]}`)}}},
}

func TestParseAnswer(t *testing.T) {
	for _, a := range answers {
		a.want.Role = Assistant
		if diff := cmp.Diff(a.want, mustBuiltin(t, a.template).ParseAnswer("", a.answer)); diff != "" {
			t.Errorf("%s, %s: %s", a.template, a.name, diff)
		}
	}
	m := mustBuiltin(t, "qwen3").ParseAnswer("…<|im_start|>assistant\n<think>\n", "so\n</think>\n\nyes")
	if m.ReasoningContent != "so" || m.Content != "yes" {
		t.Errorf("prompt that opened the reasoning: %+v", m)
	}
}

// TestParseWhatWasRendered renders answers with calls and reads them back.
func TestParseWhatWasRendered(t *testing.T) {
	rendered := 0
	for _, b := range builtins {
		tmpl := mustBuiltin(t, b.names[0])
		for _, c := range cases(t) {
			c.Tools = nil
			r, err := tmpl.Render(c.Conversation, Options{})
			if err != nil {
				continue
			}
			i := 0
			for _, m := range c.Messages {
				if m.Role != Assistant || len(m.ToolCalls) == 0 {
					continue
				}
				for i+1 < len(r.Loss) && !strings.Contains(r.Text[r.Loss[i].Start:r.Loss[i].End], m.ToolCalls[0].Name) {
					i++
				}
				got := tmpl.ParseAnswer("", r.Text[r.Loss[i].Start:r.Loss[i].End])
				for j := range m.ToolCalls {
					m.ToolCalls[j].ID = ""
				}
				for j := range got.ToolCalls {
					got.ToolCalls[j].ID = ""
				}
				if b.file == "mistral" || b.file == "llama3.1" {
					m.Content = "" // their templates have no text beside a call
				}
				if diff := cmp.Diff(m, got); diff != "" {
					t.Errorf("%s, %s: %s", b.file, c.Name, diff)
				}
				rendered++
			}
		}
	}
	if rendered < 15 {
		t.Errorf("only %d calls were rendered and read", rendered)
	}
}

// inPieces parses an answer cut at the given places.
func inPieces(tmpl *Template, prompt string, pieces []string) Message {
	p := tmpl.Parser(prompt)
	m := Message{Role: Assistant}
	take := func(events []Event) {
		for _, e := range events {
			m.Content += e.Content
			m.ReasoningContent += e.Reasoning
			if e.Call != nil {
				m.ToolCalls = append(m.ToolCalls, *e.Call)
			}
		}
	}
	for _, s := range pieces {
		take(p.Write(s))
	}
	take(p.Close())
	return m
}

func TestStreamEqualsWhole(t *testing.T) {
	marks := []string{"<|action_start|>", "<|plugin|>", "<|interpreter|>", "<|action_end|>", "<|im_end|>", "<tool_call>", "\n", "</tool_call>", "<think>", "</think>", "{\"name\": \"f\", \"arguments\": {\"a\": 1}}",
		"{'name': 'g'", "[TOOL_CALLS]", "<｜tool▁calls▁begin｜>", "<｜tool▁call▁begin｜>", "<｜tool▁sep｜>", "f\n```json\n{}\n```", "<｜tool▁call▁end｜>", "<｜tool▁calls▁end｜>", "<|python_tag|>", "text", " ", "\u3000", "<", "`"}
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom([]string{"internlm2", "qwen3", "llama3.1", "mistral", "deepseek", "llama2"}).Draw(t, "template")
		answer := strings.Join(rapid.SliceOfN(rapid.SampledFrom(marks), 0, 12).Draw(t, "answer"), "")
		tmpl, err := Builtin(name)
		if err != nil {
			t.Fatal(err)
		}
		var pieces []string
		for rest := answer; rest != ""; {
			n := min(rapid.IntRange(1, 9).Draw(t, "size"), len(rest))
			pieces, rest = append(pieces, rest[:n]), rest[n:]
		}
		prompt := rapid.SampledFrom([]string{"", "<think>\n"}).Draw(t, "prompt")
		if diff := cmp.Diff(tmpl.ParseAnswer(prompt, answer), inPieces(tmpl, prompt, pieces)); diff != "" {
			t.Fatalf("%q in pieces: %s", answer, diff)
		}
	})
}

func FuzzParser(f *testing.F) {
	for i, a := range answers {
		f.Add(a.answer, uint8(i))
	}
	f.Fuzz(func(t *testing.T, answer string, which uint8) {
		tmpl, err := Builtin(Names()[int(which)%len(Names())])
		if err != nil {
			t.Fatal(err)
		}
		whole := tmpl.ParseAnswer("", answer)
		for _, c := range whole.ToolCalls {
			if !c.Code && (c.Name == "" || !strings.HasPrefix(c.Arguments, "{")) {
				t.Fatalf("call %+v", c)
			}
		}
		var pieces []string
		for i := range len(answer) {
			pieces = append(pieces, answer[i:i+1])
		}
		if diff := cmp.Diff(whole, inPieces(tmpl, "", pieces)); diff != "" {
			t.Fatalf("byte by byte: %s", diff)
		}
	})
}
