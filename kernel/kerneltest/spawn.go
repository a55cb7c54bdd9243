package kerneltest

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"quire/kernel/wire"
)

// Connection makes a connection on free ports, with its files in dir: transport is "tcp" or "ipc". Of the loopback network each process
// takes an address of its own: what others open between the choice of a port and its use is not in the way.
func Connection(transport, dir string) (wire.Connection, error) {
	pid := os.Getpid()
	ip := fmt.Sprintf("127.%d.%d.%d", 1+pid>>14&127, pid>>7&127, 1+pid&127)
	c := wire.Connection{Transport: transport, IP: ip, Key: wire.NewID(), SignatureScheme: "hmac-sha256"}
	ports := []*int{&c.ShellPort, &c.IOPubPort, &c.StdinPort, &c.ControlPort, &c.HeartbeatPort}
	for i, port := range ports {
		*port = i + 1
		if transport == "tcp" {
			l, err := net.Listen("tcp", ip+":0")
			if err != nil {
				return c, err
			}
			defer l.Close()
			*port = l.Addr().(*net.TCPAddr).Port
		}
	}
	if transport == "ipc" {
		c.IP = filepath.Join(dir, "k")
	}
	return c, nil
}

// Process is a kernel process.
type Process struct {
	Cmd        *exec.Cmd
	Connection wire.Connection
	done       chan error
}

// Spawn starts a kernel: argv with "{connection_file}" replaced, as a kernel specification has it. Its log goes to the given writer.
func Spawn(argv, env []string, transport, dir string, log io.Writer) (*Process, error) {
	c, err := Connection(transport, dir)
	if err != nil {
		return nil, err
	}
	data, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "connection.json")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		return nil, err
	}
	args := make([]string, len(argv))
	for i, a := range argv {
		if args[i] = a; a == "{connection_file}" {
			args[i] = file
		}
	}
	p := &Process{Cmd: exec.Command(args[0], args[1:]...), Connection: c, done: make(chan error, 1)}
	p.Cmd.Env, p.Cmd.Dir = append(os.Environ(), env...), dir
	p.Cmd.Stderr = log
	if err := p.Cmd.Start(); err != nil {
		return nil, err
	}
	go func() { p.done <- p.Cmd.Wait(); close(p.done) }()
	return p, nil
}

// Dial connects a front end with dial ([Dial] or [Connect]), waiting until the kernel listens.
func (p *Process) Dial(limit time.Duration, dial func(wire.Connection) (*Client, error)) (*Client, error) {
	for end := time.Now().Add(limit); ; time.Sleep(500 * time.Microsecond) {
		c, err := dial(p.Connection)
		if err == nil {
			return c, nil
		}
		select {
		case err := <-p.done:
			return nil, fmt.Errorf("kerneltest: the kernel has ended: %v", err)
		default:
		}
		if time.Now().After(end) {
			return nil, err
		}
	}
}

// Wait waits for the end of the process.
func (p *Process) Wait(limit time.Duration) error {
	select {
	case err := <-p.done:
		return err
	case <-time.After(limit):
		return fmt.Errorf("kerneltest: the kernel still runs after %v", limit)
	}
}

// Kill ends the kernel process as the system would.
func (p *Process) Kill() {
	p.Cmd.Process.Signal(syscall.SIGKILL)
	p.Wait(time.Minute)
}

// Children lists the child processes of a process.
func Children(pid int) []int {
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	var pids []int
	for _, f := range files {
		data, _ := os.ReadFile(f)
		stat := string(data)
		fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:]) // behind the name: state, parent
		if len(fields) > 1 && fields[1] == strconv.Itoa(pid) {
			child, _ := strconv.Atoi(filepath.Base(filepath.Dir(f)))
			pids = append(pids, child)
		}
	}
	return pids
}
