package show

import (
	"fmt"
	"html"
	"iter"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// ProgressBar shows how far work has come: a bar, the rate, the time left. Goroutines may share it. Its owner calls Done or Fail.
type ProgressBar struct {
	name   string
	total  int64 // 0 or less: unknown
	unit   string
	parent *ProgressBar
	start  time.Time
	done   atomic.Int64

	mu       sync.Mutex
	children []*ProgressBar
	note     string
	end      time.Time // zero while the work goes on
	state    barState
	id       string
	timer    *time.Timer // of the topmost bar
	silent   bool
}

type barState int

const (
	running barState = iota
	finished
	stopped
	failed
)

// progressEvery is the time between two updates, progressAfter how long work must take to be shown before it ends.
const (
	progressEvery = 100 * time.Millisecond
	progressAfter = 200 * time.Millisecond
)

// NewProgress starts a bar for n steps of work, 0 for an unknown number. It is shown once the work has taken a moment.
func NewProgress(n int, name string) *ProgressBar {
	p := &ProgressBar{name: name, total: int64(n), unit: "it", start: time.Now()}
	if t, ok := sink().(*terminal); ok && !t.screen {
		p.silent = true
		return p
	}
	begin(p)
	p.timer = time.AfterFunc(progressAfter, p.tick)
	return p
}

// Unit names what is counted, such as "tok", in the rate. It returns p.
func (p *ProgressBar) Unit(name string) *ProgressBar {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.unit = name
	return p
}

// Sub starts a bar below p, shown with it.
func (p *ProgressBar) Sub(n int, name string) *ProgressBar {
	child := &ProgressBar{name: name, total: int64(n), unit: "it", start: time.Now(), parent: p, silent: p.silent}
	p.mu.Lock()
	defer p.mu.Unlock()
	// Finished bars make room: nested work of many rounds shows the last few.
	const shown = 8
	if len(p.children) >= shown {
		for i, c := range p.children {
			if c.ended() {
				p.children = append(p.children[:i], p.children[i+1:]...)
				break
			}
		}
	}
	p.children = append(p.children, child)
	return child
}

// Add counts n more steps.
func (p *ProgressBar) Add(n int) { p.done.Add(int64(n)) }

// Set says that n steps are done in all.
func (p *ProgressBar) Set(n int) { p.done.Store(int64(n)) }

// Note puts a short text behind the bar, such as the present loss.
func (p *ProgressBar) Note(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.note = fmt.Sprintf(format, args...)
}

// Done ends the bar; work that did not reach its number of steps is marked as stopped.
func (p *ProgressBar) Done() {
	if p.total > 0 && p.done.Load() < p.total {
		p.finish(stopped, "")
		return
	}
	p.finish(finished, "")
}

// Fail ends the bar and says why.
func (p *ProgressBar) Fail(err error) { p.finish(failed, err.Error()) }

// Stop ends the bar as stopped before its end, unless it has ended.
func (p *ProgressBar) Stop() { p.finish(stopped, "") }

func (p *ProgressBar) interrupted() { p.finish(stopped, "") }

func (p *ProgressBar) ended() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state != running
}

func (p *ProgressBar) finish(state barState, note string) {
	p.mu.Lock()
	if p.state != running {
		p.mu.Unlock()
		return
	}
	p.state, p.end = state, time.Now()
	if note != "" {
		p.note = note
	}
	if p.timer != nil {
		p.timer.Stop()
	}
	children := p.children
	p.mu.Unlock()
	for _, c := range children {
		c.finish(stopped, "")
	}
	if p.parent == nil && !p.silent {
		end(p)
		p.show()
	}
}

// tick shows the bar and comes again until it ends.
func (p *ProgressBar) tick() {
	if p.ended() {
		return
	}
	p.show()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.state == running {
		p.timer = time.AfterFunc(progressEvery, p.tick)
	}
}

// showing keeps updates of all bars in order.
var showing sync.Mutex

func (p *ProgressBar) show() {
	showing.Lock()
	defer showing.Unlock()
	bundle := p.MIMEBundle()
	p.mu.Lock()
	first := p.id == ""
	if first {
		p.id = newID()
	}
	id := p.id
	p.mu.Unlock()
	if first {
		sink().Display(id, bundle)
	} else {
		sink().Update(id, bundle)
	}
}

// MIMEBundle gives the bar as it stands.
func (p *ProgressBar) MIMEBundle() map[string]any {
	lines := p.lines(time.Now(), 0)
	var plain, rich strings.Builder
	rich.WriteString(`<div class="quire-progress" style="font-family:monospace;font-size:13px;line-height:1.6;white-space:pre-wrap">`)
	for i, l := range lines {
		if i > 0 {
			plain.WriteByte('\n')
		}
		plain.WriteString(l.plain())
		rich.WriteString(l.html())
	}
	rich.WriteString(`</div>`)
	return map[string]any{"text/html": rich.String(), "text/plain": plain.String()}
}

// barLine is one bar at one moment.
type barLine struct {
	depth    int
	name     string
	done     int64
	total    int64
	unit     string
	rate     float64 // a second
	took     time.Duration
	left     time.Duration // 0 for unknown
	state    barState
	note     string
	fraction float64
}

// lines are the states of p and of the bars below it.
func (p *ProgressBar) lines(now time.Time, depth int) []barLine {
	p.mu.Lock()
	l := barLine{depth: depth, name: p.name, done: p.done.Load(), total: p.total, unit: p.unit, state: p.state, note: p.note}
	if p.state != running {
		now = p.end
	}
	children := append([]*ProgressBar(nil), p.children...)
	p.mu.Unlock()
	l.took = now.Sub(p.start)
	if l.took > 0 {
		l.rate = float64(l.done) / l.took.Seconds()
	}
	if l.total > 0 {
		l.fraction = min(1, max(0, float64(l.done)/float64(l.total)))
		if l.rate > 0 && l.state == running && l.done < l.total {
			l.left = time.Duration(float64(l.total-l.done) / l.rate * float64(time.Second))
		}
	} else if l.state == finished {
		l.fraction = 1
	}
	out := []barLine{l}
	for _, c := range children {
		out = append(out, c.lines(now, depth+1)...)
	}
	return out
}

func (l barLine) text() string {
	var b strings.Builder
	if l.total > 0 {
		fmt.Fprintf(&b, "%3.0f %%  %s/%s", math.Floor(l.fraction*100), thousands(int(l.done)), thousands(int(l.total)))
	} else {
		b.WriteString(thousands(int(l.done)))
	}
	fmt.Fprintf(&b, " %s  %s %s/s  %s", l.unit, perSecond(l.rate), l.unit, clock(l.took))
	if l.left > 0 {
		fmt.Fprintf(&b, " < %s", clock(l.left))
	}
	switch l.state {
	case stopped:
		b.WriteString("  stopped")
	case failed:
		b.WriteString("  failed")
	}
	if l.note != "" {
		b.WriteString("  " + shorten(l.note, 200))
	}
	return b.String()
}

func (l barLine) plain() string {
	bar := blocks(l.fraction, 1, 24)
	bar += strings.Repeat("·", 24-columns(bar))
	return fmt.Sprintf("%s%s %s %s", strings.Repeat("  ", l.depth), shorten(l.name, 32), bar, l.text())
}

func (l barLine) html() string {
	colour := map[barState]string{running: "#5470c6", finished: "#3ba272", stopped: "#e0912f", failed: "#d9534f"}[l.state]
	return fmt.Sprintf(`<div style="margin-left:%dem">%s <span style="display:inline-block;vertical-align:middle;width:16em;height:.7em;`+
		`background:rgba(128,128,128,.25);border-radius:.35em;overflow:hidden"><span style="display:block;width:%.1f%%;height:100%%;`+
		`background:%s"></span></span> %s</div>`, 2*l.depth, html.EscapeString(shorten(l.name, 60)), l.fraction*100, colour,
		html.EscapeString(l.text()))
}

// perSecond writes a rate with three digits and the usual letters for thousands.
func perSecond(rate float64) string {
	for _, unit := range []string{"", "k", "M", "G"} {
		if rate < 999.5 || unit == "G" {
			return fmt.Sprintf("%.3g%s", rate, unit)
		}
		rate /= 1000
	}
	return ""
}

// clock writes a duration as m:ss or h:mm:ss, below ten seconds with tenths.
func clock(d time.Duration) string {
	switch s := int(d.Seconds()); {
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case s < 3600:
		return fmt.Sprintf("%d:%02d", s/60, s%60)
	default:
		return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
	}
}

// Progress passes a sequence on and shows how far it has come; n is its length, 0 for unknown. A loop that is left early, by break,
// panic or interrupt, leaves the bar marked as stopped.
func Progress[T any](seq iter.Seq[T], n int, name string) iter.Seq[T] {
	return func(yield func(T) bool) {
		p := NewProgress(n, name)
		defer p.Stop()
		for x := range seq {
			if !yield(x) {
				return
			}
			p.Add(1)
		}
		p.Done()
	}
}
