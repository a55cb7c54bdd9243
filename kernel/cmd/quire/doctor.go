package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/ajroetker/go-highway/hwy"
	"github.com/ebitengine/purego"

	"quire/kernel/history"
	"quire/kernel/kernelspec"
	"quire/lib/show"
	"quire/simd"
)

type doctorCmd struct {
	Warm bool `help:"Compile once what %%native cells need, so that the first one is as fast as the next."`
}

// finding is one line of the report: what was looked for, what was found, and what to do if that is not enough.
type finding struct {
	name, found, todo string
}

// Run reports what this machine offers. Something missing is no error: the line says what goes without it.
func (c doctorCmd) Run(ctx context.Context) error {
	if c.Warm {
		return warm(ctx)
	}
	for _, f := range []finding{toolchain(ctx), compiler(ctx), simdLevel(), jupyter(), spec(), gpu(), buildCache(ctx), pastCells()} {
		mark := "ok"
		if f.todo != "" {
			mark = "--"
		}
		fmt.Printf("%s  %-12s %s\n", mark, f.name, f.found)
		if f.todo != "" {
			fmt.Printf("    %-12s → %s\n", "", f.todo)
		}
	}
	return nil
}

// output is the first line that a command prints, "" if it fails.
func output(ctx context.Context, name string, args ...string) string {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, args...).Output()
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	return line
}

func toolchain(ctx context.Context) finding {
	built := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		built = info.GoVersion
	}
	have := output(ctx, "go", "env", "GOVERSION")
	f := finding{name: "go", found: have}
	switch {
	case have == "":
		f.found, f.todo = "not on PATH", "install "+built+" for %%native, %%main, %test and %bench; other cells need no Go"
	case release(have) != release(built):
		f.todo = "this kernel was built with " + built + ": build it again with ./install.sh, or %%native cells cannot be loaded"
	}
	return f
}

// release is a Go version without its experiments, which the build settings carry.
func release(version string) string {
	version, _, _ = strings.Cut(version, "-X:")
	version, _, _ = strings.Cut(version, " ")
	return version
}

func compiler(ctx context.Context) finding {
	if v := output(ctx, "gcc", "--version"); v != "" {
		return finding{name: "gcc", found: v}
	}
	return finding{"gcc", "not on PATH", "install gcc for %%native cells; other cells need none"}
}

func simdLevel() finding {
	f := finding{name: "simd", found: simd.Describe() + "; go-highway " + hwy.CurrentName()}
	experiment := false
	if info, ok := debug.ReadBuildInfo(); ok {
		experiment = slices.ContainsFunc(info.Settings, func(s debug.BuildSetting) bool {
			return s.Key == "GOEXPERIMENT" && strings.Contains(s.Value, "simd")
		})
	}
	if !experiment {
		f.found += ", built without GOEXPERIMENT=simd"
		f.todo = "build with GOEXPERIMENT=simd (./install.sh does): without it arithmetic is up to 100 times slower"
	}
	return f
}

func jupyter() finding {
	path, err := exec.LookPath("jupyter")
	if err != nil {
		return finding{"jupyter", "not on PATH", "install JupyterLab or Notebook to work in a browser; quire run needs none"}
	}
	return finding{name: "jupyter", found: path}
}

func spec() finding {
	f := finding{name: "kernelspec"}
	dir, err := kernelspec.Dir("", kernelspec.DefaultName)
	if err != nil {
		f.found, f.todo = err.Error(), "set HOME"
		return f
	}
	installed, err := kernelspec.Read(dir)
	if err != nil {
		f.found, f.todo = "none for this user", "quire install --user"
		return f
	}
	self, _ := os.Executable()
	f.found = dir
	if len(installed.Argv) == 0 || installed.Argv[0] != self {
		f.found, f.todo = dir+" starts "+strings.Join(installed.Argv, " "), "quire install --user makes it start "+self
	}
	return f
}

// gpu looks for the libraries that the CUDA backend loads at run time.
func gpu() finding {
	found, missing := []string{}, []string{}
	for _, names := range [][]string{{"libcuda.so.1"}, {"libcublasLt.so.13", "libcublasLt.so.12", "libcublasLt.so"}, {"libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"}} {
		at := slices.IndexFunc(names, func(name string) bool {
			_, err := purego.Dlopen(name, purego.RTLD_LAZY)
			return err == nil
		})
		if at < 0 {
			missing = append(missing, names[0])
		} else {
			found = append(found, names[at])
		}
	}
	if len(found) == 0 {
		return finding{name: "gpu", found: "no CUDA libraries: everything runs on the CPU"}
	}
	f := finding{name: "gpu", found: strings.Join(found, ", ")}
	if len(missing) > 0 {
		f.todo = "not found: " + strings.Join(missing, ", ") + ": install the CUDA toolkit, or put its lib64 into LD_LIBRARY_PATH"
	}
	return f
}

func buildCache(ctx context.Context) finding {
	dir := output(ctx, "go", "env", "GOCACHE")
	if dir == "" {
		return finding{name: "build cache", found: "none"}
	}
	return finding{name: "build cache", found: fmt.Sprintf("%s, %s", dir, sizeOf(dir))}
}

func pastCells() finding {
	path := history.DefaultPath()
	return finding{name: "history", found: fmt.Sprintf("%s, %s", path, sizeOf(path))}
}

// sizeOf is the size of a file or folder.
func sizeOf(path string) string {
	var total int64
	_ = filepath.WalkDir(path, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if info, err := d.Info(); err == nil {
				total += info.Size()
			}
		}
		return nil
	})
	return show.Size(total)
}
