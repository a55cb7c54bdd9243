package convert

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"quire/lib/chat"
)

// Property tests draw the same cases on every run; -rapid.seed draws others.
func init() { flag.Set("rapid.seed", "20261123") }

var equal = cmp.Options{cmpopts.EquateEmpty(), cmp.Comparer(func(a, b chat.Tool) bool {
	x, _ := a.MarshalJSON()
	y, _ := b.MarshalJSON()
	return bytes.Equal(x, y)
})}

func msg(role, text string) chat.Message { return chat.Message{Role: role, Content: text} }

func TestFormats(t *testing.T) {
	for _, c := range []struct {
		name, record string
		want         []chat.Message
	}{
		{"xtuner", `{"conversation":[{"system":"S","input":"a","output":"b"},{"input":"c","output":"d","output_with_loss":false}]}`,
			[]chat.Message{msg("system", "S"), msg("user", "a"), msg("assistant", "b"), msg("user", "c"), {Role: "assistant", Content: "d", NoLoss: true}}},
		{"xtuner pre-training", `{"conversation":[{"input":"","output":"text"}]}`, []chat.Message{msg("pretrain", "text")}},
		{"alpaca", `{"instruction":"a","input":"","output":"b"}`, []chat.Message{msg("user", "a"), msg("assistant", "b")}},
		{"alpaca with all", `{"system":"S","history":[["q","r"]],"instruction":"a","input":"i","output":"b"}`,
			[]chat.Message{msg("system", "S"), msg("user", "q"), msg("assistant", "r"), msg("user", "a\ni"), msg("assistant", "b")}},
		{"sharegpt", `{"conversations":[{"from":"human","value":"a"},{"from":"function_call","value":"{\"name\": \"f\", \"arguments\": {\"x\": 1}}"},{"from":"observation","value":"1"},{"from":"gpt","value":"b"}],"system":"S"}`,
			[]chat.Message{msg("system", "S"), msg("user", "a"), {Role: "assistant", ToolCalls: []chat.ToolCall{{Name: "f", Arguments: `{"x": 1}`}}}, msg("tool", "1"), msg("assistant", "b")}},
		{"openai", `{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":null,"tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"1","content":"r"},{"role":"assistant","content":"b","loss":false}]}`,
			[]chat.Message{msg("user", "a"), {Role: "assistant", ToolCalls: []chat.ToolCall{{ID: "1", Name: "f", Arguments: "{}"}}}, {Role: "tool", ToolCallID: "1", Content: "r"}, {Role: "assistant", Content: "b", NoLoss: true}}},
		{"openai, bare", `[{"role":"user","content":[{"type":"text","text":"a"}]}]`, []chat.Message{msg("user", "a")}},
		{"parts with value", `{"messages":[{"role":"assistant","content":[{"type":"reasoning","value":"r"},{"type":"text","value":"t"},{"type":"tool_call","value":"{\"name\":\"f\",\"arguments\":{}}"}],"loss_weight":0.0}]}`,
			[]chat.Message{{Role: "assistant", Content: "t", ReasoningContent: "r", ToolCalls: []chat.ToolCall{{Name: "f", Arguments: "{}"}}, NoLoss: true}}},
	} {
		got, err := Any([]byte(c.record))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		} else if diff := cmp.Diff(c.want, got.Messages, equal); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

func TestReadNamesThePlace(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"lines", "{\"instruction\":\"a\",\"output\":\"b\"}\n\n{\"instruction\":1}\n{\"instruction\":\"c\",\"output\":\"d\"}", "ok | convert: f: line 3: | ok"},
		{"array", "[{\"instruction\":\"a\",\"output\":\"b\"},\n {\"x\":1},\n {\"instruction\":\"c\",\"output\":\"d\"}]", "ok | convert: f: record 2 before byte 42: no known format | ok"},
		{"broken array", "[{\"instruction\":\"a\",\"output\":\"b\"}, {\"instruction\" 2}]", "ok | convert: f: record 2:"},
		{"cut array", "[{\"instruction\":\"a\",\"output\":\"b\"}", "ok | convert: f: record 2:"},
		{"lines of dialogues", "[{\"role\":\"user\",\"content\":\"a\"}]\n[{\"role\":\"user\",\"content\":\"b\"}]\n", "ok | ok"},
		{"empty", "", ""},
		{"mark and blanks", "\ufeff\n\n{\"instruction\":\"a\",\"output\":\"b\"}", "ok"},
		{"no JSON", "hello\n", "convert: f: line 1: not a JSON object"},
	} {
		var got []string
		for _, err := range Read(strings.NewReader(c.text), "f", Any) {
			s := "ok"
			if err != nil {
				s = err.Error()
			}
			got = append(got, s)
		}
		wants := strings.Split(c.want, " | ")
		if c.want == "" {
			wants = nil
		}
		if len(got) != len(wants) {
			t.Errorf("%s: %q, want %q", c.name, got, wants)
			continue
		}
		for i, w := range wants {
			if !strings.HasPrefix(got[i], w) {
				t.Errorf("%s: %q, want %q", c.name, got[i], w)
			}
		}
	}
}

// TestThereAndBack says that what a writer takes is read back the same.
func TestThereAndBack(t *testing.T) {
	formats := []struct {
		name string
		to   func(chat.Conversation) (jsontext.Value, error)
		from Format
	}{{"OpenAI", ToOpenAI, OpenAI}, {"XTuner", ToXTuner, XTuner}, {"alpaca", ToAlpaca, Alpaca}, {"ShareGPT", ToShareGPT, ShareGPT}}
	taken := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		var c chat.Conversation
		roles := []string{chat.System, chat.User, chat.Assistant, chat.User, chat.Assistant}
		if rapid.Bool().Draw(t, "any order") {
			roles = rapid.SliceOfN(rapid.SampledFrom([]string{chat.System, chat.User, chat.Assistant, chat.ToolRole}), 1, 4).Draw(t, "roles")
		} else {
			roles = roles[rapid.IntRange(0, 1).Draw(t, "first"):]
		}
		for _, role := range roles {
			m := msg(role, rapid.OneOf(rapid.String(), rapid.Just("a\nb")).Draw(t, "text"))
			if role == chat.Assistant {
				m.NoLoss = rapid.IntRange(0, 3).Draw(t, "loss") == 0
				if rapid.IntRange(0, 3).Draw(t, "call") == 0 {
					m.ToolCalls = []chat.ToolCall{{Name: "f", Arguments: `{"a": 1}`}}
					m.Content = ""
				}
			}
			c.Messages = append(c.Messages, m)
		}
		for _, f := range formats {
			record, err := f.to(c)
			if err != nil {
				if f.name == "OpenAI" || strings.Contains(err.Error(), "\n") {
					t.Fatalf("%s: %v", f.name, err)
				}
				continue
			}
			taken[f.name]++
			back, err := f.from(record)
			if err != nil {
				t.Fatalf("%s: %s: %v", f.name, record, err)
			}
			if diff := cmp.Diff(c, back, equal); diff != "" {
				t.Fatalf("%s: %s: %s", f.name, record, diff)
			}
		}
	})
	for _, f := range formats {
		if taken[f.name] == 0 {
			t.Errorf("%s took no conversation at all", f.name)
		}
	}
}

func sharedData(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
	}
	data := filepath.Join(dir, "..", "shared", "data", "sft")
	if _, err := os.Stat(data); err != nil {
		t.Skip("needs ../shared/data/sft")
	}
	return data
}

// TestRealSamples reads the files that the authors of the formats publish.
func TestRealSamples(t *testing.T) {
	data := sharedData(t)
	for file, want := range map[string]struct{ conversations, calls, tools int }{
		"llama-factory/alpaca_en_demo.json":                       {999, 0, 0},
		"llama-factory/alpaca_zh_demo.json":                       {1000, 0, 0},
		"llama-factory/identity.json":                             {91, 0, 0},
		"llama-factory/glaive_toolcall_en_demo.json":              {300, 211, 219},
		"llama-factory/glaive_toolcall_zh_demo.json":              {300, 216, 239},
		"llama-factory/v1_sft_demo.jsonl":                         {500, 0, 0},
		"llama-factory/reason_tool_use_demo_50.jsonl":             {50, 68, 121},
		"llama-factory/v1_multimodal_demo.jsonl":                  {24, 0, 0},
		"llama-factory/mllm_demo.json":                            {6, 0, 0},
		"llama-factory/kto_en_demo.json":                          {300, 0, 0},
		"xtuner-resource/openai_sft.jsonl":                        {128, 0, 0},
		"xtuner-resource/mllm_sft_text_example_data.jsonl":        {200, 0, 0},
		"xtuner-resource/pretrain_example_data.jsonl":             {3, 0, 0},
		"xtuner-resource/qwen35_tokenize_data.jsonl":              {17, 9, 12},
		"xtuner-resource/mllm_sft_multi_image_example_data.jsonl": {11, 0, 0},
	} {
		f, err := os.Open(filepath.Join(data, file))
		if err != nil {
			t.Error(err)
			continue
		}
		got := want
		got.conversations, got.calls, got.tools = 0, 0, 0
		for c, err := range Read(f, file, Any) {
			if err != nil {
				t.Error(err)
				continue
			}
			got.conversations++
			got.tools += len(c.Tools)
			for _, m := range c.Messages {
				got.calls += len(m.ToolCalls)
			}
		}
		f.Close()
		if got != want {
			t.Errorf("%s: %+v, want %+v", file, got, want)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(`{"conversation":[{"system":"S","input":"a","output":"b"}]}`)
	f.Add(`[{"conversations":[{"from":"function_call","value":"{\"name\":\"f\"}"}],"tools":"[{\"name\":\"f\"}]"}]`)
	f.Add("[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"value\":\"a\"}]}]\n[]")
	f.Add(`{"system":"S","history":[["q","r"]],"instruction":"a","input":"i","output":"b"}`)
	f.Fuzz(func(t *testing.T, text string) {
		for c, err := range Read(strings.NewReader(text), "f", Any) {
			if err != nil {
				if !strings.HasPrefix(err.Error(), "convert: f: ") {
					t.Fatalf("error without a place: %v", err)
				}
				continue
			}
			record, err := ToOpenAI(c)
			if err != nil {
				t.Fatalf("%+v: %v", c, err)
			}
			if _, err := OpenAI(record); err != nil {
				t.Fatalf("%s: %v", record, err)
			}
		}
	})
}
