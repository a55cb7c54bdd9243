package native

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// workspace is the session's own directory for what the go tool needs: cells as files, and a copy of quire's go.mod to which %get adds
// modules. With the checkout at hand, quire is the main module of every build, so a plugin is compiled against the very packages that the
// host is made of; without it the workspace is a module of its own, and cells have the standard library and what %get added.
//
// It is named after the process, made on first use, and removed by Close. One that a killed process left is removed by the next.
type workspace struct {
	mu   sync.Mutex
	tool *tool // nil until first use
	dir  string
}

const workspacePrefix = "quire-session-"

// open makes the directory and its go.mod when they are not there yet.
func (w *workspace) open() (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.tool == nil {
		w.tool = hostTool()
	}
	if w.tool.err != nil {
		return "", w.tool.err
	}
	if w.dir != "" {
		return w.dir, nil
	}
	removeAbandoned()
	dir, err := os.MkdirTemp("", workspacePrefix+strconv.Itoa(os.Getpid())+"-")
	if err != nil {
		return "", fmt.Errorf("session directory: %w", err)
	}
	if err := w.writeModule(dir); err != nil {
		return "", fmt.Errorf("session directory: %w", err)
	}
	w.dir = dir
	return dir, nil
}

func (w *workspace) writeModule(dir string) error {
	if w.tool.source == "" {
		version := strings.TrimPrefix(release(runtime.Version()), "go")
		return os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module session\n\ngo "+version+"\n"), 0o600)
	}
	for _, name := range []string{"go.mod", "go.sum"} {
		text, err := os.ReadFile(filepath.Join(w.tool.source, name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// build is the directory in which the go command runs, and the flags that make it use the workspace's go.mod.
func (w *workspace) build() (dir string, flags []string) {
	flags = append(flags, w.tool.flags...)
	if w.tool.source == "" {
		return w.dir, append(flags, "-mod=mod")
	}
	return w.tool.source, append(flags, "-mod=mod", "-modfile="+filepath.Join(w.dir, "go.mod"), "-buildvcs=false")
}

// close removes the directory.
func (w *workspace) close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dir == "" {
		return nil
	}
	err := os.RemoveAll(w.dir)
	w.dir = ""
	return err
}

// removeAbandoned removes the directories of processes that are gone.
func removeAbandoned() {
	found, _ := filepath.Glob(filepath.Join(os.TempDir(), workspacePrefix+"*"))
	for _, dir := range found {
		number, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), workspacePrefix), "-")
		pid, err := strconv.Atoi(number)
		if err == nil && syscall.Kill(pid, 0) == syscall.ESRCH {
			os.RemoveAll(dir)
		}
	}
}
