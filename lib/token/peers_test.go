package token

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

type peerRequest struct {
	Train     map[string]any `json:"train,omitempty"`
	Sentences []string       `json:"sentences,omitempty"`
	Model     string         `json:"model,omitempty"`
	Library   string         `json:"library,omitempty"`
	Name      string         `json:"name,omitempty"`
	File      string         `json:"file,omitempty"`
	Texts     []string       `json:"texts"`
	Special   bool           `json:"special,omitempty"`
	Time      int            `json:"time,omitempty"`
}

type peerAnswer struct {
	Model   []byte     `json:"model"`
	IDs     [][]uint32 `json:"ids"`
	Decoded []string   `json:"decoded"`
	Seconds float64    `json:"seconds"`
}

func ask(t testing.TB, cmd *exec.Cmd, req peerRequest) peerAnswer {
	t.Helper()
	in, err := json.Marshal(req)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdin = bytes.NewReader(in)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v: %s", cmd.Args, err, stderrOf(err))
	}
	var ans peerAnswer
	if err := json.Unmarshal(out, &ans); err != nil {
		t.Fatalf("%v: %v in %.200s", cmd.Args, err, out)
	}
	return ans
}

func stderrOf(err error) []byte {
	if e, ok := err.(*exec.ExitError); ok {
		return e.Stderr
	}
	return nil
}

// python is a Python that has sentencepiece.
var python = sync.OnceValue(func() string {
	for _, p := range []string{"/usr/bin/python3", "python3"} {
		if exec.Command(p, "-c", "import sentencepiece").Run() == nil {
			return p
		}
	}
	return ""
})

// sentencePiece asks the sentencepiece library; texts may be broken UTF-8.
func sentencePiece(t testing.TB, req peerRequest) peerAnswer {
	t.Helper()
	if python() == "" {
		t.Skip("python3 has no sentencepiece (Debian: python3-sentencepiece)")
	}
	texts := make([]string, len(req.Texts))
	for i, s := range req.Texts {
		texts[i] = base64.StdEncoding.EncodeToString([]byte(s))
	}
	req.Texts = texts
	ans := ask(t, exec.Command(python(), "testdata/peers/sp.py"), req)
	for i, s := range ans.Decoded {
		b, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		ans.Decoded[i] = string(b)
	}
	return ans
}

// npmDir installs the peers from npm once for all tests and returns the folder, or why there is none.
var npmDir = sync.OnceValues(func() (string, error) {
	dir := os.Getenv("QUIRE_NPM_PEERS") // a folder where they are installed already
	if dir != "" {
		return dir, nil
	}
	for _, tool := range []string{"npm", "node"} {
		if _, err := exec.LookPath(tool); err != nil {
			return "", fmt.Errorf("%s is not installed", tool)
		}
	}
	dir, err := os.MkdirTemp("", "quire-token-peers-")
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute) // a registry that cannot be reached is waited for much longer
	defer cancel()
	cmd := exec.CommandContext(ctx, "npm", "install", "--no-audit", "--no-fund", "--silent", "tiktoken@1.0.22", "@huggingface/tokenizers@0.2.0")
	cmd.Dir = dir
	cmd.WaitDelay = time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		os.RemoveAll(dir)
		return "", fmt.Errorf("npm cannot install tiktoken and @huggingface/tokenizers: %v: %.100s", err, out)
	}
	return dir, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if os.Getenv("QUIRE_NPM_PEERS") == "" && npmUsed {
		if dir, err := npmDir(); err == nil {
			os.RemoveAll(dir)
		}
	}
	os.Exit(code)
}

var npmUsed bool

func npm(t testing.TB, req peerRequest) peerAnswer {
	t.Helper()
	npmUsed = true
	dir, err := npmDir()
	if err != nil {
		t.Skip(err)
	}
	script, err := os.ReadFile("testdata/peers/npm.cjs")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "peers.cjs")
	if err := os.WriteFile(path, script, 0o600); err != nil {
		t.Fatal(err)
	}
	return ask(t, exec.Command("node", path), req)
}

// randomTexts mixes scripts, spaces, code, prose and, where broken is set, bytes that are no UTF-8.
func randomTexts(t testing.TB, n int, broken bool) []string {
	r := rand.New(rand.NewPCG(20261123, 1))
	var prose []string
	for _, it := range readGolden(t, "internlm2.json").Items {
		prose = append(prose, it.Text)
	}
	code, _ := goSource(t, 100_000)
	prose = append(prose, code...)
	assigned := []*unicode.RangeTable{unicode.L, unicode.N, unicode.P, unicode.S, unicode.Zs, unicode.Mn}
	bits := []func() string{
		func() string { return strings.Repeat(" ", 1+r.IntN(4)) },
		func() string { return string(rune(' ' + r.IntN(95))) },
		func() string { return string(rune(0x4E00 + r.IntN(0x5000))) },
		func() string {
			return []string{"\n", "\t", "\r\n", "\u00a0", "\u3000", "▁", "'s", "'LL", "é", "e\u0301", "ﬁ", "①", "Å"}[r.IntN(13)]
		},
		func() string {
			for {
				x := rune(r.IntN(0x20000))
				if unicode.IsOneOf(assigned, x) {
					return string(x)
				}
			}
		},
		func() string {
			s := prose[r.IntN(len(prose))]
			from := r.IntN(len(s) + 1)
			s = s[from:min(len(s), from+r.IntN(80))]
			if !broken {
				s = strings.ToValidUTF8(s, "")
			}
			return s
		},
		func() string {
			if !broken {
				return ""
			}
			return string([]byte{byte(r.IntN(256)), byte(r.IntN(256))})
		},
	}
	out := make([]string, n)
	for i := range out {
		var b strings.Builder
		for range r.IntN(25) {
			b.WriteString(bits[r.IntN(len(bits))]())
		}
		if out[i] = b.String(); !broken {
			out[i] = strings.ToValidUTF8(out[i], "")
		}
	}
	return out
}

// compare wants the same ids, and the same text of them where decoded is given.
func compare(t *testing.T, tok *Tokenizer, texts []string, ans peerAnswer, opt Options) {
	t.Helper()
	if len(ans.IDs) != len(texts) {
		t.Fatalf("%d answers for %d texts", len(ans.IDs), len(texts))
	}
	bad := 0
	for i, s := range texts {
		ids, err := tok.Encode(s, opt)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(ids, ans.IDs[i]) {
			k := 0
			for k < min(len(ids), len(ans.IDs[i])) && ids[k] == ans.IDs[i][k] {
				k++
			}
			t.Errorf("%.200q: from id %d on %v, the peer has %v", s, k, head(ids[k:]), head(ans.IDs[i][k:]))
			bad++
		} else if got := strings.ToValidUTF8(tok.DecodeAll(ids), replacement); ans.Decoded != nil && utf8.ValidString(s) && got != ans.Decoded[i] {
			t.Errorf("%.200q: decoded %q, the peer has %q", s, got, ans.Decoded[i])
			bad++
		}
		if bad > 5 {
			t.FailNow()
		}
	}
}

func TestPeerSentencePiece(t *testing.T) {
	for _, m := range []string{"tokenizers/internlm/tokenizer_internlm.model", "tokenizers/internlm/tokenizer_internlm2.model", "tokenizers/llama2/tokenizer.model"} {
		t.Run(filepath.Base(m), func(t *testing.T) {
			texts := randomTexts(t, 1500, true)
			tok := load(t, m)
			compare(t, tok, texts, sentencePiece(t, peerRequest{Model: shared(t, m), Texts: texts}), Options{})
		})
	}
}

// TestPeerSentencePieceOptions trains models with every option by sentencepiece itself and compares ids.
func TestPeerSentencePieceOptions(t *testing.T) {
	var sentences []string
	for _, s := range trainText(t) {
		for line := range strings.Lines(s) {
			if line = strings.TrimSpace(line); line != "" && len(line) < 2000 {
				sentences = append(sentences, line)
			}
		}
	}
	sentences = sentences[:min(len(sentences), 6000)]
	for name, opt := range map[string]map[string]any{
		"bpe nmt_nfkc":      {"model_type": "bpe", "vocab_size": 1500},
		"bpe identity":      {"model_type": "bpe", "vocab_size": 1500, "normalization_rule_name": "identity", "byte_fallback": true, "remove_extra_whitespaces": false},
		"bpe user symbols":  {"model_type": "bpe", "vocab_size": 1500, "user_defined_symbols": []string{"func", "①", "the▁"}, "split_digits": true},
		"bpe suffix":        {"model_type": "bpe", "vocab_size": 1500, "treat_whitespace_as_suffix": true},
		"unigram nmt_nfkc":  {"model_type": "unigram", "vocab_size": 1500},
		"unigram casefold":  {"model_type": "unigram", "vocab_size": 1500, "normalization_rule_name": "nfkc_cf", "byte_fallback": true},
		"unigram no prefix": {"model_type": "unigram", "vocab_size": 1500, "add_dummy_prefix": false, "remove_extra_whitespaces": false, "user_defined_symbols": []string{"func", "①"}},
	} {
		t.Run(name, func(t *testing.T) {
			texts := randomTexts(t, 500, true)
			opt["character_coverage"] = 0.99
			ans := sentencePiece(t, peerRequest{Train: opt, Sentences: sentences, Texts: texts})
			tok, err := SentencePiece(ans.Model)
			if err != nil {
				t.Fatal(err)
			}
			compare(t, tok, texts, ans, Options{})
		})
	}
}

// TestPeerReadsModel trains here and wants sentencepiece to read the file and give the same ids.
func TestPeerReadsModel(t *testing.T) {
	for _, name := range []string{"bpe", "unigram"} {
		t.Run(name, func(t *testing.T) {
			tok, err := trainers[name](t.Context(), slices.Values(trainText(t)), TrainConfig{VocabSize: 2500, Coverage: 0.99, DummyPrefix: name == "bpe"})
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(t.TempDir(), "t.model")
			if err := tok.WriteModel(path); err != nil {
				t.Fatal(err)
			}
			texts := randomTexts(t, 500, true)
			compare(t, tok, texts, sentencePiece(t, peerRequest{Model: path, Texts: texts}), Options{})
		})
	}
}

func TestPeerTiktoken(t *testing.T) {
	for _, name := range []string{"cl100k_base", "o200k_base"} {
		t.Run(name, func(t *testing.T) {
			texts := randomTexts(t, 1500, false)
			tok := load(t, "tokenizers/tiktoken/"+name+".tiktoken")
			compare(t, tok, texts, npm(t, peerRequest{Library: "tiktoken", Name: name, Texts: texts}), Options{})
			texts = []string{"<|endoftext|>a <|endofprompt|>", "x<|endoftext|", "<|endoftext|><|endoftext|>\n"}
			compare(t, tok, texts, npm(t, peerRequest{Library: "tiktoken", Name: name, Texts: texts, Special: true}), Options{Special: Allow})
		})
	}
}
