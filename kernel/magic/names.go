package magic

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"quire/kernel/link"
	"quire/kernel/session"
)

func names() []session.Magic {
	return []session.Magic{
		{Name: "who", Line: who, Help: `%who [KIND | PREFIX] lists the session's names with kind, type, size and declaring cell.

	%who          all names
	%who var      one kind: var, func, type, const, import
	%who mod      names that begin with mod`},
		{Name: "rm", Line: remove, Complete: completeNames, Help: `%rm NAME... forgets names.

Memory that nothing else holds is freed. A function or goroutine that uses a forgotten variable keeps it.`},
		{Name: "reset", Line: reset, Help: `%reset forgets every name and the history of this session.

Goroutines that were started go on. To end them too, restart the kernel.`},
	}
}

var kinds = map[string]bool{"var": true, "func": true, "type": true, "const": true, "import": true}

func who(c *session.Cell, args string) error {
	var list []session.Name
	for _, n := range c.Session().Names() {
		if args == "" || n.Kind == args || !kinds[args] && strings.HasPrefix(n.Name, args) {
			list = append(list, n)
		}
	}
	if len(list) == 0 {
		fmt.Fprintln(c.Stdout(), "no names")
		return nil
	}
	w := tabwriter.NewWriter(c.Stdout(), 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "name\tkind\ttype\tsize\tcell")
	for _, n := range list {
		size := ""
		if n.Kind == "var" {
			size = byteCount(n.Size)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\n", n.Name, n.Kind, oneLine(n.Text, 60), size, n.Cell)
	}
	return w.Flush()
}

// oneLine cuts text to at most width runes of one line.
func oneLine(text string, width int) string {
	text = strings.Join(strings.Fields(text), " ")
	if r := []rune(text); len(r) > width {
		return string(r[:width-1]) + "…"
	}
	return text
}

// byteCount writes a size with its unit.
func byteCount(n int64) string {
	size, unit := float64(n), 0
	for size >= 1000 && unit < 4 {
		size /= 1000
		unit++
	}
	if unit == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %cB", size, " kMGT"[unit])
}

func remove(c *session.Cell, args string) error {
	list := strings.FieldsFunc(args, func(r rune) bool { return r == ' ' || r == ',' || r == '\t' })
	if len(list) == 0 {
		return usage("%rm NAME...")
	}
	return c.Session().Forget(list...)
}

func reset(c *session.Cell, args string) error {
	if args != "" {
		return usage("%reset, without arguments (%rm forgets single names)")
	}
	c.Session().Reset()
	return nil
}

func completeNames(s *session.Session, args string) []link.Match {
	last := args[strings.LastIndexAny(args, " ,\t")+1:]
	var list []link.Match
	for _, n := range s.Names() {
		if strings.HasPrefix(n.Name, last) {
			list = append(list, link.Match{Text: n.Name, Type: n.Kind, Sig: n.Text})
		}
	}
	return list
}
