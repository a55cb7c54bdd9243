package native

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"

	"quire/kernel/session"
)

// tool is the go command that built this binary, as far as it can be found, and how it was called then.
type tool struct {
	path   string   // of the go command
	goroot string   //
	env    []string // settings that must equal the host's: GOEXPERIMENT, GOAMD64, CGO_ENABLED …
	flags  []string // build flags that must equal the host's: -trimpath, -gcflags, -tags …
	source string   // the checkout of module quire that the binary was built from, "" if it is gone
	err    error    // why there is no go command
}

// hostTool looks once.
var hostTool = sync.OnceValue(findTool)

func findTool() *tool {
	t := &tool{}
	t.settings()
	t.findSource()
	t.path, t.err = findGo()
	if t.err == nil {
		t.goroot = filepath.Dir(filepath.Dir(t.path))
	}
	return t
}

// settings reads how the host was built.
func (t *tool) settings() {
	experiment := ""
	if _, x, ok := strings.Cut(runtime.Version(), "X:"); ok {
		experiment, _, _ = strings.Cut(x, " ")
	}
	t.env = []string{"GOEXPERIMENT=" + experiment, "GOOS=" + runtime.GOOS, "GOARCH=" + runtime.GOARCH, "GOTOOLCHAIN=local", "GOWORK=off"}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "-trimpath", "-race", "-msan", "-asan":
			if s.Value == "true" {
				t.flags = append(t.flags, s.Key)
			}
		case "-gcflags", "-asmflags", "-tags":
			t.flags = append(t.flags, s.Key+"="+s.Value)
		case "GOAMD64", "GOARM64", "GO386", "GOFIPS140", "CGO_ENABLED", "CGO_CFLAGS", "CGO_CPPFLAGS", "CGO_CXXFLAGS", "CGO_LDFLAGS":
			if s.Value != "" {
				t.env = append(t.env, s.Key+"="+s.Value)
			}
		}
	}
}

// findSource follows this file, as the compiler saw it, to the root of its module.
func (t *tool) findSource() {
	_, file, _, ok := runtime.Caller(0)
	if !ok || !filepath.IsAbs(file) {
		return
	}
	root := filepath.Dir(filepath.Dir(filepath.Dir(file)))
	if mod, err := os.ReadFile(filepath.Join(root, "go.mod")); err == nil && bytes.HasPrefix(mod, []byte("module quire\n")) {
		t.source = root
	}
}

// release is a Go version without its experiments.
func release(version string) string {
	version, _, _ = strings.Cut(version, " ")
	version, _, _ = strings.Cut(version, "-X:")
	return version
}

// findGo prefers the go command on PATH, then the usual places; it must be the release that built this binary.
func findGo() (string, error) {
	want := release(runtime.Version())
	//lint:ignore SA1019 one of several places to look, and checked like the others
	places := []string{"go", filepath.Join(runtime.GOROOT(), "bin", "go"), "/usr/local/go/bin/go"}
	if home, err := os.UserHomeDir(); err == nil {
		places = append(places, filepath.Join(home, "sdk", want, "bin", "go"), filepath.Join(home, "go", "bin", want))
	}
	other := ""
	for _, p := range places {
		path, err := exec.LookPath(p)
		if err != nil {
			continue
		}
		out, err := exec.Command(path, "env", "GOVERSION", "GOROOT").Output()
		if err != nil {
			continue
		}
		version, root, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
		if version = release(version); version == want {
			return filepath.Join(root, "bin", "go"), nil
		}
		other = version
	}
	if other != "" {
		return "", fmt.Errorf("this kernel was built with %s, but the go command here is %s: run ./install.sh in Quire's source to rebuild the kernel", want, other)
	}
	return "", fmt.Errorf("there is no go command on this machine: install %s (https://go.dev/dl) and restart the kernel", want)
}

// command prepares the go command with the host's settings in a directory.
func (t *tool) command(ctx context.Context, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, t.path, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), t.env...)
	if cmd.Dir != "" {
		cmd.Env = append(cmd.Env, "PWD="+dir)
	}
	return session.Grouped(cmd)
}

// run runs a prepared command and returns what it wrote to its standard error; an error of the context comes first.
func run(ctx context.Context, cmd *exec.Cmd, stdout io.Writer) (stderr string, err error) {
	var text bytes.Buffer
	cmd.Stdout, cmd.Stderr = stdout, &text
	err = session.Await(cmd.Run)
	if ctx.Err() != nil {
		return text.String(), context.Cause(ctx)
	}
	return text.String(), err
}

// failed makes an error of a go command that ended badly: what it wrote, or why it did not run.
func failed(what, stderr string, err error) error {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return fmt.Errorf("%s: %w", what, err)
	}
	if stderr = strings.TrimSpace(stderr); stderr == "" {
		return fmt.Errorf("%s: %w", what, err)
	}
	return fmt.Errorf("%s: %s", what, stderr)
}
