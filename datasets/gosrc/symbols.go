package gosrc

import (
	"bytes"
	"context"
	"fmt"
	"go/ast"
	"go/doc"
	"go/printer"
	"go/token"
	"io/fs"
	"iter"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/zeebo/xxh3"

	"quire/datasets"
	"quire/lib/chat"
)

// Symbol is an exported identifier of the standard library.
type Symbol struct {
	Package   string // import path
	Name      string // "Repeat", "Builder.WriteString"
	Kind      string // "func", "method", "type", "const", "var"
	Signature string // the declaration without body and comments; a struct or interface with what it exports
	Doc       string // the comment
	Synopsis  string // its first sentence
}

// Qualified is the name as code of other packages writes it: "strings.Repeat".
func (s Symbol) Qualified() string { return pkgName(s.Package) + "." + s.Name }

// version is the last element of a path that names a later version of a package: math/rand/v2.
var version = regexp.MustCompile(`^v[0-9]+$`)

func pkgName(importPath string) string {
	dir, name := path.Split(importPath)
	if version.MatchString(name) {
		return path.Base(dir)
	}
	return name
}

// Symbols walks the exported identifiers of the library's public packages, packages in the order of paths.
func Symbols(ctx context.Context, root string) iter.Seq2[Symbol, error] {
	return func(yield func(Symbol, error) bool) {
		for p, err := range packages(ctx, root, false) {
			if err != nil {
				yield(Symbol{}, err)
				return
			}
			for s := range symbolsOf(p.Package, p.fset) {
				if !yield(s, nil) {
					return
				}
			}
		}
	}
}

type documented struct {
	*doc.Package
	fset *token.FileSet
}

// packages walks the documentation of the public packages of the library, with their examples if asked to.
func packages(ctx context.Context, root string, examples bool) iter.Seq2[documented, error] {
	return func(yield func(documented, error) bool) {
		root, err := orRoot(root)
		if err != nil {
			yield(documented{}, err)
			return
		}
		src := filepath.Join(root, "src")
		err = filepath.WalkDir(src, func(name string, e fs.DirEntry, err error) error {
			switch base := e.Name(); {
			case err != nil:
				return err
			case ctx.Err() != nil:
				return ctx.Err()
			case !e.IsDir():
				return nil
			case base == "internal" || base == "vendor" || base == "testdata" || base == "cmd" || base == "builtin":
				return fs.SkipDir
			}
			rel, err := filepath.Rel(src, name)
			if err != nil || rel == "." {
				return err
			}
			if p, fset := documentation(name, filepath.ToSlash(rel), examples); p != nil && !yield(documented{p, fset}, nil) {
				return fs.SkipAll
			}
			return nil
		})
		if err != nil {
			yield(documented{}, fmt.Errorf("gosrc: %w", err))
		}
	}
}

// symbolsOf walks the identifiers of a package in the order of its documentation.
func symbolsOf(p *doc.Package, fset *token.FileSet) iter.Seq[Symbol] {
	return func(yield func(Symbol) bool) {
		ok := true
		add := func(kind, name, comment string, decl ast.Node) {
			if !ok || !ast.IsExported(name[strings.LastIndexByte(name, '.')+1:]) {
				return
			}
			comment = strings.TrimSpace(comment)
			ok = yield(Symbol{p.ImportPath, name, kind, signature(fset, decl), comment, p.Synopsis(comment)})
		}
		values := func(kind string, list []*doc.Value) {
			for _, v := range list {
				for _, n := range v.Names {
					if spec, comment := valueSpec(v, n); spec != nil {
						add(kind, n, comment, &ast.GenDecl{Tok: v.Decl.Tok, Specs: []ast.Spec{spec}})
					}
				}
			}
		}
		funcs := func(kind, prefix string, list []*doc.Func) {
			for _, f := range list {
				add(kind, prefix+f.Name, f.Doc, f.Decl)
			}
		}
		values("const", p.Consts)
		values("var", p.Vars)
		funcs("func", "", p.Funcs)
		for _, t := range p.Types {
			add("type", t.Name, t.Doc, t.Decl)
			values("const", t.Consts)
			values("var", t.Vars)
			funcs("func", "", t.Funcs)
			funcs("method", t.Name+".", t.Methods)
		}
	}
}

// valueSpec is the declaration of one name of a group, with the comment that is its own.
func valueSpec(v *doc.Value, name string) (*ast.ValueSpec, string) {
	for _, s := range v.Decl.Specs {
		s := s.(*ast.ValueSpec)
		if !slices.ContainsFunc(s.Names, func(id *ast.Ident) bool { return id.Name == name }) {
			continue
		}
		comment := s.Doc.Text()
		switch {
		case comment == "" && s.Comment != nil:
			comment = s.Comment.Text()
		case comment == "" && len(v.Decl.Specs) == 1:
			comment = v.Doc
		}
		return s, comment
	}
	return nil, ""
}

// signature prints a declaration on the lines that gofmt gives it, without comments and body.
func signature(fset *token.FileSet, decl ast.Node) string {
	switch d := decl.(type) {
	case *ast.FuncDecl:
		decl = &ast.FuncDecl{Recv: d.Recv, Name: d.Name, Type: d.Type}
	case *ast.GenDecl:
		bare := *d
		bare.Doc = nil
		bare.Specs = nil
		for _, s := range d.Specs {
			switch s := s.(type) {
			case *ast.TypeSpec:
				t := *s
				t.Doc, t.Comment = nil, nil
				bare.Specs = append(bare.Specs, &t)
			case *ast.ValueSpec:
				v := *s
				v.Doc, v.Comment = nil, nil
				bare.Specs = append(bare.Specs, &v)
			}
		}
		if len(bare.Specs) == 1 {
			bare.Lparen, bare.Rparen = token.NoPos, token.NoPos
		}
		decl = &bare
	}
	var b bytes.Buffer
	if err := (&printer.Config{Mode: printer.UseSpaces | printer.TabIndent, Tabwidth: 8}).Fprint(&b, token.NewFileSet(), decl); err != nil {
		return ""
	}
	return strings.TrimSpace(b.String())
}

// Instructions makes dialogues of two turns: a question about an identifier, and its declaration and comment as the answer. split is
// "train", "valid" or "test", "" for all.
func Instructions(ctx context.Context, root, split string) iter.Seq2[chat.Conversation, error] {
	return func(yield func(chat.Conversation, error) bool) {
		for s, err := range Symbols(ctx, root) {
			if err != nil {
				yield(chat.Conversation{}, err)
				return
			}
			if s.Doc == "" || split != "" && Split(s.Package) != split {
				continue
			}
			answer := "```go\n" + s.Signature + "\n```\n\n" + s.Doc
			c := chat.Conversation{Messages: []chat.Message{{Role: chat.User, Content: s.ask()}, {Role: chat.Assistant, Content: answer}}}
			if !yield(c, nil) {
				return
			}
		}
	}
}

// ask is a question about the symbol: one of several forms, chosen by the hash of its name.
func (s Symbol) ask() string {
	forms := []string{"What does %s do?", "Explain %s of Go's standard library.", "How is %s declared, and what is it for?", "Show me the documentation of %s."}
	switch s.Kind {
	case "type", "const", "var":
		forms = []string{"What is %s?", "Explain %s of Go's standard library.", "How is %s declared, and what is it for?", "Show me the documentation of %s."}
	}
	return fmt.Sprintf(forms[xxh3.HashString(s.Qualified())%uint64(len(forms))], s.Qualified())
}

// Questions makes multiple-choice questions: which of four identifiers of one package has this first sentence of documentation? Names
// are blotted out of the sentence.
func Questions(ctx context.Context, root, split string) iter.Seq2[datasets.Question, error] {
	return func(yield func(datasets.Question, error) bool) {
		for p, err := range packages(ctx, root, false) {
			if err != nil {
				yield(datasets.Question{}, err)
				return
			}
			if split != "" && Split(p.ImportPath) != split {
				continue
			}
			all := slices.Collect(symbolsOf(p.Package, p.fset))
			for i, s := range all {
				if q, ok := question(all, i); ok && s.Synopsis != "" && !yield(q, nil) {
					return
				}
			}
		}
	}
}

// question asks for symbol i among three others of its kind that have documentation, the nearest by hash.
func question(all []Symbol, i int) (q datasets.Question, ok bool) {
	s := all[i]
	base := s.Name[strings.LastIndexByte(s.Name, '.')+1:]
	text := strings.ReplaceAll(s.Synopsis, base, "___")
	if len(strings.Fields(text)) < 5 || !strings.Contains(text, "___") {
		return q, false
	}
	var others []Symbol
	for j, o := range all {
		if j != i && o.Kind == s.Kind && o.Synopsis != "" && o.Name != s.Name && !strings.Contains(text, o.Name) {
			others = append(others, o)
		}
	}
	if len(others) < 3 {
		return q, false
	}
	order := func(o Symbol) uint64 { return xxh3.HashString(s.Qualified() + "\x00" + o.Name) }
	slices.SortFunc(others, func(a, b Symbol) int {
		if order(a) < order(b) {
			return -1
		}
		return 1
	})
	choices := append(others[:3:3], s)
	slices.SortFunc(choices, func(a, b Symbol) int { return strings.Compare(a.Name, b.Name) })
	q = datasets.Question{ID: s.Qualified(), Subject: s.Package, Text: fmt.Sprintf("In package %s: %s What is ___?", s.Package, strings.TrimSuffix(text, ".")+".")}
	for k, c := range choices {
		q.Choices = append(q.Choices, c.Name)
		if c.Name == s.Name {
			q.Answer = k
		}
	}
	return q, true
}

// Signature is a task with one right answer: to write the declaration of a function from its name and documentation.
type Signature struct {
	ID     string
	Prompt string // the comment as Go writes it, then "func Name" up to the parenthesis
	Answer string // the rest of the declaration
}

// Signatures makes the generation set: functions and methods with documentation.
func Signatures(ctx context.Context, root, split string) iter.Seq2[Signature, error] {
	return func(yield func(Signature, error) bool) {
		for s, err := range Symbols(ctx, root) {
			if err != nil {
				yield(Signature{}, err)
				return
			}
			base := s.Name[strings.LastIndexByte(s.Name, '.')+1:]
			at := strings.Index(s.Signature, base+"(")
			if s.Doc == "" || s.Kind != "func" && s.Kind != "method" || at < 0 || split != "" && Split(s.Package) != split {
				continue
			}
			at += len(base)
			comment := "// " + strings.ReplaceAll(s.Doc, "\n", "\n// ") + "\n"
			if !yield(Signature{s.Qualified(), comment + s.Signature[:at], s.Signature[at:]}, nil) {
				return
			}
		}
	}
}
