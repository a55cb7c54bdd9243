package main

import (
	"fmt"
	"strings"

	"quire/kernel/notebook"
	"quire/lib/show"
)

// reportOf is a notebook as the pieces of a report.
func reportOf(title string, nb *notebook.Notebook) show.Report {
	r := show.Report{Title: title}
	for _, c := range nb.Cells {
		switch c.Type {
		case "markdown":
			r.Blocks = append(r.Blocks, show.Block{Markdown: withAttachments(c)})
		case "code":
			r.Blocks = append(r.Blocks, show.Block{Code: c.Source, Count: c.Count, Outputs: shownBy(c)})
		default:
			r.Blocks = append(r.Blocks, show.Block{Outputs: []show.Shown{{Text: c.Source}}})
		}
	}
	return r
}

func shownBy(c *notebook.Cell) (out []show.Shown) {
	for _, o := range c.Outputs {
		switch o.Type {
		case "stream":
			out = append(out, show.Shown{Text: o.Text})
		case "error":
			trace := strings.Join(o.Trace, "\n")
			if trace == "" {
				trace = o.EName + ": " + o.EValue
			}
			out = append(out, show.Shown{Text: trace, Failed: true})
		default:
			out = append(out, show.Shown{Bundle: o.Data})
		}
	}
	return out
}

// withAttachments puts the images attached to a Markdown cell into its text.
func withAttachments(c *notebook.Cell) string {
	source := c.Source
	for name, attached := range c.Attachments {
		images, _ := attached.(map[string]any)
		for mime, data := range images {
			source = strings.ReplaceAll(source, "attachment:"+name, fmt.Sprintf("data:%s;base64,%v", mime, data))
		}
	}
	return source
}
