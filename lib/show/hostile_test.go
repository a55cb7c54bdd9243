package show

import (
	"encoding/xml"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"quire/internal/browser"

	"github.com/go-echarts/go-echarts/v2/charts"
	"github.com/go-echarts/go-echarts/v2/opts"
)

// hostile are strings that break what does not escape: each would call pwned() if it became markup or script.
var hostile = []string{
	`<img src=x onerror=pwned()>`, `</script><script>pwned()</script>`, `"><svg onload=pwned()>`, `'+pwned()+'`, "`${pwned()}`",
	`__f__function(){pwned()}__f__`, `<!--<script>`, "\u2028pwned()\u2029", "\u202eRTL \u05e9\u05dc\u05d5\u05dd", "\x00\x01\x1b]0;x\x07\xff\xfe",
	`]]>&lt;pwned()`, `{b}{c}<b>`, "a\nb\r\n\tc", `\"};pwned();//`, strings.Repeat("long <b>", 1<<17),
}

// hostileValues puts every string wherever a string can be put.
func hostileValues() []named {
	var out []named
	bar := charts.NewBar()
	bar.SetGlobalOptions(charts.WithTitleOpts(opts.Title{Title: hostile[0], Subtitle: hostile[1]}))
	bar.SetXAxis(hostile)
	var lines []any
	count := make([]float64, len(hostile))
	for i, s := range hostile {
		bar.AddSeries(s, []opts.BarData{{Name: s, Value: 1}, {Name: hostile[0], Value: 2}})
		lines = append(lines, S(s, []int{i, 2, 3}))
		count[i] = 1
	}
	wide := [][]float64{count, count}
	for _, s := range []string{hostile[0], hostile[5], hostile[9], hostile[len(hostile)-1]} {
		out = append(out, named{"line", Line(lines...).Title(s).Labels(s, s)})
	}
	out = append(out, named{"go-echarts", Chart(bar)}, named{"bars", Bar(hostile, S(hostile[1], count))},
		named{"heat", Heatmap(wide).Names(hostile, hostile)}, named{"box", Box(lines...)}, named{"parallel", Parallel(lines...)})
	for i, s := range hostile {
		add := func(kind string, v Bundler) { out = append(out, named{fmt.Sprintf("%s %d", kind, i), v}) }
		add("table", Table([]map[string]string{{s: s}, {s: "x"}}).Caption(s))
		add("tokens", Tokens([]int{1}, []string{s}, []float64{1}))
		add("tree", Tree(Node{s, []Node{{s, nil}}}))
		add("tree of values", Tree(map[string]string{s: s}))
		add("json", JSON(map[string]string{s: s}))
		add("diff", Diff(s, s+"x"))
		add("code", Code(s, s))
		add("progress", &ProgressBar{name: s, note: s, total: 2})
		add("widget", HBox(TextBox(s, s), Dropdown(s, s), Button(s, nil)))
	}
	return out
}

func TestHostileStrings(t *testing.T) {
	r := Report{Title: hostile[1]}
	for _, s := range hostile {
		source := s[:min(len(s), 1000)]
		r.Blocks = append(r.Blocks, Block{Markdown: "# " + source, Code: source, Outputs: []Shown{{Text: s}, {Text: s, Failed: true},
			{Bundle: map[string]any{"text/plain": s}}, {Bundle: map[string]any{"text/markdown": s}}, {Bundle: map[string]any{"application/json": s}}}})
	}
	for _, v := range hostileValues() {
		b := v.value.MIMEBundle()
		if svg, ok := b["image/svg+xml"].(string); ok {
			wellFormedXML(t, v.name, svg)
		}
		if text := b["text/plain"].(string); len(text) > 1<<22 {
			t.Errorf("%s: %d bytes of text", v.name, len(text))
		}
		r.Blocks = append(r.Blocks, Block{Outputs: []Shown{{Bundle: b}}})
	}
	file := filepath.Join(t.TempDir(), "hostile.html")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.WriteHTML(f); err != nil {
		t.Fatal(err)
	}
	f.Close()
	p := browser.Start(t).Open(t, "file://"+file, browser.Look{})
	p.Wait(`window.quire && quire.echarts && quire.queue.length === 0`)
	if got := p.Text(`[...document.querySelectorAll(".quire-chart[data-drawn]")].filter(e => e.querySelector("canvas")).length`); got != "9" {
		t.Errorf("%s charts are drawn, want 9", got)
	}
	if got := p.Text(`typeof pwned`); got != "undefined" {
		t.Error("the page defines pwned")
	}
	if errs := p.Errors(); len(errs) > 0 {
		t.Errorf("console errors, so something ran or broke: %.500q", errs)
	}
	if reqs := p.Requests(); len(reqs) != 1 {
		t.Errorf("requests: %q", reqs)
	}
	if got := p.Text(`document.querySelectorAll("main img:not([src^='data:']), main svg[onload]").length`); got != "0" {
		t.Errorf("%s elements came out of strings", got)
	}
}

func wellFormedXML(t *testing.T, name, doc string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(doc))
	for {
		if _, err := d.Token(); err == io.EOF {
			return
		} else if err != nil {
			t.Errorf("%s: SVG: %v", name, err)
			return
		}
	}
}

func TestEveryGoEchartsTypeIsStatic(t *testing.T) {
	for _, v := range goEcharts() {
		b := v.value.MIMEBundle()
		svg, _ := b["image/svg+xml"].(string)
		if strings.Count(svg, "<path")+strings.Count(svg, "<text") < 2 {
			t.Errorf("%s: a picture of %d bytes with nothing in it: %v", v.name, len(svg), b["text/plain"])
		}
		wellFormedXML(t, v.name, svg)
	}
	for _, c := range []any{charts.NewBar3D(), charts.NewLine3D(), charts.NewScatter3D(), charts.NewSurface3D(), charts.NewLiquid(), charts.NewWordCloud(), charts.NewMap(), charts.NewGeo()} {
		switch c := c.(type) {
		case *charts.Bar3D:
			c.AddSeries("s", nil)
		case *charts.Line3D:
			c.AddSeries("s", nil)
		case *charts.Scatter3D:
			c.AddSeries("s", nil)
		case *charts.Surface3D:
			c.AddSeries("s", nil)
		case *charts.Liquid:
			c.AddSeries("s", nil)
		case *charts.WordCloud:
			c.AddSeries("s", nil)
		case *charts.Map:
			c.AddSeries("s", nil)
		}
		text := Chart(c).MIMEBundle()["text/plain"].(string)
		if !strings.Contains(text, "needs an extension") {
			t.Errorf("%T: %q, want to be told what is missing", c, text)
		}
	}
	if text := Chart(3).MIMEBundle()["text/plain"].(string); !strings.Contains(text, "int is no chart") {
		t.Errorf("Chart(3): %q", text)
	}
}
