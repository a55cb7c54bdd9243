package main

import (
	"fmt"
	"runtime"

	"quire/simd"
)

// version is the release; a session process of another one is refused.
const version = "0.1.0"

type versionCmd struct{}

func (versionCmd) Run() error {
	_, err := fmt.Printf("quire %s %s %s/%s %s\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH, simd.Describe())
	return err
}
