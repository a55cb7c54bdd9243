package kerneltest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"quire/kernel/link"
)

// binary builds the quire command once; builtDir is where, for TestMain to remove.
var builtDir string

var binary = sync.OnceValues(func() (built, error) {
	dir, err := os.MkdirTemp("", "quire-kerneltest")
	if err != nil {
		return built{}, err
	}
	builtDir = dir
	b := built{path: filepath.Join(dir, "quire")}
	build := exec.Command("go", "build", "-o", b.path, "quire/kernel/cmd/quire")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return b, err
	}
	out, err := exec.Command(b.path, "version").Output()
	if fields := strings.Fields(string(out)); len(fields) > 1 {
		b.version = fields[1]
	}
	return b, err
})

type built struct{ path, version string }

func quireBinary(t *testing.T) built {
	t.Helper()
	b, err := binary()
	if err != nil {
		t.Fatalf("the quire command does not build: %v", err)
	}
	return b
}

// home keeps what a kernel writes for its user, its history, in the test's own folder.
func home(t *testing.T) []string { return []string{"XDG_DATA_HOME=" + t.TempDir()} }

// Cells of Go, as they come with the binary.
func TestCells(t *testing.T) {
	b := quireBinary(t)
	t.Run("inside", func(t *testing.T) {
		transcripts(t, "cells", func(t *testing.T, _ bool) *Client {
			return insideVersion(t, func(events func(link.Message), output func(name, text string)) (*link.Remote, error) {
				return link.Start(link.Command{Path: b.path, Args: []string{"session"}, Output: output}, b.version, events)
			}, quiet(), b.version)
		})
	})
	for _, transport := range []string{"tcp", "ipc"} {
		t.Run(transport, func(t *testing.T) {
			transcripts(t, "cells", func(t *testing.T, _ bool) *Client {
				_, c := spawn(t, []string{b.path, "kernel", "-f", "{connection_file}"}, home(t), transport)
				return c
			})
		})
	}
}
