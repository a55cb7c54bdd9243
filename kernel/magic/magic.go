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

	"quire/kernel/session"
)

// All lists every magic of this package; lost is what %recover runs.
func All(lost *Lost) []session.Magic {
	return slices.Concat(names(), timing(), process(), files(), past(lost), shell(), display(), help())
}

// usage is the error of a magic that was written wrongly.
func usage(form string) error { return fmt.Errorf("usage: %s", form) }
