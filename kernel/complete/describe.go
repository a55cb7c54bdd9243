package complete

import (
	"fmt"
	"go/types"
	"strings"

	"quire/kernel/link"
)

// Describe says what an object is: its declaration, its value where the caller knows it, its documentation.
func Describe(obj types.Object, d *Docs, q types.Qualifier, value, comment string) link.Bundle {
	head := declaration(obj, q)
	text := comment
	if pkg, ok := obj.(*types.PkgName); ok {
		text = d.PackageText(pkg.Imported().Path())
	} else if e := d.Wait(obj); e != nil {
		text = e.text
		if e.decl != "" {
			head = e.decl
		}
	}
	var plain, md strings.Builder
	fmt.Fprintf(&plain, "%s\n", head)
	fmt.Fprintf(&md, "```go\n%s\n```\n", head)
	if value != "" {
		fmt.Fprintf(&plain, "\n%s = %s\n", obj.Name(), value)
		fmt.Fprintf(&md, "\n```\n%s = %s\n```\n", obj.Name(), value)
	}
	if text != "" {
		fmt.Fprintf(&plain, "\n%s", text)
		fmt.Fprintf(&md, "\n%s", text)
	}
	return link.Bundle{Data: map[string]any{"text/plain": strings.TrimRight(plain.String(), "\n"), "text/markdown": md.String()}}
}

func declaration(obj types.Object, q types.Qualifier) string {
	switch obj := obj.(type) {
	case *types.PkgName:
		return fmt.Sprintf("package %s // import %q", obj.Imported().Name(), obj.Imported().Path())
	case *types.TypeName:
		s := "type " + obj.Name() + " " + types.TypeString(obj.Type().Underlying(), q)
		if named, ok := obj.Type().(*types.Named); ok {
			for m := range named.Methods() {
				s += "\n" + types.ObjectString(m, q)
			}
		}
		return s
	case *types.Const:
		return fmt.Sprintf("const %s %s = %s", obj.Name(), types.TypeString(obj.Type(), q), obj.Val())
	case *types.Var:
		if sig, ok := obj.Type().(*types.Signature); ok && !obj.IsField() {
			return "func " + obj.Name() + strings.TrimPrefix(types.TypeString(sig, q), "func")
		}
		if obj.IsField() {
			return fmt.Sprintf("field %s %s", obj.Name(), types.TypeString(obj.Type(), q))
		}
		return fmt.Sprintf("var %s %s", obj.Name(), types.TypeString(obj.Type(), q))
	}
	return types.ObjectString(obj, q)
}
