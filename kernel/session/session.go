// Package session runs cells of Go: it keeps declarations and values from cell to cell, captures output, stops runaway code, and
// knows nothing of Jupyter. Its [Session] is the [link.Handler] of the session process.
//
// A cell passes through four steps:
//
//	text ── kernel/cell ──▶ magic lines, shell lines, Go parts ── compile (under the lock) ──▶ program ── run (beside others) ──▶ names
//
// compile makes one types.Package, one SSA program and one interpreter of each Go part. Names of earlier cells that the part mentions are
// put into its scope: variables and functions as variables bound to the same memory, types as they are. What the part declares becomes
// session names only after its top-level code has compiled, so a cell that does not compile declares nothing. A type or constant that is
// declared again word for word, with all that it mentions as it was, stays the same one (same.go).
//
// Interpreted code asks at every loop turn and function entry whether it shall stop (instrument.go); the same question bounds the
// stack. Every goroutine of a cell carries the cell in its profiler labels, which children inherit: that is how output, input and
// cell.Context find their cell.
//
// Invariant: ixgo.go holds every use of ixgo's private parts, and checks their names and types when the process starts.
//
// Invariant: the lock of Session is never held while user code runs.
//
// Deliberately absent: sockets and message formats (kernel/link, kernel/wire), magics (kernel/magic), the list of native packages
// (kernel/host).
package session

import (
	"fmt"
	"go/types"
	"maps"
	"reflect"
	"sync"
	"time"

	"quire/kernel/complete"
	"quire/kernel/link"
)

// Config says what a session offers to cells. Native packages are those that were registered with ixgo.RegisterPackage by the time
// of New; Config adds what ixgo does not know of them.
type Config struct {
	// Auto lists automatic imports, name → import path: a cell that mentions an undeclared name of this list imports the package. The
	// session adds unsafe and its own package, cell.
	Auto map[string]string
	// Source finds the directory of a package's source for documentation, "" for none. Nil knows GOROOT alone.
	Source func(path string) string
	// Instance finds compiled instances of generic functions: Instance("slices", "Sort[[]int int]"), type arguments as go/types prints
	// them. Instances that it does not know are interpreted. Nil knows none.
	Instance func(path, name string) (reflect.Value, bool)
	// Magics are the % and %% commands. The names "!" and "!!" are the shell lines.
	Magics []Magic
	// Show lists what displays values of types that have no MIMEBundle method (charts): the first that answers true wins.
	Show []func(v any) (map[string]any, bool)
	// Comm receives comm messages of the front end. Nil drops them.
	Comm func(c link.Comm, out link.Events)
	// Grace is how long an interrupted cell may go on in native code before it is abandoned; 0 means 500 ms.
	Grace time.Duration
	// Stack bounds the stack of one goroutine of interpreted code in bytes; 0 means 32 MiB, some 250,000 nested calls.
	Stack int
}

// Magic is a command of cells. It has a Line form (%name args), a Body form (%%name args, then the rest of the cell) or both.
type Magic struct {
	Name string
	// Help is shown by %help and by completion; its first line is a summary.
	Help string
	Line func(c *Cell, args string) error
	Body func(c *Cell, args, body string) error
	// Complete lists what may stand at the end of args. Nil completes nothing.
	Complete func(s *Session, args string) []link.Match
}

// Name is a declaration that lives in the session.
type Name struct {
	Name string
	Kind string     // var, func, type, const, import
	Type types.Type // nil for imports
	Text string     // the type as Go writes it in cells, or the import path
	Size int64      // bytes that the value holds, pointers followed for strings, slices and maps one level deep
	Cell int        // execution count of the declaring cell
	Code string     // source of functions, types and constants
}

// Ran is a cell that was run.
type Ran struct {
	Count    int
	Code     string
	Failed   bool
	Started  time.Time
	Duration time.Duration
}

// Session is the engine. Its methods may be called together.
type Session struct {
	cfg     Config
	outputs *outputs
	docs    *complete.Docs

	mu     sync.Mutex // guards compiling and everything below
	names  map[string]*name
	engine *engine
	magics map[string]*Magic

	ranMu sync.Mutex // guards ran; a cell that ends must not wait for a compiler
	ran   []Ran

	running  runningCells
	displays sync.Map // ids that were shown
}

var _ link.Handler = (*Session)(nil)

// New starts a session. It takes over os.Stdout, os.Stderr and os.Stdin of the process until Close.
func New(cfg Config) (*Session, error) {
	if cfg.Grace == 0 {
		cfg.Grace = 500 * time.Millisecond
	}
	if cfg.Stack == 0 {
		cfg.Stack = 32 << 20
	}
	cfg.Auto = maps.Clone(cfg.Auto)
	if cfg.Auto == nil {
		cfg.Auto = map[string]string{}
	}
	cfg.Auto["cell"], cfg.Auto["unsafe"] = "quire/cell", "unsafe"
	s := &Session{cfg: cfg, names: map[string]*name{}, magics: map[string]*Magic{}, docs: complete.NewDocs(cfg.Source)}
	for i := range cfg.Magics {
		m := &cfg.Magics[i]
		if m.Line == nil && m.Body == nil {
			return nil, fmt.Errorf("session: magic %q has neither a Line nor a Body form", m.Name)
		}
		if s.magics[m.Name] != nil {
			return nil, fmt.Errorf("session: two magics named %q", m.Name)
		}
		s.magics[m.Name] = m
	}
	var err error
	if s.engine, err = newEngine(); err != nil {
		return nil, err
	}
	if s.outputs, err = takeOutputs(s); err != nil {
		return nil, err
	}
	return s, nil
}

// Close gives the standard streams back. Goroutines of cells go on.
func (s *Session) Close() error { return s.outputs.close() }
