package chat_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"quire/lib/chat"
	"quire/lib/chat/convert"
)

// TestRealSamples encodes the published dialogues with InternLM2's tokenizer: what the mask covers, decoded, is what the assistant
// says in the record.
func TestRealSamples(t *testing.T) {
	shared := filepath.Join("..", "..", "..", "shared", "data")
	model := filepath.Join(shared, "tokenizers", "internlm", "tokenizer_internlm2.model")
	if _, err := os.Stat(model); err != nil {
		t.Skip("needs ../shared/data/tokenizers/internlm/tokenizer_internlm2.model")
	}
	c, err := chat.Load(model, "internlm2")
	if err != nil {
		t.Fatal(err)
	}
	answers := 0
	for _, file := range []string{"llama-factory/alpaca_zh_demo.json", "llama-factory/glaive_toolcall_en_demo.json", "llama-factory/v1_sft_demo.jsonl", "llama-factory/reason_tool_use_demo_50.jsonl", "xtuner-resource/openai_sft.jsonl"} {
		f, err := os.Open(filepath.Join(shared, "sft", file))
		if err != nil {
			t.Skipf("needs ../shared/data/sft/%s", file)
		}
		for conv, err := range convert.Read(f, file, convert.Any) {
			if err != nil {
				t.Fatal(err)
			}
			e, err := c.Encode(conv, chat.Options{})
			if err != nil {
				t.Fatal(err)
			}
			var ids []uint32
			for i, m := range e.Mask {
				if m {
					ids = append(ids, e.IDs[i])
				}
			}
			got := strings.Split(strings.TrimSuffix(c.Tokenizer().DecodeAll(ids), "<|im_end|>"), "<|im_end|>")
			for _, m := range conv.Messages {
				if m.Role != chat.Assistant || m.NoLoss {
					continue
				}
				read := c.ParseAnswer("", got[0])
				if read.Content != m.Content || len(read.ToolCalls) != len(m.ToolCalls) {
					t.Fatalf("%s: the mask covers %q, the record says %+v", file, got[0], m)
				}
				got = got[1:]
				answers++
			}
			if len(got) > 0 && got[0] != "" {
				t.Fatalf("%s: the mask covers %q too", file, got)
			}
		}
		f.Close()
	}
	if answers < 2000 {
		t.Errorf("only %d answers", answers)
	}
}

func Example() {
	tmpl, err := chat.Builtin("internlm2")
	if err != nil {
		panic(err)
	}
	conv := chat.Conversation{Messages: []chat.Message{
		{Role: chat.System, Content: "Be brief."},
		{Role: chat.User, Content: "What does <|im_end|> mean?"},
	}}
	prompt, err := tmpl.Render(conv, chat.Options{Open: true})
	if err != nil {
		panic(err)
	}
	fmt.Println(prompt.Text)
	answer := tmpl.ParseAnswer(prompt.Text, "I'll look.<|action_start|><|plugin|>\n{'name': 'search', 'parameters': {'q': 'im_end'}")
	fmt.Printf("%s %s(%s)\n", answer.Content, answer.ToolCalls[0].Name, answer.ToolCalls[0].Arguments)
	// Output:
	// <s><|im_start|>system
	// Be brief.<|im_end|>
	// <|im_start|>user
	// What does <|im_end|> mean?<|im_end|>
	// <|im_start|>assistant
	//
	// I'll look. search({"q":"im_end"})
}
