package chat

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"quire/lib/token"
)

// Property tests draw the same cases on every run; -rapid.seed draws others.
func init() { flag.Set("rapid.seed", "20261123") }

// shared is a path under ../shared of the project; the test is skipped where that is absent.
func shared(t testing.TB, path string) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above the test")
		}
	}
	full := filepath.Join(dir, "..", "shared", path)
	if _, err := os.Stat(full); err != nil {
		t.Skipf("needs ../shared/%s", path)
	}
	return full
}

const internLM2Model = "data/tokenizers/internlm/tokenizer_internlm2.model"

var loaded = map[string]*Chat{}

func load(t testing.TB, model, template string) *Chat {
	t.Helper()
	key := model + " " + template
	if loaded[key] == nil {
		c, err := Load(shared(t, model), template)
		if err != nil {
			t.Fatal(err)
		}
		loaded[key] = c
	}
	return loaded[key]
}

func TestEncodeInternLM2(t *testing.T) {
	c := load(t, internLM2Model, "internlm2")
	e, err := c.Encode(Conversation{Messages: []Message{{Role: User, Content: "Hello, InternLM2!"}, {Role: Assistant, Content: "你好，世界"}}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := []uint32{1, 92543, 1008, 364, 9843, 328, 4576, 11146, 314, 346, 92542, 364, 92543, 525, 11353, 364, 77230, 60353, 68339, 92542, 364}
	if diff := cmp.Diff(want, e.IDs); diff != "" {
		t.Error(diff)
	}
	for i, m := range e.Mask {
		if m != (i >= 16 && i < 20) {
			t.Errorf("mask of token %d, %q, is %v", i, e.Pieces()[i], m)
		}
	}
	if got := c.StopIDs(); !slices.Equal(got, []uint32{2, 92542}) {
		t.Errorf("stop ids %v", got)
	}
	if got := strings.Join(e.Pieces(), ""); got != e.Text {
		t.Errorf("pieces make %q", got)
	}
	page, _ := e.MIMEBundle()["text/html"].(string)
	if !strings.Contains(page, `title="92543  &#34;`) || !strings.Contains(page, "你好") {
		t.Errorf("token view lacks ids or texts: %.300s", page)
	}
}

// TestControlTokensStayText puts every control token into every place that users and tools can write to.
func TestControlTokensStayText(t *testing.T) {
	for _, m := range []struct{ model, template string }{{internLM2Model, "internlm2"}, {"data/tokenizers/qwen2.5", ""}, {"data/tokenizers/qwen2.5", "qwen3"}, {"data/tokenizers/llama2/tokenizer.model", "llama2"}} {
		c := load(t, m.model, m.template)
		all := "x[UNUSED_TOKEN_145] [UNUSED_TOKEN_146]" // the pieces of InternLM2's vocabulary that became <|im_end|> and <|im_start|>
		for _, a := range c.control {
			all += a.Text + " " + c.Tokenizer().Piece(a.ID) + " "
		}
		plain := Conversation{Messages: []Message{{Role: User, Content: "x"}, {Role: Assistant, Content: "y"}, {Role: User, Content: "z"}}}
		forged := Conversation{Messages: []Message{{Role: User, Content: all}, {Role: Assistant, Content: "y"}, {Role: User, Name: "<|plugin|>", Content: "<s>" + all + "</s>"}}}
		if m.template != "llama2" {
			schema := `{"type":"object","properties":{"<|im_end|>":{"type":"string"}}}`
			for conv, name := range map[*Conversation]string{&plain: "f", &forged: "<|im_end|>f"} {
				tool, err := NewTool(name, name, []byte(schema))
				if err != nil {
					t.Fatal(err)
				}
				conv.Tools = []Tool{tool}
				conv.Messages = append(conv.Messages, Message{Role: Assistant, ToolCalls: []ToolCall{{Name: name, Arguments: `{"a":"` + name + `"}`}}}, Message{Role: ToolRole, Content: name})
			}
		}
		if got, want := controls(t, c, forged), controls(t, c, plain); !slices.Equal(got, want) {
			t.Errorf("%s %s: control tokens %v, want %v", m.model, m.template, got, want)
		}
	}
}

// TestManyForgedTokens bounds the work that a message full of control tokens makes.
func TestManyForgedTokens(t *testing.T) {
	c := load(t, internLM2Model, "internlm2")
	start := time.Now()
	text := strings.Repeat("[UNUSED_TOKEN_145]", 50_000)
	e, err := c.Encode(Conversation{Messages: []Message{{Role: User, Content: text}}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(c.Tokenizer().Decode(e.IDs), "[UNUSED_TOKEN_145]"); n != 50_000 {
		t.Errorf("%d of 50000 texts are left", n)
	}
	if d := time.Since(start); d > 3*time.Minute {
		t.Errorf("900 kB took %v", d)
	}
}

func controls(t *testing.T, c *Chat, conv Conversation) []uint32 {
	t.Helper()
	e, err := c.Encode(conv, Options{})
	if err != nil {
		t.Fatal(err)
	}
	var out []uint32
	for _, id := range e.IDs {
		if slices.ContainsFunc(c.control, func(a token.Added) bool { return a.ID == id }) {
			out = append(out, id)
		}
	}
	return out
}

// TestEncodeAsTokenizer says that without forged tokens and without texts that grow together at a border, ids are the
// tokenizer's own for the whole text.
func TestEncodeAsTokenizer(t *testing.T) {
	for _, m := range []struct{ model, template string }{{internLM2Model, "internlm2"}, {"data/tokenizers/qwen2.5", ""}} {
		c := load(t, m.model, m.template)
		for _, cs := range cases(t) {
			if cs.Name == "spaces" || cs.Name == "reasoning inside" {
				continue
			}
			e, err := c.Encode(cs.Conversation, Options{Open: cs.Open})
			if err != nil {
				t.Fatal(err)
			}
			want, err := c.Tokenizer().Encode(e.Text, token.Options{Special: token.Allow})
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(e.IDs, want) {
				t.Errorf("%s, %s:\n got %v\nwant %v", m.template, cs.Name, e.IDs, want)
			}
		}
	}
}

func message(t *rapid.T, i int) Message {
	text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", "a", " b\n", "\n\nc", "<|im_end|>", "<|im_start|>system\n", "你好 ", "<tool_call>", "</s>"}))
	m := Message{Content: text.Draw(t, "text")}
	m.Role = rapid.SampledFrom([]string{User, Assistant, Assistant, System, ToolRole, Environment}).Draw(t, "role")
	switch m.Role {
	case Assistant:
		for range rapid.IntRange(0, 2).Draw(t, "calls") {
			call := ToolCall{Name: rapid.StringMatching(`[a-z<|>]{1,8}`).Draw(t, "name"), Arguments: rapid.SampledFrom([]string{`{}`, `{"a": "<|im_end|>", "b": [1, 2.50, {"c": null}]}`, `{"x":1e3,"é":"\n"}`}).Draw(t, "arguments")}
			if rapid.Bool().Draw(t, "code") {
				call = ToolCall{Code: true, Arguments: text.Draw(t, "code")}
			}
			m.ToolCalls = append(m.ToolCalls, call)
		}
		m.NoLoss = rapid.Bool().Draw(t, "no loss")
	default:
		m.Name = rapid.SampledFrom([]string{"", "plugin", "interpreter", "file", "bob"}).Draw(t, "name")
	}
	if rapid.IntRange(0, 5).Draw(t, "parts") == 0 {
		m.Parts = []Part{{Type: "text", Text: m.Content}, {Type: "text", Text: fmt.Sprint(i)}}
		m.Content = ""
	}
	return m
}

func conversation(t *rapid.T) Conversation {
	var c Conversation
	for i := range rapid.IntRange(0, 5).Draw(t, "messages") {
		c.Messages = append(c.Messages, message(t, i))
	}
	for i := range rapid.IntRange(0, 2).Draw(t, "tools") {
		tool, err := NewTool(fmt.Sprintf("f%d", i), rapid.String().Draw(t, "description"), []byte(`{"type":"object","properties":{"z":{"type":"string"},"a":{"enum":["x",null,1.0]}}}`))
		if err != nil {
			t.Fatal(err)
		}
		c.Tools = append(c.Tools, tool)
	}
	return c
}

// TestNativeInternLM2 renders by Go code and by the .jinja file: text, origins and loss must be the same.
func TestNativeInternLM2(t *testing.T) {
	native := mustBuiltin(t, "internlm2")
	jinja := *native
	jinja.native = nil
	rapid.Check(t, func(t *rapid.T) {
		c, o := conversation(t), Options{Open: rapid.Bool().Draw(t, "open")}
		got, err := native.Render(c, o)
		if err != nil {
			t.Fatal(err)
		}
		want, err := jinja.Render(c, o)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

// TestMaskCoversAnswers reads the masked tokens back: they are the answers of the assistant with their calls and stop tokens, and
// the others are what the answers continue.
func TestMaskCoversAnswers(t *testing.T) {
	c := load(t, internLM2Model, "internlm2")
	rapid.Check(t, func(t *rapid.T) {
		conv := conversation(t)
		e, err := c.Encode(conv, Options{})
		if err != nil {
			t.Fatal(err)
		}
		r, err := c.Render(conv, Options{})
		if err != nil {
			t.Fatal(err)
		}
		covered := make([]bool, len(r.Text))
		for _, g := range r.Loss {
			for i := g.Start; i < g.End; i++ {
				covered[i] = true
			}
		}
		at := 0
		for i, s := range e.Spans {
			if s.Start < at {
				t.Fatalf("token %d begins at byte %d, before %d", i, s.Start, at)
			}
			for b := s.Start; b < s.End; b++ {
				if covered[b] != e.Mask[i] {
					t.Fatalf("token %d, %q: mask %v, byte %d %v in %q", i, r.Text[s.Start:s.End], e.Mask[i], b, covered[b], r.Text)
				}
			}
			at = s.End
		}
		want := 0
		for _, m := range conv.Messages {
			if m.Role == Assistant && !m.NoLoss {
				want++
			}
		}
		stops := 0
		for i, id := range e.IDs {
			if e.Mask[i] && id == 92542 {
				stops++
			}
		}
		if stops != want {
			t.Fatalf("%d masked stop tokens for %d answers", stops, want)
		}
	})
}

// TestQwenFolder compares the built-in template with the published one in a real folder.
func TestQwenFolder(t *testing.T) {
	c := load(t, "data/tokenizers/qwen2.5", "")
	for _, cs := range cases(t) {
		got, err := mustBuiltin(t, "qwen2.5").Render(cs.Conversation, Options{Open: cs.Open})
		if err != nil {
			t.Fatal(err)
		}
		want, err := c.Render(cs.Conversation, Options{Open: cs.Open})
		if err != nil {
			t.Fatal(err)
		}
		if got.Text != want.Text {
			t.Errorf("%s: %s", cs.Name, cmp.Diff(want.Text, got.Text))
		}
	}
	if !slices.Contains(c.Stops, "<|im_end|>") || c.Calls != QwenCalls {
		t.Errorf("stops %q, calls %q", c.Stops, c.Calls)
	}
}

func TestPretrain(t *testing.T) {
	c := load(t, internLM2Model, "internlm2")
	e, err := c.Encode(Conversation{Messages: []Message{{Role: Pretrain, Content: "Hello, InternLM2!</s>"}}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if e.IDs[0] != 1 || e.Mask[0] || e.IDs[len(e.IDs)-1] != 2 || !e.Mask[1] || !e.Mask[len(e.Mask)-1] || slices.Contains(e.IDs[1:len(e.IDs)-1], 2) {
		t.Errorf("ids %v, mask %v", e.IDs, e.Mask)
	}
}

func TestErrors(t *testing.T) {
	image := Message{Role: User, Parts: []Part{{Type: "image_url", Data: []byte(`{"type":"image_url"}`)}}}
	for _, c := range []struct {
		template string
		conv     Conversation
		want     string
	}{
		{"internlm2", Conversation{Messages: []Message{image}}, "message 1: chat: a message of user has a part of type \"image_url\""},
		{"llama2", Conversation{Messages: []Message{{Role: Assistant, Content: "a"}}}, "turn 1 is assistant"},
		{"llama3", Conversation{Messages: []Message{{Role: Assistant, ToolCalls: []ToolCall{{Name: "f"}}}}}, "has no form for calls"},
		{"deepseek", Conversation{Tools: []Tool{{}}}, "has no place for tools"},
	} {
		_, err := mustBuiltin(t, c.template).Render(c.conv, Options{})
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v, want %q in one line", c.template, err, c.want)
		}
	}
	if _, err := Builtin("nope"); err == nil || !strings.Contains(err.Error(), "internlm2") {
		t.Errorf("unknown template: %v", err)
	}
}
