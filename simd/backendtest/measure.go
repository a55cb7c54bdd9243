package backendtest

import (
	"slices"
	"testing"
	"time"

	"quire/simd/tensor"
)

// sample is the least time of one measurement: many scheduler ticks, little beside the drift of a shared machine.
const sample = 30 * time.Millisecond

// Measurement is one kernel on one backend. Every figure is a median over interleaved rounds; shares are medians of the quotients of a round, because a shared machine
// changes its speed from round to round.
type Measurement struct {
	Rate    float64 // units a second
	OfLimit float64 // rate divided by the limit measured beside it; 0: the backend cannot measure
	OfPeer  float64 // rate divided by the peer's; 0: none
}

// Measure runs the kernel, its limit and the peer in turn, rounds times. peer returns the seconds of one call, and may be nil.
func Measure(b tensor.Backend, k Kernel, rounds int, peer func() float64) Measurement {
	run := k.Make(b)
	run()
	var rates, limits, peers []float64
	for range rounds {
		rate := k.Work / Seconds(run)
		rates = append(rates, rate)
		if peer != nil {
			peers = append(peers, rate*peer()/k.Work)
		}
		if p, ok := b.(tensor.Prober); ok {
			if limit := p.Probe(k.Limit, b.Info().Threads); limit > 0 {
				limits = append(limits, rate/limit)
			}
		}
	}
	return Measurement{median(rates), median(limits), median(peers)}
}

// Seconds is the mean time of a call over at least 30 ms of calls.
func Seconds(f func()) float64 {
	start := time.Now()
	n := 0
	for n == 0 || time.Since(start) < sample {
		f()
		n++
	}
	return time.Since(start).Seconds() / float64(n)
}

func median(x []float64) float64 {
	if len(x) == 0 {
		return 0
	}
	slices.Sort(x)
	return (x[(len(x)-1)/2] + x[len(x)/2]) / 2
}

// Benchmark runs every kernel on b as impl=…/kernel, with its rate and its share of the limit, measured beside it.
func Benchmark(tb *testing.B, b tensor.Backend) {
	for _, k := range Kernels() {
		tb.Run("impl="+b.Info().Name+"-"+b.Info().Variant+"/"+k.Name, func(tb *testing.B) {
			run := k.Make(b)
			run()
			for tb.Loop() {
				run()
			}
			rate := k.Work * float64(tb.N) / tb.Elapsed().Seconds()
			name := "GFLOP/s"
			if k.Limit == tensor.ReadBytes {
				name = "GB/s"
			}
			tb.ReportMetric(rate/1e9, name)
			if p, ok := b.(tensor.Prober); ok {
				if limit := p.Probe(k.Limit, b.Info().Threads); limit > 0 {
					tb.ReportMetric(100*rate/limit, "%limit")
				}
			}
		})
	}
}
