package train

import (
	"context"
	"fmt"
	"html"
	"path/filepath"
	"strings"
	"time"

	"quire/lib/show"
)

// chartEvery is how often a chart takes what is new: drawing costs the same processor that trains.
const chartEvery = time.Second

// Chart shows the run below the present cell as it goes on: loss of the batches and of the evaluations, learning rate, and throughput. It
// returns at once. The chart is drawn until the run ends or its cell is interrupted, which the run doesn't notice.
func (r *Run) Chart() error {
	name := "loss, nats a token"
	if r.loop.tok != nil {
		name = "bits per byte"
	}
	c := &chart{
		loss: show.Line().Title("Training "+filepath.Base(r.loop.cfg.Dir)).Labels("step", name).Size(860, 320),
		rate: show.Line().Labels("step", "learning rate").Size(860, 160),
		pace: show.Line().Labels("step", "tokens a second").Size(860, 160),
	}
	if err := show.Display(c.loss, c.rate, c.pace); err != nil {
		return err
	}
	go c.follow(r)
	return nil
}

// chart is the plots of one call of Chart.
type chart struct {
	loss, rate, pace *show.Plot
	records, evals   int // shown so far
}

func (c *chart) follow(r *Run) {
	tick := time.NewTicker(chartEvery)
	defer tick.Stop()
	for {
		c.add(r)
		select {
		case <-tick.C:
		case <-r.finished:
			c.add(r)
			for _, p := range []*show.Plot{c.loss, c.rate, c.pace} {
				p.Done()
			}
			return
		}
	}
}

// add appends what is new.
func (c *chart) add(r *Run) {
	r.mu.Lock()
	records, evals := r.records[c.records:], r.evals[c.evals:]
	r.mu.Unlock()
	c.records, c.evals = c.records+len(records), c.evals+len(evals)
	value := func(p Part) float64 {
		if p.BitsPerByte > 0 {
			return p.BitsPerByte
		}
		return p.Loss
	}
	for _, rec := range records {
		x := float64(rec.Step)
		c.loss.Append("batch", x, value(Part{Loss: rec.Loss, BitsPerByte: rec.BitsPerByte}))
		c.rate.Append("learning rate", x, rec.LR)
		c.pace.Append("tokens a second", x, rec.RealTGS)
	}
	for _, e := range evals {
		for name, p := range e.Sources {
			c.loss.Append("held out: "+name, float64(e.Step), value(p))
		}
	}
}

// String says in a line how the run stands.
func (r *Run) String() string {
	state := "training"
	select {
	case <-r.finished:
		if state = "finished"; r.Wait(context.Background()) != nil {
			state = "failed: " + r.err.Error()
		}
	default:
		if r.Paused() {
			state = "paused"
		}
	}
	last := r.Last()
	if last.Step == 0 {
		return fmt.Sprintf("run %s, %s, before its first step", r.Dir(), state)
	}
	return fmt.Sprintf("run %s, %s: %v", r.Dir(), state, last)
}

// MIMEBundle shows how the run stands.
func (r *Run) MIMEBundle() map[string]any {
	text := r.String()
	head, line, _ := strings.Cut(text, ": ")
	cells := ""
	for _, pair := range strings.Fields(line) {
		if k, v, ok := strings.Cut(pair, "="); ok {
			cells += "<tr><td>" + html.EscapeString(k) + "</td><td>" + html.EscapeString(v) + "</td></tr>"
		}
	}
	return map[string]any{"text/plain": text, "text/html": "<p>" + html.EscapeString(head) + "</p><table>" + cells + "</table>"}
}
