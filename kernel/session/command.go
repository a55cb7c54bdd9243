package session

import (
	"os/exec"
	"syscall"
	"time"
)

// commandGrace is how long an interrupted command has to end by itself: its cell's grace is longer, so the cell sees the end.
const commandGrace = 200 * time.Millisecond

// Grouped puts a command that was made with a context into a process group of its own: when the context ends the whole group is
// interrupted, and killed after a grace.
func Grouped(cmd *exec.Cmd) *exec.Cmd {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = commandGrace
	cmd.Cancel = func() error {
		time.AfterFunc(commandGrace, func() { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
		return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT)
	}
	return cmd
}
