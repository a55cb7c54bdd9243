package gosrc

import (
	"bytes"
	"context"
	"fmt"
	"go/ast"
	"go/doc"
	"go/printer"
	"go/token"
	"iter"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"quire/lib/chat"
)

// RunGo is the tool of the dialogues: the kernel itself.
var RunGo = func() chat.Tool {
	t, err := chat.NewTool("run_go", "Run statements of Go in the notebook's kernel and return what they print.",
		jsontext.Value(`{"type":"object","properties":{"code":{"type":"string","description":"Go statements"}},"required":["code"]}`))
	if err != nil {
		panic(err)
	}
	return t
}()

// Example is a runnable example of the library's documentation.
type Example struct {
	Package string
	Name    string // "strings.Repeat", "sort (package)"
	Code    string // the statements
	Output  string // what they print
}

// Examples walks the examples that state their output in order.
func Examples(ctx context.Context, root string) iter.Seq2[Example, error] {
	return func(yield func(Example, error) bool) {
		for p, err := range packages(ctx, root, true) {
			if err != nil {
				yield(Example{}, err)
				return
			}
			for name, ex := range examplesOf(p.Package) {
				code, ok := statements(p.fset, ex)
				if !ok || ex.Output == "" || ex.Unordered {
					continue
				}
				if !yield(Example{p.ImportPath, name, code, ex.Output}, nil) {
					return
				}
			}
		}
	}
}

// examplesOf lists the examples of a package under the names that they document.
func examplesOf(p *doc.Package) iter.Seq2[string, *doc.Example] {
	return func(yield func(string, *doc.Example) bool) {
		ok := true
		add := func(name string, list []*doc.Example) {
			for _, ex := range list {
				ok = ok && yield(pkgName(p.ImportPath)+name, ex)
			}
		}
		funcs := func(prefix string, list []*doc.Func) {
			for _, f := range list {
				add(prefix+f.Name, f.Examples)
			}
		}
		add(" (package)", p.Examples)
		funcs(".", p.Funcs)
		for _, t := range p.Types {
			add("."+t.Name, t.Examples)
			funcs(".", t.Funcs)
			funcs("."+t.Name+".", t.Methods)
		}
	}
}

// statements is the body of an example that needs nothing but the library; others, with declarations beside them, are left out.
func statements(fset *token.FileSet, ex *doc.Example) (string, bool) {
	block, ok := ex.Code.(*ast.BlockStmt)
	if !ok {
		return "", false
	}
	var b bytes.Buffer
	if err := printer.Fprint(&b, fset, &printer.CommentedNode{Node: block}); err != nil {
		return "", false
	}
	body := strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(b.String()), "{"), "}")
	var lines []string
	for line := range strings.SplitSeq(strings.Trim(body, "\n"), "\n") {
		lines = append(lines, strings.TrimPrefix(line, "\t"))
	}
	return strings.TrimSpace(strings.Join(lines, "\n")), true
}

// Dialogues makes tool-use dialogues: the user asks what a piece of code prints, the model runs it in the kernel, and tells. Every
// output is what the library's own tests check.
func Dialogues(ctx context.Context, root, split string) iter.Seq2[chat.Conversation, error] {
	return func(yield func(chat.Conversation, error) bool) {
		for ex, err := range Examples(ctx, root) {
			if err != nil {
				yield(chat.Conversation{}, err)
				return
			}
			if split != "" && Split(ex.Package) != split {
				continue
			}
			c, err := ex.dialogue()
			if !yield(c, err) {
				return
			}
		}
	}
}

func (ex Example) dialogue() (chat.Conversation, error) {
	args, err := json.Marshal(map[string]string{"code": ex.Code})
	if err != nil {
		return chat.Conversation{}, fmt.Errorf("gosrc: example of %s: %w", ex.Name, err)
	}
	output := strings.TrimSpace(ex.Output)
	return chat.Conversation{
		Tools: []chat.Tool{RunGo},
		Messages: []chat.Message{
			{Role: chat.User, Content: "What does this Go code print?\n\n```go\n" + ex.Code + "\n```"},
			{Role: chat.Assistant, ToolCalls: []chat.ToolCall{{ID: "call_0", Name: RunGo.Name(), Arguments: string(args)}}},
			{Role: chat.ToolRole, Name: RunGo.Name(), ToolCallID: "call_0", Content: output},
			{Role: chat.Assistant, Content: "It prints:\n\n```\n" + output + "\n```"},
		},
	}, nil
}
