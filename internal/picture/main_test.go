package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const executed = `{"cells": [
	{"cell_type": "markdown", "source": ["# The title\n", "## Loss & more\n"]},
	{"cell_type": "code", "source": "x", "outputs": [{"data": {"image/svg+xml": ["<svg width=\"9\" viewBox=\"0 0 90 50\">", "<path id=\"one\"/></svg>"]}}, {"name": "stdout"}]},
	{"cell_type": "code", "source": "y", "outputs": [{"data": {"image/svg+xml": "<?xml version=\"1.0\"?><svg viewBox=\"0 0 1 1\"><path id=\"two\"/></svg>"}}]}]}`

func TestChartsBecomeOnePicture(t *testing.T) {
	dir := t.TempDir()
	in, out := filepath.Join(dir, "nb.ipynb"), filepath.Join(dir, "out.svg")
	if err := os.WriteFile(in, []byte(executed), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		charts []string
		want   []string
		absent string
	}{
		{nil, []string{`id="one"`, `id="two"`, `viewBox="0 0 90 50"`, "Loss &amp; more"}, "<?xml"},
		{[]string{"2"}, []string{`id="two"`}, `id="one"`},
	} {
		if err := run(append([]string{in, out}, c.charts...)); err != nil {
			t.Fatal(err)
		}
		picture, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range c.want {
			if !strings.Contains(string(picture), w) {
				t.Errorf("charts %v: no %s in %s", c.charts, w, picture)
			}
		}
		if strings.Contains(string(picture), c.absent) {
			t.Errorf("charts %v: %s in %s", c.charts, c.absent, picture)
		}
		for d := xml.NewDecoder(strings.NewReader(string(picture))); ; {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("charts %v: %v in %s", c.charts, err, picture)
			}
		}
	}
	if err := run([]string{in, out, "3"}); err == nil || !strings.Contains(err.Error(), "the notebook has 2") {
		t.Errorf("a third chart: %v", err)
	}
}
