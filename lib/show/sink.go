package show

import (
	"context"
	"encoding/json"
	"os"
	"sync"
)

// Sink is where shown values go. The kernel's host installs one with [Install]; without it values go to GoNB's pipe where
// GONB_PIPE is set, else to the terminal. Goroutines may share a Sink, and its methods may be called after the cell that
// started the work has ended.
//
// A bundle holds one value in several media types: JSON values for application/json types, strings for all others (base64 for
// binary images). The sink must not change it.
//
// A Sink may also have a method Run() string that names the running cell's present run, or the last one's between cells. With it a
// chart knows a second run of its cell, which replaced the output, from a second chart in one run.
type Sink interface {
	// Display shows a bundle as a new output of the running cell. An id that is not empty names the output for Update.
	Display(id string, bundle map[string]any) error
	// Update replaces the bundle of every output shown with this id, whichever cell it stands in.
	Update(id string, bundle map[string]any) error
	// Clear removes the running cell's output; with wait only when the next output arrives.
	Clear(wait bool) error
	// Input asks the person for a line: io.EOF when nobody can answer, ctx's error when that ends first.
	Input(ctx context.Context, prompt string, password bool) (string, error)
	// Comm sends a comm message to the front end. It gives ErrNoComms where the place has none.
	Comm(c Comm) error
	// Cell names the running cell so that running the same cell again gives the same name: the front end's cell id where it
	// tells one, else a hash of the code. Empty means unknown, or no cell is running.
	Cell() string
}

// Comm is a message of Jupyter's comm protocol in either direction. Its fields are those of kernel/link.Comm in the same order,
// so that one converts to the other.
type Comm struct {
	Op       string // open, msg, close
	ID       string
	Target   string // for open
	Data     json.RawMessage
	Metadata json.RawMessage
	Buffers  [][]byte
}

var sinks struct {
	sync.Mutex
	installed Sink
	fallback  Sink // GoNB's pipe or the terminal, made on first use
}

// Install makes s the place where everything is shown and returns the one installed before, nil for none. A nil s goes back to
// GoNB's pipe or the terminal.
func Install(s Sink) (previous Sink) {
	sinks.Lock()
	defer sinks.Unlock()
	previous, sinks.installed = sinks.installed, s
	return previous
}

// sink returns the place where values are shown now.
func sink() Sink {
	sinks.Lock()
	defer sinks.Unlock()
	if sinks.installed != nil {
		return sinks.installed
	}
	if sinks.fallback == nil {
		if os.Getenv("GONB_PIPE") != "" {
			sinks.fallback = gonb{}
		} else {
			sinks.fallback = NewTerminal(os.Stdout)
		}
	}
	return sinks.fallback
}
