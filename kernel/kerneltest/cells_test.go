package kerneltest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

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

// However a kernel ends, what its cells have started ends with it.
func TestNothingIsLeft(t *testing.T) {
	b := quireBinary(t)
	for name, end := range map[string]func(*Process, *Client){
		"front killed":   func(p *Process, _ *Client) { p.Kill() },
		"shutdown":       func(_ *Process, c *Client) { c.Send(Control, "shutdown_request", struct{}{}) },
		"session killed": func(p *Process, _ *Client) { syscall.Kill(Children(p.Cmd.Process.Pid)[0], syscall.SIGKILL) },
	} {
		t.Run(name, func(t *testing.T) {
			p, c := spawn(t, []string{b.path, "kernel", "-f", "{connection_file}"}, home(t), "ipc")
			id := c.Run("!echo $$; sleep 600")
			m := must[Received](t)(c.Wait(stepLimit, func(m Received) bool { return m.Parent == id && m.Header.Type == "stream" }))
			shell, err := strconv.Atoi(strings.TrimSpace(m.Get("text")))
			if err != nil {
				t.Fatal(err)
			}
			started := append(Children(shell), shell)
			session := Children(p.Cmd.Process.Pid)
			end(p, c)
			for _, pid := range append(started, session...) {
				if !gone(pid) {
					t.Errorf("process %d of %v lives on", pid, append(started, session...))
				}
			}
		})
	}
}

// An interrupt ends a command with all that it has started, also what does not listen to it.
func TestInterruptEndsCommands(t *testing.T) {
	_, c := spawn(t, []string{quireBinary(t).path, "kernel", "-f", "{connection_file}"}, home(t), "ipc")
	for _, code := range []string{"!sleep 600 & sleep 601 & echo $$; wait", "!!sleep 600 & sleep 601 & echo $$ >&2; wait",
		"%%bash\ntrap '' INT\nsleep 600 &\nsleep 601 &\necho $$\nwait"} {
		id := c.Run(code)
		m := must[Received](t)(c.Wait(stepLimit, func(m Received) bool { return m.Parent == id && m.Header.Type == "stream" }))
		shell, err := strconv.Atoi(strings.TrimSpace(m.Get("text")))
		if err != nil {
			t.Fatal(err)
		}
		started := append(Children(shell), shell)
		if len(started) != 3 {
			t.Fatalf("%s: processes %v, want a shell and two that it started", code, started)
		}
		c.Send(Control, "interrupt_request", struct{}{})
		if reply := must[Received](t)(c.Done(id, stepLimit)); reply.Get("ename") != "Interrupt" {
			t.Errorf("%s: the reply is %s", code, reply.Content)
		}
		for _, pid := range started {
			if !gone(pid) {
				t.Errorf("%s: process %d of %v lives on", code, pid, started)
			}
		}
	}
}

// gone waits for the end of a process.
func gone(pid int) bool {
	for end := time.Now().Add(stepLimit); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || strings.Contains(string(status), ") Z ") {
			return true
		}
	}
	return false
}
