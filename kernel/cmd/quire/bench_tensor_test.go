package main

import (
	"strings"
	"testing"
)

// Settings with which nothing can be measured are errors that name the flag.
func TestBenchTensorSettings(t *testing.T) {
	for _, c := range []struct {
		cmd  benchTensorCmd
		want string
	}{
		{benchTensorCmd{Rounds: 0, Threads: []int{1}}, "--rounds 0: want 1 or more"},
		{benchTensorCmd{Rounds: 1, Threads: []int{2, 0}}, "--threads 0: want 1 or more"},
		{benchTensorCmd{Rounds: 1, Threads: []int{1}, Only: "("}, "--only: error parsing regexp"},
		{benchTensorCmd{Rounds: 1, Threads: []int{1}, Only: "no such kernel"}, `--only "no such kernel": no kernel has such a name`},
		{benchTensorCmd{Rounds: 1, Threads: []int{1}, Only: "rope", Variant: "mmx"}, `variant "mmx": this machine has`},
	} {
		if err := c.cmd.Run(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: error %v, want %q", c.cmd, err, c.want)
		}
	}
}
