package optim

import (
	"fmt"
	"math"
)

// Shape is the course of a learning rate behind its warm-up.
type Shape string

const (
	Cosine   Shape = "cosine"   // falls along half a cosine to MinLR at the last step: Loshchilov & Hutter 2016, arXiv:1608.03983 §3, without restarts
	WSD      Shape = "wsd"      // warm-up, stable, decay: stays, and falls linearly to MinLR over the last DecaySteps: Hu et al. 2024, arXiv:2404.06395 §4
	Constant Shape = "constant" // stays
)

// Schedule is the learning rate of every step. Steps count from 1; warm-up rises linearly and reaches LR at step WarmupSteps.
type Schedule struct {
	Shape       Shape   `json:"shape"`
	LR          float64 `json:"lr"`
	MinLR       float64 `json:"min_lr"`
	WarmupSteps int     `json:"warmup_steps"`
	DecaySteps  int     `json:"decay_steps"` // WSD only
}

// DefaultSchedule rises for 100 steps and falls along a cosine to a tenth.
func DefaultSchedule(lr float64) Schedule {
	return Schedule{Shape: Cosine, LR: lr, MinLR: lr / 10, WarmupSteps: 100}
}

// Validate reports the first setting that makes no schedule.
func (s Schedule) Validate() error {
	switch {
	case s.Shape != Cosine && s.Shape != WSD && s.Shape != Constant:
		return fmt.Errorf("optim: the schedule's shape is %q: want %q, %q or %q", s.Shape, Cosine, WSD, Constant)
	case !(s.LR > 0) || math.IsInf(s.LR, 0):
		return fmt.Errorf("optim: the learning rate, lr, is %v: want more than 0", s.LR)
	case !(s.MinLR >= 0 && s.MinLR <= s.LR):
		return fmt.Errorf("optim: min_lr is %v: want 0 to lr, %v", s.MinLR, s.LR)
	case s.WarmupSteps < 0 || s.DecaySteps < 0:
		return fmt.Errorf("optim: warmup_steps is %d and decay_steps %d: want 0 or more", s.WarmupSteps, s.DecaySteps)
	case s.Shape == WSD && s.DecaySteps == 0:
		return fmt.Errorf("optim: a wsd schedule without decay_steps: say how long the rate falls at the end, or choose %q", Constant)
	}
	return nil
}

// At is the learning rate of a step, 1 to steps; past the last it stays as it was there.
func (s Schedule) At(step, steps int) float64 {
	if step <= s.WarmupSteps {
		return s.LR * float64(step) / float64(s.WarmupSteps)
	}
	step = min(step, steps)
	switch s.Shape {
	case Cosine:
		done := float64(step-s.WarmupSteps) / float64(max(1, steps-s.WarmupSteps))
		return s.MinLR + (s.LR-s.MinLR)*(1+math.Cos(math.Pi*done))/2
	case WSD:
		begin := max(s.WarmupSteps, steps-s.DecaySteps)
		if step <= begin {
			return s.LR
		}
		return s.LR + (s.MinLR-s.LR)*float64(step-begin)/float64(steps-begin)
	}
	return s.LR
}
