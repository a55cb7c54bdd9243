package session

import (
	"context"
	"fmt"
	"io"
	"log"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/goplus/ixgo"

	_ "github.com/goplus/ixgo/pkg/bufio"
	_ "github.com/goplus/ixgo/pkg/bytes"
	_ "github.com/goplus/ixgo/pkg/context"
	_ "github.com/goplus/ixgo/pkg/encoding/json"
	_ "github.com/goplus/ixgo/pkg/errors"
	_ "github.com/goplus/ixgo/pkg/fmt"
	_ "github.com/goplus/ixgo/pkg/image"
	_ "github.com/goplus/ixgo/pkg/io"
	_ "github.com/goplus/ixgo/pkg/iter"
	_ "github.com/goplus/ixgo/pkg/maps"
	_ "github.com/goplus/ixgo/pkg/math"
	_ "github.com/goplus/ixgo/pkg/os"
	_ "github.com/goplus/ixgo/pkg/reflect"
	_ "github.com/goplus/ixgo/pkg/runtime"
	_ "github.com/goplus/ixgo/pkg/slices"
	_ "github.com/goplus/ixgo/pkg/sort"
	_ "github.com/goplus/ixgo/pkg/strconv"
	_ "github.com/goplus/ixgo/pkg/strings"
	_ "github.com/goplus/ixgo/pkg/sync"
	_ "github.com/goplus/ixgo/pkg/sync/atomic"
	_ "github.com/goplus/ixgo/pkg/time"

	"quire/kernel/link"
)

// events is a front end that writes down what it gets.
type events struct {
	mu      sync.Mutex
	log     []string // "stdout:text", "display:text/plain" …
	streams int
	answers []string // for Input
}

func (e *events) add(s string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.log = append(e.log, s)
}

func (e *events) Stream(cell, name, text string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.streams++
	if n := len(e.log); n > 0 && strings.HasPrefix(e.log[n-1], name+"@"+cell+":") {
		e.log[n-1] += text
		return
	}
	e.log = append(e.log, name+"@"+cell+":"+text)
}

func (e *events) Display(cell string, d link.Display) {
	e.add(fmt.Sprint("display:", d.Data["text/plain"]))
}
func (e *events) Clear(cell string, wait bool)  { e.add("clear") }
func (e *events) Comm(cell string, c link.Comm) { e.add("comm:" + c.Op) }
func (e *events) Input(ctx context.Context, cell, prompt string, password bool) (string, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.answers) == 0 {
		return "", io.EOF
	}
	a := e.answers[0]
	e.answers = e.answers[1:]
	return a, nil
}

const waitLimit = 2 * time.Minute

// waitFor waits until the text was written.
func (e *events) waitFor(t testing.TB, text string) {
	t.Helper()
	for end := time.Now().Add(waitLimit); ; time.Sleep(time.Millisecond) {
		e.mu.Lock()
		log := strings.Join(e.log, "|")
		e.mu.Unlock()
		if strings.Contains(log, text) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%q was not written, but %q", text, log)
		}
	}
}

// take returns what was written since the last call.
func (e *events) take() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := strings.Join(e.log, "|")
	e.log = nil
	return s
}

// notebook is a session with a count of cells.
type notebook struct {
	t     testing.TB
	s     *Session
	out   *events
	count int
}

var auto = map[string]string{
	"fmt": "fmt", "strings": "strings", "os": "os", "errors": "errors", "sort": "sort", "time": "time", "sync": "sync", "json": "encoding/json",
	"strconv": "strconv", "math": "math", "slices": "slices", "maps": "maps", "log": "log", "atomic": "sync/atomic", "bufio": "bufio",
	"iter": "iter", "context": "context", "image": "image", "bytes": "bytes", "runtime": "runtime", "io": "io", "reflect": "reflect",
}

func newNotebook(t testing.TB) *notebook {
	t.Helper()
	s, err := New(Config{Auto: auto})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return &notebook{t: t, s: s, out: &events{}}
}

func (n *notebook) exec(code string) link.Executed { return n.execCtx(context.Background(), code) }

func (n *notebook) execCtx(ctx context.Context, code string) link.Executed {
	n.count++
	return n.s.Execute(ctx, link.Execute{Cell: fmt.Sprint("c", n.count), Code: code, Count: n.count, AllowStdin: true}, n.out)
}

// run runs a cell and returns its output and value: "stdout@c1:hello\n|=42".
func (n *notebook) run(code string) string {
	n.t.Helper()
	r := n.exec(code)
	out := n.out.take()
	if r.Err != nil {
		return out + "!" + r.Err.Name + ": " + r.Err.Value + "\n" + strings.Join(r.Err.Traceback, "\n")
	}
	if r.Value != nil {
		out += "=" + fmt.Sprint(r.Value.Data["text/plain"])
	}
	return out
}

// log is interpreted from source where ixgo registers it; kernels have it compiled.
func init() {
	ixgo.RegisterPackage(&ixgo.Package{Name: "log", Path: "log", Deps: map[string]string{"io": "io"},
		Interfaces: map[string]reflect.Type{}, AliasTypes: map[string]reflect.Type{},
		NamedTypes: map[string]reflect.Type{"Logger": reflect.TypeFor[log.Logger]()},
		Vars:       map[string]reflect.Value{},
		Funcs: map[string]reflect.Value{
			"Fatal": reflect.ValueOf(log.Fatal), "Print": reflect.ValueOf(log.Print), "SetFlags": reflect.ValueOf(log.SetFlags),
		},
		TypedConsts: map[string]ixgo.TypedConst{}, UntypedConsts: map[string]ixgo.UntypedConst{},
	})
}
