// Command picture joins the charts of an executed notebook into one SVG, each under the heading of its section: the picture that
// README opens with.
//
//	./install.sh run
//	go run ./internal/picture out/00_lifecycle.ipynb docs/lifecycle.svg 1 5 6    the first, fifth and sixth chart; without numbers, all
//
// Invariant: the picture holds what the notebook's cells showed, unchanged but for place and size.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"os"
	"regexp"
	"strconv"
	"strings"
)

// Sizes in pixels: charts stand in rows of two.
const (
	columns = 2
	width   = 560
	height  = 330
	heading = 34
	margin  = 16
)

// chart is an SVG document and the heading that it stands under.
type chart struct{ heading, svg string }

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "picture:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 2 {
		return errors.New("want an executed notebook, the SVG to write, and the numbers of charts to take")
	}
	data, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	all, err := charts(data)
	if err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	taken := all
	if len(args) > 2 {
		taken = nil
	}
	for _, arg := range args[min(2, len(args)):] {
		n, err := strconv.Atoi(arg)
		if err != nil || n < 1 || n > len(all) {
			return fmt.Errorf("chart %q: the notebook has %d", arg, len(all))
		}
		taken = append(taken, all[n-1])
	}
	if len(taken) == 0 {
		return fmt.Errorf("%s has no charts: execute it first with 'quire run -o'", args[0])
	}
	return os.WriteFile(args[1], []byte(join(taken)), 0o644)
}

// charts are the SVG outputs of a notebook, in order.
func charts(notebook []byte) (all []chart, err error) {
	var nb struct {
		Cells []struct {
			Type    string `json:"cell_type"`
			Source  text
			Outputs []struct{ Data map[string]json.RawMessage }
		}
	}
	if err := json.Unmarshal(notebook, &nb); err != nil {
		return nil, err
	}
	section := ""
	for _, c := range nb.Cells {
		if c.Type == "markdown" {
			for line := range strings.Lines(string(c.Source)) {
				if strings.HasPrefix(line, "#") {
					section = strings.TrimSpace(strings.TrimLeft(line, "#"))
				}
			}
		}
		for _, o := range c.Outputs {
			if raw, ok := o.Data["image/svg+xml"]; ok {
				var svg text
				if err := json.Unmarshal(raw, &svg); err != nil {
					return nil, err
				}
				all = append(all, chart{section, string(svg)})
			}
		}
	}
	return all, nil
}

// text is a string that a notebook may write as a list of lines.
type text string

func (t *text) UnmarshalJSON(data []byte) error {
	var lines []string
	if json.Unmarshal(data, &lines) == nil {
		*t = text(strings.Join(lines, ""))
		return nil
	}
	return json.Unmarshal(data, (*string)(t))
}

var (
	rootElement = regexp.MustCompile(`(?s)^.*?<svg\b[^>]*>`)
	viewBox     = regexp.MustCompile(`viewBox="([^"]*)"`)
)

// join places charts in rows; each keeps its shape.
func join(charts []chart) string {
	rows := (len(charts) + columns - 1) / columns
	w, h := margin+columns*(width+margin), margin+rows*(heading+height+margin)
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 %d %d" width="%d" height="%d" font-family="sans-serif">`+"\n", w, h, w, h)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" rx="8" fill="#f4f5f8"/>`+"\n", w, h)
	for i, c := range charts {
		x, y := margin+i%columns*(width+margin), margin+i/columns*(heading+height+margin)
		fmt.Fprintf(&b, `<text x="%d" y="%d" font-size="17" fill="#333">%s</text>`+"\n", x, y+heading-12, html.EscapeString(c.heading))
		fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%d" height="%d" rx="6" fill="#fff"/>`+"\n", x, y+heading, width, height)
		head := rootElement.FindString(c.svg)
		box := ""
		if m := viewBox.FindStringSubmatch(head); m != nil {
			box = m[1]
		}
		fmt.Fprintf(&b, `<svg x="%d" y="%d" width="%d" height="%d" viewBox="%s">%s`+"\n", x, y+heading, width, height, box, c.svg[len(head):])
	}
	return b.String() + "</svg>\n"
}
