package show

import (
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestLive appends for half a second, or until there was an update, and looks at what a notebook would have got.
func TestLive(t *testing.T) {
	r := record(t)
	p := Line().Title("live")
	start := time.Now()
	n := 0
	for ; time.Since(start) < 550*time.Millisecond || len(r.shown()) < 3 && time.Since(start) < time.Minute; n++ {
		p.Append("loss", float64(n), 1/float64(n+1))
		time.Sleep(time.Microsecond)
	}
	p.Done()
	most := 3 + int(time.Since(start)/liveEvery)
	p.Append("loss", 1e9, 0) // kept, not shown
	time.Sleep(2 * liveEvery)
	log := r.shown()
	if len(log) < 4 || len(log) > most {
		t.Fatalf("%d outputs, want the library, a display, the end, and at most 10 updates a second: %d", len(log), most)
	}
	if !strings.Contains(log[0].bundle["text/html"].(string), "quire-library") || log[0].id != "" {
		t.Error("the library is not an output of its own, so an update would remove it")
	}
	for i, s := range log[1:] {
		if want := map[bool]string{true: "display", false: "update"}[i == 0]; s.op != want || s.id != log[1].id {
			t.Errorf("output %d is %s %s, want %s of the same id", i, s.op, s.id, want)
		}
		_, picture := s.bundle["image/svg+xml"]
		if last := i == len(log)-2; picture != last {
			t.Errorf("output %d has a picture: %v; only the last is to have one", i, picture)
		}
	}
	if text := log[len(log)-1].bundle["text/plain"].(string); strings.Contains(text, "1e+09") {
		t.Error("a point appended after Done is shown")
	}
}

func TestLiveThins(t *testing.T) {
	record(t)
	p := Line()
	for i := range 200_000 {
		p.Append("s", float64(i), float64(i%7))
	}
	p.Done()
	s := p.series[0]
	if len(s.Y) > liveBuffer || s.X[0] != 0 || s.X[len(s.X)-1] != 199_999 {
		t.Errorf("%d points kept, from %g to %g", len(s.Y), s.X[0], s.X[len(s.X)-1])
	}
}

// TestLiveDisplayed appends to a plot that was displayed before: there is one output.
func TestLiveDisplayed(t *testing.T) {
	r := record(t)
	p := Line().Title("later")
	Display(p)
	p.Append("s", 1, 2)
	p.Append("s", 2, 3)
	p.Done()
	var outputs, updates int
	for _, s := range r.shown() {
		switch {
		case s.op == "update":
			updates++
		case s.id != "":
			outputs++
		}
	}
	if last := r.shown()[len(r.shown())-1]; outputs != 1 || updates < 1 || last.bundle["image/svg+xml"] == nil {
		t.Errorf("%d outputs and %d updates, want one output that ends with a picture", outputs, updates)
	}
}

// TestLiveInterrupted ends the live charts of an interrupted cell and leaves others alone.
func TestLiveInterrupted(t *testing.T) {
	r := record(t)
	p := Line()
	p.Append("s", 1, 1)
	Interrupted("another cell")
	if p.live.done {
		t.Error("the chart of another cell ended")
	}
	Interrupted(t.Name())
	log := r.shown()
	if last := log[len(log)-1]; !p.live.done || last.bundle["image/svg+xml"] == nil {
		t.Errorf("after the interrupt the chart has no picture: %v", last.op)
	}
}

func BenchmarkAppend(b *testing.B) {
	record(b)
	p := Line()
	i := 0.0
	for b.Loop() {
		p.Append("loss", i, i)
		i++
	}
	p.Done()
}

// BenchmarkLive has the bar: a live chart takes less than 1 % of a busy loop. It runs the same work with and without one, in
// turns, and reports the difference in processor time, of all goroutines, between the least of each.
func BenchmarkLive(b *testing.B) {
	r := record(b)
	busy := func(p *Plot) time.Duration {
		start := processorTime()
		x := uint32(1)
		for step := range 400 {
			for range 1_000_000 {
				x ^= x << 13
				x ^= x >> 17
				x ^= x << 5
			}
			if p != nil {
				p.Append("loss", float64(step), float64(x))
			}
		}
		return processorTime() - start
	}
	without, with := time.Hour, time.Hour
	for b.Loop() {
		without = min(without, busy(nil))
		p := Line()
		with = min(with, busy(p))
		p.Done()
		r.log = nil
	}
	b.ReportMetric(100*(with.Seconds()-without.Seconds())/without.Seconds(), "%overhead")
	b.ReportMetric(without.Seconds(), "s/loop")
}

// processorTime is what this process has used.
func processorTime() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkUpdate is one update of a live chart with 1,000 points, of which there are at most ten a second.
func BenchmarkUpdate(b *testing.B) {
	record(b)
	p := Line()
	for i := range 1000 {
		p.Append("loss", float64(i), 1/float64(i+1))
	}
	for b.Loop() {
		p.drawing(true).bundle(false)
	}
	p.Done()
}
