package magic

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"quire/kernel/session"
)

func help() []session.Magic {
	return []session.Magic{{Name: "help", Line: showHelp, Help: `%help [MAGIC] lists the magics, or explains one. %MAGIC %help does the same.

Go code needs no magic: write statements and declarations. ?NAME shows what a name is.`}}
}

func showHelp(c *session.Cell, args string) error {
	want := strings.TrimLeft(args, "%")
	if args != "" && want == "" {
		want = "main"
	}
	w := tabwriter.NewWriter(c.Stdout(), 0, 8, 2, ' ', 0)
	for _, m := range c.Session().Magics() {
		summary, _, _ := strings.Cut(m.Help, "\n")
		if want == m.Name && want != "" {
			fmt.Fprintln(c.Stdout(), m.Help)
			return nil
		}
		if want == "" {
			fmt.Fprintf(w, "%s\t%s\n", mark(m), summary)
		}
	}
	if want != "" {
		return fmt.Errorf("no magic %s: %%help lists them", args)
	}
	return w.Flush()
}

// mark is a magic's name as cells write it.
func mark(m session.Magic) string {
	switch {
	case strings.HasPrefix(m.Name, "!") || m.Name == "?":
		return m.Name
	case m.Line == nil:
		return "%%" + m.Name
	}
	return "%" + m.Name
}
