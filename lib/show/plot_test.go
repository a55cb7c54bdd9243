package show

import (
	"encoding/base64"
	"image/png"
	"iter"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
)

func arrowFloats(values []float64, valid []bool) *array.Float64 {
	b := array.NewFloat64Builder(memory.DefaultAllocator)
	b.AppendValues(values, valid)
	return b.NewFloat64Array()
}

// TestColumns says what counts as a column of numbers.
func TestColumns(t *testing.T) {
	nan := math.NaN()
	a := arrowFloats([]float64{1, 2, 3}, []bool{true, false, true})
	var seq iter.Seq[int] = slices.Values([]int{4, 5})
	one := 1.5
	for _, c := range []struct {
		in   any
		want []float64
	}{
		{[]float64{1, 2}, []float64{1, 2}}, {[]float32{1, 2}, []float64{1, 2}}, {[2]uint8{1, 2}, []float64{1, 2}}, {[]bool{true, false}, []float64{1, 0}},
		{[]*float64{&one, nil}, []float64{1.5, nan}}, {[]any{1, 2.5, nil}, []float64{1, 2.5, nan}}, {a, []float64{1, nan, 3}},
		{arrow.NewChunked(a.DataType(), []arrow.Array{a, a}), []float64{1, nan, 3, 1, nan, 3}}, {seq, []float64{4, 5}},
		{maps.Values(map[int]int{1: 7}), []float64{7}}, {[]time.Duration{5}, []float64{5}}, {[]time.Time{time.UnixMilli(42)}, []float64{42}},
	} {
		got, err := numbers(c.in)
		if err != nil || !slices.EqualFunc(got, c.want, func(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) }) {
			t.Errorf("numbers(%T) = %v, %v, want %v", c.in, got, err, c.want)
		}
	}
	if x, y, ok := pairs(slices.All([]float64{5, 6})); !ok || !slices.Equal(x, []float64{0, 1}) || !slices.Equal(y, []float64{5, 6}) {
		t.Errorf("pairs: %v %v %v", x, y, ok)
	}
}

func TestPlotErrors(t *testing.T) {
	for want, p := range map[string]*Plot{
		"chan int is no column of numbers": Line(make(chan int)),
		"<nil> is no column of numbers":    Line(nil),
		"element 0 of []string":            Line([]string{"x"}),
		"x has 1 values and y 2":           Line(S("a", []int{1}, []int{1, 2})),
		"give y, or x and y":               Line(S("a")),
		"series \"a\" has 2 values for 1":  Bar([]string{"x"}, S("a", []int{1, 2})),
		"int is no matrix":                 Heatmap(3),
		"row 1 has 1 values, row 0 has 2":  Heatmap([][]int{{1, 2}, {3}}),
		"int is no list of labels":         Bar(3, []int{1}),
		"\"b\" has 1 values, \"a\" has 2":  Parallel(S("a", []int{1, 2}), S("b", []int{1})),
	} {
		text := p.MIMEBundle()["text/plain"].(string)
		if !strings.Contains(text, want) || strings.Contains(text, "\n") || p.Err() == nil {
			t.Errorf("the plot says %q, want one line with %q", text, want)
		}
	}
}

// TestEmptyPlots shows what has no points.
func TestEmptyPlots(t *testing.T) {
	record(t)
	nan := math.NaN()
	for i, p := range []*Plot{Line(), Line([]float64{}), Line([]float64{nan, math.Inf(1)}), Scatter([]float64{}), Bar([]string{}), Hist([]float64{}, 0),
		Hist([]float64{2, 2}, 0), Heatmap([][]float64{}), Heatmap([][]float64{{}}), Heatmap([][]float64{{nan}}), Box(), Box([]float64{}), Parallel(),
		Line([]float64{-1, 0}).LogY()} {
		b := p.MIMEBundle()
		if b["text/html"] == nil || b["image/svg+xml"] == nil {
			t.Errorf("plot %d: %v", i, b["text/plain"])
		}
	}
}

// TestLTTB keeps ends and spikes.
func TestLTTB(t *testing.T) {
	n := 100_000
	x, y := make([]float64, n), make([]float64, n)
	for i := range x {
		x[i], y[i] = float64(i), math.Sin(float64(i)/1000)
	}
	y[54321] = 10
	keptX, keptY := lttb(x, y, 500)
	if len(keptX) != 500 || len(keptY) != 500 || keptX[0] != 0 || keptX[499] != float64(n-1) {
		t.Errorf("kept %d points from %g to %g", len(keptX), keptX[0], keptX[len(keptX)-1])
	}
	if !slices.IsSorted(keptX) || slices.Max(keptY) != 10 {
		t.Errorf("order or the spike is lost: max %g", slices.Max(keptY))
	}
	for i := range y {
		y[i] = math.NaN()
	}
	if keptX, _ := lttb(x, y, 3); len(keptX) != 3 {
		t.Errorf("of points that are no numbers %d are kept, want 3", len(keptX))
	}
	if points := strings.Count(Line(x).drawing(false).option["series"].([]object)[0]["data"].(points).json(), "["); points != screenPoints+1 {
		t.Errorf("a line of %d points is drawn from %d", n, points-1)
	}
}

func (p points) json() string { text, _ := p.MarshalJSON(); return string(text) }

// TestPNG decodes the picture that a printed notebook has.
func TestPNG(t *testing.T) {
	if converter() == "" {
		t.Skip("no rsvg-convert on PATH")
	}
	encoded, _ := Line([]int{1, 2, 3}).Size(300, 200).MIMEBundle()["image/png"].(string)
	img, err := png.Decode(base64.NewDecoder(base64.StdEncoding, strings.NewReader(encoded)))
	if err != nil || img.Bounds().Dx() != 600 || img.Bounds().Dy() != 400 {
		t.Errorf("the PNG of a plot of 300 by 200, at twice its size: %v, %v", img, err)
	}
}

func TestBoxOf(t *testing.T) {
	box, far := boxOf([]float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 100, math.NaN()})
	if !slices.Equal(box, []float64{1, 3.25, 5.5, 7.75, 9}) || !slices.Equal(far, []float64{100}) {
		t.Errorf("box %v, outliers %v", box, far)
	}
}

func TestHistogramCountsAll(t *testing.T) {
	p := Hist([]float64{0, 0.5, 1, 1, 9.99, 10, math.NaN()}, 10)
	var sum float64
	for _, c := range p.series[0].Y {
		sum += c
	}
	if sum != 6 || len(p.series[0].Y) != 10 || p.series[0].Y[9] != 2 {
		t.Errorf("counts %v", p.series[0].Y)
	}
}

// Without a number of bins their edges are round numbers; values that no bins fit neither fail nor hang.
func TestHistogramOfRoundBins(t *testing.T) {
	p := Hist([]float64{1.234, 1.5, 2, 2.2, 2.3, 2.31, 2.4, 2.5, 3, 3.1, 3.3, 4.5}, 0)
	if want := []string{"1", "1.25", "1.5"}; !slices.Equal(p.names[:3], want) || p.names[len(p.names)-1] != "4.5" {
		t.Errorf("edges %q", p.names)
	}
	for _, column := range [][]float64{{-1.7e308, 1.7e308}, {0, 5e-324}, {1e17, 1e17 + 64}, {3, 3}, {-3e-9, 0, 4e9}} {
		p := Hist(column, 0)
		if len(p.names) > 300 || p.Err() != nil {
			t.Errorf("of %v: %d bins, %v", column, len(p.names), p.Err())
		}
	}
}

func TestFunnel(t *testing.T) {
	record(t)
	b := Funnel([]string{"read", "kept", "kept"}, []int{1000, 10, 10}).MIMEBundle() // names may repeat, a stage may take nothing out
	if svg := b["image/svg+xml"].(string); !strings.Contains(svg, "− 990") || strings.Contains(svg, "− 0") {
		t.Errorf("the picture says something else than what was taken out: %.2000s", svg)
	}
	if text := b["text/plain"].(string); !strings.Contains(text, "1.0 % of those before") || !strings.Contains(text, "100.0 %") {
		t.Errorf("text %s", text)
	}
	for want, d := range map[string]*Drawing{
		"2 names and 1 counts":        Funnel([]string{"a", "b"}, []int{1}),
		"1 names and 1 counts":        Funnel([]string{"a"}, []int{1}),
		`3 at "b"`:                    Funnel([]string{"a", "b"}, []int{2, 3}),
		`-1 at "a"`:                   Funnel([]string{"a", "b"}, []int{-1, -2}),
		`+Inf at "a"`:                 Funnel([]string{"a", "b"}, []float64{math.Inf(1), 2}),
		`NaN at "b"`:                  Funnel([]string{"a", "b"}, []float64{2, math.NaN()}),
		"int is no column of numbers": Funnel([]string{"a", "b"}, 3),
	} {
		if text := d.MIMEBundle()["text/plain"].(string); !strings.Contains(text, want) {
			t.Errorf("says %q, want %q", text, want)
		}
	}
}

// BenchmarkChart has the bar: the picture of a line of 1,000 points in 60 ms, once the library is loaded; the bundle has the PNG too.
func BenchmarkChart(b *testing.B) {
	found := converter
	record(b)
	converter = found // the bundle is measured with its PNG
	y := make([]float64, 1000)
	for i := range y {
		y[i] = math.Sin(float64(i) / 50)
	}
	p := Line(S("loss", y))
	p.MIMEBundle()
	b.Run("svg/points=1000", func(b *testing.B) {
		fastest := time.Hour
		for b.Loop() {
			start := time.Now()
			d := p.drawing(false)
			code, _ := script(d.option)
			if _, err := d.svg(code, "q"); err != nil {
				b.Fatal(err)
			}
			fastest = min(fastest, time.Since(start))
		}
		b.ReportMetric(float64(fastest.Microseconds())/1000, "ms/fastest")
	})
	b.Run("bundle/points=1000", func(b *testing.B) {
		for b.Loop() {
			p.MIMEBundle()
		}
	})
}
