// Package magic is the commands of cells that need no compiler: %who, %time, !ls, %%writefile and their kin.
//
// Each magic is a [session.Magic], a function of the running cell; [All] lists them. They do what they do through the cell they are
// given: output is the cell's output, an interrupt is the cell's context.
//
// Invariant: a magic that fails says in one line what is wrong and how to write it; it never panics.
//
// Deliberately absent: the commands that run the go tool (kernel/native).
package magic

import (
	"fmt"
	"slices"
	"strings"

	"quire/kernel/session"
)

// All lists every magic of this package; lost is what %recover runs.
func All(lost *Lost) []session.Magic {
	return slices.Concat(names(), timing(), process(), files(), past(lost), shell(), display(), help())
}

// usage is the error of a magic that was written wrongly.
func usage(form string) error { return fmt.Errorf("usage: %s", form) }

// words splits arguments at spaces; single and double quotes keep spaces.
func words(args string) ([]string, error) {
	var list []string
	for rest := strings.TrimSpace(args); rest != ""; rest = strings.TrimLeft(rest, " \t") {
		var word strings.Builder
		for rest != "" && rest[0] != ' ' && rest[0] != '\t' {
			if q := rest[0]; q == '"' || q == '\'' {
				end := strings.IndexByte(rest[1:], q)
				if end < 0 {
					return nil, fmt.Errorf("the quote %c is never closed", q)
				}
				word.WriteString(rest[1 : 1+end])
				rest = rest[2+end:]
				continue
			}
			word.WriteByte(rest[0])
			rest = rest[1:]
		}
		list = append(list, word.String())
	}
	return list, nil
}
