package show

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
)

// optionSeries is what a sketch in text needs of an option's series.
type optionSeries struct {
	Type string          `json:"type"`
	Name string          `json:"name"`
	Data json.RawMessage `json:"data"`
}

type optionAxis struct {
	Data []any `json:"data"`
}

// many reads a JSON array, or a single value as an array of one.
func many[T any](text json.RawMessage) (out []T) {
	if json.Unmarshal(text, &out) != nil {
		var one T
		if json.Unmarshal(text, &one) == nil {
			return []T{one}
		}
	}
	return out
}

// decoded is the option as JSON, functions left out.
func decoded(option map[string]any) (o struct{ Series, XAxis, YAxis, Title json.RawMessage }) {
	if code, err := script(map[string]any{"series": option["series"], "xAxis": option["xAxis"], "yAxis": option["yAxis"],
		"title": option["title"]}); err == nil {
		json.Unmarshal([]byte(code), &o)
	}
	return o
}

func seriesOf(option map[string]any) []optionSeries {
	if s, ok := option["series"].([]object); ok { // our own plots
		out := make([]optionSeries, len(s))
		for i := range s {
			out[i].Type, _ = s[i]["type"].(string)
		}
		return out
	}
	return many[optionSeries](decoded(option).Series)
}

// sketch draws any option in text: the first kind of series in it that text can show, else what is in it.
func sketch(option map[string]any) string {
	o := decoded(option)
	var b strings.Builder
	for _, t := range many[struct{ Text string }](o.Title) {
		if t.Text != "" {
			b.WriteString(shorten(t.Text, textCols) + "\n")
		}
	}
	var names []string
	for _, a := range append(many[optionAxis](o.XAxis), many[optionAxis](o.YAxis)...) {
		if len(names) == 0 {
			for _, v := range a.Data {
				names = append(names, labelOf(v))
			}
		}
	}
	var curves, bars []Series
	lines := false
	for _, s := range many[optionSeries](o.Series) {
		items := many[any](s.Data)
		switch s.Type {
		case "line", "scatter", "effectScatter":
			lines = lines || s.Type == "line"
			curves = append(curves, Series{Name: s.Name})
			c := &curves[len(curves)-1]
			for i, item := range items {
				x, y := pointOf(item, i)
				c.X, c.Y = append(c.X, x), append(c.Y, y)
			}
		case "bar", "pie", "funnel", "gauge":
			bar := Series{Name: s.Name}
			var own []string
			for i, item := range items {
				_, y := pointOf(item, i)
				bar.Y, own = append(bar.Y, y), append(own, nameOf(item))
			}
			if bars = append(bars, bar); s.Type != "bar" || len(names) == 0 {
				names = own
			}
		default:
			fmt.Fprintf(&b, "%s %s: %d items\n", shorten(s.Type, 20), shorten(s.Name, 40), len(items))
		}
	}
	if len(curves) > 0 {
		b.WriteString(braille(curves, lines, false, false))
	}
	if len(bars) > 0 {
		b.WriteString(barText(names, bars))
	}
	if b.Len() == 0 {
		return "(chart)"
	}
	return strings.TrimRight(b.String(), "\n")
}

func labelOf(v any) string {
	if m, ok := v.(map[string]any); ok {
		v = m["value"]
	}
	return fmt.Sprint(v)
}

func nameOf(item any) string {
	if m, ok := item.(map[string]any); ok && m["name"] != nil {
		return fmt.Sprint(m["name"])
	}
	return ""
}

// pointOf reads a data item: a number, [x, y], or an object with a value.
func pointOf(item any, i int) (x, y float64) {
	if m, ok := item.(map[string]any); ok {
		item = m["value"]
	}
	switch v := item.(type) {
	case float64:
		return float64(i), v
	case string:
		if _, err := fmt.Sscan(v, &y); err == nil {
			return float64(i), y
		}
	case []any:
		if len(v) >= 2 {
			if x, ok := v[0].(float64); ok {
				if y, ok := v[1].(float64); ok {
					return x, y
				}
			}
		}
	}
	return float64(i), math.NaN()
}
