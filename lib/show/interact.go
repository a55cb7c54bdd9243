package show

import (
	"fmt"
	"reflect"
)

// Interact shows controls for the parameters of f and what f returns for their present values, again after every change. Each
// control is a Widget, or what makes one: a bool, a string, a []string of options, a number (a slider from 0 to twice as much), or
// [2]float64 and [3]float64 for a slider's ends and step. Parameters may be numbers, strings and bools; without controls each
// gets one of its type. A last result of type error is shown when it is not nil. What can't be controlled is said by Err and on the page.
//
//	show.Interact(func(lr float64, steps int) *show.Plot { … }, show.Slider("lr", 0, 1, 0.1), [2]float64{10, 100})
func Interact(f any, controls ...any) *Widget {
	fv := reflect.ValueOf(f)
	if !fv.IsValid() || fv.Kind() != reflect.Func || fv.IsNil() {
		return &Widget{err: fmt.Errorf("show: Interact: %T is no function", f)}
	}
	t := fv.Type()
	if t.IsVariadic() || len(controls) > t.NumIn() {
		return &Widget{err: fmt.Errorf("show: Interact: %d controls for %v", len(controls), t)}
	}
	widgets := make([]*Widget, t.NumIn())
	for i := range widgets {
		var control any = reflect.Zero(t.In(i)).Interface()
		if i < len(controls) {
			control = controls[i]
		}
		w, err := controlOf(fmt.Sprintf("arg %d", i+1), control)
		if err == nil {
			_, err = argument(w, t.In(i))
		}
		if err != nil {
			return &Widget{err: err}
		}
		widgets[i] = w
	}
	out := Output()
	run := func() { out.Show(call(fv, widgets)...) }
	for _, w := range widgets {
		w.OnChange(func(*Widget) { out.model.latest(run) })
	}
	run()
	return VBox(append(widgets, out)...)
}

// latest runs f soon; calls that come while one runs become one.
func (m *model) latest(f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.events = []func(){f}
	if !m.working {
		m.working = true
		go m.work()
	}
}

func controlOf(label string, control any) (*Widget, error) {
	switch c := control.(type) {
	case *Widget:
		return c, nil
	case bool:
		return Checkbox(label, c), nil
	case string:
		return TextBox(label, c), nil
	case []string:
		return Dropdown(label, c...), nil
	case [2]float64:
		return Slider(label, c[0], c[1], c[0]), nil
	case [3]float64:
		return Slider(label, c[0], c[1], c[0]).Step(c[2]), nil
	}
	if v, err := numbers([]any{control}); err == nil {
		if v[0] == 0 {
			return Slider(label, 0, 10, 0), nil
		}
		return Slider(label, min(0, 2*v[0]), max(0, 2*v[0]), v[0]), nil
	}
	return nil, fmt.Errorf("show: Interact: no control for a %T: give a show.Slider, show.Dropdown, show.Checkbox or show.TextBox", control)
}

// argument is a widget's value as a parameter of type t.
func argument(w *Widget, t reflect.Type) (reflect.Value, error) {
	v := reflect.ValueOf(w.Value())
	switch {
	case !v.IsValid():
	case v.Kind() == t.Kind(), v.CanFloat() && t.Kind() >= reflect.Int && t.Kind() <= reflect.Float64:
		return v.Convert(t), nil
	}
	return reflect.Value{}, fmt.Errorf("show: Interact: a %s can't set a parameter of type %v", w.kind, t)
}

// call runs f with the widgets' values and returns what is to be shown.
func call(f reflect.Value, widgets []*Widget) (shown []any) {
	defer func() {
		if r := recover(); r != nil {
			shown = []any{Value{"text/plain": fmt.Sprintf("panic: %v", r)}}
		}
	}()
	in := make([]reflect.Value, len(widgets))
	for i, w := range widgets {
		v, err := argument(w, f.Type().In(i))
		if err != nil {
			return []any{Value{"text/plain": err.Error()}}
		}
		in[i] = v
	}
	for _, out := range f.Call(in) {
		if out.Type() == reflect.TypeFor[error]() {
			if !out.IsNil() {
				return []any{Value{"text/plain": out.Interface().(error).Error()}}
			}
			continue
		}
		shown = append(shown, out.Interface())
	}
	return shown
}
