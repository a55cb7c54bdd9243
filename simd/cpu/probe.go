package cpu

import (
	"runtime"
	"time"

	"quire/simd/tensor"
)

// probeTime is how long a limit is measured.
const probeTime = 50 * time.Millisecond

// readBytes is the region that each thread of a bandwidth probe reads: larger than its share of any cache.
const readBytes = 256 << 20

// probe is one measurement: do performs a unit of work on thread i and returns its size.
func (p *pool) probe(threads int, do func(i int) float64) float64 {
	threads = min(threads, p.threads())
	work := make([]float64, threads)
	start := time.Now()
	p.run(threads, func(i int) {
		for time.Since(start) < probeTime {
			work[i] += do(i)
		}
	})
	elapsed, total := time.Since(start).Seconds(), 0.0
	for _, w := range work {
		total += w
	}
	return total / elapsed
}

// Probe measures a limit of the machine.
func (b *Backend) Probe(l tensor.Limit, threads int) float64 {
	if l == tensor.ReadBytes {
		return b.probeRead(threads)
	}
	peak := b.e.ks.peak[l]
	if peak == nil {
		return 0
	}
	return b.e.pool.probe(threads, func(int) float64 { return peak() })
}

func (b *Backend) probeRead(threads int) float64 {
	regions := make([]*buffer, min(threads, b.e.pool.threads()))
	b.e.pool.run(len(regions), func(i int) {
		regions[i] = newBuffer(readBytes)
		x := f32s(regions[i].ptr(), readBytes/4)
		for j := range x {
			x[j] = 1
		}
	})
	const piece = 4 << 20
	place := make([]int, len(regions)*16)
	defer runtime.KeepAlive(regions)
	return b.e.pool.probe(threads, func(i int) float64 {
		off := place[16*i]
		place[16*i] = (off + piece) % readBytes
		b.e.ks.read(at(regions[i].ptr(), off), piece)
		return piece
	})
}
