package notebook

import (
	"bytes"
	"fmt"
	"go/scanner"
	"go/token"
	"html"
	"html/template"
	"io"
	"strings"

	_ "embed"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
)

//go:embed report.html
var page string

var pageTemplate = template.Must(template.New("report").Parse(page))

// Renderer turns the content of one media type into HTML.
type Renderer func(content any, metadata map[string]any) (template.HTML, error)

// Report writes a notebook as one HTML file that needs nothing else. Start from DefaultReport.
type Report struct {
	Title string
	// Prefer lists media types, the best first; of an output the first that Render knows is shown.
	Prefer []string
	Render map[string]Renderer
	// Head is put into the page's head once: scripts and styles that renderers rely on.
	Head []template.HTML
}

// DefaultReport shows HTML, SVG, images, Markdown and text.
func DefaultReport(title string) Report {
	return Report{
		Title:  title,
		Prefer: []string{"text/html", "image/svg+xml", "image/png", "image/jpeg", "image/gif", "text/markdown", "text/latex", "application/json", "text/plain"},
		Render: map[string]Renderer{
			"text/html": verbatim, "image/svg+xml": verbatim,
			"image/png": picture("image/png"), "image/jpeg": picture("image/jpeg"), "image/gif": picture("image/gif"),
			"text/markdown": func(content any, _ map[string]any) (template.HTML, error) { return markdown(fmt.Sprint(content)) },
			"text/latex":    preformatted, "application/json": preformatted, "text/plain": preformatted,
		},
	}
}

func verbatim(content any, _ map[string]any) (template.HTML, error) {
	return template.HTML(fmt.Sprint(content)), nil
}

func preformatted(content any, _ map[string]any) (template.HTML, error) {
	return template.HTML("<pre>" + colours(fmt.Sprint(content)) + "</pre>"), nil
}

func picture(mime string) Renderer {
	return func(content any, metadata map[string]any) (template.HTML, error) {
		size := ""
		if m, ok := metadata[mime].(map[string]any); ok {
			for _, side := range []string{"width", "height"} {
				if m[side] != nil {
					size += fmt.Sprintf(` %s="%s"`, side, html.EscapeString(fmt.Sprint(m[side])))
				}
			}
		}
		data := strings.Join(strings.Fields(fmt.Sprint(content)), "")
		return template.HTML(fmt.Sprintf(`<img alt="output" src="data:%s;base64,%s"%s>`, mime, html.EscapeString(data), size)), nil
	}
}

var md = goldmark.New(goldmark.WithExtensions(extension.GFM))

func markdown(source string) (template.HTML, error) {
	var b bytes.Buffer
	err := md.Convert([]byte(source), &b)
	return template.HTML(b.String()), err
}

// pageCell is a cell as the template shows it.
type pageCell struct {
	Type, Count string
	Body        template.HTML
	Outputs     []pageOutput
}

type pageOutput struct {
	Class string
	Body  template.HTML
}

// Write writes the report of a notebook.
func (r Report) Write(w io.Writer, nb *Notebook) error {
	var cells []pageCell
	for i, c := range nb.Cells {
		cell := pageCell{Type: c.Type}
		var err error
		switch c.Type {
		case "markdown":
			cell.Body, err = markdown(attached(c))
		case "code":
			cell.Count = " "
			if c.Count > 0 {
				cell.Count = fmt.Sprint(c.Count)
			}
			cell.Body = highlight(c.Source)
			cell.Outputs, err = r.outputs(c)
		default:
			cell.Body = template.HTML("<pre>" + html.EscapeString(c.Source) + "</pre>")
		}
		if err != nil {
			return fmt.Errorf("notebook: report of cell %d: %v", i+1, err)
		}
		cells = append(cells, cell)
	}
	return pageTemplate.Execute(w, map[string]any{"Title": r.Title, "Cells": cells, "Head": r.Head})
}

// attached puts a Markdown cell's attached images into its text.
func attached(c *Cell) string {
	source := c.Source
	for name, a := range c.Attachments {
		for mime, data := range orEmpty(asMap(a)) {
			source = strings.ReplaceAll(source, "attachment:"+name, fmt.Sprintf("data:%s;base64,%v", mime, data))
		}
	}
	return source
}

func asMap(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

func (r Report) outputs(c *Cell) ([]pageOutput, error) {
	var outputs []pageOutput
	for _, o := range c.Outputs {
		switch o.Type {
		case "stream":
			outputs = append(outputs, pageOutput{o.Name, template.HTML("<pre>" + colours(o.Text) + "</pre>")})
		case "error":
			trace := strings.Join(o.Trace, "\n")
			if trace == "" {
				trace = o.EName + ": " + o.EValue
			}
			outputs = append(outputs, pageOutput{"error", template.HTML("<pre>" + colours(trace) + "</pre>")})
		default:
			for _, mime := range r.Prefer {
				render := r.Render[mime]
				if content, ok := o.Data[mime]; ok && render != nil {
					body, err := render(content, o.Metadata)
					if err != nil {
						return nil, fmt.Errorf("%s: %v", mime, err)
					}
					outputs = append(outputs, pageOutput{"display", body})
					break
				}
			}
		}
	}
	return outputs, nil
}

// colours escapes text and turns its ANSI colours into spans.
func colours(s string) string {
	var b strings.Builder
	open := false
	for {
		at := ansi.FindStringIndex(s)
		if at == nil {
			break
		}
		b.WriteString(html.EscapeString(s[:at[0]]))
		code := s[at[0]:at[1]]
		s = s[at[1]:]
		if !strings.HasSuffix(code, "m") {
			continue
		}
		if open {
			b.WriteString("</span>")
			open = false
		}
		if class := ansiClass(code[2 : len(code)-1]); class != "" {
			fmt.Fprintf(&b, `<span class="%s">`, class)
			open = true
		}
	}
	b.WriteString(html.EscapeString(s))
	if open {
		b.WriteString("</span>")
	}
	return b.String()
}

var ansiNames = [...]string{"black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"}

// ansiClass names the classes of an SGR code such as 1;31.
func ansiClass(code string) string {
	var classes []string
	for part := range strings.SplitSeq(code, ";") {
		var n int
		fmt.Sscan(part, &n)
		switch {
		case n == 1:
			classes = append(classes, "ansi-bold")
		case n >= 30 && n <= 37:
			classes = append(classes, "ansi-"+ansiNames[n-30])
		case n >= 90 && n <= 97:
			classes = append(classes, "ansi-"+ansiNames[n-90])
		}
	}
	return strings.Join(classes, " ")
}

// highlight marks keywords, strings, numbers and comments of Go. Text that is no Go (magics) stays plain.
func highlight(source string) template.HTML {
	var s scanner.Scanner
	file := token.NewFileSet().AddFile("", -1, len(source))
	s.Init(file, []byte(source), func(token.Position, string) {}, scanner.ScanComments)
	var b strings.Builder
	last := 0
	for {
		pos, tok, lit := s.Scan()
		if tok == token.EOF {
			break
		}
		class := ""
		switch {
		case tok == token.COMMENT:
			class = "c"
		case tok.IsKeyword():
			class = "k"
		case tok == token.STRING || tok == token.CHAR:
			class = "s"
		case tok == token.INT || tok == token.FLOAT || tok == token.IMAG:
			class = "n"
		}
		at := file.Offset(pos)
		if end := at + len(lit); class != "" && at >= last && end <= len(source) {
			fmt.Fprintf(&b, `%s<span class="%s">%s</span>`, html.EscapeString(source[last:at]), class, html.EscapeString(source[at:end]))
			last = end
		}
	}
	b.WriteString(html.EscapeString(source[last:]))
	return template.HTML("<pre><code>" + b.String() + "</code></pre>")
}
