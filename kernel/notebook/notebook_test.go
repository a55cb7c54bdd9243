package notebook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"quire/kernel/kerneltest"
	"quire/kernel/link"
)

// start serves the fake session of kerneltest, whose cells are commands.
func start(events func(link.Message), _ func(name, text string)) (*link.Remote, error) {
	ours, theirs := net.Pipe()
	go link.Serve(theirs, "test", kerneltest.NewFake())
	return link.Attach(ours, "test", events), nil
}

func code(source string, tags ...any) *Cell {
	return &Cell{ID: source[:min(8, len(source))], Type: "code", Source: source, Metadata: map[string]any{"tags": tags}}
}

func run(t *testing.T, opt Options, cells ...*Cell) (*Notebook, error) {
	t.Helper()
	nb := &Notebook{Cells: cells}
	return nb, nb.Execute(context.Background(), start, opt)
}

func TestExecute(t *testing.T) {
	var progress bytes.Buffer
	nb, err := run(t, Options{Progress: &progress},
		code("print a\nprint b\nwarn c\nvalue 7"),
		&Cell{ID: "m", Type: "markdown", Source: "# Title"},
		code("display x first\nprint between"), code("update x second"), code("print gone\nclearwait\nprint stays"))
	if err != nil {
		t.Fatal(err)
	}
	first := nb.Cells[0]
	if first.Count != 1 || len(first.Outputs) != 3 || first.Outputs[0].Text != "a\nb\n" || first.Outputs[1].Name != "stderr" ||
		first.Outputs[2].Data["text/plain"] != "7" {
		t.Errorf("first cell: %+v", first)
	}
	if got := nb.Cells[2].Outputs[0].Data["text/plain"]; got != "second" {
		t.Errorf("the updated display shows %v", got)
	}
	if last := nb.Cells[4]; len(last.Outputs) != 1 || last.Outputs[0].Text != "stays\n" || last.Count != 4 {
		t.Errorf("last cell: %+v", last.Outputs[0])
	}
	if first.Metadata["execution"] == nil {
		t.Error("no times")
	}
	if n := strings.Count(progress.String(), "\n"); n != 4 || !strings.Contains(progress.String(), "[2/4]") {
		t.Errorf("progress:\n%s", &progress)
	}
}

func TestErrors(t *testing.T) {
	nb, err := run(t, Options{}, code("value 1"), code("warn why\nerror Oops broken"), code("value 2"))
	var failed *CellError
	if !errors.As(err, &failed) || failed.Cell != 1 || failed.Trace() != "why\nOops: broken" {
		t.Fatalf("got %v", err)
	}
	if nb.Cells[2].Count != 0 || nb.Cells[1].Outputs[1].EName != "Oops" {
		t.Error("the cell after the error ran, or the error is not among the outputs")
	}
	if nb, err := run(t, Options{AllowErrors: true}, code("error Oops broken"), code("value 2")); err != nil || nb.Cells[1].Count != 2 {
		t.Errorf("with errors allowed: %v", err)
	}
	if _, err := run(t, Options{}, code("error Oops broken", "raises-exception")); err != nil {
		t.Errorf("a cell that may fail: %v", err)
	}
	if _, err := run(t, Options{Timeout: 50 * time.Millisecond}, code("sleep 60s")); !errors.As(err, &failed) || failed.Err.Name != "Timeout" {
		t.Errorf("timeout: %v", err)
	}
	if _, err := run(t, Options{}, code("input name?")); !errors.As(err, &failed) || failed.Err.Name != "EOF" {
		t.Errorf("input: %v", err)
	}
}

const sample = `{"cells":[
 {"cell_type":"markdown","metadata":{"keep":[1,2.50]},"source":["# A\n","b"],"attachments":{"p.png":{"image/png":"AAAA"}}},
 {"cell_type":"code","execution_count":3,"metadata":{},"source":"x := \"<&>\"","outputs":[
  {"output_type":"stream","name":"stdout","text":["a\n","b"]},
  {"output_type":"display_data","data":{"text/plain":["x"],"application/json":{"k":[1]},"image/png":"AAAA"},"metadata":{}},
  {"output_type":"error","ename":"E","evalue":"v","traceback":["t"]}]}],
 "metadata":{"kernelspec":{"display_name":"Go","language":"go","name":"quire"}},"nbformat":4,"nbformat_minor":2}`

// Writing what was read gives a notebook that reads the same, and whose bytes do not change any more.
func TestRoundTrip(t *testing.T) {
	nb, err := Read([]byte(sample))
	if err != nil {
		t.Fatal(err)
	}
	var once, twice bytes.Buffer
	if err := nb.Write(&once); err != nil {
		t.Fatal(err)
	}
	again, err := Read(once.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Write(&twice); err != nil {
		t.Fatal(err)
	}
	if once.String() != twice.String() {
		t.Errorf("written twice:\n%s\n%s", &once, &twice)
	}
	for _, want := range []string{`"<&>\""`, "2.50", `"nbformat_minor": 5`, `"a\n"`, `"image/png": "AAAA"`} {
		if !strings.Contains(once.String(), want) {
			t.Errorf("%s is missing in\n%s", want, &once)
		}
	}
}

// nbformat, Jupyter's own library, validates what Write gives and writes the same bytes.
func TestNbformat(t *testing.T) {
	const python = "/usr/bin/python3"
	if exec.Command(python, "-c", "import nbformat").Run() != nil {
		t.Skip("python3-nbformat is missing")
	}
	nb, err := Read([]byte(sample))
	if err != nil {
		t.Fatal(err)
	}
	nb.Cells[0].Metadata = map[string]any{} // Python writes 2.50 as 2.5
	var b bytes.Buffer
	if err := nb.Write(&b); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "n.ipynb")
	os.WriteFile(path, b.Bytes(), 0o600)
	script := `import sys,nbformat; n=nbformat.read(sys.argv[1],as_version=4); nbformat.validate(n); nbformat.write(n,sys.argv[1])`
	if out, err := exec.Command(python, "-c", script, path).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if theirs, _ := os.ReadFile(path); string(theirs) != b.String() {
		t.Errorf("nbformat writes\n%s\nwe write\n%s", theirs, &b)
	}
}

func TestReadRefuses(t *testing.T) {
	for _, bad := range []string{"", "{", "[]", `{"nbformat":3,"worksheets":[]}`, `{"nbformat":4,"cells":[{"cell_type":"x"}]}`} {
		if _, err := Read([]byte(bad)); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

func TestParametrize(t *testing.T) {
	cell := func() *Cell { return code("lr := 0.1\nvar name, n = \"base\", 3\n", "parameters") }
	nb := &Notebook{Cells: []*Cell{code("print a"), cell(), code("print b")}}
	params := []Param{{"lr", "1e-3"}, {"name", "big model"}, {"n", "4*2"}}
	for range 2 { // the second time replaces the first
		if err := nb.Parametrize(params); err != nil {
			t.Fatal(err)
		}
	}
	const want = "lr = 1e-3\nname = \"big model\"\nn = 4*2"
	if len(nb.Cells) != 4 || nb.Cells[2].Source != want {
		t.Errorf("cells %d, injected %q, want %q", len(nb.Cells), nb.Cells[2].Source, want)
	}
	for _, bad := range []Param{{"other", "1"}, {"n", "4 +"}} {
		if err := (&Notebook{Cells: []*Cell{cell()}}).Parametrize([]Param{bad}); err == nil {
			t.Errorf("%v was accepted", bad)
		}
	}
	if err := (&Notebook{Cells: []*Cell{code("lr := 1")}}).Parametrize(params); err == nil {
		t.Error("parameters without a tagged cell were accepted")
	}
	if _, err := ParseParam("no value"); err == nil {
		t.Error("a parameter without = was accepted")
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(sample))
	f.Add([]byte(`{"nbformat":4,"cells":[{"cell_type":"code","source":[1]}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		nb, err := Read(data)
		if err != nil {
			return
		}
		var b bytes.Buffer
		if err := nb.Write(&b); err != nil {
			t.Fatal(err)
		}
		if !json.Valid(b.Bytes()) {
			t.Fatal("not JSON")
		}
	})
}
