package link

import "context"

// Handler is a session as the session process serves it. Its methods may be called together: completion and inspection while a
// cell runs, and cells of different subshells side by side.
type Handler interface {
	// Execute runs one cell and returns when it has ended; cancelling ctx interrupts it.
	Execute(ctx context.Context, req Execute, out Events) Executed
	Complete(ctx context.Context, p Position) Completion
	Inspect(ctx context.Context, p Position) Inspection
	IsComplete(p Position) Completeness
	// Comm takes a comm message of the front end. It must not block on a running cell.
	Comm(c Comm, out Events)
}

// Recoverer is implemented by a Handler that can re-run what a dead session process had run, as %recover does. Recover only keeps the
// list; it is called before any Execute.
type Recoverer interface {
	Recover(r Recover)
}

// Events is where the output of cells goes; goroutines may share it. The cell argument is Execute.Cell of the cell that the output
// belongs to, also after that cell has ended. A send to a closed line is dropped.
type Events interface {
	Stream(cell, name, text string)
	Display(cell string, d Display)
	Clear(cell string, wait bool)
	Comm(cell string, c Comm)
	// Input asks the person and waits: io.EOF when the front end cannot answer, ctx's error when the cell was interrupted.
	Input(ctx context.Context, cell, prompt string, password bool) (string, error)
}
