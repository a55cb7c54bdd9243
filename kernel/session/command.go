package session

import (
	"errors"
	"os/exec"
	"syscall"
	"time"
)

const (
	commandGrace = 200 * time.Millisecond // for an interrupted command to end by itself
	outputGrace  = 2 * time.Second        // for the last output of one that has ended
)

// Grouped puts a command that was made with a context into a process group of its own: when the context ends the whole group is
// interrupted, and killed after a grace.
func Grouped(cmd *exec.Cmd) *exec.Cmd {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = outputGrace
	cmd.Cancel = func() error {
		time.AfterFunc(commandGrace, func() { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
		return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT)
	}
	return cmd
}

// Await runs what waits for a command of Grouped. An interrupted cell is not given up meanwhile: such a command ends, however long the
// machine takes for it. A command that leaves processes behind which hold its output has ended well.
func Await(wait func() error) error {
	if c := Current(); c != nil {
		c.awaiting.Add(1)
		defer c.awaiting.Add(-1)
	}
	if err := wait(); !errors.Is(err, exec.ErrWaitDelay) {
		return err
	}
	return nil
}
