package cpu

import (
	"time"

	"quire/simd/tensor"
)

// probeTime is how long a limit is measured.
const probeTime = 50 * time.Millisecond

// A bandwidth probe reads regions larger than a thread's share of any cache: readBytes for each thread, as long as all of them stay below allBytes.
const (
	readBytes = 256 << 20
	allBytes  = 1 << 30
	readPiece = 4 << 20 // of a region at a time
)

// probe is one measurement: do performs a unit of work on thread i and returns its size. Every thread performs one at least, however late it gets its processor.
func (p *pool) probe(threads int, do func(i int) float64) float64 {
	threads = min(threads, p.threads())
	work := make([]float64, threads)
	start := time.Now()
	p.run(threads, func(i int) {
		for work[i] = do(i); time.Since(start) < probeTime; {
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
	threads = min(threads, b.e.pool.threads())
	size := max(readPiece, min(readBytes, allBytes/threads&^(readPiece-1)))
	regions, place := make([]*buffer, threads), make([]int, threads*16)
	b.e.pool.run(threads, func(i int) {
		regions[i] = newBuffer(size)
		x := f32s(regions[i].ptr(), size/4)
		for j := range x {
			x[j] = 1
		}
	})
	defer func() {
		for _, r := range regions {
			if r.release != nil {
				r.release()
			}
		}
	}()
	return b.e.pool.probe(threads, func(i int) float64 {
		off := place[16*i]
		place[16*i] = (off + readPiece) % size
		b.e.ks.read(at(regions[i].ptr(), off), readPiece)
		return readPiece
	})
}

// onceBytes is a task of ReadOnce.
const onceBytes = 1 << 20

// ReadOnce reads the whole pieces of data.
func (b *Backend) ReadOnce(data []byte) float64 {
	n, begin := len(data)/onceBytes, time.Now()
	b.e.pool.run(n, func(i int) { b.e.ks.read(at(start(data), i*onceBytes), onceBytes) })
	return float64(n*onceBytes) / time.Since(begin).Seconds()
}
