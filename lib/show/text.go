package show

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"image"
	"image/png"
	"strings"
)

// Value is a bundle that shows itself.
type Value map[string]any

// MIMEBundle gives the bundle.
func (v Value) MIMEBundle() map[string]any { return v }

// Markdown shows text in Markdown.
func Markdown(text string) Value {
	return Value{"text/markdown": text, "text/plain": text}
}

// HTML shows markup as it is: it is the caller's, and trusted. Text that is data goes through html.EscapeString first.
func HTML(markup string) Value {
	return Value{"text/html": markup, "text/plain": "(HTML)"}
}

// LaTeX shows a formula; without delimiters it is set as a display formula.
func LaTeX(formula string) Value {
	set := formula
	if !strings.HasPrefix(formula, "$") && !strings.HasPrefix(formula, `\begin`) && !strings.HasPrefix(formula, `\[`) {
		set = "$$" + formula + "$$"
	}
	return Value{"text/latex": set, "text/plain": formula}
}

// SVG shows a drawing.
func SVG(document string) Value {
	return Value{"image/svg+xml": document, "text/plain": "(SVG)"}
}

// PNG shows an encoded image.
func PNG(encoded []byte) Value {
	text := "(PNG)"
	if c, err := png.DecodeConfig(bytes.NewReader(encoded)); err == nil {
		text = fmt.Sprintf("(PNG, %d × %d)", c.Width, c.Height)
	}
	return Value{"image/png": base64.StdEncoding.EncodeToString(encoded), "text/plain": text}
}

// Image shows a picture.
func Image(img image.Image) Value {
	var buf bytes.Buffer
	if err := png.Encode(&buf, img); err != nil {
		return Value{"text/plain": "show: Image: " + err.Error()}
	}
	return PNG(buf.Bytes())
}

// Code shows source text in a language, such as "go".
func Code(language, source string) Value {
	fence := "```"
	for strings.Contains(source, fence) {
		fence += "`"
	}
	return Value{
		"text/html": fmt.Sprintf(`<pre class="quire-code"><code class="language-%s">%s</code></pre>`,
			html.EscapeString(shorten(language, 40)), html.EscapeString(clip(source))),
		"text/markdown": fence + strings.Map(fenceName, shorten(language, 40)) + "\n" + source + "\n" + fence,
		"text/plain":    source,
	}
}

// fenceName keeps what may stand behind a code fence.
func fenceName(r rune) rune {
	if r == '`' || r == '\n' || r == '\r' {
		return -1
	}
	return r
}

// JSON shows a value as JSON that can be folded.
func JSON(v any) Value {
	text, err := json.Marshal(v)
	if err != nil {
		return Value{"text/plain": "show: JSON: " + err.Error()}
	}
	var indented bytes.Buffer
	json.Indent(&indented, text, "", "  ")
	var b strings.Builder
	b.WriteString(`<div class="quire-json" style="font-family:monospace;font-size:13px;line-height:1.5">`)
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	jsonHTML(&b, d, "", 0)
	b.WriteString(`</div>`)
	return Value{"application/json": json.RawMessage(text), "text/html": b.String(), "text/plain": clip(indented.String())}
}

// maxText is how many characters of one text, line or label are shown.
const maxText = 2000

// maxPlain is how many bytes of a whole text are shown.
const maxPlain = 1 << 18

// clip cuts a text that no one reads to its end.
func clip(s string) string {
	if len(s) <= maxPlain {
		return s
	}
	return fmt.Sprintf("%s\n… %s more bytes", strings.ToValidUTF8(s[:maxPlain], ""), thousands(len(s)-maxPlain))
}

// maxFold is how deep JSON is unfolded at first, maxItems how many items of one array or object are listed.
const (
	maxFold  = 2
	maxItems = 1000
)

// jsonHTML writes the next value of a valid stream behind its label.
func jsonHTML(b *strings.Builder, d *json.Decoder, label string, depth int) {
	token, err := d.Token()
	if err != nil {
		return
	}
	open, ok := token.(json.Delim)
	if !ok {
		text, _ := json.Marshal(token)
		fmt.Fprintf(b, "<div>%s%s</div>", label, html.EscapeString(shorten(string(text), maxText)))
		return
	}
	var items strings.Builder
	n := 0
	for ; d.More(); n++ {
		out := &items
		if n >= maxItems {
			out = &strings.Builder{}
		}
		name := ""
		if open == '{' {
			key, _ := d.Token()
			text, _ := json.Marshal(key)
			name = `<b style="font-weight:600">` + html.EscapeString(shorten(string(text), maxText)) + `</b>: `
		}
		jsonHTML(out, d, name, depth+1)
	}
	d.Token()
	if n > maxItems {
		fmt.Fprintf(&items, "<div>… %d more</div>", n-maxItems)
	}
	attr, brackets := "", "{}"
	if depth < maxFold {
		attr = " open"
	}
	if open == '[' {
		brackets = "[]"
	}
	fmt.Fprintf(b, `<details%s><summary>%s%c %d %c</summary><div style="margin-left:1.5em">%s</div></details>`,
		attr, label, brackets[0], n, brackets[1], items.String())
}
