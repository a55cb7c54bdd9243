package kernelspec

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestInstallTwiceAndUninstall(t *testing.T) {
	prefix := t.TempDir()
	dir, err := Dir(prefix, DefaultName)
	if err != nil {
		t.Fatal(err)
	}
	spec := For("/opt/quire", DefaultName)
	for i, want := range []bool{true, false} {
		if changed, err := Install(dir, spec); err != nil || changed != want {
			t.Errorf("installation %d: changed %v, %v; want %v", i+1, changed, err, want)
		}
	}
	back, err := Read(dir)
	if err != nil || !cmp.Equal(back.Argv, []string{"/opt/quire", "kernel", "-f", "{connection_file}"}) || back.InterruptMode != "message" ||
		back.Env["GOEXPERIMENT"] != "simd" || back.Language != "go" {
		t.Errorf("read back %+v, %v", back, err)
	}
	if err := Uninstall(dir); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the folder is still there")
	}
	if err := Uninstall(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("second uninstall: %v", err)
	}
}

func TestForeignKernelStays(t *testing.T) {
	dir := t.TempDir()
	os.WriteFile(filepath.Join(dir, "kernel.json"), []byte(`{"argv":["python3","-m","ipykernel"]}`), 0o644)
	if err := Uninstall(dir); !errors.Is(err, ErrNotOurs) {
		t.Errorf("got %v, want ErrNotOurs", err)
	}
}

func TestDir(t *testing.T) {
	t.Setenv("JUPYTER_DATA_DIR", "")
	t.Setenv("XDG_DATA_HOME", "/x")
	if dir, _ := Dir("", "q"); dir != "/x/jupyter/kernels/q" {
		t.Error(dir)
	}
	t.Setenv("JUPYTER_DATA_DIR", "/j")
	if dir, _ := Dir("", "q"); dir != "/j/kernels/q" {
		t.Error(dir)
	}
	for _, bad := range []string{"", "a/b", "..//", "a b"} {
		if _, err := Dir("", bad); err == nil {
			t.Errorf("name %q was accepted", bad)
		}
	}
}

// Jupyter itself finds what was installed.
func TestJupyterSeesIt(t *testing.T) {
	if _, err := exec.LookPath("jupyter-kernelspec"); err != nil {
		t.Skip("jupyter-kernelspec is missing")
	}
	prefix := t.TempDir()
	dir, _ := Dir(prefix, DefaultName)
	if _, err := Install(dir, For("/opt/quire", DefaultName)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("jupyter-kernelspec", "list", "--json")
	cmd.Env = append(os.Environ(), "JUPYTER_PATH="+filepath.Join(prefix, "share", "jupyter"))
	out, err := cmd.Output()
	if err != nil || !strings.Contains(string(out), "Go (Quire)") {
		t.Errorf("%v: %s", err, out)
	}
}
