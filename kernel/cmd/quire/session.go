package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"quire/kernel/host"
	"quire/kernel/link"
)

type sessionCmd struct{}

// closeLimit is how long the end of a session may take to remove its files.
const closeLimit = time.Second

// Run serves cells to the kernel that started this process and ends, with everything it has started, when the kernel does.
func (sessionCmd) Run() error {
	conn, err := link.Inherited()
	if err != nil {
		return err
	}
	// What ends the kernel must not end this process before it has cleaned up.
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	// Dropped, not ignored: what a process ignores its children ignore too, and an interrupt must end the commands of cells.
	signal.Notify(make(chan os.Signal, 1), os.Interrupt, syscall.SIGHUP)
	preferAsVictim()
	s, err := host.NewSession()
	if err != nil {
		return err
	}
	served := make(chan error, 1)
	go func() { served <- link.Serve(conn, version, s) }()
	select {
	case err = <-served:
	case <-term:
	}
	time.AfterFunc(closeLimit, end)
	err = errors.Join(err, s.Close())
	if err != nil && !errors.Is(err, io.EOF) {
		fmt.Fprintln(os.Stderr, "quire session:", err)
	}
	end()
	return nil
}

// end ends this process and everything that it has started.
func end() {
	link.EndChildren()
	os.Exit(0)
}

// preferAsVictim makes the system end this process before the kernel when memory runs out. It may fail: it is only better.
func preferAsVictim() { _ = os.WriteFile("/proc/self/oom_score_adj", []byte("500"), 0) }
