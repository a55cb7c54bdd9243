package show

import (
	"maps"
	"sync"
)

// widgetTarget is the comm target of ipywidgets' models, controlTarget the one over which a front end asks for all of them.
const (
	widgetTarget  = "jupyter.widget"
	controlTarget = "jupyter.widget.control"
)

// comms are the open comms of this process by id.
var comms = struct {
	sync.Mutex
	open map[string]commEnd
}{open: map[string]commEnd{}}

// commEnd is our end of an open comm.
type commEnd struct {
	target  string
	receive func(Comm)
	model   *model // nil for a control comm
}

// Receive hands a comm message of the front end to the value it belongs to and reports whether there is one; the host answers an
// unknown comm_open with comm_close. It returns at once: what the message sets off runs on a goroutine of the value's own.
func Receive(c Comm) bool {
	if c.Op == "open" {
		return c.Target == controlTarget && openControl(c)
	}
	comms.Lock()
	end, ok := comms.open[c.ID]
	if ok && c.Op == "close" {
		delete(comms.open, c.ID)
	}
	comms.Unlock()
	if ok {
		end.receive(c)
	}
	return ok
}

// Comms returns the targets of the open comms by id, for comm_info_request.
func Comms() map[string]string {
	comms.Lock()
	defer comms.Unlock()
	out := make(map[string]string, len(comms.open))
	for id, end := range maps.All(comms.open) {
		out[id] = end.target
	}
	return out
}

func register(id string, end commEnd) {
	comms.Lock()
	defer comms.Unlock()
	comms.open[id] = end
}

func openModels() map[string]*model {
	comms.Lock()
	defer comms.Unlock()
	out := map[string]*model{}
	for id, end := range comms.open {
		if end.model != nil {
			out[id] = end.model
		}
	}
	return out
}
