package kerneltest

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"quire/internal/browser"
	"quire/kernel/notebook"
)

// clickingParams train for a few steps: enough to see the chart move.
const clickingParams = "seconds, megabytes, vocabulary, layers, fewest := 4.0, 2, 512, 2, 40"

// clickingLimit bounds the whole notebook with these parameters, on a machine that does other things too.
const clickingLimit = 20 * time.Minute

// A person opens the lifecycle notebook in the classic application and runs it with the mouse.
func TestLifecycleByClicking(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a notebook in a browser: run without -short")
	}
	quireBinary(t)
	b := browser.Start(t)
	source, err := os.ReadFile("../../notebooks/00_lifecycle.ipynb")
	if err != nil {
		t.Fatal(err)
	}
	nb, err := notebook.Read(source)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "00_lifecycle.ipynb"), source, 0o644); err != nil {
		t.Fatal(err)
	}
	address := startNotebook(t, dir)
	c := &clicking{t: t, browser: b, page: b.Open(t, address+"/notebooks/00_lifecycle.ipynb", browser.Look{Width: 1200, Height: 900}), nb: nb}
	c.page.Wait("window.Jupyter && Jupyter.notebook && Jupyter.notebook.kernel && Jupyter.notebook.kernel.is_connected()")
	c.shot("opened")
	c.begin()
	c.countPoints()
	c.page.Click("#celllink")
	c.page.Click("#run_all_cells a")
	moved := c.watch()
	c.lookAtEveryCell()

	if moved < 2 {
		t.Errorf("the chart of the training run was seen with %d numbers of points: it does not move", moved)
	}
	if failed := c.page.Text(`[...document.querySelectorAll(".output_error")].map(e => e.innerText).join("\n")`); failed != "" {
		t.Errorf("cells show errors:\n%s", failed)
	}
	if n := c.page.Text(`document.querySelectorAll(".quire-chart").length - document.querySelectorAll(".quire-chart[data-drawn] canvas").length`); n != "0" {
		t.Errorf("%s charts are not drawn", n)
	}
	for cell, want := range map[string]string{
		"plan.For(config":   "In full or in part?",
		"rules.Judge":       "repetition.lines",
		"comparison":        "held-out code",
		"run.Evaluate":      "bits per byte; gzip -9",
		"quant.Quantize":    "Q4_0, rtn",
		"grammar.JSON":      "20 of 20 answers fit the schema",
		"planned and meas":  "MB in use while it trains",
		"store.Explain":     "train depth 2, run 3",
		"store.Card":        "Artefacts",
		"engine.Score(ctx,": "chance",
	} {
		if text := c.output(cell); !strings.Contains(text, want) {
			t.Errorf("the cell with %q does not show %q, but %.300q", cell, want, text)
		}
	}
	c.reportLink()
	for _, e := range c.page.Errors() {
		if strings.Contains(e, "quire") || strings.Contains(e, "echarts") {
			t.Errorf("console: %s", e)
		}
	}
	for _, url := range c.page.Requests() {
		if !strings.HasPrefix(url, address) && !strings.HasPrefix(url, "ws") {
			t.Errorf("the page asked for %s", url)
		}
	}
}

// clicking is the notebook as it stands in the page.
type clicking struct {
	t       *testing.T
	browser *browser.Browser
	page    *browser.Page
	nb      *notebook.Notebook
}

func (c *clicking) do(js string) {
	c.t.Helper()
	if err := c.page.Eval("("+js+", 1)", nil); err != nil {
		c.t.Fatal(err)
	}
}

// begin runs the first cells one at a time, by the Run button and by Shift-Enter, and writes other parameters.
func (c *clicking) begin() {
	c.t.Helper()
	run := `button[data-jupyter-action="jupyter-notebook:run-cell-and-select-next"]`
	c.do("Jupyter.notebook.select(0), Jupyter.notebook.scroll_to_top()")
	c.page.Click(run) // the text
	c.page.Click(run) // the imports
	c.page.Wait("Jupyter.notebook.get_selected_index() === 2 && Jupyter.notebook.get_cell(1).input_prompt_number === 1")
	c.do("Jupyter.notebook.edit_mode(), Jupyter.notebook.get_cell(2).focus_editor()")
	c.page.Key("a", browser.Ctrl)
	c.page.Type(clickingParams)
	c.page.Key("Enter", browser.Shift)
	c.page.Wait("Jupyter.notebook.get_cell(2).input_prompt_number === 2")
	c.shot("begun")
}

// training is the cell of the training run, in the page.
const training = `Jupyter.notebook.get_cells().filter(c => c.get_text().includes("run.Chart()"))[0].element[0]`

// countPoints makes the page itself write down with how many points it has drawn the training run's curve.
func (c *clicking) countPoints() {
	c.t.Helper()
	const points = `(el => el && window.quire?.echarts?.getInstanceByDom(el)?.getOption().series[0]?.data.length || 0)(` + training + `.querySelector(".quire-chart"))`
	c.do("window.pointsSeen = new Set(), setInterval(() => { const n = " + points + "; if (n) window.pointsSeen.add(n) }, 10)")
}

// watch looks at the page until every cell has run, and returns how many lengths it has seen the training run's curve with.
func (c *clicking) watch() int {
	c.t.Helper()
	code := 0
	for _, cell := range c.nb.Cells {
		if cell.Type == "code" {
			code++
		}
	}
	shot := 0
	for end := time.Now().Add(clickingLimit); ; time.Sleep(200 * time.Millisecond) {
		var seen int
		if err := c.page.Eval("window.pointsSeen.size", &seen); err != nil {
			c.t.Fatal(err)
		}
		if seen > shot {
			shot = seen
			c.do(training + `.querySelector(".output_wrapper").scrollIntoView()`)
			c.shot("training")
		}
		ran := c.page.Text(`Jupyter.notebook.get_cells().filter(c => c.cell_type === "code" && Number.isInteger(c.input_prompt_number) && c.input_prompt_number > 2).length`)
		if ran == fmt.Sprint(code) && c.page.Text("Jupyter.notebook.kernel_busy") == "false" {
			return seen
		}
		if failed := c.page.Text(`document.querySelectorAll(".output_error").length`); failed != "0" || time.Now().After(end) {
			c.lookAtEveryCell()
			c.t.Fatalf("%s of %d cells ran, %s show an error: %s", ran, code, failed, c.page.Text(`[...document.querySelectorAll(".output_error")].map(e => e.innerText).join("\n")`))
		}
	}
}

// lookAtEveryCell takes a picture of every cell with an output, where screenshots are asked for.
func (c *clicking) lookAtEveryCell() {
	c.t.Helper()
	if *shots == "" {
		return
	}
	for i, cell := range c.nb.Cells {
		if cell.Type == "code" {
			c.do(fmt.Sprintf(`Jupyter.notebook.get_cell(%d).element[0].querySelector(".output_wrapper").scrollIntoView()`, i))
			c.do(`new Promise(f => setTimeout(f, 700))`)
			c.shot(fmt.Sprintf("cell-%02d", i))
		}
	}
}

func (c *clicking) shot(name string) {
	c.t.Helper()
	c.shotOf(c.page, name)
}

func (c *clicking) shotOf(p *browser.Page, name string) {
	c.t.Helper()
	dir := *shots
	if dir == "" {
		dir = c.t.TempDir()
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		c.t.Fatal(err)
	}
	p.Screenshot(filepath.Join(dir, "lifecycle-"+name+".png"))
}

// output is the text that the cell with this in its source shows.
func (c *clicking) output(cell string) string {
	c.t.Helper()
	return c.page.Text(fmt.Sprintf(`Jupyter.notebook.get_cells().filter(c => c.cell_type === "code" && c.get_text().includes(%q)).map(c => c.output_area.element[0].innerText).join("\n")`, cell))
}

// reportLink follows the link of the report card: a page of its own that draws its charts.
func (c *clicking) reportLink() {
	c.t.Helper()
	link := c.page.Text(`document.querySelector("a[download='report-card.html']").href`)
	encoded, ok := strings.CutPrefix(link, "data:text/html;base64,")
	page, err := base64.StdEncoding.DecodeString(encoded)
	if !ok || err != nil || !strings.Contains(string(page), "<h2") {
		c.t.Fatalf("the link of the report card leads to %.80s: %v", link, err)
	}
	file := filepath.Join(c.t.TempDir(), "report-card.html")
	if err := os.WriteFile(file, page, 0o644); err != nil {
		c.t.Fatal(err)
	}
	card := c.browser.Open(c.t, "file://"+file, browser.Look{})
	card.Wait(`document.querySelectorAll(".quire-chart[data-drawn] canvas").length >= 2`)
	text := card.Text("document.body.innerText")
	for _, want := range []string{"Machine", "Stages", "All stages together", "Artefacts"} {
		if !strings.Contains(text, want) {
			c.t.Errorf("the report card lacks %q: %.300q", want, text)
		}
	}
	if requests := card.Requests(); len(requests) != 1 || len(card.Errors()) > 0 {
		c.t.Errorf("the report card asked for %q, and says %q", requests, card.Errors())
	}
	c.shotOf(card, "card")
}
