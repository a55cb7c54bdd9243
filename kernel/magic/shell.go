package magic

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"go/token"
	"io"
	"os/exec"
	"reflect"
	"strings"

	"quire/kernel/cell"
	"quire/kernel/session"
)

func shell() []session.Magic {
	return []session.Magic{
		{Name: "!", Line: runShell, Help: `!COMMAND runs a shell command in the working directory; its output streams into the cell.

An interrupt ends the command and what it started. A command that fails fails the cell.`},
		{Name: "!!", Line: keepShell, Help: `!!COMMAND runs a shell command and shows its standard output as a []string of lines; !!NAME = COMMAND keeps them in a variable.

	!!ls *.txt
	!!list = ls *.txt`},
		{Name: "bash", Body: bash, Help: `%%bash [ARGS] runs the rest of the cell as a bash script, with ARGS as $1, $2 …`},
	}
}

func runShell(c *session.Cell, args string) error {
	if args == "" {
		return usage("!COMMAND")
	}
	return command(c, c.Stdout(), "sh", "-c", args)
}

func keepShell(c *session.Cell, args string) error {
	name, cmd, keep := strings.Cut(args, " = ")
	name = strings.TrimSpace(name)
	if keep = keep && token.IsIdentifier(name); !keep {
		cmd = args
	}
	if strings.TrimSpace(cmd) == "" {
		return usage("!!COMMAND or !!NAME = COMMAND")
	}
	var out bytes.Buffer
	err := command(c, &out, "sh", "-c", cmd)
	lines := strings.Split(strings.TrimRight(out.String(), "\n"), "\n")
	if out.Len() == 0 {
		lines = nil
	}
	if !keep {
		c.SetValue(lines)
		return err
	}
	if e := c.Session().Define(name, reflect.ValueOf(&lines)); err == nil {
		err = e
	}
	return err
}

func bash(c *session.Cell, args, body string) error {
	list, err := cell.Words(args)
	if err != nil {
		return err
	}
	return command(c, c.Stdout(), "bash", append([]string{"-c", body, "bash"}, list...)...)
}

// command runs a program in a process group of its own. An interrupt of the cell interrupts the group, and kills it after the grace.
func command(c *session.Cell, stdout io.Writer, name string, args ...string) error {
	cmd := session.Grouped(exec.CommandContext(c.Context(), name, args...))
	cmd.Stdout, cmd.Stderr = stdout, c.Stderr()
	err := session.Await(cmd.Run)
	var exit *exec.ExitError
	switch {
	case c.Context().Err() != nil:
		return context.Cause(c.Context())
	case errors.As(err, &exit) && exit.Exited():
		return fmt.Errorf("%s: exit status %d", name, exit.ExitCode())
	case errors.Is(err, exec.ErrNotFound):
		return fmt.Errorf("%s is not installed on this machine", name)
	}
	return err
}
