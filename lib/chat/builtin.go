package chat

import (
	"embed"
	"fmt"
	"slices"
	"strings"
	"sync"
)

//go:embed templates/*.jinja
var templateFiles embed.FS

// builtin describes a template that comes along: its file, its special tokens, and the models that use it.
type builtin struct {
	file     string
	names    []string
	bos, eos string
	stops    []string
	calls    CallFormat
}

var builtins = []builtin{
	{"internlm2", []string{"internlm2", "internlm2.5", "internlm3"}, "<s>", "</s>", []string{"<|im_end|>"}, InternLM2Calls},
	{"chatml", []string{"chatml"}, "", "<|im_end|>", nil, QwenCalls},
	{"qwen2", []string{"qwen2"}, "", "<|im_end|>", []string{"<|endoftext|>"}, QwenCalls},
	{"qwen2.5", []string{"qwen2.5"}, "", "<|im_end|>", []string{"<|endoftext|>"}, QwenCalls},
	{"qwen3", []string{"qwen3"}, "", "<|im_end|>", []string{"<|endoftext|>"}, QwenCalls},
	{"llama2", []string{"llama2"}, "<s>", "</s>", nil, NoCalls},
	{"llama3", []string{"llama3"}, "<|begin_of_text|>", "<|eot_id|>", []string{"<|end_of_text|>"}, Llama3Calls},
	{"llama3.1", []string{"llama3.1", "llama3.2", "llama3.3"}, "<|begin_of_text|>", "<|eot_id|>", []string{"<|eom_id|>", "<|end_of_text|>"}, Llama3Calls},
	{"mistral", []string{"mistral"}, "<s>", "</s>", nil, MistralCalls},
	{"gemma", []string{"gemma", "gemma2", "gemma3"}, "<bos>", "<end_of_turn>", []string{"<eos>"}, NoCalls},
	{"deepseek", []string{"deepseek", "deepseek-v3", "deepseek-r1"}, "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", nil, DeepSeekCalls},
}

// loadBuiltins parses the built-in templates once.
var loadBuiltins = sync.OnceValue(func() map[string]*Template {
	out := map[string]*Template{}
	for _, b := range builtins {
		source, err := templateFiles.ReadFile("templates/" + b.file + ".jinja")
		if err != nil {
			panic(err)
		}
		t, err := Parse(b.names[0], string(source), Special{b.bos, b.eos, b.stops, b.calls})
		if err != nil {
			panic(err)
		}
		t.textOnly = true
		if b.file == "internlm2" {
			t.native = renderInternLM2
		}
		for _, name := range b.names {
			out[name] = t
		}
	}
	return out
})

// Builtin is a template that comes with the library; Names lists them.
func Builtin(name string) (*Template, error) {
	if t, ok := loadBuiltins()[strings.ToLower(name)]; ok {
		return t, nil
	}
	return nil, fmt.Errorf("chat: no built-in template %q: there are %s", name, strings.Join(Names(), ", "))
}

// Names are the names of the built-in templates.
func Names() []string {
	var out []string
	for _, b := range builtins {
		out = append(out, b.names...)
	}
	slices.Sort(out)
	return out
}
