// Package kernelspec tells Jupyter about the kernel: a folder with kernel.json and logos under Jupyter's data directory.
package kernelspec

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
)

//go:embed logo-32x32.png logo-64x64.png logo-svg.svg
var logos embed.FS

// DefaultName is the name of the kernel specification.
const DefaultName = "quire"

// Spec is the content of kernel.json.
type Spec struct {
	Argv          []string          `json:"argv"`
	DisplayName   string            `json:"display_name"`
	Language      string            `json:"language"`
	InterruptMode string            `json:"interrupt_mode"`
	Env           map[string]string `json:"env"`
	Metadata      map[string]any    `json:"metadata"`
}

// For describes the kernel of a binary.
func For(binary, name string) Spec {
	display := "Go (Quire)"
	if name != DefaultName {
		display = "Go (" + name + ")"
	}
	return Spec{
		Argv:          []string{binary, "kernel", "-f", "{connection_file}"},
		DisplayName:   display,
		Language:      "go",
		InterruptMode: "message",
		Env:           map[string]string{"GOEXPERIMENT": "simd"}, // %%native cells must be built as the binary was
		Metadata:      map[string]any{"debugger": false, "language_info": LanguageInfo()},
	}
}

// LanguageInfo describes Go to front ends: what a kernel answers to kernel_info and what a notebook's metadata hold, so that nbconvert
// and editors highlight its cells as Go.
func LanguageInfo() map[string]any {
	release, _, _ := strings.Cut(strings.TrimPrefix(runtime.Version(), "go"), "-X:") // without the experiments
	return map[string]any{
		"name": "go", "version": release, "mimetype": "text/x-go", "file_extension": ".go",
		"pygments_lexer": "go", "codemirror_mode": "text/x-go", "nbconvert_exporter": "script",
	}
}

var validName = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)

// Dir is the folder of a kernel specification: under a prefix (an environment's root), or the user's when prefix is "".
func Dir(prefix, name string) (string, error) {
	if !validName.MatchString(name) {
		return "", fmt.Errorf("kernelspec: name %q: use letters, digits, '.', '_' and '-'", name)
	}
	if prefix != "" {
		return filepath.Join(prefix, "share", "jupyter", "kernels", name), nil
	}
	data := os.Getenv("JUPYTER_DATA_DIR")
	if data == "" {
		if xdg := os.Getenv("XDG_DATA_HOME"); xdg != "" {
			data = filepath.Join(xdg, "jupyter")
		} else {
			home, err := os.UserHomeDir()
			if err != nil {
				return "", fmt.Errorf("kernelspec: no home directory: say --prefix: %v", err)
			}
			data = filepath.Join(home, ".local", "share", "jupyter")
		}
	}
	return filepath.Join(data, "kernels", name), nil
}

// Install writes a specification to dir and reports whether that changed anything.
func Install(dir string, spec Spec) (changed bool, err error) {
	data, err := json.MarshalIndent(spec, "", "  ")
	if err != nil {
		return false, err
	}
	files := map[string][]byte{"kernel.json": append(data, '\n')}
	entries, err := fs.ReadDir(logos, ".")
	if err != nil {
		return false, err
	}
	for _, e := range entries {
		if files[e.Name()], err = logos.ReadFile(e.Name()); err != nil {
			return false, err
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return false, fmt.Errorf("kernelspec: %v (say --user or --prefix)", err)
	}
	for name, content := range files {
		path := filepath.Join(dir, name)
		if have, err := os.ReadFile(path); err == nil && string(have) == string(content) {
			continue
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			return changed, fmt.Errorf("kernelspec: %v", err)
		}
		changed = true
	}
	return changed, nil
}

// ErrNotOurs refuses to remove another kernel's folder.
var ErrNotOurs = errors.New("is not a kernel of quire")

// Uninstall removes dir; fs.ErrNotExist if there is none.
func Uninstall(dir string) error {
	spec, err := Read(dir)
	if err != nil {
		return err
	}
	if len(spec.Argv) < 2 || spec.Argv[1] != "kernel" || !strings.Contains(filepath.Base(spec.Argv[0]), "quire") {
		return fmt.Errorf("kernelspec: %s %w: remove it by hand", dir, ErrNotOurs)
	}
	return os.RemoveAll(dir)
}

// Read reads the specification in dir.
func Read(dir string) (Spec, error) {
	var spec Spec
	data, err := os.ReadFile(filepath.Join(dir, "kernel.json"))
	if err != nil {
		return spec, fmt.Errorf("kernelspec: %w", err)
	}
	if err := json.Unmarshal(data, &spec); err != nil {
		return spec, fmt.Errorf("kernelspec: %s: %v", dir, err)
	}
	return spec, nil
}
