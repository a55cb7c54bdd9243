package main

import (
	"fmt"
	"os"
	"os/exec"

	"quire/kernel/kerneltest"
)

type benchKernelCmd struct {
	Python string `default:"/usr/bin/python3" help:"Python that has ipykernel."`
}

func (c benchKernelCmd) Run() error {
	if err := exec.Command(c.Python, "-c", "import ipykernel").Run(); err != nil {
		return fmt.Errorf("%s has no ipykernel to compare with: install python3-ipykernel, or say --python", c.Python)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	return kerneltest.Bench(os.Stdout, kerneltest.Quire(self), kerneltest.IPyKernel(c.Python), kerneltest.DefaultRounds())
}
