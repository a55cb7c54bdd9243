package show

import (
	"fmt"
	"html"
	"reflect"
	"slices"
	"strings"
)

// Node is a named point of a tree, for Tree.
type Node struct {
	Name     string
	Children []Node
}

// Bounds of what Tree shows.
const (
	treeDepth = 12
	treeItems = 200
)

// Tree shows a Node, or any Go value as the tree of its fields, elements and entries, each foldable. Loops and deep branches are
// cut.
func Tree(v any) Value {
	node, ok := v.(Node)
	if !ok {
		node = nodeOf(fmt.Sprintf("%T", v), reflect.ValueOf(v), treeDepth)
	}
	var rich, plain strings.Builder
	rich.WriteString(`<div class="quire-tree" style="font-family:monospace;font-size:13px;line-height:1.5">`)
	node.html(&rich, 0)
	rich.WriteString(`</div>`)
	plain.WriteString(shorten(node.Name, 200) + "\n")
	node.plain(&plain, "", 0)
	return Value{"text/html": rich.String(), "text/plain": strings.TrimSuffix(plain.String(), "\n")}
}

func (n Node) html(b *strings.Builder, depth int) {
	name := html.EscapeString(shorten(n.Name, 500))
	if len(n.Children) == 0 || depth > treeDepth {
		fmt.Fprintf(b, "<div>%s</div>", name)
		return
	}
	open := ""
	if depth < maxFold {
		open = " open"
	}
	fmt.Fprintf(b, `<details%s><summary>%s</summary><div style="margin-left:1.5em">`, open, name)
	for i, c := range n.Children {
		if i == treeItems {
			fmt.Fprintf(b, "<div>… %d more</div>", len(n.Children)-i)
			break
		}
		c.html(b, depth+1)
	}
	b.WriteString("</div></details>")
}

func (n Node) plain(b *strings.Builder, indent string, depth int) {
	if depth > treeDepth {
		return
	}
	for i, c := range n.Children {
		if i == treeItems {
			fmt.Fprintf(b, "%s└ … %d more\n", indent, len(n.Children)-i)
			return
		}
		branch, below := "├ ", "│ "
		if i == len(n.Children)-1 {
			branch, below = "└ ", "  "
		}
		b.WriteString(indent + branch + shorten(c.Name, 200) + "\n")
		c.plain(b, indent+below, depth+1)
	}
}

// nodeOf describes v under a label.
func nodeOf(label string, v reflect.Value, depth int) Node {
	for v.IsValid() && (v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface) && !v.IsNil() && depth > 0 {
		v, depth = v.Elem(), depth-1
	}
	n := Node{Name: label}
	if !v.IsValid() || depth <= 0 {
		n.Name += ": …"
		return n
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			n.Children = append(n.Children, nodeOf(v.Type().Field(i).Name, v.Field(i), depth-1))
		}
	case reflect.Map:
		n.Name += fmt.Sprintf(" (%d)", v.Len())
		n.Children = mapNodes(v, depth)
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			n.Name += fmt.Sprintf(": %d bytes", v.Len())
			break
		}
		n.Name += fmt.Sprintf(" [%d]", v.Len())
		for i := range min(v.Len(), treeItems) {
			n.Children = append(n.Children, nodeOf(fmt.Sprint(i), v.Index(i), depth-1))
		}
		if more := v.Len() - treeItems; more > 0 {
			n.Children = append(n.Children, Node{Name: fmt.Sprintf("… %d more", more)})
		}
	default:
		n.Name += fmt.Sprintf(": %v", v)
	}
	return n
}

// mapNodes lists a map's entries in the order of their keys' text.
func mapNodes(v reflect.Value, depth int) (out []Node) {
	type entry struct {
		key   string
		value reflect.Value
	}
	var entries []entry
	for iter := v.MapRange(); iter.Next() && len(entries) < treeItems; {
		entries = append(entries, entry{fmt.Sprint(iter.Key()), iter.Value()})
	}
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.key, b.key) })
	for _, e := range entries {
		out = append(out, nodeOf(e.key, e.value, depth-1))
	}
	if more := v.Len() - treeItems; more > 0 {
		out = append(out, Node{Name: fmt.Sprintf("… %d more", more)})
	}
	return out
}
