package show

import (
	"encoding/json"
	"fmt"
	"html"
	"math"
	"slices"
	"strings"
)

// Widget is a control on the page: what the person does with it changes its value here, and the other way round. It needs the
// front end of ipywidgets 8 in the notebook application (any Jupyter: pip install ipywidgets); where that is missing its still
// value is shown. Goroutines may share a Widget.
type Widget struct {
	kind     string
	label    string
	model    *model
	children []*Widget
	err      error // of Interact
}

// newWidget makes a control with a layout and, with a style's name, a style.
func newWidget(kind, style, label string, state map[string]any, children ...*Widget) *Widget {
	w := &Widget{kind: kind, label: label, children: children}
	layout := newModel(baseModule, baseVersion, "Layout", map[string]any{})
	parts := []*model{layout}
	state["layout"] = layout.ref()
	if style != "" {
		s := newModel(controlsModule, controlsVersion, style, map[string]any{
			"_view_module": baseModule, "_view_module_version": baseVersion, "_view_name": "StyleView"})
		parts = append(parts, s)
		state["style"] = s.ref()
	}
	if label != "" {
		state["description"] = label
	}
	for _, c := range children {
		parts = append(parts, c.model)
	}
	module, version := controlsModule, controlsVersion
	if kind == "Output" {
		module, version = outputModule, outputVersion
	}
	w.model = newModel(module, version, kind, state, parts...)
	return w
}

// Slider sets a number between lo and hi.
func Slider(label string, lo, hi, value float64) *Widget {
	value = min(max(value, lo), hi)
	if step := (hi - lo) / 100; lo != math.Trunc(lo) || hi != math.Trunc(hi) || value != math.Trunc(value) || hi-lo <= 2 {
		return newWidget("FloatSlider", "SliderStyle", label,
			map[string]any{"min": lo, "max": hi, "value": value, "step": step, "readout_format": ".3g", "continuous_update": true})
	}
	return newWidget("FloatSlider", "SliderStyle", label,
		map[string]any{"min": lo, "max": hi, "value": value, "step": 1.0, "readout_format": ".0f", "continuous_update": true})
}

// Step sets how far apart the values of a slider are.
func (w *Widget) Step(step float64) *Widget {
	w.model.set("step", step)
	return w
}

// Dropdown chooses one of several texts; the first is chosen at the start.
func Dropdown(label string, options ...string) *Widget {
	var index any
	if len(options) > 0 {
		index = 0
	}
	return newWidget("Dropdown", "DescriptionStyle", label, map[string]any{"_options_labels": slices.Clone(options), "index": index})
}

// Checkbox is on or off.
func Checkbox(label string, on bool) *Widget {
	return newWidget("Checkbox", "CheckboxStyle", label, map[string]any{"value": on, "indent": true})
}

// TextBox takes a line of text.
func TextBox(label, text string) *Widget {
	return newWidget("Text", "TextStyle", label, map[string]any{"value": text, "continuous_update": false})
}

// Button runs f when it is clicked, one click at a time.
func Button(label string, f func()) *Widget {
	w := newWidget("Button", "ButtonStyle", label, map[string]any{})
	w.model.clicked = f
	return w
}

// Output is a place on the page for values; see Show.
func Output() *Widget {
	return newWidget("Output", "", "", map[string]any{"msg_id": "", "outputs": []any{}})
}

// HBox puts widgets side by side, VBox below each other.
func HBox(children ...*Widget) *Widget { return box("HBox", children) }

// VBox puts widgets below each other.
func VBox(children ...*Widget) *Widget { return box("VBox", children) }

func box(kind string, children []*Widget) *Widget {
	refs := make([]string, len(children))
	for i, c := range children {
		refs[i] = c.model.ref()
	}
	return newWidget(kind, "", "", map[string]any{"children": refs, "box_style": ""}, children...)
}

// Value is the present value: float64 of a slider, string of a drop-down or text box, bool of a check box, nil of others.
func (w *Widget) Value() any {
	switch w.kind {
	case "Dropdown":
		options, _ := w.model.get("_options_labels").([]string)
		if i, ok := indexOf(w.model.get("index")); ok && i >= 0 && i < len(options) {
			return options[i]
		}
		return ""
	case "FloatSlider", "Checkbox", "Text":
		return w.model.get("value")
	}
	return nil
}

func indexOf(v any) (int, bool) {
	switch v := v.(type) {
	case int:
		return v, true
	case float64:
		return int(v), true
	}
	return 0, false
}

// SetValue changes the value here and on the page; v has the type that Value gives.
func (w *Widget) SetValue(v any) error {
	switch w.kind {
	case "FloatSlider":
		f, err := numbers([]any{v})
		if err != nil {
			return fmt.Errorf("show: slider %q: %T is no number", w.label, v)
		}
		return w.model.set("value", f[0])
	case "Dropdown":
		options, _ := w.model.get("_options_labels").([]string)
		i := slices.Index(options, fmt.Sprint(v))
		if i < 0 {
			return fmt.Errorf("show: drop-down %q has no option %q", w.label, fmt.Sprint(v))
		}
		return w.model.set("index", i)
	case "Checkbox":
		if on, ok := v.(bool); ok {
			return w.model.set("value", on)
		}
		return fmt.Errorf("show: check box %q: %T is no bool", w.label, v)
	case "Text":
		return w.model.set("value", fmt.Sprint(v))
	}
	return fmt.Errorf("show: a %s has no value", w.kind)
}

// OnChange runs f after the person changed the value, one change at a time.
func (w *Widget) OnChange(f func(*Widget)) *Widget {
	w.model.mu.Lock()
	defer w.model.mu.Unlock()
	w.model.changed = func(keys map[string]json.RawMessage) {
		if _, ok := keys["value"]; ok || keys["index"] != nil {
			f(w)
		}
	}
	return w
}

// Err says why Interact made no controls.
func (w *Widget) Err() error { return w.err }

// Show replaces what an Output shows.
func (w *Widget) Show(values ...any) error {
	if w.kind != "Output" {
		return fmt.Errorf("show: a %s can't show values: use show.Output()", w.kind)
	}
	outputs := []any{}
	for _, v := range values {
		outputs = append(outputs, map[string]any{"output_type": "display_data", "data": bundleOf(v), "metadata": map[string]any{}})
	}
	return w.model.set("outputs", outputs)
}

// MIMEBundle opens the widget in the front end and gives its view, with its still value for front ends that can't draw it.
func (w *Widget) MIMEBundle() map[string]any {
	if w.err != nil {
		return map[string]any{"text/plain": w.err.Error()}
	}
	bundle := map[string]any{"text/plain": w.still(), "text/html": w.stillHTML()}
	if err := w.model.opened(); err == nil {
		bundle["application/vnd.jupyter.widget-view+json"] = map[string]any{"version_major": 2, "version_minor": 0, "model_id": w.model.id}
	}
	return bundle
}

// still is the widget in text.
func (w *Widget) still() string {
	switch w.kind {
	case "HBox", "VBox":
		parts := make([]string, len(w.children))
		for i, c := range w.children {
			parts[i] = c.still()
		}
		if w.kind == "HBox" {
			return strings.Join(parts, "  ")
		}
		return strings.Join(parts, "\n")
	case "Output":
		return strings.Join(w.shown("text/plain"), "\n")
	case "Button":
		return "[" + shorten(w.label, 80) + "]"
	}
	return shorten(w.label, 80) + ": " + shorten(fmt.Sprint(w.Value()), 200)
}

// shown are the values of an Output in one media type.
func (w *Widget) shown(mime string) (out []string) {
	outputs, _ := w.model.get("outputs").([]any)
	for _, o := range outputs {
		m, _ := o.(map[string]any)
		data, _ := m["data"].(map[string]any)
		if s, ok := data[mime].(string); ok {
			out = append(out, s)
		}
	}
	return out
}

func (w *Widget) stillHTML() string {
	return fmt.Sprintf(`<div class="quire-widget"><pre style="margin:0">%s</pre><small style="opacity:.7">Controls need ipywidgets in the`+
		` notebook application: pip install ipywidgets, then reload the page.</small></div>`, html.EscapeString(w.still()))
}
