package native_test

import (
	"strings"
	"testing"

	"quire/kernel/host/hosttest"
)

// TestGet adds a module that is in the module cache, and uses it interpreted, native and in a program.
func TestGet(t *testing.T) {
	needCompiler(t)
	t.Setenv("GOPROXY", "off")
	k := hosttest.New(t)
	k.Fail(`import "github.com/dustin/go-humanize"
humanize.Bytes(1)`, "not built into this kernel")
	if out := k.Run("%get github.com/dustin/go-humanize@v1.1.0").Stdout; !strings.Contains(out, "github.com/dustin/go-humanize v1.1.0: ") {
		t.Errorf("%%get printed %q", out)
	}
	k.Run(`import "github.com/dustin/go-humanize"`)
	for _, code := range []string{`humanize.Bytes(82854982)`, "%%native\nhumanize.Bytes(82854982)"} {
		if got := k.Run(code).Plain(); !strings.Contains(got, "83 MB") {
			t.Errorf("%s\nshows %q", code, got)
		}
	}
	if out := k.Run("%%\nfmt.Println(humanize.Bytes(82854982))").Stdout; out != "83 MB\n" {
		t.Errorf("program printed %q", out)
	}
	k.Fail("%get example.invalid/nothing@v1.0.0", "go get:")
	k.Fail("%get", "usage: %get")
	k.Fail("%get -u", "is no module")
}
