package show

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// frontEnd plays ipywidgets' half over a recorder.
type frontEnd struct {
	*testing.T
	*recorder
}

// states are the models opened so far, by id, with later updates applied.
func (f frontEnd) states() map[string]map[string]any {
	out := map[string]map[string]any{}
	for _, c := range f.sent() {
		var msg struct {
			State map[string]any
		}
		if err := json.Unmarshal(c.Data, &msg); err != nil {
			f.Fatal(err)
		}
		switch {
		case c.Op == "open" && c.Target == "jupyter.widget" && strings.Contains(string(c.Metadata), `"version":"2.1.0"`):
			out[c.ID] = msg.State
		case c.Op == "msg":
			for k, v := range msg.State {
				out[c.ID][k] = v
			}
		default:
			f.Fatalf("comm %s %s of target %q", c.Op, c.ID, c.Target)
		}
	}
	return out
}

// find is the id of the model of a kind with a description.
func (f frontEnd) find(name, description string) string {
	for id, s := range f.states() {
		if s["_model_name"] == name && (description == "" || s["description"] == description) {
			return id
		}
	}
	f.Fatalf("no %s %q", name, description)
	return ""
}

func (f frontEnd) send(id, data string) {
	if !Receive(Comm{Op: "msg", ID: id, Data: json.RawMessage(data)}) {
		f.Errorf("nobody took the message to %s", id)
	}
}

// eventually waits for what runs on a widget's goroutine.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("it never came about that %s", what)
}

func TestWidgets(t *testing.T) {
	f := frontEnd{t, record(t)}
	var clicks, changes atomic.Int32
	slider, box := Slider("lr", 0, 1, 0.5), Checkbox("on", true)
	menu, text := Dropdown("model", "small", "large"), TextBox("name", "x")
	slider.OnChange(func(w *Widget) { changes.Add(1) })
	all := VBox(HBox(slider, box), menu, text, Button("go", func() { clicks.Add(1) }), Output())
	bundle := all.MIMEBundle()
	view, _ := json.Marshal(bundle["application/vnd.jupyter.widget-view+json"])
	if id := f.find("VBoxModel", ""); string(view) != fmt.Sprintf(`{"model_id":%q,"version_major":2,"version_minor":0}`, id) {
		t.Errorf("view %s", view)
	}
	if text := bundle["text/plain"].(string); !strings.Contains(text, "lr: 0.5  on: true") || !strings.Contains(bundle["text/html"].(string), "pip install ipywidgets") {
		t.Errorf("the still form is %q", text)
	}
	// Every reference is to a model that was opened before.
	seen := map[string]bool{}
	for _, c := range f.sent() {
		for _, ref := range strings.Split(string(c.Data), "IPY_MODEL_")[1:] {
			if id := ref[:strings.IndexByte(ref, '"')]; !seen[id] {
				t.Errorf("model %s refers to %s before that is open", c.ID, id)
			}
		}
		seen[c.ID] = true
	}
	f.send(f.find("FloatSliderModel", "lr"), `{"method":"update","state":{"value":0.25},"buffer_paths":[]}`)
	f.send(f.find("CheckboxModel", "on"), `{"method":"update","state":{"value":false}}`)
	f.send(f.find("DropdownModel", "model"), `{"method":"update","state":{"index":1}}`)
	f.send(f.find("TextModel", "name"), `{"method":"update","state":{"value":"y","unknown":1}}`)
	f.send(f.find("ButtonModel", "go"), `{"method":"custom","content":{"event":"click"}}`)
	if slider.Value() != 0.25 || box.Value() != false || menu.Value() != "large" || text.Value() != "y" {
		t.Errorf("values %v %v %v %v", slider.Value(), box.Value(), menu.Value(), text.Value())
	}
	eventually(t, "click and change arrive", func() bool { return clicks.Load() == 1 && changes.Load() == 1 })
	for _, bad := range []string{`{"method":"update","state":{"value":"high"}}`, `{`, `{"method":"nonsense"}`, `{"method":"update","state":3}`, `[]`, ``} {
		f.send(f.find("FloatSliderModel", "lr"), bad)
	}
	if slider.Value() != 0.25 {
		t.Errorf("a bad message changed the value to %v", slider.Value())
	}
	if err := errors.Join(slider.SetValue(1), menu.SetValue("small"), box.SetValue(true), text.SetValue("z")); err != nil {
		t.Error(err)
	}
	if s := f.states()[f.find("DropdownModel", "model")]; s["index"] != 0.0 {
		t.Errorf("the page's drop-down stands at %v", s["index"])
	}
	for _, err := range []error{slider.SetValue("x"), menu.SetValue("none"), box.SetValue(1), all.SetValue(1), slider.Show(1)} {
		if err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("a bad value gives %v", err)
		}
	}
}

// TestReload plays a page that asks for all models again.
func TestReload(t *testing.T) {
	f := frontEnd{t, record(t)}
	Slider("again", 0, 100, 5).MIMEBundle()
	id := f.find("FloatSliderModel", "again")
	if Comms()[id] != "jupyter.widget" {
		t.Errorf("comms %v", Comms())
	}
	before := len(f.sent())
	f.send(id, `{"method":"request_state"}`)
	if !Receive(Comm{Op: "open", ID: "control", Target: "jupyter.widget.control"}) {
		t.Fatal("the control comm is refused")
	}
	f.send("control", `{"method":"request_states"}`)
	answers := f.sent()[before:]
	if len(answers) != 2 || !strings.Contains(string(answers[0].Data), `"value":5`) || answers[1].ID != "control" {
		t.Fatalf("answers %v", answers)
	}
	var all struct {
		Method string
		States map[string]struct {
			ModelName string `json:"model_name"`
			State     map[string]any
		}
	}
	if err := json.Unmarshal(answers[1].Data, &all); err != nil || all.Method != "update_states" || all.States[id].ModelName != "FloatSliderModel" || all.States[id].State["max"] != 100.0 {
		t.Errorf("states %+v, %v", all, err)
	}
	if !Receive(Comm{Op: "close", ID: id}) || Receive(Comm{Op: "msg", ID: id}) || Receive(Comm{Op: "open", ID: "z", Target: "other"}) {
		t.Error("a closed or an unknown comm was taken")
	}
}

func TestInteract(t *testing.T) {
	f := frontEnd{t, record(t)}
	w := Interact(func(n int, scale float64, name string, on bool) (string, error) {
		if n == 7 {
			panic("seven")
		}
		if !on {
			return "", errors.New("it is off")
		}
		return fmt.Sprint(n, " ", scale, " ", name), nil
	}, Slider("n", 0, 10, 3), [3]float64{0, 2, 0.5}, []string{"a", "b"}, true)
	w.MIMEBundle()
	out := f.find("OutputModel", "")
	shows := func(want string) func() bool {
		return func() bool {
			text, _ := json.Marshal(f.states()[out]["outputs"])
			return bytes.Contains(text, []byte(want))
		}
	}
	eventually(t, "the first result is shown", shows("3 0 a"))
	f.send(f.find("FloatSliderModel", "n"), `{"method":"update","state":{"value":4}}`)
	eventually(t, "a change is shown", shows("4 0 a"))
	f.send(f.find("FloatSliderModel", "n"), `{"method":"update","state":{"value":7}}`)
	eventually(t, "a panic is shown", shows("panic: seven"))
	f.send(f.find("FloatSliderModel", "n"), `{"method":"update","state":{"value":1}}`)
	f.send(f.find("CheckboxModel", ""), `{"method":"update","state":{"value":false}}`)
	eventually(t, "an error is shown", shows("it is off"))
	for want, w := range map[string]*Widget{
		"int is no function":                   Interact(3),
		"2 controls for func(int)":             Interact(func(int) {}, 1, 2),
		"no control for a chan int":            Interact(func(chan int) {}),
		"can't set a parameter of":             Interact(func(int) {}, "text"),
		"<nil> is no function":                 Interact(nil),
		"no control for a []float64":           Interact(func([]float64) {}),
		"can't set a parameter of type func()": Interact(func(func()) {}, true),
	} {
		if text := w.MIMEBundle()["text/plain"].(string); w.Err() == nil || !strings.Contains(text, want) || strings.Contains(text, "\n") {
			t.Errorf("the widget says %q, want %q", text, want)
		}
	}
}

// TestWidgetsElsewhere shows widgets where there are no comms.
func TestWidgetsElsewhere(t *testing.T) {
	var out bytes.Buffer
	previous := Install(NewTerminal(&out))
	defer Install(previous)
	b := Slider("n", 0, 10, 3).MIMEBundle()
	if b["application/vnd.jupyter.widget-view+json"] != nil || b["text/plain"] != "n: 3" {
		t.Errorf("bundle %v", b)
	}
}

// TestWidgetModels holds what is sent to open each kind of widget against its file, ids by their order.
func TestWidgetModels(t *testing.T) {
	r := record(t)
	VBox(HBox(Slider("s", 0, 10, 3), Slider("f", 0, 1, 0.5)), Dropdown("d", "a", "b"), Checkbox("c", true), TextBox("t", "x"), Button("b", nil), Output()).MIMEBundle()
	var buf bytes.Buffer
	names := []string{}
	for i, c := range r.sent() {
		names = append(names, c.ID, fmt.Sprint("model", i))
		data := strings.NewReplacer(names...).Replace(string(c.Data))
		fmt.Fprintf(&buf, "%s model%d %s %s\n%s\n\n", c.Op, i, c.Target, c.Metadata, data)
	}
	golden(t, filepath.Join("testdata", "widgets.txt"), buf.Bytes())
}

func FuzzReceive(f *testing.F) {
	f.Add("msg", []byte(`{"method":"update","state":{"value":2}}`))
	f.Add("msg", []byte(`{"method":"request_state"}`))
	f.Add("msg", []byte(`{"method":"custom","content":{"event":"click"}}`))
	f.Add("open", []byte(`{}`))
	record(f)
	w := Slider("s", 0, 10, 3)
	w.MIMEBundle()
	f.Fuzz(func(t *testing.T, op string, data []byte) {
		if op == "close" {
			return
		}
		Receive(Comm{Op: op, ID: w.model.id, Data: data})
		if _, ok := w.Value().(float64); !ok {
			t.Errorf("%q made the slider's value %v", data, w.Value())
		}
	})
}
