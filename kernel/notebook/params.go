package notebook

import (
	"crypto/rand"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
)

// Tags of the cells that parameters come from and go to, as papermill names them.
const (
	tagParameters = "parameters"
	tagInjected   = "injected-parameters"
)

// Param is one --param: Value is a Go expression, or plain text for a variable whose default is a string.
type Param struct{ Name, Value string }

// ParseParam reads name=value.
func ParseParam(s string) (Param, error) {
	name, value, ok := strings.Cut(s, "=")
	if name = strings.TrimSpace(name); !ok || !token.IsIdentifier(name) {
		return Param{}, fmt.Errorf("notebook: parameter %q: want name=value", s)
	}
	return Param{name, strings.TrimSpace(value)}, nil
}

// Parametrize puts a cell that assigns the parameters behind the cell tagged "parameters", which must declare each of them.
func (nb *Notebook) Parametrize(params []Param) error {
	if len(params) == 0 {
		return nil
	}
	nb.Cells = slices.DeleteFunc(nb.Cells, func(c *Cell) bool { return c.HasTag(tagInjected) })
	at := slices.IndexFunc(nb.Cells, func(c *Cell) bool { return c.Type == "code" && c.HasTag(tagParameters) })
	if at < 0 {
		return fmt.Errorf("notebook: no cell is tagged %q: tag the cell that declares %s", tagParameters, params[0].Name)
	}
	defaults, err := declared(nb.Cells[at].Source)
	if err != nil {
		return fmt.Errorf("notebook: the cell tagged %q: %v", tagParameters, err)
	}
	var source strings.Builder
	for _, p := range params {
		value, ok := defaults[p.Name]
		if !ok {
			return fmt.Errorf("notebook: the cell tagged %q declares no variable %s", tagParameters, p.Name)
		}
		if isString(value) && !isQuoted(p.Value) {
			p.Value = strconv.Quote(p.Value)
		} else if _, err := parser.ParseExpr(p.Value); err != nil {
			return fmt.Errorf("notebook: parameter %s: %q is no Go expression", p.Name, p.Value)
		}
		fmt.Fprintf(&source, "%s = %s\n", p.Name, p.Value)
	}
	injected := &Cell{ID: strings.ToLower(rand.Text()[:8]), Type: "code", Source: strings.TrimSuffix(source.String(), "\n"),
		Metadata: map[string]any{"tags": []any{tagInjected}}}
	nb.Cells = slices.Insert(nb.Cells, at+1, injected)
	return nil
}

// declared lists the variables that a cell's top level declares or assigns, with their values (nil for none).
func declared(source string) (map[string]ast.Expr, error) {
	file, err := parser.ParseFile(token.NewFileSet(), "", "package p; func _() {\n"+source+"\n}", parser.SkipObjectResolution)
	if err != nil {
		return nil, fmt.Errorf("only assignments and var declarations can be read: %v", err)
	}
	names := map[string]ast.Expr{}
	note := func(lhs ast.Expr, values []ast.Expr, i int) {
		if id, ok := lhs.(*ast.Ident); ok {
			if names[id.Name] = nil; i < len(values) {
				names[id.Name] = values[i]
			}
		}
	}
	for _, stmt := range file.Decls[0].(*ast.FuncDecl).Body.List {
		switch s := stmt.(type) {
		case *ast.AssignStmt:
			for i, lhs := range s.Lhs {
				note(lhs, s.Rhs, i)
			}
		case *ast.DeclStmt:
			for _, spec := range s.Decl.(*ast.GenDecl).Specs {
				if v, ok := spec.(*ast.ValueSpec); ok {
					for i, name := range v.Names {
						note(name, v.Values, i)
					}
				}
			}
		}
	}
	return names, nil
}

func isString(e ast.Expr) bool {
	lit, ok := e.(*ast.BasicLit)
	return ok && lit.Kind == token.STRING
}

func isQuoted(s string) bool {
	e, err := parser.ParseExpr(s)
	return err == nil && isString(e)
}
