package show

import (
	"errors"
	"math"
	"math/rand/v2"
	"time"

	"github.com/go-echarts/go-echarts/v2/charts"
	"github.com/go-echarts/go-echarts/v2/opts"
)

// named is one value of the gallery.
type named struct {
	name  string
	value Bundler
}

// plots are the kinds of Plot with data that looks like work.
func plots() []named {
	rng := rand.New(rand.NewPCG(1, 2))
	var steps, loss, val, noise []float64
	for i := range 400 {
		steps = append(steps, float64(1+i))
		loss = append(loss, 0.8+6*math.Exp(-float64(i)/60)+0.15*rng.NormFloat64()*math.Exp(-float64(i)/300))
		val = append(val, 0.9+6*math.Exp(-float64(i)/55))
		noise = append(noise, rng.NormFloat64())
	}
	attention := make([][]float64, 24)
	for i := range attention {
		attention[i] = make([]float64, 24)
		for j := range i + 1 {
			attention[i][j] = math.Exp(-float64(i-j)/4) / 4
		}
	}
	return []named{
		{"line", Line(S("train", steps, loss), S("validation", steps, val)).Title("Loss of a small model").Labels("step", "loss").LogY().Smooth()},
		{"scatter", Scatter(S("a", noise[:200], loss[200:]), S("b", noise[200:], val[200:])).Title("Noise").Labels("noise", "loss")},
		{"bar", Bar([]string{"arc", "piqa", "hellaswag", "winogrande"}, S("base", []float64{31.2, 62.9, 40.1, 51.3}), S("tuned", []float64{44, 70.5, 55.2, 58})).Title("Accuracy").Labels("", "%")},
		{"hist", Hist(noise, 0).Title("Weights").Labels("value", "count")},
		{"heatmap", Heatmap(attention).Title("Attention, head 3").Labels("key", "query")},
		{"box", Box(S("layer 0", noise[:100]), S("layer 1", noise[100:250]), S("layer 2", noise[250:])).Title("Activations")},
		{"parallel", Parallel(S("lr", noise[:60]), S("batch", val[:60]), S("loss", loss[:60])).Title("Runs")},
		{"funnel", Funnel([]string{"read", "judged good", "no copy", "no exam question"}, []int{1471, 1185, 1103, 1103})},
		{"unnamed", Line([]int{3, 1, 4, 1, 5, 9, 2, 6})},
	}
}

// goEcharts is one chart of every type of go-echarts that ECharts itself draws.
func goEcharts() []named {
	x := []string{"Mon", "Tue", "Wed", "Thu", "Fri"}
	title := func(s string) charts.GlobalOpts { return charts.WithTitleOpts(opts.Title{Title: s}) }
	bar := charts.NewBar()
	bar.SetGlobalOptions(title("bar"))
	bar.SetXAxis(x).AddSeries("cups", []opts.BarData{{Value: 3}, {Value: 5}, {Value: 2}, {Value: 8}, {Value: 4}})
	line := charts.NewLine()
	line.SetGlobalOptions(title("line"))
	line.SetXAxis(x).AddSeries("cups", []opts.LineData{{Value: 3}, {Value: 5}, {Value: math.NaN()}, {Value: 8}, {Value: 4}})
	scatter := charts.NewScatter()
	scatter.SetXAxis(x).AddSeries("s", []opts.ScatterData{{Value: 3}, {Value: 5}, {Value: 1}})
	effect := charts.NewEffectScatter()
	effect.SetXAxis(x).AddSeries("e", []opts.EffectScatterData{{Value: 3}, {Value: 5}})
	pie := charts.NewPie()
	pie.AddSeries("tokens", []opts.PieData{{Name: "code", Value: 60}, {Name: "prose", Value: 30}, {Name: "tests", Value: 10}})
	funnel := charts.NewFunnel()
	funnel.AddSeries("kept", []opts.FunnelData{{Name: "read", Value: 100}, {Name: "clean", Value: 60}, {Name: "unique", Value: 40}})
	gauge := charts.NewGauge()
	gauge.AddSeries("speed", []opts.GaugeData{{Name: "tok/s", Value: 42}})
	radar := charts.NewRadar()
	radar.SetGlobalOptions(charts.WithRadarComponentOpts(opts.RadarComponent{Indicator: []*opts.Indicator{
		{Name: "a", Max: 10}, {Name: "b", Max: 10}, {Name: "c", Max: 10}}}))
	radar.AddSeries("m", []opts.RadarData{{Value: []int{3, 7, 5}}})
	heat := charts.NewHeatMap()
	heat.SetGlobalOptions(charts.WithVisualMapOpts(opts.VisualMap{Min: 0, Max: 10}),
		charts.WithYAxisOpts(opts.YAxis{Type: "category", Data: []string{"a", "b"}}), charts.WithXAxisOpts(opts.XAxis{Type: "category"}))
	heat.SetXAxis(x).AddSeries("h", []opts.HeatMapData{{Value: [3]any{0, 0, 5}}, {Value: [3]any{1, 1, 9}}})
	box := charts.NewBoxPlot()
	box.SetXAxis(x[:1]).AddSeries("b", []opts.BoxPlotData{{Value: []float64{1, 2, 3, 4, 5}}})
	kline := charts.NewKLine()
	kline.SetXAxis(x[:2]).AddSeries("k", []opts.KlineData{{Value: [4]float32{2, 3, 1, 4}}, {Value: [4]float32{3, 2, 1, 4}}})
	parallel := charts.NewParallel()
	parallel.SetGlobalOptions(charts.WithParallelAxisList([]opts.ParallelAxis{{Dim: 0, Name: "a"}, {Dim: 1, Name: "b"}}))
	parallel.AddSeries("p", []opts.ParallelData{{Value: []int{1, 2}}, {Value: []int{2, 1}}})
	graph := charts.NewGraph()
	graph.AddSeries("g", []opts.GraphNode{{Name: "a", X: 1, Y: 1}, {Name: "b", X: 200, Y: 100}}, []opts.GraphLink{{Source: "a", Target: "b"}})
	sankey := charts.NewSankey()
	sankey.AddSeries("s", []opts.SankeyNode{{Name: "a"}, {Name: "b"}}, []opts.SankeyLink{{Source: "a", Target: "b", Value: 3}})
	river := charts.NewThemeRiver()
	river.SetGlobalOptions(charts.WithSingleAxisOpts(opts.SingleAxis{Type: "time"}))
	river.AddSeries("r", []opts.ThemeRiverData{{Date: "2026/01/01", Value: 1, Name: "a"}, {Date: "2026/01/02", Value: 3, Name: "a"}})
	tree := charts.NewTree()
	tree.AddSeries("t", []opts.TreeData{{Name: "root", Children: []*opts.TreeData{{Name: "leaf"}}}})
	treemap := charts.NewTreeMap()
	treemap.AddSeries("t", []opts.TreeMapNode{{Name: "a", Value: 3}, {Name: "b", Value: 5}})
	sunburst := charts.NewSunburst()
	sunburst.AddSeries("s", []opts.SunBurstData{{Name: "a", Value: 3}, {Name: "b", Value: 5}})
	custom := charts.NewCustom()
	custom.SetXAxis(x[:2]).AddSeries("c", []opts.CustomData{{Value: []int{0, 5}}, {Value: []int{1, 3}}}, charts.WithCustomChartOpts(opts.CustomChart{
		RenderItem: opts.FuncOpts(`function (params, api) { var p = api.coord([api.value(0), api.value(1)]); return {type: "circle", shape: {cx: p[0], cy: p[1], r: 9}, style: {fill: "#c33"}}; }`)}))
	return []named{{"go-bar", Chart(bar)}, {"go-line", Chart(line)}, {"go-scatter", Chart(scatter)}, {"go-effect", Chart(effect)},
		{"go-pie", Chart(pie)}, {"go-funnel", Chart(funnel)}, {"go-gauge", Chart(gauge)}, {"go-radar", Chart(radar)}, {"go-heatmap", Chart(heat)},
		{"go-box", Chart(box)}, {"go-kline", Chart(kline)}, {"go-parallel", Chart(parallel)}, {"go-graph", Chart(graph)}, {"go-sankey", Chart(sankey)},
		{"go-river", Chart(river)}, {"go-tree", Chart(tree)}, {"go-treemap", Chart(treemap)}, {"go-sunburst", Chart(sunburst)}, {"go-custom", Chart(custom)}}
}

type run struct {
	Name   string
	Steps  int
	Loss   float64
	Best   *float64
	Took   time.Duration
	Failed error
}

// others are a value of every other kind.
func others() []named {
	best := 2.25
	var rows []run
	for i := range 40 {
		r := run{Name: "run " + string(rune('a'+i%26)), Steps: 1000 * i, Loss: 3 / float64(i+1), Took: time.Duration(i) * time.Second}
		if i%3 == 0 {
			r.Best = &best
		}
		rows = append(rows, r)
	}
	rows[2].Failed = errors.New("out of memory")
	bar := &ProgressBar{name: "tokenise", total: 1000, unit: "doc", start: time.Unix(0, 0), end: time.Unix(20, 0), state: finished}
	bar.Set(1000)
	half := &ProgressBar{name: "train", total: 400, unit: "step", start: time.Unix(0, 0), end: time.Unix(30, 0), state: stopped}
	half.Set(150)
	return []named{
		{"table", Table(rows).Caption("Forty runs")},
		{"matrix", Table([][]float64{{1, 2.5}, {3, math.NaN()}})},
		{"map", Table(map[string]int{"b": 2, "a": 1})},
		{"progress", bar}, {"stopped", half},
		{"tokens", Tokens([]int{15339, 11, 1917, 220, 198}, []string{"hello", ",", " world", " ", "\n"}, nil)},
		{"tokens-values", Tokens([]int{1, 2, 3}, []string{"the", " cat", " sat"}, []float64{-0.1, -4, -1.5})},
		{"tree", Tree(Node{"model", []Node{{"embed [32000 64]", nil}, {"layer 0", []Node{{"attention", nil}, {"mlp", nil}}}}})},
		{"diff", Diff("a\nb\nc\nd\ne\nf\ng\nh\n", "a\nb\nc\nd\nE\nf\ng\nh\ni\n")},
		{"json", JSON(map[string]any{"a": []int{1, 2}, "b": map[string]any{"c": nil}})},
		{"code", Code("go", "func main() {\n\tfmt.Println(\"<hi>\")\n}")},
		{"markdown", Markdown("**bold** and `code`")},
	}
}
