package show

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"maps"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// Points that a chart on screen and its picture are drawn from; a picture is about as wide as it has points.
const (
	screenPoints  = 5000
	picturePoints = 600
	livePoints    = 1000
)

// object is a JavaScript object.
type object = map[string]any

// drawing makes the chart of the plot's present state.
func (p *Plot) drawing(live bool) *Drawing {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return &Drawing{err: p.err}
	}
	d := &Drawing{title: p.title, width: p.width, height: p.height, live: live}
	limit := screenPoints
	if live {
		limit = livePoints
	}
	d.option = p.option(limit)
	d.still = object{"toolbox": object{"show": false}}
	switch p.kind {
	case "line":
		d.still["series"] = p.lines(picturePoints)
	case "heatmap":
		maps.Copy(d.still, p.heatPicture())
	}
	text := p.plain()
	d.text = func() string { return text }
	return d
}

func (p *Plot) option(limit int) object {
	o := object{
		"tooltip": object{"trigger": "item", "confine": true},
		"toolbox": object{"right": 8, "top": 0, "feature": object{"saveAsImage": object{"title": "Save"}}},
	}
	top, wide := 30, "76%" // a legend beside the toolbox leaves it room
	if p.title != "" {
		o["title"] = object{"text": p.title, "left": 8, "top": 4, "textStyle": object{"fontSize": 15}}
		top, wide = 44, "98%"
	}
	if p.named() {
		o["legend"] = object{"type": "scroll", "left": 8, "width": wide, "top": top - 16}
		top += 18
	}
	right := 28
	if p.xLabel != "" {
		right += 12
	}
	bottom := 28
	if p.xLabel != "" && p.height < flat {
		bottom = 44 // ECharts moves a label of the axis into the picture only where there is height to take
	}
	o["grid"] = object{"left": 24, "right": right, "top": top + 8, "bottom": bottom}
	switch p.kind {
	case "line", "scatter":
		p.cartesian(o, limit)
	case "bar", "hist":
		p.bars(o)
	case "heatmap":
		p.heat(o, top)
	case "boxplot":
		p.boxes(o)
	case "parallel":
		p.parallel(o, top)
	}
	return o
}

// flat is the height in pixels below which a plot has little room for its axes.
const flat = 200

// named reports whether a legend tells something.
func (p *Plot) named() bool {
	if p.kind == "boxplot" || p.kind == "parallel" || p.kind == "heatmap" || len(p.series) == 1 && p.series[0].Name == p.yLabel {
		return false
	}
	return slices.ContainsFunc(p.series, func(s Series) bool { return s.Name != "" })
}

func axis(kind, name string, across bool) object {
	a := object{"type": kind, "scale": true, "axisLine": object{"onZero": false}}
	if name != "" {
		a["name"], a["nameLocation"], a["nameGap"] = name, "middle", 28
		if !across {
			a["nameGap"] = 44
		}
	}
	return a
}

func scale(log, time bool) string {
	switch {
	case log:
		return "log"
	case time:
		return "time"
	}
	return "value"
}

func (p *Plot) cartesian(o object, limit int) {
	time := slices.ContainsFunc(p.series, func(s Series) bool { return s.time })
	y := axis(scale(p.logY, false), p.yLabel, false)
	if p.height < flat {
		y["splitNumber"] = 3
	}
	o["xAxis"], o["yAxis"] = axis(scale(p.logX, time), p.xLabel, true), y
	feature := o["toolbox"].(object)["feature"].(object)
	feature["dataZoom"], feature["restore"] = object{"title": object{"zoom": "Zoom", "back": "Back"}}, object{"title": "Reset"}
	if p.kind == "line" {
		o["tooltip"] = object{"trigger": "axis", "confine": true}
		o["series"] = p.lines(limit)
		return
	}
	var series []object
	for _, s := range p.series {
		x, y := p.visible(s)
		x, y = thin(x, y)
		series = append(series, object{"type": "scatter", "name": s.Name, "symbolSize": 6, "data": points{x, y},
			"itemStyle": object{"opacity": 0.7}})
	}
	o["series"] = series
}

// lines are the series of a line chart with at most limit points each.
func (p *Plot) lines(limit int) []object {
	series := []object{}
	for _, s := range p.series {
		x, y := p.visible(s)
		x, y = lttb(x, y, limit)
		line := object{"type": "line", "name": s.Name, "data": points{x, y}, "symbol": "circle", "symbolSize": 5,
			"showSymbol": len(x) <= 30, "lineStyle": object{"width": 2}}
		if p.smooth {
			line["smooth"] = 0.4
		}
		series = append(series, line)
	}
	return series
}

// visible is a series as it can stand on the plot's axes: what a logarithm can't show is no number.
func (p *Plot) visible(s Series) (x, y []float64) {
	return positive(s.xs(), p.logX), positive(s.Y, p.logY)
}

func positive(v []float64, log bool) []float64 {
	if !log || !slices.ContainsFunc(v, func(f float64) bool { return f <= 0 }) {
		return v
	}
	v = slices.Clone(v)
	for i, f := range v {
		if f <= 0 {
			v[i] = math.NaN()
		}
	}
	return v
}

// thin keeps the first of the points that share a cell of a 100 by 50 grid when there are more than can be drawn.
func thin(x, y []float64) (keptX, keptY []float64) {
	if len(x) <= screenPoints {
		return x, y
	}
	xr, yr := rangeOf(x), rangeOf(y)
	taken := make([]bool, 100*50)
	for i := range x {
		if math.IsNaN(x[i]) || math.IsNaN(y[i]) || math.IsInf(x[i], 0) || math.IsInf(y[i], 0) {
			continue
		}
		cell := xr.cell(x[i], 100) + 100*yr.cell(y[i], 50)
		if !taken[cell] {
			taken[cell] = true
			keptX, keptY = append(keptX, x[i]), append(keptY, y[i])
		}
	}
	return keptX, keptY
}

func (p *Plot) bars(o object) {
	x := axis("category", p.xLabel, true)
	x["data"] = p.names
	if n := len(p.names); p.kind == "bar" && n <= 30 && 8*utf8.RuneCountInString(strings.Join(p.names, "")) > p.width {
		x["axisLabel"] = object{"interval": 0, "rotate": 25, "width": 110, "overflow": "truncate"}
		o["grid"].(object)["left"], o["grid"].(object)["bottom"] = 84, 36
	}
	y := axis(scale(p.logY, false), p.yLabel, false)
	y["scale"] = p.logY
	o["xAxis"], o["yAxis"] = x, y
	o["tooltip"] = object{"trigger": "axis", "confine": true, "axisPointer": object{"type": "shadow"}}
	var series []object
	for _, s := range p.series {
		bar := object{"type": "bar", "name": s.Name, "data": values(positive(s.Y, p.logY))}
		if p.kind == "hist" {
			bar["barCategoryGap"] = "4%"
		}
		series = append(series, bar)
	}
	o["series"] = series
}

func (p *Plot) boxes(o object) {
	names := []string{}
	var boxes [][]float64
	far := points{}
	for i, s := range p.series {
		name := s.Name
		if name == "" {
			name = fmt.Sprint(i + 1)
		}
		names = append(names, name)
		box, outliers := boxOf(positive(s.Y, p.logY))
		boxes = append(boxes, box)
		for _, v := range outliers {
			far.x, far.y = append(far.x, float64(i)), append(far.y, v)
		}
	}
	x := axis("category", p.xLabel, true)
	x["data"] = names
	o["xAxis"], o["yAxis"] = x, axis(scale(p.logY, false), p.yLabel, false)
	o["series"] = []object{{"type": "boxplot", "data": boxes, "itemStyle": object{"color": "rgba(84,112,198,.25)"}}, {"type": "scatter", "symbolSize": 4, "data": far}}
}

// maxOutliers bounds the points drawn beyond the whiskers of one box.
const maxOutliers = 200

// boxOf gives lower whisker, quartiles, upper whisker and what lies beyond, the farthest first.
func boxOf(column []float64) (box, outliers []float64) {
	y := slices.DeleteFunc(slices.Clone(column), func(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) })
	if len(y) == 0 {
		return []float64{}, nil
	}
	slices.Sort(y)
	q1, q2, q3 := quantile(y, 0.25), quantile(y, 0.5), quantile(y, 0.75)
	reach := 1.5 * (q3 - q1)
	lo, _ := slices.BinarySearch(y, q1-reach)
	hi, _ := slices.BinarySearchFunc(y, q3+reach, func(v, limit float64) int {
		if v <= limit {
			return -1
		}
		return 1
	})
	outliers = append(outliers, y[:min(lo, maxOutliers/2)]...)
	outliers = append(outliers, y[max(hi, len(y)-maxOutliers/2):]...)
	return []float64{y[lo], q1, q2, q3, y[hi-1]}, outliers
}

func (p *Plot) parallel(o object, top int) {
	delete(o, "grid")
	var axes []object
	rows := 0
	for i, s := range p.series {
		axes = append(axes, object{"dim": i, "name": s.Name, "scale": true})
		rows = len(s.Y)
	}
	data := make([]values, 0, min(rows, screenPoints))
	for _, i := range spread(rows, 1000) {
		row := make(values, len(p.series))
		for j, s := range p.series {
			row[j] = s.Y[i]
		}
		data = append(data, row)
	}
	o["parallel"] = object{"left": 48, "right": 64, "top": top + 32, "bottom": 24}
	o["parallelAxis"] = axes
	o["series"] = []object{{"type": "parallel", "data": data, "lineStyle": object{"width": 1, "opacity": 0.5}}}
}

// spread gives at most most indices below n at equal distances.
func spread(n, most int) []int {
	out := make([]int, min(n, most))
	for i := range out {
		out[i] = i * n / len(out)
	}
	return out
}

// ramp is the viridis colour scale: perceptually even and readable without colour vision.
var ramp = []string{"#440154", "#46327e", "#365c8d", "#277f8e", "#1fa187", "#4ac16d", "#a0da39", "#fde725"}

// heatCells is the largest number of rows or columns of a heat map on screen; larger ones show means of blocks.
const heatCells = 160

func (p *Plot) heat(o object, top int) {
	m, names, rowNames := p.pooled()
	x, y := axis("category", p.xLabel, true), axis("category", p.yLabel, false)
	x["data"], y["data"], y["inverse"] = names, rowNames, true
	x["splitArea"], y["splitArea"] = object{"show": false}, object{"show": false}
	o["xAxis"], o["yAxis"] = x, y
	var data []values
	for i, row := range m {
		for j, v := range row {
			data = append(data, values{float64(j), float64(i), v})
		}
	}
	r := rangeOf(p.matrix...)
	o["grid"] = object{"left": 64, "right": 96, "top": top + 8, "bottom": 44, "outerBoundsMode": "none"}
	o["visualMap"] = object{"min": r.lo, "max": r.hi, "calculable": true, "right": 8, "top": "middle", "precision": 3,
		"inRange": object{"color": ramp}}
	o["series"] = []object{{"type": "heatmap", "data": data, "progressive": 0}}
}

// pooled is the matrix with its names, by means of blocks where it is too large for a screen.
func (p *Plot) pooled() (m [][]float64, names, rowNames []string) {
	rows, cols := len(p.matrix), 0
	if rows > 0 {
		cols = len(p.matrix[0])
	}
	by := max(1, (rows+heatCells-1)/heatCells)
	bx := max(1, (cols+heatCells-1)/heatCells)
	name := func(given []string, i int) string {
		if i < len(given) {
			return given[i]
		}
		return fmt.Sprint(i)
	}
	for i := 0; i < rows; i += by {
		var row []float64
		for j := 0; j < cols; j += bx {
			row = append(row, blockMean(p.matrix, i, min(i+by, rows), j, min(j+bx, cols)))
		}
		m, rowNames = append(m, row), append(rowNames, name(p.rowNames, i))
	}
	for j := 0; j < cols; j += bx {
		names = append(names, name(p.names, j))
	}
	return m, names, rowNames
}

func blockMean(m [][]float64, i0, i1, j0, j1 int) float64 {
	var sum, n float64
	for _, row := range m[i0:i1] {
		for _, v := range row[j0:j1] {
			if !math.IsNaN(v) {
				sum, n = sum+v, n+1
			}
		}
	}
	return sum / n
}

// heatPicture replaces the cells by one image of the whole matrix, stretched over the grid: the axes alone are drawn by ECharts,
// which would take seconds for the cells.
func (p *Plot) heatPicture() object {
	m, _, _ := p.pooled()
	if len(m) == 0 || len(m[0]) == 0 {
		return nil
	}
	top := p.option(0)["grid"].(object)["top"].(int)
	const left, right, bottom = 64, 96, 44
	w, h := p.width-left-right, p.height-top-bottom
	if w < 1 || h < 1 {
		return nil
	}
	r := rangeOf(p.matrix...)
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			if v := m[y*len(m)/h][x*len(m[0])/w]; !math.IsNaN(v) {
				img.SetRGBA(x, y, rampColor(r.at(v)))
			}
		}
	}
	var buf bytes.Buffer
	if png.Encode(&buf, img) != nil {
		return nil
	}
	return object{
		"series": []object{{"type": "heatmap", "data": []values{}}},
		"graphic": []object{{"type": "image", "z": 1, "style": object{"x": left, "y": top, "width": w, "height": h,
			"image": "data:image/png;base64," + base64.StdEncoding.EncodeToString(buf.Bytes())}}},
	}
}

// rampColor is the colour of t between 0 and 1.
func rampColor(t float64) color.RGBA {
	at := min(max(t, 0), 1) * float64(len(ramp)-1)
	i := min(int(at), len(ramp)-2)
	a, b, f := rgb(ramp[i]), rgb(ramp[i+1]), at-float64(i)
	mix := func(a, b uint8) uint8 { return uint8(float64(a) + f*(float64(b)-float64(a)) + 0.5) }
	return color.RGBA{mix(a.R, b.R), mix(a.G, b.G), mix(a.B, b.B), 255}
}

func rgb(hex string) (c color.RGBA) {
	fmt.Sscanf(hex, "#%02x%02x%02x", &c.R, &c.G, &c.B)
	return c
}

// span is a range of numbers.
type span struct{ lo, hi float64 }

// rangeOf is the range of all finite values.
func rangeOf(columns ...[]float64) span {
	r := span{math.Inf(1), math.Inf(-1)}
	for _, c := range columns {
		for _, v := range c {
			if !math.IsNaN(v) && !math.IsInf(v, 0) {
				r.lo, r.hi = min(r.lo, v), max(r.hi, v)
			}
		}
	}
	if r.lo > r.hi {
		return span{0, 1}
	}
	return r
}

// at is where v lies between lo (0) and hi (1).
func (r span) at(v float64) float64 {
	if r.hi == r.lo {
		return 0.5
	}
	return (v - r.lo) / (r.hi - r.lo)
}

// cell is which of n equal parts holds v.
func (r span) cell(v float64, n int) int { return min(n-1, max(0, int(r.at(v)*float64(n)))) }
