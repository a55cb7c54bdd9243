package show

import (
	"slices"
	"time"
)

// liveEvery is the shortest time between two updates of a live chart: ten a second.
const liveEvery = 100 * time.Millisecond

// A live series is thinned to half when it has this many points, so that an update costs the same at any length.
const liveBuffer = 16384

// liveState is what a plot knows about being shown while it grows.
type liveState struct {
	id      string // of the output, empty before it is shown
	begun   bool   // Append was called
	pending bool   // an update is scheduled
	done    bool
	sending chan struct{} // holds one token while an update is sent
}

// Append adds a point to a series, which is made when it is new, and shows the plot: the first Append displays it unless Display
// has, later ones update it in place, at most ten times a second and on a goroutine of their own. The notebook keeps the last state.
func (p *Plot) Append(series string, x, y float64) {
	p.mu.Lock()
	i := slices.IndexFunc(p.series, func(s Series) bool { return s.Name == series })
	if i < 0 {
		i = len(p.series)
		p.series = append(p.series, Series{Name: series, X: []float64{}})
	}
	s := &p.series[i]
	if s.X == nil {
		s.X = s.xs()
	}
	s.X, s.Y = append(s.X, x), append(s.Y, y)
	if len(s.Y) >= liveBuffer {
		s.X, s.Y = lttb(s.X, s.Y, liveBuffer/2)
	}
	first := !p.live.begun
	p.live.begun = true
	shown := p.live.id != ""
	schedule := shown && !p.live.pending && !p.live.done
	p.live.pending = p.live.pending || schedule
	p.mu.Unlock()
	if first {
		begin(p)
	}
	switch {
	case !shown:
		p.display()
	case schedule:
		time.AfterFunc(liveEvery, p.flush)
	}
}

// display shows the plot as an output that Append can update. The library goes before it, not with it: an update would remove it.
func (p *Plot) display() error {
	p.mu.Lock()
	if p.live.id == "" {
		p.live.id, p.live.sending = newID(), make(chan struct{}, 1)
	}
	growing := p.live.begun && !p.live.done || len(p.series) == 0 && p.matrix == nil
	p.mu.Unlock()
	if carry() {
		if err := sink().Display("", map[string]any{"text/html": LibraryHTML()}); err != nil {
			return err
		}
	}
	return p.send(sink().Display, growing)
}

// flush sends the present state unless the plot has ended.
func (p *Plot) flush() {
	p.mu.Lock()
	p.live.pending = false
	done := p.live.done
	p.mu.Unlock()
	if !done {
		p.send(sink().Update, true)
	}
}

// send shows the plot's state; sends do not overtake each other.
func (p *Plot) send(show func(string, map[string]any) error, live bool) error {
	p.live.sending <- struct{}{}
	defer func() { <-p.live.sending }()
	p.mu.Lock()
	id, done := p.live.id, p.live.done
	p.mu.Unlock()
	if live && done {
		return nil
	}
	return show(id, p.drawing(live).bundle(false))
}

// Done ends a live plot: what is shown becomes a still chart with its picture, as every other. Points appended later are kept
// but not shown.
func (p *Plot) Done() {
	p.mu.Lock()
	started := p.live.id != "" && !p.live.done
	p.live.done = true
	p.mu.Unlock()
	if started {
		end(p)
		p.send(sink().Update, false)
	}
}

func (p *Plot) interrupted() { p.Done() }
