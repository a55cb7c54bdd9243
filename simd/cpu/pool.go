package cpu

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// spinTime is how long a worker that has just finished looks for the next job before it parks. Between two products of a decoding step lie 3 to 40 µs, mostly of data that the
// weights have pushed out of the caches, and waking a parked goroutine costs 5–10 µs (BenchmarkPoolWake): with 15 µs a step of 20 ms takes 2 ms more. An idle pool uses no processor time.
const spinTime = 50 * time.Microsecond

// pool runs numbered tasks on a fixed number of goroutines, the caller's among them. It pins nothing.
//
// **Invariant:** which goroutine runs a task, and how many there are, never changes what the task computes.
type pool struct {
	workers []*worker
}

type worker struct {
	slot   atomic.Pointer[job]
	parked atomic.Bool
	wake   chan struct{}
	stop   atomic.Bool
}

// job is one call of run.
type job struct {
	task    func(i int)
	n       int64
	next    atomic.Int64
	left    atomic.Int64
	done    chan struct{}
	mu      sync.Mutex
	failure any // the first panic of a task
}

func newPool(threads int) *pool {
	p := &pool{}
	for range threads - 1 {
		w := &worker{wake: make(chan struct{}, 1)}
		p.workers = append(p.workers, w)
		go w.loop()
	}
	return p
}

func (p *pool) threads() int { return len(p.workers) + 1 }

// close ends the workers; the pool then runs everything on the caller's goroutine.
func (p *pool) close() {
	for _, w := range p.workers {
		w.stop.Store(true)
		if w.parked.CompareAndSwap(true, false) {
			w.wake <- struct{}{}
		}
	}
}

// run calls task(0) … task(n-1), each once, and returns when all have returned. A panic of a task is raised again here.
// Tasks may not call run of the same pool expecting more threads, but doing so is safe: a busy worker takes no second job.
func (p *pool) run(n int, task func(i int)) {
	if n == 1 || len(p.workers) == 0 {
		for i := range n {
			task(i)
		}
		return
	}
	if n == 0 {
		return
	}
	j := &job{task: task, n: int64(n), done: make(chan struct{})}
	j.left.Store(int64(n))
	for i, w := range p.workers {
		if i+1 >= n {
			break
		}
		// A job that has no task left is as good as none: its worker has yet to say so, and would miss this one.
		old := w.slot.Load()
		if (old == nil || old.next.Load() >= old.n) && w.slot.CompareAndSwap(old, j) && w.parked.CompareAndSwap(true, false) {
			w.wake <- struct{}{}
		}
	}
	j.work()
	if j.left.Load() > 0 {
		j.wait()
	}
	if j.failure != nil {
		panic(j.failure)
	}
}

func (j *job) work() {
	for {
		i := j.next.Add(1) - 1
		if i >= j.n {
			return
		}
		j.one(int(i))
	}
}

func (j *job) one(i int) {
	defer func() {
		if r := recover(); r != nil {
			j.mu.Lock()
			if j.failure == nil {
				j.failure = r
			}
			j.mu.Unlock()
		}
		if j.left.Add(-1) == 0 {
			close(j.done)
		}
	}()
	j.task(i)
}

// wait looks for the end for a bounded time and then blocks.
func (j *job) wait() {
	for start := time.Now(); time.Since(start) < spinTime; {
		if j.left.Load() == 0 {
			break
		}
	}
	<-j.done
}

func (w *worker) loop() {
	for !w.stop.Load() {
		if j := w.slot.Load(); j != nil {
			j.work()
			if w.slot.CompareAndSwap(j, nil) {
				w.spin()
			}
			continue
		}
		w.parked.Store(true)
		if (w.slot.Load() != nil || w.stop.Load()) && w.parked.CompareAndSwap(true, false) {
			continue
		}
		<-w.wake
	}
}

func (w *worker) spin() {
	for start := time.Now(); time.Since(start) < spinTime; {
		if w.slot.Load() != nil {
			return
		}
	}
	runtime.Gosched()
}

// split cuts n items into at most parts ranges of nearly equal size, in multiples of unit, and runs do on each in parallel.
func (p *pool) split(n, unit, parts int, do func(lo, hi int)) {
	units := (n + unit - 1) / unit
	parts = max(1, min(parts, units))
	p.run(parts, func(i int) {
		lo, hi := units*i/parts*unit, min(n, units*(i+1)/parts*unit)
		if lo < hi {
			do(lo, hi)
		}
	})
}
