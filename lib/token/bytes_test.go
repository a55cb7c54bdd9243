package token

import (
	"strings"
	"testing"
)

// TestBytes joins the bytes of the ids of a text, which must be the text: what constrained decoding builds on.
func TestBytes(t *testing.T) {
	const text = "Hello, wörld! 日本語 🙂\n\tx  y"
	for _, name := range []string{"tokenizers/llama2/tokenizer.model", "tokenizers/internlm/tokenizer_internlm2.model", "tokenizers/tiktoken/cl100k_base.tiktoken"} {
		tok := load(t, name)
		ids, err := tok.Encode(text, Options{})
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		for _, id := range ids {
			b.Write(tok.Bytes(id))
		}
		if got := strings.TrimPrefix(b.String(), " "); got != text { // the dummy space that some put first
			t.Errorf("%s: the bytes of its ids are %q: want %q", name, got, text)
		}
		if eos, ok := tok.EOS(); ok && len(tok.Bytes(eos)) > 0 {
			t.Errorf("%s: the end token has bytes %q", name, tok.Bytes(eos))
		}
		if tok.Bytes(1<<31) != nil {
			t.Errorf("%s: an id outside of the vocabulary has bytes", name)
		}
	}
}
