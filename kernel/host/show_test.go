package host_test

import (
	"strings"
	"testing"

	"quire/kernel/host/hosttest"
	"quire/kernel/link"
)

// TestShow displays, updates and asks through package show, and shows a chart that is a cell's last expression.
func TestShow(t *testing.T) {
	k := hosttest.New(t)
	r := k.Run("id, _ := show.DisplayID(show.Markdown(\"*a*\"))\nshow.Update(id, show.Markdown(\"*b*\"))")
	if len(r.Displays) != 2 || r.Displays[0].Data["text/markdown"] != "*a*" || !r.Displays[1].Update || r.Displays[1].ID != r.Displays[0].ID || r.Displays[1].Data["text/markdown"] != "*b*" {
		t.Errorf("displayed %+v", r.Displays)
	}
	k.Answers = []string{"Ada"}
	if r := k.Run("who, _ := show.Input(\"name? \")\nfmt.Print(who)"); r.Stdout != "Ada" || r.Prompts[0] != "name? " {
		t.Errorf("input gave %q after %q", r.Stdout, r.Prompts)
	}
	r = k.Run("bar := charts.NewBar()\nbar.SetXAxis([]string{\"a\"}).AddSeries(\"s\", []opts.BarData{{Value: 1}})\nbar")
	if r.Value == nil || !strings.Contains(r.Value.Data["text/html"].(string), "echarts") {
		t.Errorf("a chart shows %v", r.Value)
	}
	k.Session.Comm(link.Comm{Op: "open", ID: "c1", Target: "nobody.knows"}, k)
	if sent := k.Sent(); len(sent) != 1 || sent[0].Op != "close" || sent[0].ID != "c1" {
		t.Errorf("an unknown comm is answered with %+v", sent)
	}
}
