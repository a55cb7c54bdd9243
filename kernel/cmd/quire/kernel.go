package main

import (
	"context"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/janpfeifer/gonb/gonbui/protocol"

	"quire/kernel/front"
	"quire/kernel/history"
	"quire/kernel/link"
	"quire/kernel/wire"
)

type kernelCmd struct {
	Connection string `short:"f" required:"" type:"path" help:"Connection file that Jupyter has written."`
}

// Run serves front ends until one asks for shutdown. An interrupt signal interrupts the running cell.
func (c kernelCmd) Run() error {
	connection, err := wire.ReadConnection(c.Connection)
	if err != nil {
		return err
	}
	if err := os.Setenv(protocol.GONB_JUPYTER_KERNEL_ID_ENV, kernelID(c.Connection)); err != nil {
		return err
	}
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, os.Interrupt)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	k, err := front.New(front.Config{Connection: connection, Version: version, Start: startSession, History: history.DefaultPath()})
	if err != nil {
		return err
	}
	go func() {
		for range interrupts {
			k.Interrupt()
		}
	}()
	return k.Serve(ctx)
}

// kernelID is the id under which a Jupyter server knows the kernel, told by the connection file's name alone. The session process and
// its programs take it from the environment, as in GoNB.
func kernelID(connection string) string {
	return strings.TrimPrefix(strings.TrimSuffix(filepath.Base(connection), ".json"), "kernel-")
}

// startSession starts the process that runs cells: this binary once more.
func startSession(events func(link.Message), output func(name, text string)) (*link.Remote, error) {
	command := link.Self("session")
	command.Output = output
	return link.Start(command, version, events)
}
