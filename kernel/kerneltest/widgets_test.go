package kerneltest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"quire/internal/browser"
)

// widgetsCell shows a slider, a list and a button of gonbui, writes into the page what they say, and ends with a second click.
const widgetsCell = `%%
import (
	"github.com/janpfeifer/gonb/gonbui/comms"
	"github.com/janpfeifer/gonb/gonbui/dom"
	"github.com/janpfeifer/gonb/gonbui/widgets"
)
root := dom.CreateTransientDiv()
dom.Append(root, "<p id='said'>nothing yet</p>")
slider := widgets.Slider(0, 100, 20).WithHtmlId("the_slider").AppendTo(root).Done()
list := widgets.Select([]string{"ant", "bee"}).WithHtmlId("the_list").AppendTo(root).Done()
button := widgets.Button("Press").WithHtmlId("the_button").AppendTo(root).Done()
moved, chosen, pressed := slider.Listen(), list.Listen(), button.Listen()
fmt.Println("ready")
for {
	select {
	case n := <-moved.C:
		dom.SetInnerHtml("said", fmt.Sprintf("slider <b>%d</b>", n))
	case n := <-chosen.C:
		dom.SetInnerHtml("said", fmt.Sprintf("list <b>%v</b>", n))
	case n := <-pressed.C:
		if n == 1 {
			slider.SetValue(77)
			break
		}
		fmt.Println("the page said", dom.GetInnerHtml("said"), "and", comms.ReadValue[int](slider.Address()))
		dom.Persist(root)
		return
	}
}`

// A person moves a slider, chooses from a list and presses a button of a program, in a page that is then loaded again.
func TestGonbuiWidgetsClassic(t *testing.T) {
	quireBinary(t)
	b := browser.Start(t)
	file := notebookFile(t, widgetsCell)
	url := startNotebook(t, filepath.Dir(file)) + "/notebooks/" + filepath.Base(file)
	p := b.Open(t, url, browser.Look{})
	for _, round := range []string{"first", "reloaded"} {
		p.Wait("window.Jupyter && Jupyter.notebook && Jupyter.notebook.kernel && Jupyter.notebook.kernel.is_connected() && Jupyter.notebook.get_cell(0)")
		useWidgets(t, p, round)
		p.Wait("JSON.stringify(Jupyter.notebook.get_cell(0).output_area.toJSON()).includes('list <b>1</b></p>')") // the answer may overtake it
		p.Wait("(Jupyter.notebook.save_notebook(), true)")
		p.Wait("!Jupyter.notebook.dirty")
		p.Goto(url + "?again")
	}
	saved, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(saved), "WebSocket") || !strings.Contains(string(saved), "list <b>1</b></p>") {
		t.Errorf("the saved notebook holds the page's script, or not what was kept:\n%s", saved)
	}
}

func useWidgets(t *testing.T, p *browser.Page, round string) {
	t.Helper()
	do := func(js string) {
		t.Helper()
		if err := p.Eval("("+js+", 1)", nil); err != nil {
			t.Fatal(err)
		}
	}
	output := "Jupyter.notebook.get_cell(0).output_area.element.text()"
	do("Jupyter.notebook.get_cell(0).execute()")
	p.Wait(output + ".includes('ready') && document.getElementById('the_button')")
	said := func(want string) {
		t.Helper()
		p.Wait(fmt.Sprintf("document.getElementById('said').innerHTML === %q", want))
	}
	set := func(id, value, event string) {
		t.Helper()
		do(fmt.Sprintf("document.getElementById(%q).value = %q, document.getElementById(%[1]q).dispatchEvent(new Event(%[3]q))", id, value, event))
	}
	set("the_slider", "42", "input")
	said("slider <b>42</b>")
	set("the_list", "1", "change")
	said("list <b>1</b>")
	do("document.getElementById('the_button').click()")
	p.Wait("document.getElementById('the_slider').value === '77'")
	dir := *shots
	if dir == "" {
		dir = t.TempDir()
	}
	p.Screenshot(filepath.Join(dir, "gonbui-"+round+".png"))
	do("document.getElementById('the_button').click()")
	p.Wait(output + ".includes('the page said list <b>1</b> and 77')")
	p.Wait("Jupyter.notebook.get_cell(0).input_prompt_number !== '*'")
}

// A front end that is no browser answers for the page: what a program sends reaches it, what it sends reaches the program, and a
// second program asks for the page anew.
func TestGonbuiOverTheWire(t *testing.T) {
	b := quireBinary(t)
	_, c := spawn(t, []string{b.path, "kernel", "-f", "{connection_file}"}, home(t), "tcp")
	const code = `%%
import "github.com/janpfeifer/gonb/gonbui/comms"
got := comms.Listen[float64]("/to/program")
comms.Send("/to/page", 6)
fmt.Println("got", <-got.C)`
	for _, page := range []string{"first", "second"} {
		id := c.Run(code)
		wait := func(what string, fits func(Received) bool) Received {
			t.Helper()
			m, err := c.Wait(stepLimit, fits)
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			return m
		}
		wait("the page's script", func(m Received) bool {
			return m.Parent == id && m.Header.Type == "display_data" && strings.Contains(string(m.Content), `(\"connection\")`)
		})
		c.Send(Shell, "comm_open", map[string]any{"comm_id": page, "target_name": "gonb_comm", "data": map[string]any{}})
		value := wait("the program's value", func(m Received) bool { return m.Header.Type == "comm_msg" && m.Get("comm_id") == page })
		if got := value.Get("data"); got != "map[address:/to/page value:6]" {
			t.Errorf("the page was sent %s", got)
		}
		wait("the script is taken away", func(m Received) bool {
			return m.Parent == id && m.Header.Type == "update_display_data" && !strings.Contains(string(m.Content), "script")
		})
		c.Send(Shell, "comm_msg", map[string]any{"comm_id": page, "data": map[string]any{"address": "/to/program", "value": 2.5}})
		wait("what the program got", func(m Received) bool {
			return m.Parent == id && m.Header.Type == "stream" && m.Get("text") == "got 2.5\n"
		})
		if reply, err := c.Done(id, stepLimit); err != nil || reply.Get("status") != "ok" {
			t.Fatalf("the cell: %v, %s", err, reply.Content)
		}
	}
	if _, err := c.Wait(stepLimit, func(m Received) bool { return m.Header.Type == "comm_close" && m.Get("comm_id") == "first" }); err != nil {
		t.Errorf("the first page's comm was not closed: %v", err)
	}
}
