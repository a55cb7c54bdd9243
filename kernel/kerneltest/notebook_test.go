package kerneltest

import (
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"quire/internal/browser"
)

var shots = flag.String("shots", "", "folder for screenshots of the notebook test")

// startNotebook runs a Jupyter Notebook server over a folder and gives its address: the server takes another port where ours is taken
// meanwhile, and writes it down.
func startNotebook(t *testing.T, dir string) string {
	t.Helper()
	path, err := exec.LookPath("jupyter-notebook")
	if err != nil {
		t.Skip("jupyter-notebook is missing")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	cmd := exec.Command(path, "--no-browser", "--allow-root", "--ip=127.0.0.1", fmt.Sprint("--port=", port),
		"--NotebookApp.token=", "--NotebookApp.password=", "--notebook-dir="+dir)
	log := &lockedBuffer{}
	runtime := t.TempDir()
	cmd.Env, cmd.Stdout, cmd.Stderr = append(jupyterEnv(t), "JUPYTER_RUNTIME_DIR="+runtime), log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		done := make(chan struct{})
		go func() { cmd.Wait(); close(done) }()
		select {
		case <-done:
		case <-time.After(30 * time.Second):
			syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			<-done
		}
		if t.Failed() {
			t.Log(log)
		}
	})
	for end := time.Now().Add(stepLimit); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		files, _ := filepath.Glob(filepath.Join(runtime, "*server-*.json"))
		if len(files) == 0 {
			continue
		}
		var server struct{ URL string }
		if data, err := os.ReadFile(files[0]); err != nil || json.Unmarshal(data, &server) != nil {
			continue
		}
		if r, err := http.Get(server.URL + "api"); err == nil {
			r.Body.Close()
			return strings.TrimSuffix(server.URL, "/")
		}
	}
	t.Fatalf("the notebook server does not answer:\n%s", log)
	return ""
}

// A person types cells into the classic notebook: output, completion, a tooltip, an interrupt.
func TestClassicNotebook(t *testing.T) {
	quireBinary(t)
	b := browser.Start(t)
	file := notebookFile(t, "", "", "", "")
	url := startNotebook(t, filepath.Dir(file))
	p := b.Open(t, url+"/notebooks/"+filepath.Base(file), browser.Look{})
	p.Wait("window.Jupyter && Jupyter.notebook && Jupyter.notebook.kernel && Jupyter.notebook.kernel.is_connected()")
	shot := func(name string) {
		dir := *shots
		if dir == "" {
			dir = t.TempDir()
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		p.Screenshot(filepath.Join(dir, name+".png"))
	}
	edit := func(cell int, text string) {
		if err := p.Eval(fmt.Sprintf("Jupyter.notebook.select(%d), Jupyter.notebook.edit_mode(), Jupyter.notebook.get_cell(%[1]d).focus_editor(), 1", cell), nil); err != nil {
			t.Fatal(err)
		}
		p.Type(text)
		p.Wait(fmt.Sprintf("Jupyter.notebook.get_cell(%d).get_text() === %q", cell, text)) // the editor has it: the next key finds it there
	}
	output := func(cell int) string {
		return fmt.Sprintf("(Jupyter.notebook.get_cell(%d).output_area.element.text())", cell)
	}

	edit(0, `answer := 6 * 7; fmt.Println("typed", answer)`)
	p.Key("Enter", browser.Shift)
	p.Wait(output(0) + ".includes('typed 42')")
	shot("output")

	edit(1, "fmt.Pri")
	p.Key("Tab", 0)
	p.Wait("document.querySelector('#complete') && document.querySelector('#complete').innerText.includes('Println')")
	shot("completion")
	p.Key("Escape", 0)

	edit(2, "strings.ToUpper")
	p.Key("Tab", browser.Shift)
	p.Wait("document.querySelector('#tooltip').innerText.includes('all Unicode letters mapped to their upper case')")
	shot("tooltip")
	p.Key("Escape", 0)

	edit(3, `fmt.Println("up"); for {}`)
	p.Key("Enter", browser.Ctrl)
	p.Wait(output(3) + ".includes('up') && Jupyter.notebook.kernel_busy")
	p.Wait("document.querySelector('button[data-jupyter-action=\"jupyter-notebook:interrupt-kernel\"]').click() || true")
	p.Wait(output(3) + ".includes('Interrupt')")
	p.Wait("!Jupyter.notebook.kernel_busy")
	shot("interrupt")

	for _, e := range p.Errors() {
		if strings.Contains(strings.ToLower(e), "kernel") {
			t.Errorf("console: %s", e)
		}
	}
	if err := p.Eval("Jupyter.notebook.get_cell(1).set_text('answer'), Jupyter.notebook.get_cell(1).execute(), 1", nil); err != nil {
		t.Fatal(err)
	}
	p.Wait(output(1) + ".includes('42')")
}
