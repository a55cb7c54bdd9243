package show

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"quire/internal/browser"
)

// notebook is a saved notebook whose cells showed these values, in nbformat's JSON.
func notebook(values []named) []byte {
	cells := []any{map[string]any{"cell_type": "markdown", "metadata": map[string]any{}, "source": "# Charts"}}
	for i, v := range values {
		data := map[string]any{}
		for mime, content := range v.value.MIMEBundle() {
			data[mime] = content
		}
		cells = append(cells, map[string]any{"cell_type": "code", "execution_count": i + 1, "metadata": map[string]any{"trusted": true},
			"source": "show(" + v.name + ")", "outputs": []any{map[string]any{"output_type": "execute_result", "execution_count": i + 1,
				"metadata": map[string]any{}, "data": data}}})
	}
	text, err := json.Marshal(map[string]any{"cells": cells, "nbformat": 4, "nbformat_minor": 4, "metadata": map[string]any{
		"kernelspec": map[string]any{"name": "python3", "display_name": "Python 3", "language": "python"}}})
	if err != nil {
		panic(err)
	}
	return text
}

// saved is a folder with a notebook of the plots: the first cell carries the library.
func saved(t *testing.T) (dir string, charts int) {
	record(t)
	dir = t.TempDir()
	values := append(plots(), others()[0])
	if err := os.WriteFile(filepath.Join(dir, "charts.ipynb"), notebook(values), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir, len(values) - 1
}

func need(t *testing.T, program string) string {
	path, err := exec.LookPath(program)
	if err != nil {
		t.Skipf("no %s on PATH", program)
	}
	return path
}

// TestConverted looks at nbconvert's page without scripts: every chart is to be seen.
func TestConverted(t *testing.T) {
	convert := need(t, "jupyter-nbconvert")
	b := browser.Start(t)
	dir, n := saved(t)
	cmd := exec.Command(convert, "--to", "html", "charts.ipynb")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Skipf("nbconvert does not run here: %v\n%.500s", err, out)
	}
	p := b.Open(t, "file://"+filepath.Join(dir, "charts.html"), browser.Look{NoScript: true, Width: 1200, Height: 900})
	if got := p.Text(`[...document.querySelectorAll("img[src^='data:image/svg']")].filter(i => i.complete && i.naturalWidth > 100).length`); got != strconv.Itoa(n) {
		t.Errorf("%s pictures of charts are seen, want %d", got, n)
	}
	p.Screenshot(filepath.Join(shots(t), "nbconvert-noscript.png"))
}

// TestClassicNotebook opens the saved notebook in the classic application, once trusted, where scripts run, and once not.
func TestClassicNotebook(t *testing.T) {
	jupyter := need(t, "jupyter-notebook")
	b := browser.Start(t)
	dir, n := saved(t)
	address := serve(t, jupyter, dir)
	page := b.Open(t, address+"/notebooks/charts.ipynb", browser.Look{Width: 1200, Height: 900})
	const cells = `document.querySelectorAll(".output_subarea").length >= `
	page.Wait(cells + strconv.Itoa(n))
	page.Wait(`[...document.querySelectorAll(".output_subarea img")].filter(i => i.complete && i.naturalWidth > 100).length === ` + strconv.Itoa(n))
	trust := exec.Command(interpreter(jupyter), "-c", "from nbformat.sign import TrustNotebookApp as A; A.launch_instance()", filepath.Join(dir, "charts.ipynb"))
	trust.Env = append(os.Environ(), "HOME="+dir)
	if out, err := trust.CombinedOutput(); err != nil {
		t.Skipf("nbformat.sign does not run here: %v\n%.500s", err, out)
	}
	page = b.Open(t, address+"/notebooks/charts.ipynb", browser.Look{Width: 1200, Height: 900})
	page.Wait(`[...document.querySelectorAll(".quire-chart[data-drawn]")].filter(e => e.querySelector("canvas")).length === ` + strconv.Itoa(n))
	page.Wait(`document.querySelectorAll(".quire-table[data-live]").length === 1`)
	for _, e := range page.Errors() {
		if strings.Contains(e, "quire") || strings.Contains(e, "echarts") || strings.Contains(e, "define") {
			t.Errorf("console: %s", e)
		}
	}
	for _, url := range page.Requests() {
		if !strings.HasPrefix(url, address) && !strings.HasPrefix(url, "ws") {
			t.Errorf("the page asked for %s", url)
		}
	}
	page.Eval(`(document.querySelectorAll(".output_scroll").forEach(e => e.classList.remove("output_scroll")), new Promise(f => setTimeout(f, 1500)))`, nil)
	page.Screenshot(filepath.Join(shots(t), "classic.png"))
}

// interpreter is the Python that a script names in its first line.
func interpreter(script string) string {
	text, _ := os.ReadFile(script)
	line, _, _ := strings.Cut(string(text), "\n")
	return strings.TrimSpace(strings.TrimPrefix(line, "#!"))
}

// serve runs the notebook application on a free port of this machine and waits until it answers.
func serve(t *testing.T, jupyter, dir string) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	ctx, stop := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, jupyter, "--no-browser", "--allow-root", "--ip=127.0.0.1", fmt.Sprint("--port=", port),
		"--NotebookApp.token=", "--NotebookApp.password=", "--notebook-dir="+dir)
	cmd.Env = append(os.Environ(), "HOME="+dir, "JUPYTER_RUNTIME_DIR="+filepath.Join(dir, "run"))
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		t.Skipf("jupyter-notebook does not run here: %v", err)
	}
	t.Cleanup(func() { stop(); cmd.Wait() })
	address := fmt.Sprint("http://127.0.0.1:", port)
	for end := time.Now().Add(browser.Timeout); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if r, err := http.Get(address + "/api"); err == nil {
			r.Body.Close()
			return address
		}
	}
	t.Skip("jupyter-notebook does not answer here")
	return ""
}
