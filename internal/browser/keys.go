package browser

import (
	"fmt"
	"strconv"
)

// Modifiers of a key, to be added.
const (
	Ctrl  = 2
	Shift = 8
)

// keyCodes are the Windows virtual key codes that pages see as keyCode.
var keyCodes = map[string]int{"Tab": 9, "Enter": 13, "Escape": 27, "Backspace": 8, "a": 65, "i": 73}

// Type types text into the focused element.
func (p *Page) Type(text string) {
	p.tb.Helper()
	p.call("Input.insertText", map[string]any{"text": text}, nil)
}

// Key presses and releases a key: a name of keyCodes, with modifiers.
func (p *Page) Key(key string, modifiers int) {
	p.tb.Helper()
	code := keyCodes[key]
	if code == 0 {
		p.tb.Fatalf("browser: unknown key %q", key)
	}
	for _, kind := range []string{"rawKeyDown", "keyUp"} {
		p.call("Input.dispatchKeyEvent", map[string]any{"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code,
			"nativeVirtualKeyCode": code, "modifiers": modifiers}, nil)
	}
}

// Click presses and releases the mouse in the middle of the first element that a CSS selector finds, once it is there to be seen.
func (p *Page) Click(selector string) {
	p.tb.Helper()
	element := "document.querySelector(" + strconv.Quote(selector) + ")"
	p.Wait(fmt.Sprintf("%s && (%[1]s.scrollIntoView({block:'nearest'}), %[1]s.getClientRects().length)", element))
	var at struct{ X, Y float64 }
	p.must(p.Eval(fmt.Sprintf("(r => ({x: r.x + r.width/2, y: r.y + r.height/2}))(%s.getBoundingClientRect())", element), &at))
	for _, kind := range []string{"mouseMoved", "mousePressed", "mouseReleased"} {
		event := map[string]any{"type": kind, "x": at.X, "y": at.Y, "button": "left", "clickCount": 1}
		if kind == "mouseMoved" {
			event["button"], event["clickCount"] = "none", 0
		}
		p.call("Input.dispatchMouseEvent", event, nil)
	}
}
