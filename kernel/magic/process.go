package magic

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"quire/kernel/session"
)

func process() []session.Magic {
	return []session.Magic{
		{Name: "cd", Line: changeDir, Help: `%cd [DIR] changes the working directory of the session, or shows it.

~ is your home directory, - the directory before.`},
		{Name: "env", Line: environment, Help: `%env shows or sets environment variables of the session and of the commands that it starts.

	%env              all of them (values of names like TOKEN, KEY, SECRET and PASSWORD are hidden)
	%env NAME         one
	%env NAME=VALUE   set`},
		{Name: "memlimit", Line: memoryLimit, Help: `%memlimit [SIZE | off] bounds the memory of the session process, or shows the bound.

Near the bound the garbage collector works harder; past it the session ends (its variables are lost, the notebook is not) before the
machine suffers. SIZE is bytes with a unit: 800MB, 6GB, 6GiB.`},
	}
}

func changeDir(c *session.Cell, args string) error {
	dir := strings.Trim(args, `"'`)
	here, err := os.Getwd()
	if err != nil {
		return err
	}
	switch {
	case dir == "":
		fmt.Fprintln(c.Stdout(), here)
		return nil
	case dir == "-":
		if dir = os.Getenv("OLDPWD"); dir == "" {
			return fmt.Errorf("%%cd -: there is no directory before this one")
		}
	case dir == "~" || strings.HasPrefix(dir, "~/"):
		home, err := os.UserHomeDir()
		if err != nil {
			return err
		}
		dir = filepath.Join(home, dir[1:])
	}
	if err := os.Chdir(dir); err != nil {
		return err
	}
	os.Setenv("OLDPWD", here)
	now, err := os.Getwd()
	if err != nil {
		return err
	}
	os.Setenv("PWD", now)
	fmt.Fprintln(c.Stdout(), now)
	return nil
}

func environment(c *session.Cell, args string) error {
	if args == "" {
		list := os.Environ()
		slices.Sort(list)
		for _, e := range list {
			name, value, _ := strings.Cut(e, "=")
			if secret(name) {
				value = "(hidden)"
			}
			fmt.Fprintf(c.Stdout(), "%s=%s\n", name, value)
		}
		return nil
	}
	name, value, set := strings.Cut(args, "=")
	name = strings.TrimSpace(name)
	if name == "" || strings.ContainsAny(name, " \t") {
		return usage("%env, %env NAME or %env NAME=VALUE")
	}
	if set {
		return os.Setenv(name, strings.TrimSpace(value))
	}
	value, ok := os.LookupEnv(name)
	if !ok {
		return fmt.Errorf("%s is not set", name)
	}
	fmt.Fprintln(c.Stdout(), value)
	return nil
}

// secret guesses whether the value of an environment variable should stay out of a notebook.
func secret(name string) bool {
	name = strings.ToUpper(name)
	return slices.ContainsFunc([]string{"TOKEN", "KEY", "SECRET", "PASSW", "CREDENTIAL"}, func(s string) bool { return strings.Contains(name, s) })
}

func memoryLimit(c *session.Cell, args string) error {
	switch args {
	case "":
		showLimit(c)
		return nil
	case "off":
		debug.SetMemoryLimit(math.MaxInt64)
		return limitData(unix.RLIM_INFINITY)
	}
	size, err := parseSize(args)
	if err != nil {
		return err
	}
	if used := mapped(); size < used {
		return fmt.Errorf("the session holds %s already, more than %s: forget variables first (%%rm) or allow more", byteCount(int64(used)), args)
	}
	debug.SetMemoryLimit(int64(size - size/10))
	return limitData(size)
}

func showLimit(c *session.Cell) {
	limit := "no limit"
	var r unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_DATA, &r) == nil && r.Cur < math.MaxInt64 {
		limit = "limit " + byteCount(int64(r.Cur))
	}
	fmt.Fprintf(c.Stdout(), "%s, in use %s\n", limit, byteCount(int64(mapped())))
}

// limitData bounds the private memory of this process; the hard limit stays, so that the bound can be raised again.
func limitData(size uint64) error {
	var r unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_DATA, &r); err != nil {
		return fmt.Errorf("memory limit: %w", err)
	}
	r.Cur = min(size, r.Max)
	if err := unix.Setrlimit(unix.RLIMIT_DATA, &r); err != nil {
		return fmt.Errorf("memory limit: %w", err)
	}
	return nil
}

// mapped is the memory that the Go runtime holds now.
func mapped() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64() - s[1].Value.Uint64()
}

var sizeUnits = map[string]float64{
	"": 1, "b": 1, "k": 1e3, "kb": 1e3, "m": 1e6, "mb": 1e6, "g": 1e9, "gb": 1e9, "t": 1e12, "tb": 1e12,
	"kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40,
}

// parseSize reads 800MB or 1.5 GiB.
func parseSize(s string) (uint64, error) {
	end := strings.LastIndexAny(s, "0123456789.") + 1
	n, err := strconv.ParseFloat(s[:end], 64)
	unit, ok := sizeUnits[strings.ToLower(strings.TrimSpace(s[end:]))]
	if err != nil || !ok || !(n > 0) || n*unit > math.MaxInt64 {
		return 0, fmt.Errorf("%q is no size: write a number with a unit, like 800MB or 6GiB", s)
	}
	return uint64(n * unit), nil
}
