package show

import (
	"context"
	"crypto/rand"
	"fmt"
	"image"

	"github.com/apache/arrow/go/v17/arrow"
)

// Bundler is a value that shows itself: media types to content, JSON values for application/json types and strings for all
// others (base64 for binary images).
type Bundler interface {
	MIMEBundle() map[string]any
}

// Bundle returns how v is shown, and false when v has only its fmt form. Beside values with a MIMEBundle method it knows
// go-echarts charts, images and Arrow records. A bundle that panics becomes its message.
func Bundle(v any) (bundle map[string]any, ok bool) {
	defer func() {
		if r := recover(); r != nil {
			bundle, ok = map[string]any{"text/plain": fmt.Sprintf("show: %T could not be shown: %v", v, r)}, true
		}
	}()
	switch v := v.(type) {
	case nil:
		return nil, false
	case Bundler:
		bundle = v.MIMEBundle()
	case echart:
		bundle = Chart(v).MIMEBundle()
	case image.Image:
		bundle = Image(v).MIMEBundle()
	case arrow.Record:
		bundle = Table(v).MIMEBundle()
	}
	return bundle, bundle != nil
}

// bundleOf is Bundle with the fmt form as the last resort.
func bundleOf(v any) map[string]any {
	if bundle, ok := Bundle(v); ok {
		return bundle
	}
	return map[string]any{"text/plain": fmt.Sprint(v)}
}

// Display shows values now, each as an output of its own. A Plot is updated there when points are appended to it.
func Display(values ...any) error {
	for _, v := range values {
		var err error
		if p, ok := v.(*Plot); ok && p != nil {
			err = p.display()
		} else {
			err = sink().Display("", bundleOf(v))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// DisplayID shows a value and returns the id under which Update replaces it.
func DisplayID(v any) (id string, err error) {
	id = newID()
	return id, sink().Display(id, bundleOf(v))
}

// Update replaces the output of this id.
func Update(id string, v any) error { return sink().Update(id, bundleOf(v)) }

// Clear removes what the cell has shown so far; with wait only when its next output arrives, which avoids flicker.
func Clear(wait bool) error { return sink().Clear(wait) }

// Input asks the person for a line of text.
func Input(prompt string) (string, error) {
	return sink().Input(context.Background(), prompt, false)
}

// Password asks for a line that is not shown while it is typed.
func Password(prompt string) (string, error) {
	return sink().Input(context.Background(), prompt, true)
}

// newID returns a name that no other output or comm has, in this process or an earlier one.
func newID() string { return "q" + rand.Text() }
