package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"quire/kernel/kernelspec"
)

// specFlags say where a kernel specification is.
type specFlags struct {
	User   bool   `xor:"where" help:"In this user's Jupyter folder (the default)."`
	Prefix string `xor:"where" type:"path" help:"Under a prefix, such as an environment's root."`
	Name   string `default:"quire" help:"Name of the kernel."`
}

type installCmd struct{ specFlags }

func (c installCmd) Run() error {
	dir, err := kernelspec.Dir(c.Prefix, c.Name)
	if err != nil {
		return err
	}
	binary, err := os.Executable()
	if err != nil {
		return err
	}
	changed, err := kernelspec.Install(dir, kernelspec.For(binary, c.Name))
	if err == nil && changed {
		fmt.Printf("installed the kernel %s in %s\n", c.Name, dir)
	}
	return err
}

type uninstallCmd struct{ specFlags }

func (c uninstallCmd) Run() error {
	dir, err := kernelspec.Dir(c.Prefix, c.Name)
	if err != nil {
		return err
	}
	err = kernelspec.Uninstall(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("no kernel %s in %s", c.Name, dir)
	}
	if err == nil {
		fmt.Printf("removed the kernel %s from %s\n", c.Name, dir)
	}
	return err
}
