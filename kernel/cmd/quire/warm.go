package main

import (
	"context"
	"fmt"

	"quire/kernel/link"
)

// warm runs one %%native cell in a session of its own: what it compiles stays in the build cache.
func warm(ctx context.Context) error {
	remote, err := startSession(func(link.Message) {}, func(string, string) {})
	if err != nil {
		return err
	}
	defer remote.Shutdown(closeLimit)
	var done link.Executed
	code := "%%native\nfunc warm() string { return fmt.Sprint(1) }"
	if err := remote.Call(ctx, link.KindExecute, "warm", link.Execute{Cell: "warm", Code: code, Count: 1}, &done); err != nil {
		return err
	}
	if done.Err != nil {
		fmt.Printf("%%%%native cells do not work here: %s\n", done.Err.Value)
	}
	return nil
}
