// Package link is the line between the two processes of a kernel: the front, which speaks Jupyter and never runs user code,
// and the session process, which runs it.
//
// The front starts the session process as a child of the same binary with one end of a socket pair as file descriptor 3.
// Both sides exchange [Message] values, one JSON object each behind a 4-byte little-endian length. Requests carry a number
// and are answered by one message of the same number; events belong to a cell (the front's msg_id of the execute_request)
// and are not answered.
//
//	front → session   execute complete inspect iscomplete interrupt input comm recover shutdown
//	session → front   ready · reply · stream display clear input comm
//
// [Start] and [Remote] are the front's end, [Serve] is the session's.
//
// Invariant: the front survives any end of the session process; the session process ends when the line closes.
//
// The package knows neither Jupyter's wire format (kernel/wire) nor Go cells (kernel/session).
package link

import (
	"encoding/json"
	"time"
)

// Kind says what a Message is.
type Kind string

// Requests of the front. Execute to IsComplete are answered by a KindReply with the same Seq.
const (
	KindExecute    Kind = "execute"    // Body: Execute, answered by Executed
	KindComplete   Kind = "complete"   // Body: Position, answered by Completion
	KindInspect    Kind = "inspect"    // Body: Position, answered by Inspection
	KindIsComplete Kind = "iscomplete" // Body: Position (Cursor unused), answered by Completeness
	KindInterrupt  Kind = "interrupt"  // no body: cancels a cell, also one whose Execute is still under way
	KindInput      Kind = "input"      // Body: Input, the answer to an InputRequest; to and from the session
	KindRecover    Kind = "recover"    // Body: Recover, the first message to a process that replaces a dead one
	KindShutdown   Kind = "shutdown"   // no body: end in order, then close the line
)

// Events of the session, and KindComm, which travels both ways.
const (
	KindReady   Kind = "ready"   // Body: Ready, the first message of a session process
	KindReply   Kind = "reply"   // Body: as the request says
	KindStream  Kind = "stream"  // Body: Stream
	KindDisplay Kind = "display" // Body: Display
	KindClear   Kind = "clear"   // Body: Clear
	KindComm    Kind = "comm"    // Body: Comm
)

// Message is the unit of the line.
type Message struct {
	Kind Kind            `json:"kind"`
	Seq  uint64          `json:"seq,omitempty"`  // number of the request, repeated in its reply
	Cell string          `json:"cell,omitempty"` // id of the cell that an event belongs to
	Body json.RawMessage `json:"body,omitempty"`
}

// Ready introduces a session process.
type Ready struct {
	PID     int    `json:"pid"`
	Version string `json:"version"` // of quire; the front refuses another one than its own
}

// Bundle is a value in several media types, as Jupyter displays it. Values of application/json types are JSON, all others strings
// (base64 for binary images).
type Bundle struct {
	Data     map[string]any `json:"data"`
	Metadata map[string]any `json:"metadata,omitempty"`
}

// Execute asks for one cell to be run.
type Execute struct {
	Cell        string            `json:"cell"` // id under which its output is reported
	Code        string            `json:"code"`
	Count       int               `json:"count"` // execution count shown in positions: cell[3]:6
	Silent      bool              `json:"silent,omitempty"`
	AllowStdin  bool              `json:"allow_stdin,omitempty"`
	Expressions map[string]string `json:"expressions,omitempty"` // user_expressions
}

// Executed is the end of a cell. All its output was sent before it.
type Executed struct {
	Err         *Error                `json:"err,omitempty"`   // nil when the cell succeeded
	Value       *Bundle               `json:"value,omitempty"` // of the last expression, nil for none
	Pages       []Bundle              `json:"pages,omitempty"` // shown by the front end's pager, as for ?x
	NextInput   *NextInput            `json:"next_input,omitempty"`
	Expressions map[string]Expression `json:"expressions,omitempty"`
	Duration    time.Duration         `json:"duration"` // of user code alone
}

// NextInput is text to put into a cell, as %load does.
type NextInput struct {
	Text    string `json:"text"`
	Replace bool   `json:"replace"`
}

// Expression is the value of one user expression or why it has none.
type Expression struct {
	Value *Bundle `json:"value,omitempty"`
	Err   *Error  `json:"err,omitempty"`
}

// Error is a failure as Jupyter reports it.
type Error struct {
	Name      string   `json:"name"`  // a class of failure: CompileError, Panic, Exit, Interrupt, Crash …
	Value     string   `json:"value"` // one line: what happened and what to do next
	Traceback []string `json:"traceback"`
}

func (e *Error) Error() string { return e.Name + ": " + e.Value }

// Position is a place in a cell; Cursor counts Unicode code points.
type Position struct {
	Code   string `json:"code"`
	Cursor int    `json:"cursor"`
	Detail int    `json:"detail,omitempty"` // 0 or 1, for inspection
}

// Completion lists what may replace code[Start:End], offsets in code points.
type Completion struct {
	Start   int     `json:"start"`
	End     int     `json:"end"`
	Matches []Match `json:"matches"`
}

// Match is one way to complete a name.
type Match struct {
	Text string `json:"text"`
	Type string `json:"type,omitempty"` // function, type, variable, constant, module, keyword, magic, path
	Sig  string `json:"sig,omitempty"`  // signature or type
	Doc  string `json:"doc,omitempty"`  // first sentence
}

// Inspection describes the name at a position.
type Inspection struct {
	Found  bool   `json:"found"`
	Bundle Bundle `json:"bundle"`
}

// Completeness says whether a cell may run: complete, incomplete, invalid or unknown.
type Completeness struct {
	Status string `json:"status"`
	Indent string `json:"indent,omitempty"`
}

// Stream is text that a cell wrote to its standard output ("stdout") or error ("stderr").
type Stream struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

// Display shows a bundle; with Update set it replaces the earlier ones of the same ID.
type Display struct {
	Bundle
	ID     string `json:"id,omitempty"`
	Update bool   `json:"update,omitempty"`
}

// Clear removes a cell's output, with Wait only when the next output arrives.
type Clear struct {
	Wait bool `json:"wait"`
}

// Input asks the person for a line (session to front, with Prompt) or carries it back (front to session, with Value or EOF).
type Input struct {
	Prompt   string `json:"prompt,omitempty"`
	Password bool   `json:"password,omitempty"`
	Value    string `json:"value,omitempty"`
	EOF      bool   `json:"eof,omitempty"` // the front end cannot or will not answer
}

// Comm is one message of Jupyter's comm protocol, in either direction.
type Comm struct {
	Op       string          `json:"op"` // open, msg, close
	ID       string          `json:"id"`
	Target   string          `json:"target,omitempty"` // for open
	Data     json.RawMessage `json:"data,omitempty"`
	Metadata json.RawMessage `json:"metadata,omitempty"`
	Buffers  [][]byte        `json:"buffers,omitempty"`
}

// Recover tells a new session process what its predecessor had run well before it died.
type Recover struct {
	Cause string `json:"cause"` // how the predecessor ended
	Cells []Past `json:"cells"` // oldest first
}

// Past is a cell that succeeded in an earlier session process.
type Past struct {
	Count int    `json:"count"`
	Code  string `json:"code"`
}
