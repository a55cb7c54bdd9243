// Package native runs cells that the Go compiler compiles.
//
//	%%native           text ── translate ──▶ one Go file ── go build -buildmode=plugin ──▶ opened in this process
//	%%main %test %bench   declarations + cell ──▶ one program ── go build ──▶ a child process, gonbui served over two pipes
//	%get               go get ──▶ packages of a module, for both of the above and for interpreted cells
//
// A native cell sees session variables and functions through pointers: translate rewrites a mention of x to (*x_), and the plugin's
// Bind is given the address. What the cell declares goes back the same way, as a table of pointers. Types of the session that a cell
// mentions are declared again in the plugin with the same layout and, where their source is known, their methods.
//
// Widgets of gonbui reach the program from the page by page.js ── comm gonb_comm ──▶ front ──▶ Tools.Comm ──▶ the program's pipe, and
// back. page.js speaks to the Jupyter server over a WebSocket, since Lab and the classic Notebook give scripts no kernel in common; where
// there is no such server behind the page (VS Code, converters) a program is told so in one line.
//
// Invariant: the script of the page does not stay in the notebook.
//
// Invariant: memory crosses the border only between types of the same layout; translate refuses a variable whose type it cannot write.
//
// Invariant: the plugin is built with the release, flags and settings of the host (tool.go), or not at all.
//
// Deliberately absent: a way to unload a plugin (Go has none). A panic in a goroutine that native code starts ends the session process.
package native

import (
	"quire/kernel/session"
)

// cellPath is the package path of types that ordinary cells declare.
const cellPath = "main"

// Tools is what compiled cells of one session share.
type Tools struct {
	auto    map[string]string // automatic imports, name → path
	space   *workspace
	natives natives
	family  family
}

// New prepares compiled cells; auto lists automatic imports, name → import path. Nothing is looked for or written until a cell asks.
func New(auto map[string]string) *Tools {
	return &Tools{auto: auto, space: &workspace{}}
}

// Close removes what the tools wrote.
func (t *Tools) Close() error { return t.space.close() }

// Magics lists the commands.
func (t *Tools) Magics() []session.Magic {
	return append(t.programs(),
		session.Magic{Name: "native", Body: t.native, Help: nativeHelp},
		session.Magic{Name: "get", Line: t.get, Help: getHelp},
	)
}

const nativeHelp = `%%native compiles the rest of the cell with the Go compiler and runs it in this session, at full speed.

Statements, declarations and imports may be mixed as in other cells. Session variables and functions can be used and assigned; the
functions, types and variables that the cell declares become session names. A variable made with := is seen by the statements after it,
one made with var by the cell's functions too. Generic functions, generic types and constants are handed over as source.

It needs the go command that built the kernel, and a C compiler (gcc) for linking.`
