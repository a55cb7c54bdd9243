package kerneltest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"quire/kernel/kernelspec"
)

const python = "/usr/bin/python3"

// needPython skips the test if the system's Python lacks a module.
func needPython(t *testing.T, module, debian string) {
	t.Helper()
	if exec.Command(python, "-c", "import "+module).Run() != nil {
		t.Skipf("%s is missing (Debian: %s)", module, debian)
	}
}

// jupyterEnv installs the kernel for Jupyter in a folder of the test's own and gives the environment that finds it.
func jupyterEnv(t *testing.T) []string {
	t.Helper()
	b := quireBinary(t)
	prefix := t.TempDir()
	if out, err := exec.Command(b.path, "install", "--prefix", prefix).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return append(os.Environ(), "JUPYTER_PATH="+filepath.Join(prefix, "share", "jupyter"), "JUPYTER_CONFIG_DIR="+prefix,
		"JUPYTER_RUNTIME_DIR="+filepath.Join(prefix, "run"), "XDG_DATA_HOME="+prefix, "PATH="+filepath.Dir(b.path)+":/usr/bin:"+os.Getenv("PATH"))
}

// The Jupyter project's own test of kernels.
func TestJupyterKernelTest(t *testing.T) {
	needPython(t, "jupyter_kernel_test", "python3-jupyter-kernel-test")
	script := filepath.Join("testdata", "quire_kernel_test.py")
	cmd := exec.Command(python, script, "-v")
	cmd.Env = jupyterEnv(t)
	out, err := cmd.CombinedOutput()
	if err != nil || strings.Contains(string(out), "skipped") {
		t.Errorf("%v\n%s", err, out)
	}
}

// notebookFile writes a notebook of cells.
func notebookFile(t *testing.T, cells ...string) string {
	t.Helper()
	var b strings.Builder
	for i, c := range cells {
		if i > 0 {
			b.WriteString(",")
		}
		b.WriteString(`{"cell_type":"code","id":"c` + string(rune('a'+i)) + `","metadata":{},"execution_count":null,"outputs":[],"source":` + quote(c) + `}`)
	}
	path := filepath.Join(t.TempDir(), "n.ipynb")
	content := `{"cells":[` + b.String() + `],"metadata":{"kernelspec":{"name":"` + kernelspec.DefaultName + `","display_name":"Go","language":"go"}},"nbformat":4,"nbformat_minor":5}`
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// nbconvert executes a notebook, and fails where a cell does.
func TestNbconvert(t *testing.T) {
	needPython(t, "nbconvert", "jupyter-nbconvert")
	env := jupyterEnv(t)
	convert := func(to, path string) (string, error) {
		cmd := exec.Command(python, "-m", "nbconvert", "--to", to, "--execute", path)
		cmd.Env = env
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	good := notebookFile(t, "x := 20", "fmt.Println(\"from Go\", x+1)", "x * 2")
	executed := strings.TrimSuffix(good, ".ipynb") + ".nbconvert"
	if out, err := convert("notebook", good); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	// The second time the notebook holds what the kernel told of its language.
	if out, err := convert("html", executed+".ipynb"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	page, err := os.ReadFile(executed + ".html")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"from Go 21", "40</pre>", "hl-go"} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the page does not hold %q", want)
		}
	}
	out, err := convert("html", notebookFile(t, "x := 1", "panic(\"broken\")", "fmt.Println(\"unreached\")"))
	if err == nil || !strings.Contains(out, "Panic: broken") || strings.Contains(out, "unreached") {
		t.Errorf("of a failing notebook: %v\n%s", err, out)
	}
}

// quire run does the same without Jupyter.
func TestRun(t *testing.T) {
	b := quireBinary(t)
	good := notebookFile(t, "x := 20", "fmt.Println(\"from Go\", x+1)")
	dir := t.TempDir()
	cmd := exec.Command(b.path, "run", good, "-o", filepath.Join(dir, "o.ipynb"), "--html", filepath.Join(dir, "o.html"))
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "[2/2]") {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, name := range []string{"o.ipynb", "o.html"} {
		if data, err := os.ReadFile(filepath.Join(dir, name)); err != nil || !strings.Contains(string(data), "from Go 21") {
			t.Errorf("%s: %v", name, err)
		}
	}
	var stderr strings.Builder
	cmd = exec.Command(b.path, "run", notebookFile(t, "x := 1", "x.y", "fmt.Println(\"unreached\")"))
	cmd.Stderr = &stderr
	err := cmd.Run()
	if cmd.ProcessState.ExitCode() != 1 || !strings.Contains(stderr.String(), "cell[2]:1:3: x.y undefined") {
		t.Errorf("of a failing notebook: %v\n%s", err, &stderr)
	}
	if err := exec.Command(b.path, "run", "--allow-errors", notebookFile(t, "x.y", "1")).Run(); err != nil {
		t.Errorf("with errors allowed: %v", err)
	}
}

// What can't work is said in one line before any cell runs.
func TestRunRefuses(t *testing.T) {
	b := quireBinary(t)
	good, dir := notebookFile(t, "x := 20"), t.TempDir()
	other := filepath.Join(dir, "README.md")
	if err := os.WriteFile(other, []byte("# no notebook"), 0o644); err != nil {
		t.Fatal(err)
	}
	for want, args := range map[string][]string{
		"/nonexistent/o.ipynb":               {good, "-o", "/nonexistent/o.ipynb"},
		"is a folder: give the name":         {good, "--html", dir},
		"no such file":                       {filepath.Join(dir, "missing.ipynb")},
		"README.md":                          {other},
		`tagged "parameters"`:                {good, "--param", "bogus=3"},
		`parameter "bogus": want name=value`: {good, "--param", "bogus"},
	} {
		var out, stderr strings.Builder
		cmd := exec.Command(b.path, append([]string{"run"}, args...)...)
		cmd.Stdout, cmd.Stderr = &out, &stderr
		if err := cmd.Run(); err == nil || strings.Count(strings.TrimSpace(stderr.String()), "\n") > 0 || !strings.Contains(stderr.String(), want) {
			t.Errorf("of %q: %v\n%s, want one line with %q", args, err, &stderr, want)
		}
		if strings.Contains(out.String(), "[1/1]") {
			t.Errorf("of %q: the cell ran all the same", args)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) != 1 {
		t.Errorf("left behind: %q", left)
	}
}
