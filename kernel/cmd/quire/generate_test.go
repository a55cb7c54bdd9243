package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"quire/lib/infer"
)

// storiesGGUF is the tiny trained model beside the project, or skips by name.
func storiesGGUF(t *testing.T) string {
	t.Helper()
	path := filepath.Join("..", "..", "..", "..", "shared", "data", "weights", "stories260K", "gguf", "stories260K-f32.gguf")
	if _, err := os.Stat(path); err != nil {
		t.Skip("shared/data/weights/stories260K/gguf/stories260K-f32.gguf is missing")
	}
	return path
}

// generated runs quire generate with these arguments on a model, and returns what it writes and notes.
func generated(t *testing.T, model, stdin string, args ...string) (out, notes string, err error) {
	t.Helper()
	var c generateCmd
	parser, err := kong.New(&c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(append([]string{"-m", model}, args...)); err != nil {
		return "", "", err
	}
	var o, n strings.Builder
	err = c.run(t.Context(), strings.NewReader(stdin), &o, &n)
	return o.String(), n.String(), err
}

func TestGenerate(t *testing.T) {
	stories := storiesGGUF(t)
	out, notes, err := generated(t, stories, "", "-p", "Once upon a time", "-n", "30", "--temp", "0")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(out, ", there was a little girl named Lily.") || !strings.Contains(notes, "30 tokens") || !strings.Contains(notes, "finish length") {
		t.Errorf("wrote %q, noted %q", out, notes)
	}
	again, _, err := generated(t, stories, "Once upon a time", "-n30", "--temperature=0", "--lookup=4", "--kv=F32")
	if err != nil || again != out {
		t.Errorf("with the prompt from standard input, and guesses: %q, %v; want %q", again, err, out)
	}
	guessed, notes, err := generated(t, stories, "", "-p", "Once upon a time", "-n30", "--temp=0", "--draft", stories, "--guess=3")
	if err != nil || guessed != out || !strings.Contains(notes, "guesses right") {
		t.Errorf("with a draft model: %q, noted %q, %v; want %q", guessed, notes, err, out)
	}
	if cut, _, err := generated(t, stories, "", "-p", "Once upon a time", "--temp=0", "-r", "nobody", "--stop", " named"); err != nil || cut != ", there was a little girl\n" {
		t.Errorf("up to a stop string: %q, %v", cut, err)
	}
}

// TestGenerateForms: texts keep to what they are held to, drawn from a model that knows nothing.
func TestGenerateForms(t *testing.T) {
	dir, _ := quantizeModel(t)
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	schema := file("schema.json", `{"type":"object","properties":{"name":{"enum":["Lily","Tom"]},"age":{"type":"integer","minimum":1,"maximum":99}},"required":["name","age"],"additionalProperties":false}`)
	prompt := file("prompt.txt", "a book is")
	for _, c := range []struct{ args, want string }{
		{"--json-schema " + schema, `^\{"name":"(Lily|Tom)","age":[1-9][0-9]?\}\n$`},
		{"--ebnf " + file("g.ebnf", "root ::= \"<\" word (\",\" word){2} \">\"\nword ::= [a-c]{1,3}"), `^<[a-c]{1,3},[a-c]{1,3},[a-c]{1,3}>\n$`},
		{"--regexp [0-9]{4}-[01][0-9]", `^[0-9]{4}-[01][0-9]\n$`},
		{"--choice yes --choice no,never", `^(yes|no,never)\n$`},
		{"--choice yes --choice no --samples 4 --kv-bits 8", `^((yes|no)\n){4}$`},
		{"--regexp [ab]{3} --beams 4 --samples 3", `^([ab]{3}\n){3}$`},
		{"--choice ab --beams 2 --json", `^\{"text":"ab","finish":"stop","score":-[0-9.]+\}\n$`},
		{"--choice ab --seed 7 --logprobs 2", `^\{"text":"ab","finish":"stop","seed":7,"tokens":\[\{"id":\d+,"text":"ab?","logprob":-[0-9.]+,"top":\[\{"id":.*\]\}\n$`},
	} {
		args := append([]string{"-f", prompt, "-n", "40"}, strings.Fields(c.args)...)
		out, notes, err := generated(t, dir+"/model", "", args...)
		if err != nil || !regexp.MustCompile(c.want).MatchString(out) {
			t.Errorf("%s: wrote %q, %v; want %s", c.args, out, err, c.want)
		}
		if !strings.Contains(notes, "tokens") || strings.Contains(out, "tok/s") {
			t.Errorf("%s: wrote %q, noted %q", c.args, out, notes)
		}
	}
}

// TestGenerateSampling: every flag that changes what is drawn does so, and a seed draws the same again.
func TestGenerateSampling(t *testing.T) {
	dir, _ := quantizeModel(t)
	ids := func(args string) []uint32 {
		t.Helper()
		out, _, err := generated(t, dir+"/model", "", append([]string{"-p", "a book", "-n", "40", "--seed", "3", "--ignore-eos", "--logprobs", "0", "--top-p", "1", "--temp", "1"}, strings.Fields(args)...)...)
		if err != nil {
			t.Fatalf("%s: %v", args, err)
		}
		var text textObject
		if err := json.Unmarshal([]byte(out), &text); err != nil {
			t.Fatalf("%s: %v in %q", args, err, out)
		}
		var ids []uint32
		for _, tok := range text.Tokens {
			ids = append(ids, tok.ID)
		}
		return ids
	}
	plain := ids("")
	if len(plain) != 40 || !slices.Equal(plain, ids("")) {
		t.Fatalf("one seed drew %v and %v: want 40 tokens, the same", plain, ids(""))
	}
	for _, args := range []string{"--seed 4", "--temp 0.1", "--top-k 3", "--top-p 0.2", "--min-p 0.9", "--typical 0.2", "--repeat-penalty 5", "--presence-penalty 2", "--frequency-penalty 2", "--logit-bias 70=100"} {
		if got := ids(args); slices.Equal(got, plain) {
			t.Errorf("%s drew what was drawn without it: %v", args, got)
		}
	}
	biased := fmt.Sprintf("-l %d=-Inf", plain[0])
	if slices.Contains(ids(biased), plain[0]) {
		t.Errorf("%s wrote that token", biased)
	}
	if got := ids("-l 70=1000 --repetition-ngram-size 2 --repetition-ngram-threshold 3"); len(got) >= 40 {
		t.Errorf("a text that repeats one token was not ended: %v", got)
	}
	if got := ids("-l 70=1000 --no-repeat-ngram 2"); slices.Equal(got[:3], []uint32{70, 70, 70}) {
		t.Errorf("two tokens occur twice: %v", got)
	}
	if got := ids("-c 20"); len(got) >= 20 {
		t.Errorf("%d tokens and a prompt in a context of 20", len(got))
	}
}

// TestGenerateRefuses: what cannot be done is said in a line that names the flag or the file.
func TestGenerateRefuses(t *testing.T) {
	dir, _ := quantizeModel(t)
	bad := filepath.Join(dir, "bad")
	if err := os.WriteFile(bad, []byte("root ::= nothing"), 0o644); err != nil {
		t.Fatal(err)
	}
	for args, want := range map[string]string{
		"--ebnf " + bad:                  "--ebnf " + bad + ": grammar: EBNF",
		"--json-schema " + bad:           "--json-schema " + bad,
		"--json-schema " + dir + "/none": "--json-schema",
		"--regexp [":                     "regular expression",
		"--regexp a --choice b":          "can't be used together",
		"--kv BF16 --kv-bits 8":          "can't be used together",
		"--kv-bits 3":                    "3 bits",
		"--kv Q9":                        "--kv",
		"--beams 2 --samples 3":          "at least as many beams",
		"--samples 0":                    "--samples 0",
		"--top-p 2":                      "top_p is 2",
		"--logit-bias 99999=1":           "logit_bias names id 99999",
		"--repetition-ngram-size 3":      "at least 2 times",
		"--draft " + dir + "/none":       "--draft",
		"-f " + dir + "/none":            "--prompt-file",
		"--context=-5":                   "MaxLen",
		"--n=-1":                         "MaxTokens -1",
	} {
		_, _, err := generated(t, dir+"/model", "a", append([]string{"--temp", "0"}, strings.Fields(args)...)...)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v; want %q", args, err, want)
		}
	}
}

// TestGenerateWithoutTokenizer: a tokenizer that cannot be read is an error which says why.
func TestGenerateWithoutTokenizer(t *testing.T) {
	dir, _ := quantizeModel(t)
	tokenizer := dir + "/model/tokenizer.json"
	if err := os.WriteFile(tokenizer, []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, _, broken := generated(t, dir+"/model", "", "-p", "a")
	files, _ := filepath.Glob(dir + "/model/tokenizer*")
	for _, f := range files {
		if err := os.Remove(f); err != nil {
			t.Fatal(err)
		}
	}
	_, _, missing := generated(t, dir+"/model", "", "-p", "a")
	if broken == nil || missing == nil || broken.Error() == missing.Error() || !strings.Contains(missing.Error(), "put tokenizer.json") || !strings.Contains(broken.Error(), "tokenizer.json:") {
		t.Errorf("broken: %v; missing: %v", broken, missing)
	}
}

// TestGenerateInterrupted: an interrupt ends the text where it is.
func TestGenerateInterrupted(t *testing.T) {
	dir, _ := quantizeModel(t)
	e, err := infer.Open(dir+"/model", infer.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	ctx, cancel := context.WithCancel(t.Context())
	var out strings.Builder
	w := textWriter{e: e, out: writerFunc(func(p []byte) (int, error) { cancel(); return out.Write(p) }), notes: io.Discard}
	if err := w.write(ctx, infer.Request{Prompt: "a book", IgnoreEOS: true}); err != context.Canceled {
		t.Errorf("interrupted: %v", err)
	}
	if !strings.HasSuffix(out.String(), "\n") {
		t.Errorf("wrote %q: want a line", out.String())
	}
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
