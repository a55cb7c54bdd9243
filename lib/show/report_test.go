package show

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"quire/internal/browser"
)

// shots is the folder for screenshots, a temporary one unless QUIRE_SHOTS names one to look at.
func shots(t *testing.T) string {
	if dir := os.Getenv("QUIRE_SHOTS"); dir != "" {
		return dir
	}
	return t.TempDir()
}

// gallery is a report of one value of every kind.
func gallery() Report {
	r := Report{Title: "Gallery"}
	block := func(title string, values []named) {
		r.Blocks = append(r.Blocks, Block{Markdown: "## " + title})
		for i, v := range values {
			r.Blocks = append(r.Blocks, Block{Markdown: "### " + v.name, Count: i + 1, Code: "show." + v.name + "(x) // a \"comment\"\nfor range 3 {}",
				Outputs: []Shown{{Bundle: v.value.MIMEBundle()}}})
		}
	}
	block("Plots", plots())
	block("go-echarts", goEcharts())
	block("Others", others())
	r.Blocks = append(r.Blocks, Block{Outputs: []Shown{{Text: "epoch 1\repoch 2\n\x1b[31mred\x1b[0m <b>\n"}, {Text: "panic: no", Failed: true}}})
	return r
}

func TestReportInBrowser(t *testing.T) {
	record(t)
	var page bytes.Buffer
	if err := gallery().WriteHTML(&page); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(page.String(), `class="quire-library"`); n != 1 {
		t.Errorf("the library stands in the page %d times, want once", n)
	}
	if m := regexp.MustCompile(`(?i)\s(src|href|action|data|poster|srcset)\s*=\s*["']?\s*(https?:|//)[^"' >]*`).FindString(page.String()); m != "" {
		t.Errorf("the page refers to %s", m)
	}
	b := browser.Start(t)
	dir := shots(t)
	file := filepath.Join(dir, "report.html")
	if err := os.WriteFile(file, page.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	n := len(plots()) + len(goEcharts())
	for _, look := range []struct {
		name string
		browser.Look
	}{{"light", browser.Look{Width: 1200, Height: 900}}, {"dark", browser.Look{Width: 1200, Height: 900, Dark: true}}, {"narrow", browser.Look{Width: 500, Height: 800}}} {
		p := b.Open(t, "file://"+file, look.Look)
		p.Wait(`[...document.querySelectorAll(".quire-chart[data-drawn]")].filter(e => e.querySelector("canvas")).length === ` + strconv.Itoa(n))
		if errs := p.Errors(); len(errs) > 0 {
			t.Errorf("%s: console errors: %q", look.name, errs)
		}
		if reqs := p.Requests(); len(reqs) != 1 {
			t.Errorf("%s: requests: %q, want the file alone", look.name, reqs)
		}
		if wide := p.Text(`[...document.querySelectorAll("canvas")].filter(c => c.clientWidth > document.documentElement.clientWidth).length`); wide != "0" {
			t.Errorf("%s: %s charts are wider than the page", look.name, wide)
		}
		p.Eval(`new Promise(f => setTimeout(f, 1500))`, nil) // animations end
		p.Screenshot(filepath.Join(dir, "report-"+look.name+".png"))
	}
	p := b.Open(t, "file://"+file, browser.Look{NoScript: true, Width: 1200, Height: 900})
	if got := p.Text(`[...document.querySelectorAll(".quire-chart img")].filter(i => i.complete && i.naturalWidth > 100).length`); got != strconv.Itoa(n) {
		t.Errorf("without scripts %s pictures of charts are seen, want %d", got, n)
	}
	p.Screenshot(filepath.Join(dir, "report-noscript.png"))
}

// A report inside a report: its headings are read, and take no place of the page's own in its contents.
func TestReportInReport(t *testing.T) {
	record(t)
	inner := Report{Title: "Card", Blocks: []Block{{Markdown: "## Machine\n\n| a |\n|--:|\n| 1 |"}, {Outputs: []Shown{{Bundle: Line([]int{1, 2}).MIMEBundle()}}}}}
	outer := Report{Blocks: []Block{{Markdown: "# First"}, {Outputs: []Shown{{Bundle: inner.MIMEBundle()}, {Bundle: Markdown("# Shown")}}}, {Markdown: "## Second"}}}
	var page bytes.Buffer
	if err := outer.WriteHTML(&page); err != nil {
		t.Fatal(err)
	}
	for want, times := range map[string]int{`id="h1"`: 1, `id="h2"`: 1, `id="h3"`: 0, `href="#h`: 2, "<h2>Card</h2>": 1, "<h2>Machine</h2>": 1, `class="quire-library"`: 1, "<iframe": 0} {
		if n := strings.Count(page.String(), want); n != times {
			t.Errorf("%s stands in the page %d times, want %d", want, n, times)
		}
	}
}
