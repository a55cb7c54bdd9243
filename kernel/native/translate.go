package native

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"maps"
	"path"
	"slices"
	"strings"

	"quire/kernel/cell"
	"quire/kernel/session"
)

// prefix begins every name that the translation adds to a plugin; the ones that the host looks up begin with Prefix.
const (
	prefix = "quire_"
	Prefix = "Quire_"
)

// scope is what a native cell finds in its session.
type scope struct {
	home    string                  // package path of the session's own types
	names   map[string]session.Name // session names
	auto    map[string]string       // automatic imports, name → path
	methods func(string) string     // source of a type's methods
}

// unit is a native cell on its way to a plugin.
type unit struct {
	scope
	file     string            // what positions call the cell: cell[3]
	imports  []string          // import lines of the cell
	body     strings.Builder   // declarations of the cell
	run      strings.Builder   // its statements
	declares map[string]string // name → var, func, type: what becomes a session name
	locals   []string          // variables that top-level := makes
	sources  []string          // declarations to repeat interpreted: constants, generics
	own      map[string]string // source of the methods of the cell's types
	extra    []string          // declarations of earlier cells that travel as source
	bound    map[string]string // session variable → type
	found    map[string]string // packages that free names stand for, name → path
	types    writer
}

// translate makes the plugin's source of a cell's body, which begins at the given line of the cell.
func translate(s scope, file, body string, line int) (*unit, string, error) {
	chunks, err := cell.Chunks(body, line)
	if err != nil {
		return nil, "", fmt.Errorf("%s:%w", file, err)
	}
	u := &unit{scope: s, file: file, declares: map[string]string{}, own: map[string]string{}}
	u.types = writer{home: s.home, imports: map[string]string{}, own: map[*types.Named]string{}, taken: map[string]bool{}}
	for i, c := range chunks {
		if err := u.chunk(c, i == len(chunks)-1); err != nil {
			return nil, "", err
		}
	}
	for {
		u.bound, u.found = map[string]string{}, map[string]string{}
		text := u.text()
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, u.file, text, 0)
		if err != nil {
			return nil, "", err
		}
		edits, more, err := u.resolve(fset, f)
		if err != nil {
			return nil, "", err
		}
		if len(more) == 0 {
			return u, u.assemble(f, text, edits), nil
		}
		u.extra = append(u.extra, more...)
	}
}

// chunk sorts one piece of the cell.
func (u *unit) chunk(c cell.Chunk, last bool) error {
	placed := fmt.Sprintf("/*line %s:%d:%d*/%s\n", u.file, c.Line, c.Col, c.Text)
	switch c.Class {
	case cell.Import:
		u.imports = append(u.imports, placed)
	case cell.Stmt:
		if x, err := parser.ParseExpr(c.Text); last && err == nil && !c.Semicolon && shows(x) {
			placed = fmt.Sprintf("%sshow(/*line %s:%d:%d*/%s)\n", prefix, u.file, c.Line, c.Col, c.Text)
		}
		u.run.WriteString(placed)
		u.noteLocals(c.Text)
	default:
		u.body.WriteString(placed)
		f, err := parser.ParseFile(token.NewFileSet(), "", "package p\n"+c.Text, parser.SkipObjectResolution)
		if err != nil {
			return nil // the whole file is parsed next, and reports it with the cell's position
		}
		for _, d := range f.Decls {
			if err := u.declaration(d, c); err != nil {
				return err
			}
		}
	}
	return nil
}

// shows reports whether a last expression is worth showing: not what printing returns, and not a builtin without a value.
func shows(x ast.Expr) bool {
	call, ok := x.(*ast.CallExpr)
	if !ok {
		return true
	}
	switch f := call.Fun.(type) {
	case *ast.SelectorExpr:
		return !strings.HasPrefix(f.Sel.Name, "Print") && !strings.HasPrefix(f.Sel.Name, "Fprint")
	case *ast.Ident:
		return !slices.Contains([]string{"close", "clear", "delete", "panic", "print", "println"}, f.Name)
	}
	return true
}

// noteLocals finds the variables that a top-level := makes.
func (u *unit) noteLocals(stmt string) {
	f, err := parser.ParseFile(token.NewFileSet(), "", "package p; func _() {\n"+stmt+"\n}", parser.SkipObjectResolution)
	if err != nil {
		return
	}
	for _, s := range f.Decls[0].(*ast.FuncDecl).Body.List {
		a, ok := s.(*ast.AssignStmt)
		if !ok || a.Tok != token.DEFINE {
			continue
		}
		for _, x := range a.Lhs {
			if id, ok := x.(*ast.Ident); ok && id.Name != "_" && !slices.Contains(u.locals, id.Name) {
				u.locals = append(u.locals, id.Name)
			}
		}
	}
}

// declaration notes what a declaration gives to the session.
func (u *unit) declaration(d ast.Decl, c cell.Chunk) error {
	switch d := d.(type) {
	case *ast.FuncDecl:
		switch {
		case d.Recv != nil:
			u.own[receiverName(d)] += c.Text + "\n"
		case d.Name.Name == "init" || d.Name.Name == "_":
		case d.Name.Name == "main":
			return fmt.Errorf("%s:%d: a native cell has no main: write its statements directly, or use %%%%main for a program", u.file, c.Line)
		case d.Type.TypeParams != nil:
			u.sources = append(u.sources, c.Text)
		default:
			u.declares[d.Name.Name] = "func"
		}
	case *ast.GenDecl:
		asSource := d.Tok == token.CONST
		for _, s := range d.Specs {
			asSource = u.spec(d.Tok, s) || asSource
		}
		if asSource {
			u.sources = append(u.sources, c.Text)
		}
	}
	return nil
}

// spec notes a variable or type; it reports whether the declaration is generic.
func (u *unit) spec(tok token.Token, s ast.Spec) (generic bool) {
	switch s := s.(type) {
	case *ast.TypeSpec:
		if s.TypeParams != nil {
			return true
		}
		u.declares[s.Name.Name] = "type"
	case *ast.ValueSpec:
		for _, id := range s.Names {
			if tok == token.VAR && id.Name != "_" {
				u.declares[id.Name] = "var"
			}
		}
	}
	return false
}

func receiverName(d *ast.FuncDecl) string {
	if len(d.Recv.List) == 0 {
		return "" // the compiler reports it
	}
	t := d.Recv.List[0].Type
	if star, ok := t.(*ast.StarExpr); ok {
		t = star.X
	}
	if id, ok := t.(*ast.Ident); ok {
		return id.Name
	}
	return ""
}

// text is the cell as one file: imports, declarations, and a function of the statements.
func (u *unit) text() string {
	var b strings.Builder
	b.WriteString("package main\n" + strings.Join(u.imports, "") + u.body.String())
	for i, code := range u.extra {
		fmt.Fprintf(&b, "/*line session:%d:1*/%s\n", i+1, code)
	}
	fmt.Fprintf(&b, "func %srun(%sshow func(...any), %sdefine func(string, any)) {\n%s", Prefix, prefix, prefix, u.run.String())
	for _, name := range u.locals {
		fmt.Fprintf(&b, "%sdefine(%q, &%s)\n", prefix, name, name)
	}
	b.WriteString("}\n")
	return b.String()
}

// edit replaces a mention of a session variable.
type edit struct {
	from, to int
	text     string
}

// resolve finds what the free names of the file are. more is source of earlier cells that must be added before it is complete.
func (u *unit) resolve(fset *token.FileSet, f *ast.File) (edits []edit, more []string, err error) {
	add := func(code string) {
		if code != "" && !slices.Contains(u.extra, code) && !slices.Contains(more, code) {
			more = append(more, code)
		}
	}
	imported, types := importsOf(f), typeNames(f)
	for _, id := range f.Unresolved {
		n, ok := u.names[id.Name]
		if imported[id.Name] || imported[n.Text] {
			continue
		}
		switch {
		case ok && n.Kind == "import":
			u.found[n.Name] = n.Text
		case ok && (n.Kind == "const" || isGeneric(n.Type)):
			add(n.Code)
		case ok && n.Kind == "type":
			u.types.text(n.Type)
		case ok && types[id]:
			return nil, nil, fmt.Errorf("%s: %s is a %s of the session, not a type", fset.Position(id.Pos()), id.Name, n.Kind)
		case ok:
			u.bound[n.Name] = u.types.text(n.Type)
			edits = append(edits, mention(fset, id))
		case u.auto[id.Name] != "":
			u.found[id.Name] = u.auto[id.Name]
		}
		if u.types.problem != nil {
			return nil, nil, fmt.Errorf("%s: %s cannot be used in a native cell: %w", fset.Position(id.Pos()), id.Name, u.types.problem)
		}
	}
	for _, t := range u.types.order {
		if name := t.Obj().Name(); u.declares[name] != "" {
			return nil, nil, fmt.Errorf("%s: the cell declares %s, and uses a variable of the session's older type %s: name one of them anew", u.file, name, name)
		}
		add(u.methods(t.Obj().Name()))
	}
	return edits, more, nil
}

// mention makes the edit for one mention of a session variable: it reads the variable through its pointer, and what follows keeps its
// position.
func mention(fset *token.FileSet, id *ast.Ident) edit {
	from := fset.PositionFor(id.Pos(), false).Offset
	end := fset.Position(id.End())
	return edit{from, from + len(id.Name), fmt.Sprintf("(*%s%s)/*line %s:%d:%d*/", prefix, id.Name, end.Filename, end.Line, end.Column)}
}

func isGeneric(t types.Type) bool {
	switch t := t.(type) {
	case *types.Signature:
		return t.TypeParams().Len() > 0
	case *types.Named:
		return t.TypeParams().Len() > t.TypeArgs().Len()
	}
	return false
}

// assemble writes the final file: imports first, the cell with its edits, then what the host asks of the plugin.
func (u *unit) assemble(f *ast.File, text string, edits []edit) string {
	var tail strings.Builder
	u.tail(&tail)
	return u.head() + "import \"unsafe\"\n" + strings.TrimPrefix(u.edited(f, text, edits), "package main\n") + tail.String()
}

// head is the package clause and the imports that the translation adds.
func (u *unit) head() string {
	var b strings.Builder
	b.WriteString("package main\n")
	for _, name := range slices.Sorted(maps.Keys(u.found)) {
		fmt.Fprintf(&b, "import %s %q\n", name, u.found[name])
	}
	for _, p := range slices.Sorted(maps.Keys(u.types.imports)) {
		fmt.Fprintf(&b, "import %s %q\n", u.types.imports[p], p)
	}
	return b.String()
}

// edited applies the edits, and blanks imports that nothing uses: cells may have those.
func (u *unit) edited(f *ast.File, text string, edits []edit) string {
	for _, spec := range f.Imports {
		if u.unused(f, spec) {
			from := int(spec.Pos() - f.FileStart)
			edits = append(edits, edit{from, from, " _ "})
		}
	}
	slices.SortFunc(edits, func(a, b edit) int { return a.from - b.from })
	var b strings.Builder
	last := 0
	for _, e := range edits {
		b.WriteString(text[last:e.from] + e.text)
		last = e.to
	}
	return b.String() + text[last:]
}

// unused reports an import without a name of its own that nothing mentions: cells may have those.
func (u *unit) unused(f *ast.File, spec *ast.ImportSpec) bool {
	if spec.Name != nil {
		return false
	}
	at := strings.Trim(spec.Path.Value, "\"`")
	name := baseName(at)
	if u.auto[name] != at {
		return false
	}
	return !slices.ContainsFunc(f.Unresolved, func(id *ast.Ident) bool { return id.Name == name })
}

// importsOf holds the names that a file's imports give it, and the paths of those without a name of their own.
func importsOf(f *ast.File) map[string]bool {
	set := map[string]bool{}
	for _, spec := range f.Imports {
		set[importName(spec)] = true
		if spec.Name == nil {
			set[strings.Trim(spec.Path.Value, "\"`")] = true
		}
	}
	return set
}

// importName is the name that an import gives to a file.
func importName(spec *ast.ImportSpec) string {
	if spec.Name != nil {
		return spec.Name.Name
	}
	return baseName(strings.Trim(spec.Path.Value, "\"`"))
}

// baseName is the name that a package of this path most likely has.
func baseName(at string) string {
	name := path.Base(at)
	if len(name) > 1 && name[0] == 'v' && strings.Trim(name[1:], "0123456789") == "" {
		name = path.Base(path.Dir(at))
	}
	return name
}

// tail writes the session's types, the pointers to its variables, and the table of what the cell declares.
func (u *unit) tail(b *strings.Builder) {
	fmt.Fprintf(b, "\n//line %s.go:1\n", prefix)
	for _, t := range u.types.order {
		b.WriteString(u.types.declare(t))
	}
	names := slices.Sorted(maps.Keys(u.bound))
	for _, name := range names {
		fmt.Fprintf(b, "var %s%s *%s\n", prefix, name, u.bound[name])
	}
	fmt.Fprintf(b, "func %sbind(name string, p unsafe.Pointer) {\n\tswitch name {\n", Prefix)
	for _, name := range names {
		fmt.Fprintf(b, "\tcase %q: %s%s = (*%s)(p)\n", name, prefix, name, u.bound[name])
	}
	b.WriteString("\t}\n}\n")
	fmt.Fprintf(b, "func %sref[T any](v T) *T { return &v }\n", prefix)
	fmt.Fprintf(b, "var %stable = map[string]any{\n", Prefix)
	for _, name := range slices.Sorted(maps.Keys(u.declares)) {
		switch u.declares[name] {
		case "func":
			fmt.Fprintf(b, "\t%q: %sref(%s),\n", name, prefix, name)
		case "var":
			fmt.Fprintf(b, "\t%q: &%s,\n", name, name)
		case "type":
			fmt.Fprintf(b, "\t%q: (*%s)(nil),\n", name, name)
		}
	}
	b.WriteString("}\nfunc main() {}\n")
}
