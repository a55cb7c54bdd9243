package echarts

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/dop251/goja"
)

// Limit bounds the drawing of one chart.
const Limit = 20 * time.Second

// prelude is what the library expects of a browser. Charts are still, so timers never fire.
const prelude = `var self = globalThis, window = undefined, console = {log() {}, warn() {}, error() {}, info() {}};
function setTimeout() { return 0 } function clearTimeout() {} function setInterval() { return 0 } function clearInterval() {}`

// Drawing packs long lines of number pairs into one typed array, which halves the work for each point.
const drawing = `(function () {
	function number(v) { return typeof v === "number" || v === null; }
	function pack(s) {
		var d = s.data;
		if (s.type !== "line" || s.dimensions || !Array.isArray(d) || d.length < 50) return;
		var flat = new Float64Array(2 * d.length);
		for (var i = 0; i < d.length; i++) {
			var p = d[i];
			if (!Array.isArray(p) || p.length !== 2 || !number(p[0]) || !number(p[1])) return;
			flat[2 * i] = p[0] === null ? NaN : p[0];
			flat[2 * i + 1] = p[1] === null ? NaN : p[1];
		}
		s.dimensions = ["x", "y"];
		s.data = flat;
	}
	return function (code, width, height, theme) {
		var chart = echarts.init(null, theme, {renderer: "svg", ssr: true, width: width, height: height});
		try {
			var option = (0, eval)("(" + code + ")");
			option.animation = false;
			[].concat(option.series || []).forEach(pack);
			chart.setOption(option);
			return chart.getZr().painter.renderToString({useViewBox: true, cssAnimation: false, cssEmphasis: false});
		} finally { chart.dispose() }
	};
})()`

// engine is the interpreter with the library loaded: about 20 MB, made on first use and kept. One goroutine draws at a time.
var engine struct {
	sync.Mutex
	vm   *goja.Runtime
	draw goja.Callable
}

var compiled = sync.OnceValues(func() (*goja.Program, error) {
	text, err := source()
	if err != nil {
		return nil, err
	}
	return goja.Compile("echarts.min.js", text, false)
})

// SVG draws an option, a JavaScript expression, as an SVG document of width × height pixels. The theme is "" or "dark".
// Names inside the document start with id, so that several documents can share a page.
func SVG(option, id, theme string, width, height int) (string, error) {
	engine.Lock()
	defer engine.Unlock()
	if engine.vm == nil {
		if err := load(); err != nil {
			return "", fmt.Errorf("echarts: %w", err)
		}
	}
	vm := engine.vm
	timer := time.AfterFunc(Limit, func() { vm.Interrupt("it took longer than " + Limit.String()) })
	out, err := engine.draw(goja.Undefined(), vm.ToValue(option), vm.ToValue(width), vm.ToValue(height), vm.ToValue(theme))
	if !timer.Stop() {
		engine.vm = nil
	}
	if err != nil {
		return "", fmt.Errorf("echarts: %s", oneLine(err))
	}
	return rename(out.String(), id), nil
}

func load() error {
	program, err := compiled()
	if err != nil {
		return err
	}
	vm := goja.New()
	vm.SetMaxCallStackSize(4096)
	if _, err := vm.RunString(prelude); err != nil {
		return err
	}
	if _, err := vm.RunProgram(program); err != nil {
		return err
	}
	v, err := vm.RunString(drawing)
	if err != nil {
		return err
	}
	draw, ok := goja.AssertFunction(v)
	if !ok {
		return errors.New("the drawing function is missing")
	}
	engine.vm, engine.draw = vm, draw
	return nil
}

func oneLine(err error) string {
	text := err.Error()
	if ex := (*goja.Exception)(nil); errors.As(err, &ex) {
		text = ex.Value().String()
	}
	text, _, _ = strings.Cut(text, "\n")
	return text
}

// names are the classes and ids that the renderer makes: zr, the number of the drawing in this process, and the rest.
var names = regexp.MustCompile(`((?:id="|class="|url\(#|href="#|\.|@keyframes |animation:))zr\d+-`)

func rename(svg, id string) string { return names.ReplaceAllString(svg, "${1}"+id+"-") }
