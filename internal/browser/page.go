package browser

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Page is one tab.
type Page struct {
	b       *Browser
	tb      testing.TB
	session string

	mu       sync.Mutex
	errors   []string
	requests []string
}

// Look is how a page is seen. Its zero value is 1,000 by 800 pixels in light colours.
type Look struct {
	Width, Height int
	Dark          bool // the system prefers dark colours
	NoScript      bool // scripts are off
}

// Open loads a URL in a new tab and waits until it has loaded. A step that fails ends the test.
func (b *Browser) Open(tb testing.TB, url string, look Look) *Page {
	tb.Helper()
	var target struct{ TargetID string }
	p := &Page{b: b, tb: tb}
	p.must(b.call("", "Target.createTarget", map[string]any{"url": "about:blank"}, &target))
	var attached struct{ SessionID string }
	p.must(b.call("", "Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached))
	p.session = attached.SessionID
	b.mu.Lock()
	b.pages[p.session] = p
	b.mu.Unlock()
	for _, domain := range []string{"Page", "Runtime", "Network", "Log"} {
		p.call(domain+".enable", nil, nil)
	}
	p.Look(look)
	p.Goto(url)
	return p
}

// Goto loads another URL in the tab.
func (p *Page) Goto(url string) {
	p.tb.Helper()
	var nav struct{ ErrorText string }
	p.call("Page.navigate", map[string]any{"url": url}, &nav)
	if nav.ErrorText != "" {
		p.tb.Fatalf("browser: %s: %s", url, nav.ErrorText)
	}
	p.Wait(`document.readyState === "complete" && location.href !== "about:blank"`)
}

// Look sets size, colours and scripting.
func (p *Page) Look(look Look) {
	p.tb.Helper()
	if look.Width == 0 {
		look.Width, look.Height = 1000, 800
	}
	scheme := "light"
	if look.Dark {
		scheme = "dark"
	}
	p.call("Emulation.setDeviceMetricsOverride",
		map[string]any{"width": look.Width, "height": look.Height, "deviceScaleFactor": 1, "mobile": false}, nil)
	p.call("Emulation.setEmulatedMedia",
		map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}}}, nil)
	p.call("Emulation.setScriptExecutionDisabled", map[string]any{"value": look.NoScript}, nil)
}

// Eval evaluates an expression, waits for it if it is a promise, and decodes its value into out unless that is nil.
func (p *Page) Eval(expr string, out any) error {
	var res struct {
		Result    struct{ Value json.RawMessage }
		Exception *struct {
			Text      string
			Exception struct{ Description string }
		} `json:"exceptionDetails"`
	}
	err := p.b.call(p.session, "Runtime.evaluate",
		map[string]any{"expression": expr, "returnByValue": true, "awaitPromise": true}, &res)
	switch {
	case err != nil:
		return err
	case res.Exception != nil:
		return fmt.Errorf("browser: %s %s", res.Exception.Text, res.Exception.Exception.Description)
	case out == nil || res.Result.Value == nil:
		return nil
	}
	return json.Unmarshal(res.Result.Value, out)
}

// Text is the value of an expression as a string.
func (p *Page) Text(expr string) string {
	p.tb.Helper()
	var s string
	if err := p.Eval("String("+expr+")", &s); err != nil {
		p.tb.Fatal(err)
	}
	return s
}

// Wait waits until the expression is true.
func (p *Page) Wait(expr string) {
	p.tb.Helper()
	var last error
	for end := time.Now().Add(Timeout); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		var ok bool
		if last = p.Eval("!!("+expr+")", &ok); last == nil && ok {
			return
		}
	}
	p.tb.Fatalf("browser: not true in %v: %s (last error: %v; console: %s)", Timeout, expr, last, strings.Join(p.Errors(), "; "))
}

// Screenshot writes the whole page as a PNG.
func (p *Page) Screenshot(path string) {
	p.tb.Helper()
	var shot struct{ Data string }
	p.call("Page.captureScreenshot", map[string]any{"format": "png", "captureBeyondViewport": true}, &shot)
	image, err := base64.StdEncoding.DecodeString(shot.Data)
	p.must(err)
	p.must(os.WriteFile(path, image, 0o644))
}

// Errors returns the uncaught exceptions, the console's errors and the log's errors so far.
func (p *Page) Errors() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.errors)
}

// Requests returns the URLs asked for so far, without data: and blob: ones, which leave no machine.
func (p *Page) Requests() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.requests)
}

func (p *Page) event(method string, params json.RawMessage) {
	var e struct {
		Type    string
		Args    []struct{ Value, Description any }
		Request struct{ URL string }
		Entry   struct{ Level, Text, URL string }
		Details struct {
			Text      string
			Exception struct{ Description string }
		} `json:"exceptionDetails"`
	}
	if json.Unmarshal(params, &e) != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch method {
	case "Runtime.exceptionThrown":
		p.errors = append(p.errors, e.Details.Text+" "+e.Details.Exception.Description)
	case "Runtime.consoleAPICalled":
		if e.Type == "error" || e.Type == "assert" {
			p.errors = append(p.errors, fmt.Sprint(e.Args))
		}
	case "Log.entryAdded":
		if e.Entry.Level == "error" {
			p.errors = append(p.errors, e.Entry.Text+" "+e.Entry.URL)
		}
	case "Network.requestWillBeSent":
		if url := e.Request.URL; !strings.HasPrefix(url, "data:") && !strings.HasPrefix(url, "blob:") {
			p.requests = append(p.requests, url)
		}
	}
}

func (p *Page) call(method string, params, out any) {
	p.tb.Helper()
	p.must(p.b.call(p.session, method, params, out))
}

func (p *Page) must(err error) {
	p.tb.Helper()
	if err != nil {
		p.tb.Fatal(err)
	}
}
