package corpus

import (
	"cmp"
	"fmt"
	"html"
	"math"
	"reflect"
	"slices"
	"strings"

	"quire/lib/show"
)

// Controls returns a slider for each end of the columns' ranges, with what the ranges leave of the corpus below them. Without names
// all columns have their sliders.
func (e *Exploration) Controls(columns ...string) *show.Widget {
	type end struct {
		column string
		max    bool
	}
	var ends []end
	var sliders []any
	for k, r := range e.Ranges() {
		if len(columns) > 0 && !slices.Contains(columns, r.Column) {
			continue
		}
		lo, hi := spread(e.values[k])
		if !math.IsInf(r.Min, 0) {
			ends = append(ends, end{r.Column, false})
			sliders = append(sliders, show.Slider(r.Column+" ≥", min(lo, r.Min), max(hi, r.Min), r.Min))
		}
		if !math.IsInf(r.Max, 0) {
			ends = append(ends, end{r.Column, true})
			sliders = append(sliders, show.Slider(r.Column+" ≤", min(lo, r.Max), max(hi, r.Max), r.Max))
		}
	}
	in := make([]reflect.Type, len(ends))
	for i := range in {
		in[i] = reflect.TypeFor[float64]()
	}
	// show.Interact wants one parameter a slider, and there are as many as there are ends.
	f := reflect.MakeFunc(reflect.FuncOf(in, []reflect.Type{reflect.TypeFor[any]()}, false), func(args []reflect.Value) []reflect.Value {
		for i, end := range ends {
			e.setEnd(end.column, end.max, args[i].Float())
		}
		var shown any = e.still()
		return []reflect.Value{reflect.ValueOf(&shown).Elem()}
	})
	return show.Interact(f.Interface(), sliders...)
}

// setEnd moves one end of a column's range.
func (e *Exploration) setEnd(column string, upper bool, value float64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	k := slices.IndexFunc(e.ranges, func(r Range) bool { return r.Column == column })
	r := e.ranges[k]
	if upper {
		r.Max = value
	} else {
		r.Min = value
	}
	if r != e.ranges[k] {
		e.apply(k, e.ranges[k], r)
		e.ranges[k], e.changed = r, k
	}
}

// MIMEBundle shows what is left, and the sliders where there is a front end for them.
func (e *Exploration) MIMEBundle() map[string]any {
	bundle := e.still().MIMEBundle()
	const view = "application/vnd.jupyter.widget-view+json"
	if v, ok := e.Controls().MIMEBundle()[view]; ok {
		bundle[view] = v
	}
	return bundle
}

// still is the exploration without its sliders: what is left, and the values of the column that was set last.
func (e *Exploration) still() show.Value {
	w, err := e.WhatIf()
	if err != nil {
		return show.Value{"text/plain": err.Error()}
	}
	return joined(w.MIMEBundle(), e.hist().MIMEBundle())
}

// joined shows bundles below each other.
func joined(bundles ...map[string]any) show.Value {
	out := show.Value{}
	for _, mime := range []string{"text/plain", "text/html"} {
		var parts []string
		for _, b := range bundles {
			if s, ok := b[mime].(string); ok {
				parts = append(parts, s)
			}
		}
		out[mime] = strings.Join(parts, "\n")
	}
	return out
}

// bins is how many bars a histogram has.
const bins = 60

// histogram is how the values of a column fall inside and outside its range.
type histogram struct {
	Range
	lo, hi  float64 // values beyond are counted in the outermost bars
	in, out [bins]int
	most    int // values in a bar
}

// hist counts the values of the column that was set last.
func (e *Exploration) hist() *histogram {
	e.mu.Lock()
	defer e.mu.Unlock()
	h := &histogram{Range: e.ranges[e.changed]}
	h.lo, h.hi = spread(e.values[e.changed])
	for _, v := range e.values[e.changed] {
		if v != v {
			continue
		}
		bin := int(min(max((float64(v)-h.lo)/(h.hi-h.lo)*bins, 0), bins-1))
		if h.keeps(v) {
			h.in[bin]++
		} else {
			h.out[bin]++
		}
		h.most = max(h.most, h.in[bin]+h.out[bin])
	}
	return h
}

// MIMEBundle draws the bars at once, without a chart's picture, as a slider redraws them at every step.
func (h *histogram) MIMEBundle() map[string]any {
	const width, height = 10, 120 // of a bar in pixels
	var page, text strings.Builder
	title := html.EscapeString(fmt.Sprintf("%s: inside %.4g … %.4g, outside", h.Column, h.Min, h.Max))
	fmt.Fprintf(&page, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" style="max-width:100%%"><title>%s</title>`, bins*width, height+36, bins*width, title)
	fmt.Fprintf(&page, `<text x="0" y="12" font-size="12" fill="currentColor">%s</text>`, title)
	for i := range bins {
		in, out := h.in[i]*height/max(h.most, 1), h.out[i]*height/max(h.most, 1)
		fmt.Fprintf(&page, `<rect x="%d" y="%d" width="%d" height="%d" fill="#5470c6"/>`, i*width, 18+height-in, width-1, in)
		fmt.Fprintf(&page, `<rect x="%d" y="%d" width="%d" height="%d" fill="#ee6666"/>`, i*width, 18+height-in-out, width-1, out)
		text.WriteRune([]rune(" ▁▂▃▄▅▆▇█")[((h.in[i]+h.out[i])*8+h.most-1)/max(h.most, 1)])
	}
	fmt.Fprintf(&page, `<text x="0" y="%d" font-size="11" fill="currentColor">%.4g</text><text x="%d" y="%d" font-size="11" text-anchor="end" fill="currentColor">%.4g</text></svg>`,
		height+32, h.lo, bins*width, height+32, h.hi)
	return map[string]any{"text/html": page.String(), "text/plain": fmt.Sprintf("%s\n%.4g |%s| %.4g", h.Column, h.lo, text.String(), h.hi)}
}

// spread returns the values between which 99 of 100 lie, by a sample; they differ.
func spread(values []float32) (lo, hi float64) {
	var some []float32
	for i := 0; i < len(values); i += max(1, len(values)/10_000) {
		if v := values[i]; v == v && !math.IsInf(float64(v), 0) {
			some = append(some, v)
		}
	}
	if len(some) == 0 {
		return 0, 1
	}
	slices.Sort(some)
	lo, hi = float64(some[len(some)/200]), float64(some[len(some)-1-len(some)/200])
	if lo == hi {
		hi = lo + 1
	}
	return lo, hi
}

// MIMEBundle shows the tables, as text and as a page.
func (w *WhatIf) MIMEBundle() map[string]any {
	summary := fmt.Sprintf("kept %d of %d documents, %.1f of %.1f MB (%.2f %%); %d newly kept, %d newly dropped",
		w.Kept.Documents, w.Documents, float64(w.Kept.Bytes)/1e6, float64(w.Bytes)/1e6, 100*w.Kept.Share, w.Gained.Documents, w.Lost.Documents)
	type rule struct {
		Rule           string
		Min, Max       string
		Dropped, Alone int
	}
	end := func(v *float64) string {
		if v == nil {
			return ""
		}
		return fmt.Sprintf("%.4g", *v)
	}
	rules := make([]rule, len(w.Rules))
	for i, r := range w.Rules {
		rules[i] = rule{r.Rule, end(r.Min), end(r.Max), r.Dropped, r.Alone}
	}
	bundles := []map[string]any{{"text/plain": summary, "text/html": "<p>" + html.EscapeString(summary) + "</p>"},
		show.Table(rules).Caption("documents that each range drops, and drops alone").MIMEBundle()}
	if len(w.Languages) > 0 {
		type language struct {
			Language        string
			Documents, Kept int
			Before, After   string
		}
		mix := make([]language, len(w.Languages))
		for i, m := range w.Languages {
			mix[i] = language{cmp.Or(m.Language, "unknown"), m.Documents, m.Kept, fmt.Sprintf("%.2f %%", 100*m.Before), fmt.Sprintf("%.2f %%", 100*m.After)}
		}
		bundles = append(bundles, show.Table(mix).Caption("languages, by share of bytes before and after").MIMEBundle())
	}
	for _, c := range []struct {
		name    string
		samples []Sample
	}{{"newly kept", w.Gained.Samples}, {"newly dropped", w.Lost.Samples}} {
		if len(c.samples) > 0 {
			bundles = append(bundles, show.Table(c.samples).Caption(c.name).MIMEBundle())
		}
	}
	return joined(bundles...)
}
