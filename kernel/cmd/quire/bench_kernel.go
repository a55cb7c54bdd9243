package main

import (
	"fmt"
	"os"
	"os/exec"

	"quire/kernel/kerneltest"
)

type benchKernelCmd struct {
	Python string `default:"/usr/bin/python3" help:"Python that has ipykernel."`
	record record
}

func (c benchKernelCmd) Run() error {
	if err := exec.Command(c.Python, "-c", "import ipykernel").Run(); err != nil {
		return fmt.Errorf("%s has no ipykernel to compare with: install python3-ipykernel, or say --python", c.Python)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	timings, err := kerneltest.Bench(os.Stdout, kerneltest.Quire(self), kerneltest.IPyKernel(c.Python), kerneltest.DefaultRounds())
	for _, t := range timings {
		k, p := t.Kernel.Seconds(), t.Peer.Seconds()
		c.record.add("kernel: "+t.What, fmt.Sprintf("%.2f ms", 1e3*k), fmt.Sprintf("%.2f ms ipykernel", 1e3*p), p/k)
	}
	return err
}
