// Package house holds the rules that this repository keeps about itself, as tests: who may import whom, that every package
// explains itself, how long a file may be, how generated code is marked, that sources are formatted and vetted.
//
// The rules come from the project's design and style. A rule that only a document states drifts; a rule that fails a test
// is kept or is changed on purpose, in [directions] for the imports and in the tests for all else.
//
// Deliberately absent: matters of taste that a reader judges better than a program.
package house

import "strings"

// direction says which rooms a room may import, itself always included. A room is a folder below the module's root and all
// below it; the longest matching folder rules.
type direction struct {
	room    string
	imports []string
}

// directions is the order in which data flows: simd, then the library by stages, then the kernel, which knows the library in
// kernel/host and kernel/cmd only.
var directions = []direction{
	{"simd/dtype", nil},
	{"simd/tensor", []string{"simd/dtype"}},
	{"simd/internal/check", []string{"simd/dtype", "simd/tensor"}},
	{"simd/ref", []string{"simd/dtype", "simd/tensor", "simd/internal/check"}},
	{"simd/cpu", []string{"simd/dtype", "simd/tensor", "simd/internal/check"}},
	{"simd/cuda", []string{"simd/dtype", "simd/tensor", "simd/internal/check"}},
	{"simd/backendtest", []string{"simd/dtype", "simd/tensor", "simd/ref"}},
	{"simd", []string{"simd"}},

	{"lib/show", nil},
	{"lib/track", []string{"lib/show"}},
	{"lib/token", []string{"lib/show", "lib/track"}},
	{"lib/chat", []string{"lib/show", "lib/track", "lib/token"}},
	{"lib/corpus", []string{"lib/show", "lib/track", "lib/token", "lib/clean", "lib/dedup", "lib/contam"}},
	{"lib/clean", []string{"lib/show", "lib/track", "lib/token", "lib/corpus"}},
	{"lib/dedup", []string{"lib/show", "lib/track", "lib/token", "lib/corpus"}},
	{"lib/contam", []string{"lib/show", "lib/track", "lib/token", "lib/corpus", "lib/dedup"}},
	{"lib/eval", []string{"lib/show", "lib/track", "lib/token", "lib/chat", "lib/corpus", "lib/contam", "datasets"}},
	{"lib/agent", []string{"lib/show", "lib/track", "lib/token", "lib/chat"}},
	{"lib/model", []string{"simd", "lib/show", "lib/track"}},
	{"lib/checkpoint", []string{"simd", "lib/show", "lib/track", "lib/token", "lib/model"}},
	{"lib/train", []string{"simd", "lib/show", "lib/track", "lib/token", "lib/corpus", "lib/model", "lib/checkpoint"}},
	{"lib/quant", []string{"simd", "lib/show", "lib/track", "lib/token", "lib/model", "lib/checkpoint"}},
	{"lib/infer", []string{"simd", "lib/show", "lib/track", "lib/token", "lib/model", "lib/checkpoint", "lib/quant"}},
	{"lib/plan", []string{"simd", "lib/show", "lib/track", "lib/model"}},
	{"lib", []string{"lib", "simd", "datasets"}},

	{"datasets", []string{"datasets", "lib/corpus", "lib/show", "lib/track", "lib/token", "lib/chat"}},

	{"kernel/host", []string{"kernel", "lib", "simd", "datasets"}},
	{"kernel/cmd", []string{"kernel", "lib", "simd", "datasets"}},
	{"kernel", []string{"kernel"}},

	{"internal/house", nil},
	{"internal", []string{"internal"}},
}

// everywhere may be imported from any room, by tests included.
var everywhere = []string{"internal"}

// roomOf returns the rule of the longest room that holds the package; ok is false where no rule speaks.
func roomOf(pkg string) (rule direction, ok bool) {
	for _, d := range directions {
		if within(pkg, d.room) && len(d.room) >= len(rule.room) {
			rule, ok = d, true
		}
	}
	return rule, ok
}

// mayImport reports whether package from may import package to, both as paths below the module's root.
func mayImport(from, to string) bool {
	rule, ok := roomOf(from)
	if !ok {
		return false
	}
	if within(to, rule.room) {
		return true
	}
	for _, allowed := range append(everywhere, rule.imports...) {
		if within(to, allowed) {
			return true
		}
	}
	return false
}

func within(pkg, room string) bool {
	return pkg == room || strings.HasPrefix(pkg, room+"/")
}
