package magic

import "testing"

// FuzzArguments: what a person may write behind a magic gives a value or an error, never a panic.
func FuzzArguments(f *testing.F) {
	for _, seed := range []string{"-n 3 -r 2 x++", "1-4 7", "1.5GiB", "'a b' c", "-a file 1", "", "-", "9-1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, args string) {
		timeitFlags(args)
		if keep, err := ranges(args); err == nil {
			keep(3)
		}
		if n, err := parseSize(args); err == nil && n > 1<<63 {
			t.Errorf("%q is %d bytes", args, n)
		}
		target(args, "")
	})
}
