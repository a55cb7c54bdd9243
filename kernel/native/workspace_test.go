package native

import (
	"context"
	"os"
	"os/exec"
	"testing"
)

// TestWithoutSource builds and opens a plugin of the standard library where the checkout of quire is gone.
func TestWithoutSource(t *testing.T) {
	if _, err := exec.LookPath("gcc"); err != nil || canOpen != nil {
		t.Skip("no gcc on this machine, or no cgo in this binary")
	}
	if testing.Short() {
		t.Skip("compiles with the go command")
	}
	gone := *hostTool()
	gone.source = ""
	tools := New(map[string]string{"strings": "strings"})
	tools.space.tool = &gone
	defer tools.Close()
	s := scope{home: cellPath, auto: tools.auto, methods: func(string) string { return "" }}
	_, source, err := translate(s, "cell[1]", "func Up(s string) string { return strings.ToUpper(s) }", 2)
	if err != nil {
		t.Fatal(err)
	}
	path, err := tools.build(context.Background(), source)
	if err != nil {
		t.Fatal(err)
	}
	o, err := open(path)
	if err != nil {
		t.Fatal(err)
	}
	if up, ok := o.table["Up"].(*func(string) string); !ok || (*up)("x") != "X" {
		t.Errorf("table holds %v", o.table)
	}
	dir := tools.space.dir
	if err := tools.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("%s is left behind", dir)
	}
}

// TestMissingTools says what to install.
func TestMissingTools(t *testing.T) {
	t.Setenv("CC", "no-such-compiler")
	tools := New(nil)
	defer tools.Close()
	if hostTool().err != nil {
		t.Skip("no go command on this machine")
	}
	if _, err := tools.build(context.Background(), "package main"); err == nil || err.Error() != "a native cell needs the C compiler no-such-compiler for linking: install it (Debian: apt install gcc) or use %%main" {
		t.Errorf("got %v", err)
	}
}
