package show

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"html"
	"maps"
	"os/exec"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-echarts/go-echarts/v2/opts"

	"quire/lib/show/internal/echarts"
)

// echart is any go-echarts chart.
type echart interface {
	Validate()
	JSON() map[string]any
}

// Drawing is a chart ready to be shown.
type Drawing struct {
	option        map[string]any // as ECharts takes it
	still         map[string]any // replaces keys of option in the picture
	title         string
	theme         string // "dark" only when the author asked for it
	width, height int    // of the picture; on screen the width is a maximum
	text          func() string
	err           error
	live          bool // shown for a moment only: no picture
}

// Size in pixels of charts that do not say.
const (
	defaultWidth  = 860
	defaultHeight = 400
	maxSize       = 8192
)

// Chart shows any go-echarts chart, or an ECharts option given as a map. Charts that need an extension of ECharts (3D charts,
// word clouds, liquid fills, maps) are named in words, as nothing is loaded from a network.
func Chart(chart any) *Drawing {
	switch c := chart.(type) {
	case *Drawing:
		return c
	case *Plot:
		return c.drawing(false)
	case map[string]any:
		d := &Drawing{option: maps.Clone(c), width: defaultWidth, height: defaultHeight}
		d.text = func() string { return sketch(d.option) }
		return d
	case echart:
		return fromEcharts(c)
	}
	return &Drawing{err: fmt.Errorf("show: Chart: %T is no chart: give a go-echarts chart, an option map or slices to show.Line", chart)}
}

func fromEcharts(c echart) *Drawing {
	c.Validate()
	d := &Drawing{option: c.JSON(), width: defaultWidth, height: defaultHeight}
	d.text = func() string { return sketch(d.option) }
	if v := reflect.Indirect(reflect.ValueOf(c)).FieldByName("Initialization"); v.IsValid() {
		if init, ok := v.Interface().(opts.Initialization); ok {
			d.width, d.height = pixels(init.Width, d.width), pixels(init.Height, d.height)
			if init.Theme == "dark" {
				d.theme = "dark"
			}
		}
	}
	if v := reflect.Indirect(reflect.ValueOf(c)).FieldByName("Title"); v.IsValid() && v.Kind() == reflect.Struct {
		if title, ok := v.Interface().(opts.Title); ok {
			d.title = title.Title
		}
	}
	return d
}

// pixels reads a CSS length; one in other units than pixels has the default size.
func pixels(css string, otherwise int) int {
	n, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(css), "px"))
	if err != nil || n < 20 || n > maxSize {
		return otherwise
	}
	return n
}

// MIMEBundle gives the chart as interactive HTML around a picture, as SVG, as PNG where rsvg-convert is installed, and as text.
func (d *Drawing) MIMEBundle() map[string]any { return d.bundle(carry()) }

func (d *Drawing) bundle(withLibrary bool) map[string]any {
	if d.err != nil {
		return map[string]any{"text/plain": d.err.Error()}
	}
	code, err := script(d.option)
	if err != nil {
		return map[string]any{"text/plain": err.Error()}
	}
	id := contentID(code)
	bundle := map[string]any{"text/plain": d.text()}
	if name := d.needs(); name != "" {
		bundle["text/plain"] = fmt.Sprintf("show: a chart of type %s needs an extension of ECharts that is not built in; use a chart of ECharts itself", name)
		return bundle
	}
	picture := ""
	if !d.live {
		svg, err := d.svg(code, id)
		if err != nil {
			bundle["text/plain"] = err.Error() + "\n" + d.text()
		} else {
			bundle["image/svg+xml"] = svg
			picture = d.img(svg)
			if png, ok := pngOf(svg); ok {
				bundle["image/png"] = png
			}
		}
	}
	bundle["text/html"] = d.html(id, code, picture, withLibrary)
	return bundle
}

// needs names the first series that the built-in ECharts can't draw.
func (d *Drawing) needs() string {
	for _, s := range seriesOf(d.option) {
		switch s.Type {
		case "bar3D", "line3D", "scatter3D", "surface", "liquidFill", "wordCloud", "map":
			return s.Type
		}
	}
	if _, ok := d.option["geo"]; ok {
		return "geo"
	}
	return ""
}

// svg draws the picture on a white card, which reads on any background.
func (d *Drawing) svg(code, id string) (string, error) {
	if d.still != nil {
		option := maps.Clone(d.option)
		maps.Copy(option, d.still)
		var err error
		if code, err = script(option); err != nil {
			return "", err
		}
	}
	svg, err := echarts.SVG(code, id, d.theme, d.width, d.height)
	if err != nil {
		return "", fmt.Errorf("show: %w", err)
	}
	if d.theme == "" {
		svg = strings.Replace(svg, `fill="none"></rect>`, `fill="#fff"></rect>`, 1)
	}
	return svg, nil
}

func (d *Drawing) img(svg string) string {
	return fmt.Sprintf(`<img alt="%s" style="max-width:100%%;height:auto;border-radius:6px" src="data:image/svg+xml;base64,%s">`,
		html.EscapeString(d.title), base64.StdEncoding.EncodeToString([]byte(svg)))
}

// html is the picture, the option, and with the first chart the library. The script only queues the option: whichever of chart and
// library comes first, also in a notebook that was opened again, the chart is drawn when both are there.
func (d *Drawing) html(id, code, picture string, withLibrary bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, `<div class="quire-chart" data-quire="%s" style="max-width:%dpx;min-height:%dpx">%s</div>`+"\n",
		id, d.width, d.height, picture)
	fmt.Fprintf(&b, `<script>(function(w){var q=w.quire=w.quire||{};(q.queue=q.queue||[]).push({id:%q,height:%d,theme:%q,live:%t,option:function(){return %s}});if(q.draw)q.draw()})(window)</script>`,
		id, d.height, d.theme, d.live, code)
	if withLibrary {
		b.WriteString("\n" + LibraryHTML())
	}
	return b.String()
}

// contentID names a chart by its option: the same chart twice in a page is the same name twice, which is what the script expects.
func contentID(code string) string {
	sum := sha256.Sum256([]byte(code))
	return "q" + hex.EncodeToString(sum[:8])
}

// converter is the program that turns SVG into PNG.
var converter = sync.OnceValue(func() string {
	path, err := exec.LookPath("rsvg-convert")
	if err != nil {
		return ""
	}
	return path
})

// convertLimit bounds a conversion; a picture that takes longer is shown as SVG alone.
const convertLimit = 5 * time.Second

// pngOf converts a picture, at twice its size so that it prints well.
func pngOf(svg string) (png string, ok bool) {
	if converter() == "" {
		return "", false
	}
	ctx, cancel := context.WithTimeout(context.Background(), convertLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, converter(), "--zoom", "2", "--format", "png")
	cmd.Stdin = strings.NewReader(svg)
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if err != nil {
		return "", false
	}
	return base64.StdEncoding.EncodeToString(out), true
}
