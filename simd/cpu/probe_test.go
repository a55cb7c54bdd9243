package cpu

import (
	"testing"
	"time"

	"quire/simd/tensor"
)

// TestProbe measures the instructions of each level: a rate, or nothing where there is no such instruction.
func TestProbe(t *testing.T) {
	eachLevel(t, func(t *testing.T, ks kernels) {
		b := &Backend{newEngine(ks, 2)}
		defer b.Close()
		for l := tensor.PeakF32; l < tensor.ReadBytes; l++ {
			if rate := b.Probe(l, 100); rate > 0 != (ks.peak[l] != nil) {
				t.Errorf("limit %d: %v a second", l, rate)
			}
		}
		if rate := b.ReadOnce(make([]byte, 3*onceBytes+5)); !(rate > 0) {
			t.Errorf("reading three pieces: %v a second", rate)
		}
	})
}

// TestProbeOfLateThreads has one unit of work take longer than a whole measurement, as on a machine with much else to do: every thread counts.
func TestProbeOfLateThreads(t *testing.T) {
	p := newPool(3)
	defer p.close()
	var done [3]bool
	rate := p.probe(3, func(i int) float64 {
		done[i] = true
		time.Sleep(2 * probeTime)
		return 1
	})
	if !(rate > 0) || done != [3]bool{true, true, true} {
		t.Errorf("%v units a second, threads %v", rate, done)
	}
}
