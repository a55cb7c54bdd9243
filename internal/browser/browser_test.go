package browser

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// TestPage loads a page that draws, fails and asks for a file, and expects each to be seen.
func TestPage(t *testing.T) {
	b := Start(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "page.html")
	html := `<h1 id="h">?</h1><p style="height:3000px"></p><button id="b" onclick="h.textContent='clicked'">press</button><img src="missing.png"><script>
h.textContent = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"; console.error("oh"); undefinedName()</script>`
	if err := os.WriteFile(file, []byte(html), 0o644); err != nil {
		t.Fatal(err)
	}
	p := b.Open(t, "file://"+file, Look{Dark: true})
	if got := p.Text("h.textContent"); got != "dark" {
		t.Errorf("colour scheme %q, want dark", got)
	}
	p.Click("#b")
	if got := p.Text("h.textContent"); got != "clicked" {
		t.Errorf("after a click the page shows %q", got)
	}
	if got := p.Errors(); len(got) < 2 {
		t.Errorf("errors %q, want console.error and the exception", got)
	}
	if got := p.Requests(); len(got) != 2 {
		t.Errorf("requests %q, want the page and the image", got)
	}
	shot := filepath.Join(dir, "page.png")
	p.Screenshot(shot)
	if png, err := os.ReadFile(shot); err != nil || !bytes.HasPrefix(png, []byte("\x89PNG")) {
		t.Errorf("screenshot: %v", err)
	}
	p = b.Open(t, "file://"+file, Look{NoScript: true})
	if got := p.Text("h.textContent"); got != "?" {
		t.Errorf("with scripts off the page shows %q", got)
	}
}
