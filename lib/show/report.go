package show

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
)

// Report is one self-contained page: texts, folded code and what it showed, in order. A notebook becomes one by a Block for each
// cell. The page loads nothing, and its own policy forbids it to: charts work from the ECharts it carries once.
type Report struct {
	Title  string
	Blocks []Block
}

// Block is a piece of a report. What is empty is left out; the order is Markdown, Code, Outputs.
type Block struct {
	Markdown string
	Code     string // source text, folded
	Count    int    // number of the cell, shown with its code
	Outputs  []Shown
}

// Shown is one output of a piece of code: a bundle, or text of a stream.
type Shown struct {
	Bundle map[string]any // as MIMEBundle gives, or as decoded from a notebook's JSON
	Text   string         // of standard output, without a bundle
	Failed bool           // Text is an error
}

//go:embed report.css
var reportCSS string

// policy lets the page use what it holds and nothing else.
const policy = "default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; script-src 'unsafe-inline'; font-src data:; media-src data:"

// WriteHTML writes the page.
func (r Report) WriteHTML(w io.Writer) error {
	var c contents
	body, err := r.body(&c)
	if err != nil {
		return err
	}
	return r.page(w, body, c.html())
}

// body is the blocks in order; their headings go into c.
func (r Report) body(c *contents) (string, error) {
	var body strings.Builder
	for i, b := range r.Blocks {
		body.WriteString("<section>")
		if b.Markdown != "" {
			if err := c.markdown(&body, b.Markdown); err != nil {
				return "", fmt.Errorf("show: report: block %d: %w", i+1, err)
			}
		}
		if b.Code != "" {
			first, _, _ := strings.Cut(strings.TrimSpace(b.Code), "\n")
			count := ""
			if b.Count > 0 {
				count = fmt.Sprintf("[%d] ", b.Count)
			}
			fmt.Fprintf(&body, `<details class="code"><summary><span>%s</span><code>%s</code></summary><pre><code>%s</code></pre></details>`,
				count, html.EscapeString(shorten(first, 100)), highlight(b.Code))
		}
		for _, s := range b.Outputs {
			s.write(&body)
		}
		body.WriteString("</section>\n")
	}
	return body.String(), nil
}

// MIMEBundle gives what the page holds, as a part of the notebook that shows it.
func (r Report) MIMEBundle() map[string]any {
	body, err := r.body(nil)
	if err != nil {
		return map[string]any{"text/plain": err.Error()}
	}
	return map[string]any{"text/plain": r.Title, "text/html": "<h2>" + html.EscapeString(shorten(r.Title, maxText)) + "</h2>\n" + body}
}

func (r Report) page(w io.Writer, body, nav string) error {
	charts := strings.Contains(body, `class="quire-chart"`)
	body = strings.ReplaceAll(body, LibraryHTML(), "")
	title := html.EscapeString(shorten(r.Title, maxText))
	head := fmt.Sprintf("<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"><meta http-equiv=\"Content-Security-Policy\" content=\"%s\">"+
		"<meta name=\"viewport\" content=\"width=device-width\"><link rel=\"icon\" href=\"data:,\"><title>%s</title><style>%s</style></head><body>\n",
		policy, title, reportCSS)
	tail := "</main></body></html>\n"
	if charts {
		tail = LibraryHTML() + "\n" + tail
	}
	if title != "" && !strings.Contains(body, "<h1") {
		body = "<h1>" + title + "</h1>\n" + body
	}
	_, err := io.WriteString(w, head+nav+"<main>\n"+body+tail)
	return err
}

// richest are the media types of a bundle in the order in which a page prefers them.
var richest = []string{"text/html", "text/markdown", "image/svg+xml", "image/png", "image/jpeg", "image/gif", "text/latex", "application/json", "text/plain"}

func (s Shown) write(b *strings.Builder) {
	if s.Bundle == nil {
		class := "stream"
		if s.Failed {
			class = "stream failed"
		}
		fmt.Fprintf(b, `<pre class="%s">%s</pre>`, class, html.EscapeString(plainLines(clip(s.Text))))
		return
	}
	for _, mime := range richest {
		v, ok := s.Bundle[mime]
		if !ok {
			continue
		}
		content := joined(v)
		b.WriteString(`<div class="output">`)
		switch {
		case mime == "text/html":
			b.WriteString(content)
		case mime == "text/markdown":
			b.WriteString(`<div class="md">`)
			(*contents)(nil).markdown(b, content)
			b.WriteString("</div>")
		case mime == "image/svg+xml":
			b.WriteString((&Drawing{}).img(content))
		case strings.HasPrefix(mime, "image/"):
			fmt.Fprintf(b, `<img alt="" src="data:%s;base64,%s">`, mime, html.EscapeString(strings.ReplaceAll(content, "\n", "")))
		default:
			fmt.Fprintf(b, `<pre>%s</pre>`, html.EscapeString(clip(content)))
		}
		b.WriteString("</div>")
		return
	}
}

// joined is a bundle's value as text: notebooks keep long texts as lists of lines.
func joined(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case []string:
		return strings.Join(v, "")
	case []any:
		var b strings.Builder
		for _, line := range v {
			fmt.Fprint(&b, line)
		}
		return b.String()
	}
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// plainLines is a stream as a terminal leaves it: without colours, of overwritten lines the last state.
func plainLines(s string) string {
	var out []string
	for line := range strings.SplitSeq(escapes.ReplaceAllString(s, ""), "\n") {
		line = strings.TrimRight(line, "\r")
		out = append(out, line[strings.LastIndexByte(line, '\r')+1:])
	}
	return strings.Join(out, "\n")
}

// contents are the headings of a page. Nil collects none: what a page shows must not take its headings' ids.
type contents struct {
	entries []heading
}

type heading struct {
	level    int
	id, text string
}

// markdowns converts Markdown; raw HTML in it is left out.
var markdowns = goldmark.New(goldmark.WithExtensions(extension.GFM))

func (c *contents) markdown(b *strings.Builder, source string) error {
	src := []byte(source)
	doc := markdowns.Parser().Parse(text.NewReader(src), parser.WithContext(parser.NewContext()))
	ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if h, ok := n.(*ast.Heading); ok && entering && c != nil {
			entry := heading{h.Level, fmt.Sprintf("h%d", len(c.entries)+1), plainText(h, src)}
			h.SetAttributeString("id", []byte(entry.id))
			c.entries = append(c.entries, entry)
		}
		return ast.WalkContinue, nil
	})
	var buf bytes.Buffer
	if err := markdowns.Renderer().Render(&buf, src, doc); err != nil {
		return err
	}
	b.Write(buf.Bytes())
	return nil
}

// plainText is the text below a node.
func plainText(n ast.Node, src []byte) string {
	var b strings.Builder
	ast.Walk(n, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		switch t := n.(type) {
		case *ast.Text:
			if entering {
				b.Write(t.Segment.Value(src))
			}
		case *ast.String:
			if entering {
				b.Write(t.Value)
			}
		}
		return ast.WalkContinue, nil
	})
	return b.String()
}

func (c *contents) html() string {
	if len(c.entries) < 2 {
		return ""
	}
	var b strings.Builder
	b.WriteString("<nav><ul>")
	for _, h := range c.entries {
		if h.level <= 3 {
			fmt.Fprintf(&b, `<li class="l%d"><a href="#%s">%s</a></li>`, h.level, h.id, html.EscapeString(shorten(h.text, 80)))
		}
	}
	b.WriteString("</ul></nav>")
	return b.String()
}
