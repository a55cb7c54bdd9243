package link

import (
	"context"
	"net"
	"testing"
	"time"
)

// waiting is a session whose cells wait for their interrupt.
type waiting struct{ Handler }

func (waiting) Execute(ctx context.Context, req Execute, out Events) Executed {
	if req.Code == "run" {
		return Executed{}
	}
	<-ctx.Done()
	return Executed{Err: &Error{Name: "Interrupt"}}
}

// An interrupt that overtakes its cell ends it as soon as it comes, and no other cell.
func TestInterruptOvertakes(t *testing.T) {
	ours, theirs := net.Pipe()
	go Serve(theirs, "v", waiting{})
	r := Attach(ours, "v", func(Message) {})
	defer r.Kill()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for range 300 { // of cells that never come
		r.Send(KindInterrupt, "ended before", nil)
	}
	r.Send(KindInterrupt, "c1", nil)
	var done Executed
	if err := r.Call(ctx, KindExecute, "c2", Execute{Cell: "c2", Code: "run"}, &done); err != nil || done.Err != nil {
		t.Errorf("another cell: %v, %v", err, done.Err)
	}
	if err := r.Call(ctx, KindExecute, "c1", Execute{Cell: "c1"}, &done); err != nil || done.Err == nil {
		t.Errorf("the cell that was interrupted before it came: %v, %v", err, done.Err)
	}
}
