package gosrc

import (
	"context"
	"go/parser"
	"go/token"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
)

// TestDocuments reads the whole tree of this toolchain.
func TestDocuments(t *testing.T) {
	bytes, docs := map[string]int{}, map[string]int{}
	found := map[string]string{}
	last := ""
	for d, err := range Documents(context.Background(), "") {
		if err != nil {
			t.Fatal(err)
		}
		var m Meta
		if err := json.Unmarshal([]byte(d.Meta), &m); err != nil {
			t.Fatalf("%s: %v", d.ID, err)
		}
		bytes[m.Kind] += len(d.Text)
		docs[m.Kind]++
		switch d.ID {
		case "src/strings#doc", "doc/go_spec.html", "src/testdata/Isaac.Newton-Opticks.txt", "src/strings/strings.go", "src/strings/strings_test.go":
			found[d.ID] = d.Text
		}
		if d.ID == last {
			t.Errorf("%s comes twice", d.ID)
		}
		last = d.ID
	}
	t.Logf("documents %v, bytes %v", docs, bytes)
	if bytes[Code] < 30e6 || bytes[Test] < 10e6 || bytes[Comment] < 1e6 || bytes[Prose] < 5e5 {
		t.Errorf("the tree has %v", bytes)
	}
	for id, want := range map[string]string{
		"src/strings#doc":                       "func Repeat(s string, count int) string\n\nRepeat returns a new string consisting of count copies of the string s.",
		"doc/go_spec.html":                      "A semicolon",
		"src/strings/strings.go":                "func Repeat(",
		"src/testdata/Isaac.Newton-Opticks.txt": "Opticks",
		"src/strings/strings_test.go":           "func TestRepeat(",
	} {
		if id == "doc/go_spec.html" {
			want = "Go is a general-purpose language designed with systems programming"
		}
		if !strings.Contains(found[id], want) {
			t.Errorf("%s lacks %q", id, want)
		}
	}
	if strings.Contains(found["doc/go_spec.html"], "<p>") {
		t.Error("the specification has tags")
	}
}

func TestSymbols(t *testing.T) {
	symbols := map[string]Symbol{}
	for s, err := range Symbols(context.Background(), "") {
		if err != nil {
			t.Fatal(err)
		}
		if s.Signature == "" {
			t.Errorf("%s has no signature", s.Qualified())
		}
		symbols[s.Qualified()] = s
	}
	t.Logf("%d symbols", len(symbols))
	if len(symbols) < 10000 {
		t.Errorf("%d symbols", len(symbols))
	}
	for name, want := range map[string]Symbol{
		"strings.Repeat":              {Kind: "func", Signature: "func Repeat(s string, count int) string"},
		"strings.Builder.WriteString": {Kind: "method", Signature: "func (b *Builder) WriteString(s string) (int, error)"},
		"io.EOF":                      {Kind: "var", Signature: `var EOF = errors.New("EOF")`},
		"math.MaxInt8":                {Kind: "const", Signature: "const MaxInt8 = 1<<7 - 1"},
		"io.Reader":                   {Kind: "type", Signature: "type Reader interface {\n\tRead(p []byte) (n int, err error)\n}"},
	} {
		if s := symbols[name]; s.Kind != want.Kind || s.Signature != want.Signature {
			t.Errorf("%s: %s %q, want %s %q", name, s.Kind, s.Signature, want.Kind, want.Signature)
		}
	}
}

// TestQuestions answers every question by the documentation: the right choice, and no other, has the sentence.
func TestQuestions(t *testing.T) {
	synopsis := map[string]string{}
	for s, err := range Symbols(context.Background(), "") {
		if err != nil {
			t.Fatal(err)
		}
		synopsis[s.Package+"."+s.Name] = s.Synopsis
	}
	n, right := 0, [4]int{}
	for q, err := range Questions(context.Background(), "", "") {
		if err != nil {
			t.Fatal(err)
		}
		if len(q.Choices) != 4 || len(slices.Compact(slices.Clone(q.Choices))) != 4 {
			t.Fatalf("%s: choices %q", q.ID, q.Choices)
		}
		for i, c := range q.Choices {
			base := c[strings.LastIndexByte(c, '.')+1:]
			same := strings.Contains(q.Text, strings.TrimSuffix(strings.ReplaceAll(synopsis[q.Subject+"."+c], base, "___"), "."))
			if (i == q.Answer) && !same {
				t.Errorf("%s: the sentence of %s is not in %q", q.ID, c, q.Text)
			}
		}
		right[q.Answer]++
		n++
	}
	t.Logf("%d questions, right answers at %v", n, right)
	if n < 2000 {
		t.Errorf("%d questions", n)
	}
	for _, k := range right {
		if k < n/6 || k > n/3 {
			t.Errorf("the right answers stand at %v: a position tells", right)
		}
	}
}

func TestInstructionsAndSignatures(t *testing.T) {
	splits := map[string]int{}
	for _, split := range []string{"valid", "test", ""} {
		for c, err := range Instructions(context.Background(), "", split) {
			if err != nil {
				t.Fatal(err)
			}
			if len(c.Messages) != 2 || !strings.HasPrefix(c.Messages[1].Content, "```go\n") {
				t.Fatalf("%+v", c)
			}
			splits[split]++
		}
	}
	t.Logf("instructions %v", splits)
	if n := splits[""]; splits["valid"] == 0 || splits["test"] == 0 || splits["valid"]+splits["test"] > n/5 {
		t.Errorf("splits %v", splits)
	}
	n := 0
	for s, err := range Signatures(context.Background(), "", "test") {
		if err != nil {
			t.Fatal(err)
		}
		n++
		if _, err := parser.ParseFile(token.NewFileSet(), "", "package p\n"+s.Prompt+s.Answer, 0); err != nil {
			t.Errorf("%s: prompt and answer together do not parse: %v\n%s|%s", s.ID, err, s.Prompt, s.Answer)
		}
	}
	if n < 50 {
		t.Errorf("%d signatures", n)
	}
}

func TestDialogues(t *testing.T) {
	n := 0
	for c, err := range Dialogues(context.Background(), "", "") {
		if err != nil {
			t.Fatal(err)
		}
		n++
		var args struct{ Code string }
		call := c.Messages[1].ToolCalls[0]
		if err := json.Unmarshal([]byte(call.Arguments), &args, json.MatchCaseInsensitiveNames(true)); err != nil || call.Name != "run_go" {
			t.Fatalf("%+v: %v", call, err)
		}
		if _, err := parser.ParseFile(token.NewFileSet(), "", "package p\nfunc f() {\n"+args.Code+"\n}", 0); err != nil {
			t.Errorf("code does not parse: %v\n%s", err, args.Code)
		}
		if c.Messages[2].Content == "" || !strings.Contains(c.Messages[3].Content, c.Messages[2].Content) {
			t.Errorf("the answer does not tell the output: %+v", c.Messages)
		}
	}
	t.Logf("%d dialogues", n)
	if n < 500 {
		t.Errorf("%d dialogues", n)
	}
}

func TestErrors(t *testing.T) {
	for _, err := range Documents(context.Background(), t.TempDir()) {
		if err == nil || !strings.Contains(err.Error(), "no Go source tree") {
			t.Errorf("got %v", err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, err := range Documents(ctx, "") {
		if err == nil {
			t.Error("a cancelled walk goes on")
		}
		break
	}
}
