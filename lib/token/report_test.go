package token

import (
	"slices"
	"strings"
	"testing"
)

func TestReport(t *testing.T) {
	models := tinyModels(t)
	c, err := Report([]Named{{"bytes", models["bytes"]}, {"unigram", models["unigram"]}},
		Sample{"English", []string{"the quick brown fox", "the dog"}}, Sample{"Chinese", []string{"你好，世界"}})
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Rows) != 4 || c.Rows[0].Bytes != 26 || c.Rows[3].Bytes != 15 {
		t.Fatalf("rows: %+v", c.Rows)
	}
	for _, r := range c.Rows {
		if r.Tokens == 0 || r.BytesPerToken != float64(r.Bytes)/float64(r.Tokens) {
			t.Errorf("row %+v", r)
		}
	}
	b := c.MIMEBundle()
	for _, kind := range []string{"text/plain", "text/html"} {
		s, _ := b[kind].(string)
		for _, word := range []string{"English", "Chinese", "unigram"} {
			if !strings.Contains(s, word) {
				t.Errorf("%s lacks %q", kind, word)
			}
		}
	}
	if _, err := Report(nil); err == nil {
		t.Error("no tokenizers, no error")
	}
}

func TestShow(t *testing.T) {
	v, err := tinyModels(t)["bytes"].Show("the <|x|> 你", Options{Special: Allow})
	if err != nil {
		t.Fatal(err)
	}
	if s, _ := v["text/plain"].(string); !strings.Contains(s, "<|x|>") {
		t.Errorf("plain: %q", s)
	}
}

func TestPolicies(t *testing.T) {
	for name, tok := range tinyModels(t) {
		id, ok := tok.ID("<|x|>")
		if !ok {
			continue
		}
		plain, err1 := tok.Encode("a<|x|>", Options{})
		allowed, err2 := tok.Encode("a<|x|>", Options{Special: Allow})
		_, err3 := tok.Encode("a<|x|>", Options{Special: Forbid})
		if err1 != nil || slices.Contains(plain, id) || tok.Decode(plain) != "a<|x|>" {
			t.Errorf("%s: as text: %v %v", name, plain, err1)
		}
		if err2 != nil || !slices.Contains(allowed, id) || tok.Decode(allowed) != "a" || tok.DecodeAll(allowed) != "a<|x|>" {
			t.Errorf("%s: allowed: %v %v", name, allowed, err2)
		}
		if err3 == nil || !strings.Contains(err3.Error(), "byte 1") {
			t.Errorf("%s: forbidden: %v", name, err3)
		}
	}
}

func TestInternLM2Specials(t *testing.T) {
	tok := load(t, "tokenizers/internlm/tokenizer_internlm2.model")
	for id, text := range map[uint32]string{92538: "<|plugin|>", 92539: "<|interpreter|>", 92540: "<|action_end|>", 92541: "<|action_start|>", 92542: "<|im_end|>", 92543: "<|im_start|>"} {
		if got, ok := tok.ID(text); !ok || got != id || tok.Piece(id) != text || !tok.IsSpecial(id) {
			t.Errorf("%s is %d, %q", text, got, tok.Piece(id))
		}
	}
	ids, err := tok.Encode("<|im_start|>user\nhi<|im_end|>\n", Options{Special: Allow, Template: true})
	if err != nil || ids[0] != 1 || ids[1] != 92543 || !slices.Contains(ids, 92542) {
		t.Errorf("ids %v, %v", ids, err)
	}
	if n, _ := tok.Count("<|im_start|>", Options{}); n != 6 {
		t.Errorf("<|im_start|> as text has %d pieces, want 6", n)
	}
}

func TestTruncate(t *testing.T) {
	tok := tinyModels(t)["bpe"]
	all, _ := tok.Encode("the quick brown fox", Options{})
	start, err1 := tok.Encode("the quick brown fox", Options{MaxTokens: 4, Template: true})
	end, err2 := tok.Encode("the quick brown fox", Options{MaxTokens: 3, KeepEnd: true})
	if err1 != nil || len(start) != 4 || start[0] != 1 || !slices.Equal(start[1:], all[:3]) {
		t.Errorf("start %v of %v (%v)", start, all, err1)
	}
	if err2 != nil || !slices.Equal(end, all[len(all)-3:]) {
		t.Errorf("end %v of %v (%v)", end, all, err2)
	}
}
