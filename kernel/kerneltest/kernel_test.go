package kerneltest

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"quire/kernel/front"
	"quire/kernel/link"
	"quire/kernel/wire"
)

// role makes the test binary a kernel of the fake session ("kernel FILE") or its session process ("session").
const (
	role        = "QUIRE_KERNELTEST"
	roleHistory = "QUIRE_KERNELTEST_HISTORY" // its history file
)

func TestMain(m *testing.M) {
	var err error
	switch os.Getenv(role) {
	case "":
		code := m.Run()
		if builtDir != "" {
			os.RemoveAll(builtDir)
		}
		os.Exit(code)
	case "kernel":
		err = fakeKernel(os.Args[1])
	case "session":
		err = fakeSession()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

const fakeVersion = "test"

func fakeSession() error {
	conn, err := link.Inherited()
	if err != nil {
		return err
	}
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	go func() { <-term; os.Exit(0) }()
	link.Serve(conn, fakeVersion, NewFake())
	return nil
}

// startFake starts the session process of the fake.
func startFake(events func(link.Message), output func(name, text string)) (*link.Remote, error) {
	c := link.Self()
	c.Env, c.Output = append(os.Environ(), role+"=session"), output
	return link.Start(c, fakeVersion, events)
}

// attachFake runs the fake session in this process.
func attachFake(events func(link.Message), _ func(name, text string)) (*link.Remote, error) {
	ours, theirs := net.Pipe()
	go link.Serve(theirs, fakeVersion, NewFake())
	return link.Attach(ours, fakeVersion, events), nil
}

func fakeKernel(file string) error {
	c, err := wire.ReadConnection(file)
	if err != nil {
		return err
	}
	k, err := front.New(front.Config{Connection: c, Version: fakeVersion, Start: startFake, History: os.Getenv(roleHistory)})
	if err != nil {
		return err
	}
	sig := make(chan os.Signal, 1)
	signal.Notify(sig, os.Interrupt)
	go func() {
		for range sig {
			k.Interrupt()
		}
	}()
	return k.Serve(context.Background())
}

// inside runs a front in this process and connects to it.
func inside(t *testing.T, start link.Starter, log *slog.Logger) *Client {
	t.Helper()
	return insideVersion(t, start, log, fakeVersion)
}

func insideVersion(t *testing.T, start link.Starter, log *slog.Logger, version string) *Client {
	t.Helper()
	c, err := Connection("ipc", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	k, err := front.New(front.Config{Connection: c, Version: version, Start: start, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error)
	go func() { served <- k.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	client, err := Dial(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// spawn starts a kernel process and connects to it.
func spawn(t *testing.T, argv, env []string, transport string) (*Process, *Client) {
	t.Helper()
	p, err := Spawn(argv, env, transport, t.TempDir(), os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	client, err := p.Dial(stepLimit, Dial)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return p, client
}

func spawnFake(t *testing.T, transport string) (*Process, *Client) {
	t.Helper()
	return spawn(t, []string{os.Args[0], "{connection_file}"}, []string{role + "=kernel"}, transport)
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// The protocol, with a session whose cells do one thing each.
func TestProtocol(t *testing.T) {
	t.Run("inside", func(t *testing.T) {
		transcripts(t, "protocol", func(t *testing.T, needsProcess bool) *Client {
			if needsProcess {
				return inside(t, startFake, quiet())
			}
			return inside(t, attachFake, quiet())
		})
	})
	for _, transport := range []string{"tcp", "ipc"} {
		t.Run(transport, func(t *testing.T) {
			transcripts(t, "protocol", func(t *testing.T, _ bool) *Client {
				_, c := spawnFake(t, transport)
				return c
			})
		})
	}
}

// SIGKILL of the front process leaves no process and no file.
func TestFrontKilled(t *testing.T) {
	p, c := spawnFake(t, "ipc")
	id := c.Send(Shell, "execute_request", map[string]any{"code": "print up\nstuck 60s"})
	if _, err := c.Wait(stepLimit, func(m Received) bool { return m.Parent == id && m.Header.Type == "stream" }); err != nil {
		t.Fatal(err)
	}
	session := Children(p.Cmd.Process.Pid)
	if len(session) != 1 {
		t.Fatalf("session processes %v, want one", session)
	}
	p.Kill()
	if !gone(session[0]) {
		t.Errorf("session process %d lives on", session[0])
	}
}
