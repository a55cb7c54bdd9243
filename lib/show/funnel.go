package show

import (
	"fmt"
	"math"
	"strings"
	"unicode/utf8"
)

// Funnel draws what is left of a stream behind each stage, and beside it what the stage took out. counts holds as many numbers as
// there are names, of which none is larger than the one before: names[0] is the whole.
func Funnel(names []string, counts any) *Drawing {
	left, err := numbers(counts)
	switch {
	case err != nil:
	case len(left) != len(names) || len(names) < 2:
		err = fmt.Errorf("%d names and %d counts: give two or more of each", len(names), len(left))
	default:
		for i, n := range left {
			if !(n >= 0) || math.IsInf(n, 1) || i > 0 && n > left[i-1] {
				err = fmt.Errorf("%v at %q: counts must not grow, nor be negative", n, names[i])
				break
			}
		}
	}
	if err != nil {
		return &Drawing{err: fmt.Errorf("show: funnel: %w", err)}
	}
	return &Drawing{option: funnel(names, left), width: defaultWidth, height: 300, text: func() string { return funnelText(names, left) }}
}

// Colours of what is left and of what was taken out.
const (
	keptColor = "#5070dd"
	outColor  = "#e8843c"
)

// funnel lays stages out as columns: what is left on top, what the stage took out below it. Names of nodes must differ, so those
// of what was taken out are made of the number of the stage.
func funnel(names []string, left []float64) object {
	var nodes, links []object
	node := func(name, label, color string) {
		nodes = append(nodes, object{"name": name, "itemStyle": object{"color": color}, "label": object{"formatter": label}})
	}
	link := func(from, to string, n float64, color string) {
		links = append(links, object{"source": from, "target": to, "value": n, "lineStyle": object{"color": color}})
	}
	stage := func(i int) string { return fmt.Sprintf("%d. %s", i, names[i]) }
	for i, n := range left {
		node(stage(i), fmt.Sprintf("%s\n%s", names[i], thousands(int(n))), keptColor)
		if i == 0 {
			continue
		}
		link(stage(i-1), stage(i), n, keptColor)
		if lost := left[i-1] - n; lost > 0 {
			out := fmt.Sprintf("taken out by %d. %s", i, names[i])
			node(out, "− "+thousands(int(lost)), outColor)
			link(stage(i-1), out, lost, outColor)
		}
	}
	return object{
		"tooltip": object{"trigger": "item", "confine": true},
		"series": []object{{"type": "sankey", "left": 8, "right": 24 + 7*utf8.RuneCountInString(names[len(names)-1]), "top": 24, "bottom": 16,
			"nodeAlign": "left", "nodeGap": 22, "nodeWidth": 14,
			"layoutIterations": 0, "draggable": false, "data": nodes, "links": links, "emphasis": object{"focus": "adjacency"},
			"label":     object{"fontSize": 12, "lineHeight": 15},
			"lineStyle": object{"opacity": 0.2, "curveness": 0.5}}},
	}
}

func funnelText(names []string, left []float64) string {
	var b strings.Builder
	for i, n := range left {
		fmt.Fprintf(&b, "%-24s %12s", names[i], thousands(int(n)))
		if i > 0 && left[i-1] > 0 {
			fmt.Fprintf(&b, "  %5.1f %% of those before", 100*n/left[i-1])
		}
		b.WriteString("\n")
	}
	return strings.TrimSuffix(b.String(), "\n")
}
