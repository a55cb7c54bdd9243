package track

import (
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"quire/lib/show"
)

// Comparison sets two runs side by side.
type Comparison struct {
	A, B    *Run
	Params  []Difference // parameters that differ, by name; a dot reaches into objects
	Metrics []MetricPair // metrics that both have logged, by name
	curves  [2]map[string][]Point
}

// Difference is a parameter that two runs have differently; nil where one has none.
type Difference struct {
	Name string
	A, B any
}

// MetricPair is a metric's last value in two runs.
type MetricPair struct {
	Name string
	A, B float64
}

// Compare compares two runs.
func (s *Store) Compare(a, b int64) (*Comparison, error) {
	c := &Comparison{}
	for i, id := range []int64{a, b} {
		r, err := s.Run(id)
		if err != nil {
			return nil, err
		}
		if c.curves[i], err = r.Metrics(); err != nil {
			return nil, err
		}
		if i == 0 {
			c.A = r
		} else {
			c.B = r
		}
	}
	pa, pb := flat("", c.A.Params), flat("", c.B.Params)
	names := maps.Clone(pa)
	maps.Copy(names, pb)
	for _, n := range slices.Sorted(maps.Keys(names)) {
		if !reflect.DeepEqual(pa[n], pb[n]) {
			c.Params = append(c.Params, Difference{n, pa[n], pb[n]})
		}
	}
	for _, n := range slices.Sorted(maps.Keys(c.curves[0])) {
		if in, other := c.curves[0][n], c.curves[1][n]; len(other) > 0 {
			c.Metrics = append(c.Metrics, MetricPair{n, in[len(in)-1].Value, other[len(other)-1].Value})
		}
	}
	return c, nil
}

// flat lists the leaves of nested objects under names with dots.
func flat(prefix string, m map[string]any) map[string]any {
	out := map[string]any{}
	for k, v := range m {
		if inner, ok := v.(map[string]any); ok {
			maps.Copy(out, flat(prefix+k+".", inner))
			continue
		}
		out[prefix+k] = v
	}
	return out
}

// Curve draws a metric of both runs.
func (c *Comparison) Curve(metric string) *show.Plot {
	var series []any
	for i, r := range []*Run{c.A, c.B} {
		x, y := columns(c.curves[i][metric])
		series = append(series, show.S(fmt.Sprintf("run %d %s", r.ID, r.Name), x, y))
	}
	return show.Line(series...).Title(metric).Labels("step", metric)
}

func columns(points []Point) (x, y []float64) {
	for _, p := range points {
		x, y = append(x, float64(p.Step)), append(y, p.Value)
	}
	return x, y
}

// MIMEBundle shows what differs; Curve draws.
func (c *Comparison) MIMEBundle() map[string]any {
	var b strings.Builder
	fmt.Fprintf(&b, "| | run %d %s | run %d %s |\n|:---|---:|---:|\n", c.A.ID, cell(c.A.Name), c.B.ID, cell(c.B.Name))
	fmt.Fprintf(&b, "| *status* | %s | %s |\n| *time* | %v | %v |\n", c.A.Status, c.B.Status, c.A.Wall().Round(1e6), c.B.Wall().Round(1e6))
	for _, d := range c.Params {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", cell(d.Name), cell(value(d.A)), cell(value(d.B)))
	}
	for _, m := range c.Metrics {
		fmt.Fprintf(&b, "| **%s** | %s | %s |\n", cell(m.Name), figure(m.A), figure(m.B))
	}
	return show.Markdown(b.String()).MIMEBundle()
}

// figure writes a metric with five digits, and all of those before the point.
func figure(v float64) string {
	if math.Abs(v) >= 1e5 && math.Abs(v) < 1e15 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 5, 64)
}

func value(v any) string {
	if v == nil {
		return "–"
	}
	return fmt.Sprint(v)
}

// cell makes a text fit into a cell of a Markdown table.
func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "<", "&lt;", "*", `\*`, "_", `\_`).Replace(s)
}
