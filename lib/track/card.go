package track

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"quire/lib/show"
)

// Card is the report card of a store: one page of what was done on which machine, what came out, how long it took.
type Card struct {
	Title  string
	report show.Report
	text   string
}

// Card makes the report card of all runs. sources is a folder whose lines of Go are counted; "" counts none.
func (s *Store) Card(title, sources string) (*Card, error) {
	runs, err := s.Runs()
	if err != nil {
		return nil, err
	}
	b := &cardBuilder{report: show.Report{Title: title}}
	b.machine(runs)
	if sources != "" {
		code, tests, byPrograms, err := Lines(sources)
		if err != nil {
			return nil, fmt.Errorf("track: lines of code: %w", err)
		}
		b.markdown("Lines of Go: %d, and %d of tests, %d made by programs.\n", code, tests, byPrograms)
	}
	if err := b.stages(runs); err != nil {
		return nil, err
	}
	if err := b.curves(runs); err != nil {
		return nil, err
	}
	artefacts, err := s.Artefacts()
	if err != nil {
		return nil, err
	}
	b.artefacts(artefacts)
	return &Card{title, b.report, b.text.String()}, nil
}

// WriteHTML writes the page: self-contained, with charts that work offline.
func (c *Card) WriteHTML(w io.Writer) error { return c.report.WriteHTML(w) }

// MIMEBundle shows the card.
func (c *Card) MIMEBundle() map[string]any {
	bundle := c.report.MIMEBundle()
	bundle["text/plain"] = c.text
	return bundle
}

type cardBuilder struct {
	report show.Report
	text   strings.Builder
}

func (b *cardBuilder) markdown(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	b.text.WriteString(text)
	b.report.Blocks = append(b.report.Blocks, show.Block{Markdown: text})
}

// machine lists the machines that runs ran on, each once.
func (b *cardBuilder) machine(runs []*Run) {
	var seen []Machine
	for _, r := range runs {
		if slices.Contains(seen, r.Machine) {
			continue
		}
		seen = append(seen, r.Machine)
		m := r.Machine
		b.markdown("## Machine\n\n| | |\n|:---|:---|\n| processor | %s |\n| threads | %d |\n| memory | %s |\n| system | %s |\n| computes | %s |\n| versions | %s, %s |\n",
			cell(m.CPU), m.Threads, show.Size(m.Memory), m.OS, cell(m.Backend), m.Go, cell(m.Version))
	}
}

func (b *cardBuilder) stages(runs []*Run) error {
	var t strings.Builder
	t.WriteString("## Stages\n\n| run | stage | name | status | time | peak memory so far | last metrics |\n|---:|:---|:---|:---|---:|---:|:---|\n")
	var total time.Duration
	for _, r := range runs {
		curves, err := r.Metrics()
		if err != nil {
			return err
		}
		var last []string
		for _, n := range slices.Sorted(maps.Keys(curves)) {
			last = append(last, n+" "+figure(curves[n][len(curves[n])-1].Value))
		}
		status := r.Status
		if r.Error != "" {
			status += ": " + r.Error
		}
		total += r.Wall()
		fmt.Fprintf(&t, "| %d | %s | %s | %s | %v | %s | %s |\n", r.ID, cell(r.Stage), cell(r.Name), cell(status), r.Wall().Round(10*time.Millisecond),
			show.Size(r.Peak), cell(strings.Join(last, ", ")))
	}
	fmt.Fprintf(&t, "\nAll stages together: %v.\n", total.Round(10*time.Millisecond))
	b.markdown("%s", t.String())
	return nil
}

// curves draws every metric that has more than two points.
func (b *cardBuilder) curves(runs []*Run) error {
	for _, r := range runs {
		metrics, err := r.Metrics()
		if err != nil {
			return err
		}
		for _, n := range slices.Sorted(maps.Keys(metrics)) {
			if len(metrics[n]) < 3 {
				continue
			}
			x, y := columns(metrics[n])
			plot := show.Line(show.S(n, x, y)).Title(fmt.Sprintf("%s %s: %s", r.Stage, r.Name, n)).Labels("step", n)
			b.report.Blocks = append(b.report.Blocks, show.Block{Outputs: []show.Shown{{Bundle: plot.MIMEBundle()}}})
		}
	}
	return nil
}

func (b *cardBuilder) artefacts(list []Artefact) {
	if len(list) == 0 {
		return
	}
	var t strings.Builder
	t.WriteString("## Artefacts\n\n| kind | name | size | SHA-256 |\n|:---|:---|---:|:---|\n")
	for _, a := range list {
		fmt.Fprintf(&t, "| %s | %s | %s | `%s` |\n", cell(a.Kind), cell(a.Name), show.Size(a.Bytes), a.Hash)
	}
	b.markdown("%s", t.String())
}
