package cell

import (
	"fmt"
	"strings"
)

// File is a cell as one Go file: imports and declarations at the top level, statements in the function Run. Line directives keep the
// positions of the cell.
type File struct {
	Text string
	// Shows is set when the last statement may be an expression whose value the cell shows: it ends without a semicolon.
	Shows bool
}

// Run is the name of the function that holds a cell's statements; names of the machinery begin with this click letter.
const Run = "ǃrun"

// Source makes a Go file of chunks: pkg is its package name, name what positions call the file (cell[3]).
func Source(pkg, name string, chunks []Chunk) File {
	var b strings.Builder
	fmt.Fprintf(&b, "package %s\n", pkg)
	for _, class := range []Class{Import, Decl, Func} {
		for _, c := range chunks {
			if c.Class == class {
				c.write(&b, name)
			}
		}
	}
	fmt.Fprintf(&b, "func %s() {\n", Run)
	var last Chunk
	for _, c := range chunks {
		if c.Class == Stmt || c.Class == Var {
			c.write(&b, name)
		}
		last = c
	}
	b.WriteString("}\n")
	return File{Text: b.String(), Shows: len(chunks) > 0 && last.Class == Stmt && !last.Semicolon}
}

func (c Chunk) write(b *strings.Builder, name string) {
	fmt.Fprintf(b, "/*line %s:%d:%d*/%s\n", name, c.Line, c.Col, c.Text)
}
