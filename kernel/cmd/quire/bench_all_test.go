package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// Every command of the table must be one that 'quire bench' takes, with all peers and with none.
func TestBenchAllWritesCommandsThatParse(t *testing.T) {
	npm := t.TempDir()
	for _, m := range []string{"tiktoken", "node-llama-cpp"} {
		if err := os.MkdirAll(filepath.Join(npm, "node_modules", m), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	python := filepath.Join(npm, "python") // has every module
	if err := os.WriteFile(python, []byte("#!/bin/sh\nexit 0\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		cmd   benchAllCmd
		first string
		want  []string
	}{
		{"all", benchAllCmd{VS: true, Python: python, NPM: npm, Rules: python, Models: []string{"a.model"}, Text: []string{"en.txt"}}, "kernel", []string{
			"kernel --python python", "--rules python", "-m a.model -t en.txt", "--npm DIR", "--vs torch", "--vs llama.cpp"}},
		{"none", benchAllCmd{Python: python, NPM: npm}, "corpus", []string{"token --rounds 3 --python=", "infer"}},
		{"absent", benchAllCmd{VS: true, Python: filepath.Join(npm, "no python")}, "corpus", []string{"token --rounds 3 --python="}},
	} {
		lines, absent := c.cmd.lines()
		all := ""
		for _, args := range lines {
			var bench benchCmd
			parser, err := kong.New(&bench, kong.BindTo(context.Background(), (*context.Context)(nil)))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := parser.Parse(args); err != nil {
				t.Errorf("%s: quire bench %v: %v", c.name, args, err)
			}
			all += shown(args) + "\n"
		}
		if !strings.HasPrefix(all, c.first) {
			t.Errorf("%s: the first benchmark of\n%sis not %s", c.name, all, c.first)
		}
		for _, w := range c.want {
			if !strings.Contains(all, w) {
				t.Errorf("%s: no %q in\n%s", c.name, w, all)
			}
		}
		if c.name == "absent" && !strings.Contains(strings.Join(absent, "\n"), "train beside PyTorch: "+filepath.Join(npm, "no python")+" has no torch") {
			t.Errorf("absent peers are named %q", absent)
		}
	}
}
