package show

import "sync"

// unfinished are the progress bars and live charts that are still being updated, with the cell that each was started in.
var unfinished struct {
	sync.Mutex
	m map[interruptible]string
}

// interruptible is work that a person sees going on.
type interruptible interface{ interrupted() }

func begin(x interruptible) {
	cell := sink().Cell()
	unfinished.Lock()
	defer unfinished.Unlock()
	if unfinished.m == nil {
		unfinished.m = map[interruptible]string{}
	}
	unfinished.m[x] = cell
}

func end(x interruptible) {
	unfinished.Lock()
	defer unfinished.Unlock()
	delete(unfinished.m, x)
}

// Interrupted marks the progress bars and live charts started in a cell as stopped. The host calls it when it has ended a cell
// before its time, with the name that its sink's Cell gave while the cell ran.
func Interrupted(cell string) {
	unfinished.Lock()
	var stopped []interruptible
	for x, started := range unfinished.m {
		if started == cell {
			stopped = append(stopped, x)
			delete(unfinished.m, x)
		}
	}
	unfinished.Unlock()
	for _, x := range stopped {
		x.interrupted()
	}
}
