package track

import (
	"bufio"
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
)

// Machine is what a run's figures depend on.
type Machine struct {
	CPU     string
	Threads int
	Memory  int64 // bytes
	OS      string
	Go      string
	Version string // of the program, with its commit where known
	Backend string // what computes: set by SetBackend
}

var backend struct {
	sync.Mutex
	text string
}

// SetBackend says what computes in this process ("cpu avx512-bf16-vnni, 2 threads"), for the machine of runs that start from now on.
func SetBackend(text string) {
	backend.Lock()
	defer backend.Unlock()
	backend.text = text
}

// ThisMachine describes the machine that the process runs on.
func ThisMachine() Machine {
	backend.Lock()
	defer backend.Unlock()
	m := hardware()
	m.Backend = backend.text
	return m
}

var hardware = sync.OnceValue(func() Machine {
	return Machine{CPU: field("/proc/cpuinfo", "model name"), Threads: runtime.GOMAXPROCS(0), Memory: kilobytes("/proc/meminfo", "MemTotal"),
		OS: runtime.GOOS + "/" + runtime.GOARCH, Go: runtime.Version(), Version: version()}
})

// version is the main module's version, or its commit.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	v := info.Main.Path + " " + info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) > 12 {
			v += " " + s.Value[:12]
		}
	}
	return strings.TrimSpace(v)
}

// field is the value of the first line "name : value" of a file; "" where there is none.
func field(path, name string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(b)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func kilobytes(path, name string) int64 {
	n, err := strconv.ParseInt(strings.TrimSuffix(field(path, name), " kB"), 10, 64)
	if err != nil {
		return 0
	}
	return n << 10
}

// peakMemory is the largest resident size of the process so far; 0 where the system does not tell.
func peakMemory() int64 { return kilobytes("/proc/self/status", "VmHWM") }

var generated = regexp.MustCompile(`^// Code generated .* DO NOT EDIT\.$`)

// Lines counts the lines of Go below dir that are neither empty nor comment, in generated files and tests apart from the rest.
func Lines(dir string) (code, tests, madeByPrograms int, err error) {
	err = filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() && name != dir && (strings.HasPrefix(e.Name(), ".") || strings.HasPrefix(e.Name(), "_") || e.Name() == "testdata") {
			return fs.SkipDir
		}
		if e.IsDir() || filepath.Ext(name) != ".go" {
			return nil
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		n, byProgram := countLines(b)
		switch {
		case byProgram:
			madeByPrograms += n
		case strings.HasSuffix(name, "_test.go"):
			tests += n
		default:
			code += n
		}
		return nil
	})
	return code, tests, madeByPrograms, err
}

func countLines(source []byte) (n int, byProgram bool) {
	s := bufio.NewScanner(bytes.NewReader(source))
	s.Buffer(nil, len(source)+1)
	for s.Scan() {
		line := bytes.TrimSpace(s.Bytes())
		byProgram = byProgram || generated.Match(line)
		if len(line) > 0 && !bytes.HasPrefix(line, []byte("//")) {
			n++
		}
	}
	return n, byProgram
}
