// Package gosrc makes data sets of the Go toolchain's own source tree, which every Go kernel has: nothing is downloaded.
//
//	GOROOT ── Documents ──▶ code, tests, doc comments, prose           → corpus.Document
//	       └─ Symbols ────▶ every exported identifier of the library   → Instructions, Questions, Signatures
//	       └─ Examples ───▶ runnable examples with their output        → Dialogues
//
// Identifiers and comments are read with go/doc, so a set is what pkg.go.dev shows of the same version.
//
// Splits: [Split] puts a package, with all its identifiers, documents and tests, into train (90 %), valid (5 %) or test (5 %) by the hash
// of its import path, so that no set of one split quotes a document of another.
//
// Invariant: the same toolchain gives the same records in the same order.
//
// Licence: BSD-3-Clause, The Go Authors; Newton's Opticks and other testdata are in the public domain or as their folders say.
package gosrc

import (
	"context"
	"fmt"
	"go/ast"
	"go/build"
	"go/doc"
	"go/parser"
	"go/token"
	"io/fs"
	"iter"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"

	"github.com/go-json-experiment/json"
	"golang.org/x/net/html"

	"quire/datasets"
	"quire/lib/corpus"
)

// Card describes the set.
var Card = datasets.Card{
	Name: "gosrc", Title: "The Go source tree", Homepage: "https://go.dev/src", Licence: "BSD-3-Clause", Languages: []string{"go", "en"},
	Source: "The Go Authors", Splits: "by hash of the package: train 90 %, valid 5 %, test 5 %",
}

// Kinds of documents.
const (
	Code    = "code"    // a Go file that is no test
	Test    = "test"    // a _test.go file
	Comment = "comment" // the documentation of a package, as text
	Prose   = "prose"   // Markdown, HTML and text files: the specification, the memory model, Newton's Opticks
)

// Meta is what a document's Meta says, as JSON.
type Meta struct {
	Kind    string `json:"kind"`
	Package string `json:"package"` // import path; folder for prose
	Licence string `json:"licence"`
}

// Root finds the Go source tree: $GOROOT, or what the go command on PATH says.
func Root() (string, error) {
	if root := os.Getenv("GOROOT"); root != "" {
		return root, nil
	}
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return "", fmt.Errorf("gosrc: no Go source tree: install Go and put it on PATH, or set GOROOT (%w)", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// Split is the split of a package or folder.
func Split(pkg string) string { return datasets.Split(pkg) }

// Documents walks the tree at root in the order of paths; "" is the toolchain's own. The ID is the path in the tree.
func Documents(ctx context.Context, root string) iter.Seq2[corpus.Document, error] {
	return func(yield func(corpus.Document, error) bool) {
		root, err := orRoot(root)
		if err != nil {
			yield(corpus.Document{}, err)
			return
		}
		stopped := false
		err = filepath.WalkDir(root, func(name string, e fs.DirEntry, err error) error {
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				return err
			}
			rel, err := filepath.Rel(root, name)
			if err != nil {
				return err
			}
			rel = filepath.ToSlash(rel)
			if e.IsDir() {
				if skipped(rel) {
					return fs.SkipDir
				}
				if d, ok := comments(name, rel); ok && !yield(d, nil) {
					stopped = true
					return fs.SkipAll
				}
				return nil
			}
			d, ok, err := document(name, rel)
			if ok && !yield(d, err) {
				stopped = true
				return fs.SkipAll
			}
			return nil
		})
		if err != nil && !stopped {
			yield(corpus.Document{}, fmt.Errorf("gosrc: %w", err))
		}
	}
}

func orRoot(root string) (string, error) {
	if root == "" {
		return Root()
	}
	if _, err := os.Stat(filepath.Join(root, "src")); err != nil {
		return "", fmt.Errorf("gosrc: %s is no Go source tree: it has no folder src", root)
	}
	return root, nil
}

// skipped are folders without text to learn from.
func skipped(rel string) bool {
	switch base := path.Base(rel); {
	case rel == ".":
		return false
	case strings.HasPrefix(base, "."), rel == "bin", rel == "pkg", rel == "api", rel == "lib":
		return true
	}
	return false
}

const maxFile = 4 << 20

// document reads one file; ok is false for files that are no text of interest.
func document(name, rel string) (d corpus.Document, ok bool, err error) {
	kind := ""
	switch path.Ext(rel) {
	case ".go":
		kind = Code
		if strings.HasSuffix(rel, "_test.go") {
			kind = Test
		}
	case ".md", ".html", ".txt":
		kind = Prose
		if strings.Contains(rel, "/testdata/") && !strings.Contains(rel, "Isaac.Newton") {
			return d, false, nil
		}
	default:
		return d, false, nil
	}
	if info, err := os.Stat(name); err != nil || info.Size() > maxFile {
		return d, false, nil // a link to nowhere; a generated table
	}
	b, err := os.ReadFile(name)
	if err != nil {
		return d, true, fmt.Errorf("gosrc: %w", err)
	}
	text := string(b)
	if path.Ext(rel) == ".html" {
		text = htmlText(text)
	}
	if strings.TrimSpace(text) == "" {
		return d, false, nil
	}
	return corpus.Document{ID: rel, Text: text, Source: rel, Meta: meta(kind, path.Dir(rel))}, true, nil
}

func meta(kind, dir string) string {
	b, _ := json.Marshal(Meta{kind, importPath(dir), Card.Licence})
	return string(b)
}

// importPath is the import path of a folder of the tree; folders outside of src keep their name.
func importPath(dir string) string {
	if rest, ok := strings.CutPrefix(dir, "src/"); ok {
		return strings.TrimPrefix(rest, "vendor/")
	}
	return dir
}

// htmlText is the text of the project's own HTML pages, a blank line between blocks.
func htmlText(page string) string {
	var b strings.Builder
	t := html.NewTokenizer(strings.NewReader(page))
	skip := 0
	for {
		switch t.Next() {
		case html.ErrorToken:
			return strings.TrimSpace(b.String()) + "\n"
		case html.TextToken:
			if skip == 0 {
				b.WriteString(html.UnescapeString(string(t.Raw())))
			}
		case html.StartTagToken:
			if name, _ := t.TagName(); string(name) == "script" || string(name) == "style" {
				skip++
			}
		case html.EndTagToken:
			if name, _ := t.TagName(); string(name) == "script" || string(name) == "style" {
				skip = max(0, skip-1)
			}
		}
	}
}

// comments is the documentation of the package in a folder, as text: package comment, then each exported declaration with its comment.
func comments(dir, rel string) (d corpus.Document, ok bool) {
	if !strings.HasPrefix(rel, "src/") || strings.Contains(rel, "/testdata") {
		return d, false
	}
	p, fset := documentation(dir, importPath(rel), false)
	if p == nil {
		return d, false
	}
	var b strings.Builder
	fmt.Fprintf(&b, "package %s // import %q\n\n%s\n", p.Name, p.ImportPath, p.Doc)
	for s := range symbolsOf(p, fset) {
		if s.Doc != "" {
			fmt.Fprintf(&b, "%s\n\n%s\n", s.Signature, s.Doc)
		}
	}
	if len(p.Doc) < 40 && b.Len() < 400 {
		return d, false
	}
	return corpus.Document{ID: rel + "#doc", Text: b.String(), Source: rel, Meta: meta(Comment, rel)}, true
}

// platform is the one that documentation is read for, whatever the machine, as on pkg.go.dev.
var platform = build.Context{GOOS: "linux", GOARCH: "amd64", Compiler: "gc", CgoEnabled: true, ReleaseTags: build.Default.ReleaseTags}

// documentation reads the documentation of the package in dir, from its tests the examples if asked to; nil for a folder without one.
// Files with errors are left out.
func documentation(dir, importPath string, examples bool) (*doc.Package, *token.FileSet) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, nil
	}
	fset := token.NewFileSet()
	files := map[string][]*ast.File{}
	for _, e := range entries {
		name := e.Name()
		if e.IsDir() || !strings.HasSuffix(name, ".go") || !examples && strings.HasSuffix(name, "_test.go") {
			continue
		}
		if match, err := platform.MatchFile(dir, name); err != nil || !match {
			continue
		}
		f, err := parser.ParseFile(fset, filepath.Join(dir, name), nil, parser.ParseComments)
		if err != nil {
			continue
		}
		pkg := strings.TrimSuffix(f.Name.Name, "_test")
		files[pkg] = append(files[pkg], f)
	}
	name := path.Base(importPath)
	if len(files[name]) == 0 {
		for n := range files {
			if n != "main" && n != "documentation" && n != "ignore" && (len(files[name]) == 0 || n < name) {
				name = n
			}
		}
	}
	if len(files[name]) == 0 {
		return nil, nil
	}
	p, err := doc.NewFromFiles(fset, files[name], importPath)
	if err != nil {
		return nil, nil
	}
	return p, fset
}
