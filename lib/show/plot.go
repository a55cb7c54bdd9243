package show

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
)

// Series is a named column of numbers, or two of them: x and y. Make one with S.
type Series struct {
	Name string
	X, Y []float64 // X is nil where the points are counted from 0

	time bool // X is milliseconds since 1970
	err  error
}

// S names data for a plot: one column of y, or x and y, or an iterator of pairs. A column is a slice or array of numbers or
// times, an Arrow column, or an iterator.
func S(name string, columns ...any) Series {
	s := Series{Name: name}
	if len(columns) == 1 {
		if x, y, ok := pairs(columns[0]); ok {
			s.X, s.Y = x, y
			return s
		}
	}
	switch len(columns) {
	case 1:
		s.Y, s.err = numbers(columns[0])
	case 2:
		if s.X, s.err = numbers(columns[0]); s.err == nil {
			s.Y, s.err = numbers(columns[1])
		}
		s.time = holdsTimes(columns[0])
		if s.err == nil && len(s.X) != len(s.Y) {
			s.err = fmt.Errorf("x has %d values and y %d", len(s.X), len(s.Y))
		}
	default:
		s.err = fmt.Errorf("%d columns: give y, or x and y", len(columns))
	}
	if s.err != nil {
		s.err = fmt.Errorf("series %q: %w", name, s.err)
	}
	return s
}

func holdsTimes(column any) bool {
	if _, ok := column.(*array.Timestamp); ok {
		return true
	}
	if c, ok := column.(*arrow.Chunked); ok {
		return c.DataType().ID() == arrow.TIMESTAMP
	}
	t := reflect.TypeOf(column)
	return (t.Kind() == reflect.Slice || t.Kind() == reflect.Array) && t.Elem() == reflect.TypeFor[time.Time]()
}

// xs is X, counted where there is none.
func (s *Series) xs() []float64 {
	if s.X != nil {
		return s.X
	}
	x := make([]float64, len(s.Y))
	for i := range x {
		x[i] = float64(i)
	}
	return x
}

// Plot is a chart of columns. Its methods change it and return it, so that they can be chained. Goroutines may share it.
type Plot struct {
	mu             sync.Mutex
	kind           string // line, scatter, bar, hist, heatmap, boxplot, parallel
	series         []Series
	matrix         [][]float64 // of a heat map
	names          []string    // of bars and of a heat map's columns
	rowNames       []string
	title          string
	xLabel, yLabel string
	logX, logY     bool
	smooth         bool
	width, height  int
	err            error
	live           liveState
}

func newPlot(kind string, data []any) *Plot {
	p := &Plot{kind: kind, width: defaultWidth, height: defaultHeight}
	for _, d := range data {
		s, ok := d.(Series)
		if !ok {
			s = S("", d)
		}
		if s.err != nil && p.err == nil {
			p.err = fmt.Errorf("show: %s: %w", kind, s.err)
		}
		p.series = append(p.series, s)
	}
	return p
}

// Line draws each series as a line: columns of y, iterators of y or of pairs, or S(name, x, y). Above 5,000 points a line is
// drawn from 5,000 that keep its shape. Without data it waits for Append.
func Line(data ...any) *Plot { return newPlot("line", data) }

// Scatter draws the points of each series, given as for Line. Above 5,000 points it keeps one of those that fall together.
func Scatter(data ...any) *Plot { return newPlot("scatter", data) }

// Bar draws one group of bars for each label.
func Bar(labelled any, data ...any) *Plot {
	p := newPlot("bar", data)
	names, err := labels(labelled)
	if err != nil && p.err == nil {
		p.err = fmt.Errorf("show: bar: %w", err)
	}
	p.names = names
	for _, s := range p.series {
		if len(s.Y) != len(names) && p.err == nil {
			p.err = fmt.Errorf("show: bar: series %q has %d values for %d labels", s.Name, len(s.Y), len(names))
		}
	}
	return p
}

// Hist draws how often values fall into each of as many equal bins; 0 bins chooses a round width by Freedman and Diaconis' rule.
func Hist(column any, bins int) *Plot {
	p := newPlot("hist", []any{column})
	if p.err == nil {
		p.names, p.series = histogram(p.series[0], bins)
	}
	return p
}

// Heatmap draws a matrix, a slice of rows of numbers, row 0 on top. Names labels its columns and rows.
func Heatmap(matrix any) *Plot {
	p := newPlot("heatmap", nil)
	v := reflect.ValueOf(matrix)
	if !v.IsValid() || v.Kind() != reflect.Slice && v.Kind() != reflect.Array {
		p.err = fmt.Errorf("show: heatmap: %T is no matrix: give a slice of rows, such as [][]float64", matrix)
		return p
	}
	for i := range v.Len() {
		row, err := numbers(v.Index(i).Interface())
		switch {
		case err != nil:
			p.err = fmt.Errorf("show: heatmap: row %d: %w", i, err)
			return p
		case i > 0 && len(row) != len(p.matrix[0]):
			p.err = fmt.Errorf("show: heatmap: row %d has %d values, row 0 has %d", i, len(row), len(p.matrix[0]))
			return p
		}
		p.matrix = append(p.matrix, row)
	}
	return p
}

// Box draws the quartiles of each series, whiskers to the last values within 1.5 interquartile ranges, and values beyond as points.
func Box(data ...any) *Plot { return newPlot("boxplot", data) }

// Parallel draws every row of a table as a line across one axis for each column, given by S(name, column).
func Parallel(columns ...any) *Plot {
	p := newPlot("parallel", columns)
	for _, s := range p.series {
		if len(s.Y) != len(p.series[0].Y) && p.err == nil {
			p.err = fmt.Errorf("show: parallel: column %q has %d values, %q has %d", s.Name, len(s.Y), p.series[0].Name, len(p.series[0].Y))
		}
	}
	return p
}

func (p *Plot) set(f func()) *Plot {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
	return p
}

// Title heads the plot.
func (p *Plot) Title(text string) *Plot { return p.set(func() { p.title = text }) }

// Labels names the axes.
func (p *Plot) Labels(x, y string) *Plot { return p.set(func() { p.xLabel, p.yLabel = x, y }) }

// LogX makes the horizontal axis logarithmic; values that are not positive are left out.
func (p *Plot) LogX() *Plot { return p.set(func() { p.logX = true }) }

// LogY makes the vertical axis logarithmic; values that are not positive are left out.
func (p *Plot) LogY() *Plot { return p.set(func() { p.logY = true }) }

// Smooth draws lines as curves.
func (p *Plot) Smooth() *Plot { return p.set(func() { p.smooth = true }) }

// Size sets width and height in pixels; a narrower page makes the plot narrower.
func (p *Plot) Size(width, height int) *Plot {
	return p.set(func() { p.width, p.height = min(max(width, 100), maxSize), min(max(height, 60), maxSize) })
}

// Names labels the columns and rows of a heat map, or the bars of a bar chart.
func (p *Plot) Names(columns, rows []string) *Plot {
	return p.set(func() { p.names, p.rowNames = slices.Clone(columns), slices.Clone(rows) })
}

// Err says why the plot can't be drawn; its bundle says the same.
func (p *Plot) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// MIMEBundle gives the plot as every chart is given.
func (p *Plot) MIMEBundle() map[string]any { return p.drawing(false).MIMEBundle() }

// histogram counts the values of s in bins and names each bin by its lower edge.
func histogram(s Series, bins int) (edges []string, counts []Series) {
	y := slices.DeleteFunc(slices.Clone(s.Y), func(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) })
	slices.Sort(y)
	if len(y) == 0 {
		return nil, nil
	}
	lo, hi := y[0], y[len(y)-1]
	if math.IsInf(hi-lo, 0) {
		return nil, nil
	}
	switch {
	case hi == lo:
		bins, hi = 1, lo+1
	case bins <= 0:
		width := 2 * (quantile(y, 0.75) - quantile(y, 0.25)) / math.Cbrt(float64(len(y)))
		width = round(min(max(width, (hi-lo)/200), (hi-lo)/10))
		bins = 10
		if from := width * math.Floor(lo/width); from+width > from { // not where the values differ by less than numbers of their size can
			lo, hi = from, width*(math.Floor(hi/width)+1)
			bins = int(math.Round((hi - lo) / width))
		}
	}
	bins = min(bins, 2000)
	count := make([]float64, bins)
	for _, v := range y {
		count[min(bins-1, int((v-lo)/(hi-lo)*float64(bins)))]++
	}
	for i := range count {
		edges = append(edges, fmt.Sprintf("%.4g", lo+(hi-lo)*float64(i)/float64(bins)))
	}
	return edges, []Series{{Name: s.Name, Y: count}}
}

// round is 1, 2, 2.5 or 5 times a power of ten: the largest that does not exceed a positive number.
func round(v float64) float64 {
	unit := math.Pow(10, math.Floor(math.Log10(v)))
	for _, n := range []float64{5, 2.5, 2} {
		if n*unit <= v {
			return n * unit
		}
	}
	return unit
}

// quantile interpolates between the values of a sorted slice.
func quantile(sorted []float64, q float64) float64 {
	at := q * float64(len(sorted)-1)
	i := int(at)
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}
