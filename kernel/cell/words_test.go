package cell

import (
	"strings"
	"testing"
)

// FuzzWords: arguments never panic, and words without quotes come back as they are.
func FuzzWords(f *testing.F) {
	f.Add(`-n 3 'two words' "x"y`)
	f.Add(`"open`)
	f.Fuzz(func(t *testing.T, args string) {
		list, err := Words(args)
		if err == nil && !strings.ContainsAny(args, `"'`) && strings.Join(list, "") != strings.NewReplacer(" ", "", "\t", "").Replace(strings.TrimSpace(args)) {
			t.Errorf("%q was split into %q", args, list)
		}
	})
}
