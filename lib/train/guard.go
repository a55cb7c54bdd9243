package train

import "math"

// guardState is what the guard remembers; it is part of a checkpoint.
type guardState struct {
	Mean      float64 `json:"mean"` // running mean of the losses that were no spikes
	Seen      int     `json:"seen"` // losses in it
	Bad       int     `json:"bad"`  // steps skipped in a row
	Skipped   int     `json:"skipped"`
	Rollbacks int     `json:"rollbacks"`
	Good      int     `json:"good"`  // steps since the last rollback that were no spikes
	Depth     int     `json:"depth"` // how many checkpoints the last rollback passed over
}

// The running mean is over about 50 losses, and needs 20 before it is believed: early losses fall fast.
const (
	guardDecay  = 0.98
	guardMature = 20
)

// judge says whether a step may reach the weights, and remembers it.
func (g *guardState) judge(c Guard, loss, norm float64) (ok bool) {
	finite := !math.IsNaN(loss) && !math.IsInf(loss, 0) && !math.IsNaN(norm) && !math.IsInf(norm, 0)
	spike := c.Factor > 0 && g.Seen >= guardMature && loss > c.Factor*g.Mean
	if !finite || spike {
		g.Bad++
		g.Skipped++
		return false
	}
	g.Bad = 0
	g.Good++
	g.Seen++
	weight := max(1-guardDecay, 1/float64(g.Seen))
	g.Mean += weight * (loss - g.Mean)
	return true
}

// rollback says how many of the latest checkpoints to pass over: one more each time that the last rollback has not helped, as a checkpoint may hold
// what broke the run.
func (g guardState) rollback() guardState {
	if g.Rollbacks > 0 && g.Good < guardMature {
		g.Depth++
	} else {
		g.Depth = 0
	}
	g.Rollbacks++
	g.Good, g.Bad = 0, 0
	return g
}
