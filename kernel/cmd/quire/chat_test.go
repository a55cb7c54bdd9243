package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"quire/lib/chat"
)

func TestChatRender(t *testing.T) {
	model := filepath.Join("..", "..", "..", "..", "shared", "data", "tokenizers", "internlm", "tokenizer_internlm2.model")
	if _, err := os.Stat(model); err != nil {
		t.Skip("needs ../shared/data/tokenizers/internlm/tokenizer_internlm2.model")
	}
	c, err := chat.Load(model, "internlm2")
	if err != nil {
		t.Fatal(err)
	}
	in := `{"messages":[{"role":"user","content":"Hello, InternLM2!"},{"role":"assistant","content":"你好，世界"}]}
{"nothing":1}
[{"role":"user","content":"Hello, InternLM2!"}]
`
	var out strings.Builder
	err = renderAll(context.Background(), c, chat.Options{Open: true}, strings.NewReader(in), &out)
	if err == nil || !strings.Contains(err.Error(), "standard input: line 2:") {
		t.Errorf("error %v does not name line 2", err)
	}
	want := `{"text":"<s><|im_start|>user\nHello, InternLM2!<|im_end|>\n<|im_start|>assistant\n你好，世界<|im_end|>\n<|im_start|>assistant\n","ids":[1,92543,1008,364,9843,328,4576,11146,314,346,92542,364,92543,525,11353,364,77230,60353,68339,92542,364,92543,525,11353,364],"mask":[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,1,1,1,1,0,0,0,0,0]}
{"text":"<s><|im_start|>user\nHello, InternLM2!<|im_end|>\n<|im_start|>assistant\n","ids":[1,92543,1008,364,9843,328,4576,11146,314,346,92542,364,92543,525,11353,364],"mask":[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]}
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}
