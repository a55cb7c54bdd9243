package track

import (
	"fmt"
	"html"
	"strings"
	"time"
)

// Lineage is an artefact with what it was made by and from, back to artefacts that no run of the store has made.
type Lineage struct {
	Artefact Artefact
	Makers   []Making  // more than one where it was made several times, the same
	Evidence []Excerpt // documents that resemble it, where they were looked up
	Again    bool      // it stands above already, with its own lineage
}

// Making is a run and the lineage of what it read.
type Making struct {
	Run  *Run
	From []*Lineage
}

// Excerpt is a part of a training document that resembles an artefact.
type Excerpt struct {
	Document string  // its ID
	Text     string  // the part
	Score    float64 // how much of the artefact the part shares: 0 to 1
}

// Explain is the chain back from an artefact, found by its hash or the beginning of it.
func (s *Store) Explain(hash string, evidence ...Excerpt) (*Lineage, error) {
	a, err := s.Artefact(hash)
	if err != nil {
		return nil, err
	}
	l, err := s.lineage(a, map[string]bool{})
	if l != nil {
		l.Evidence = evidence
	}
	return l, err
}

func (s *Store) lineage(a Artefact, seen map[string]bool) (*Lineage, error) {
	l := &Lineage{Artefact: a, Again: seen[a.Hash]}
	if l.Again {
		return l, nil
	}
	seen[a.Hash] = true
	makers, err := s.makers(a.Hash)
	if err != nil {
		return nil, err
	}
	for _, r := range makers {
		m := Making{Run: r}
		used, err := r.Used()
		if err != nil {
			return nil, err
		}
		for _, u := range used {
			from, err := s.lineage(u, seen)
			if err != nil {
				return nil, err
			}
			m.From = append(m.From, from)
		}
		l.Makers = append(l.Makers, m)
	}
	return l, nil
}

// Roots are the artefacts at the ends of the chains.
func (l *Lineage) Roots() []Artefact {
	var list []Artefact
	end := true
	for _, m := range l.Makers {
		for _, f := range m.From {
			end = false
			list = append(list, f.Roots()...)
		}
	}
	if end && !l.Again {
		return []Artefact{l.Artefact}
	}
	return list
}

// String is the lineage as an indented list.
func (l *Lineage) String() string {
	var b strings.Builder
	l.write(&b, "")
	return b.String()
}

func (l *Lineage) write(b *strings.Builder, indent string) {
	again := ""
	if l.Again {
		again = ", see above"
	}
	fmt.Fprintf(b, "%s%v%s\n", indent, l.Artefact, again)
	for _, e := range l.Evidence {
		fmt.Fprintf(b, "%s  resembles %s (%.0f %%): %.100q\n", indent, e.Document, 100*e.Score, e.Text)
	}
	for _, m := range l.Makers {
		fmt.Fprintf(b, "%s  made by run %d, %s %s, in %v\n", indent, m.Run.ID, m.Run.Stage, m.Run.Name, m.Run.Wall().Round(time.Millisecond))
		for _, f := range m.From {
			f.write(b, indent+"    ")
		}
	}
}

// MIMEBundle shows the chain as nested folds, and the evidence as a table.
func (l *Lineage) MIMEBundle() map[string]any {
	var b strings.Builder
	if len(l.Evidence) > 0 {
		b.WriteString("<table><tr><th>document</th><th>shared</th><th>text</th></tr>")
		for _, e := range l.Evidence {
			fmt.Fprintf(&b, `<tr><td style="text-align:left">%s</td><td>%.0f&nbsp;%%</td><td style="text-align:left"><code style="white-space:pre-wrap">%s</code></td></tr>`,
				html.EscapeString(e.Document), 100*e.Score, html.EscapeString(e.Text))
		}
		b.WriteString("</table>")
	}
	l.fold(&b)
	return map[string]any{"text/html": b.String(), "text/plain": l.String()}
}

func (l *Lineage) fold(b *strings.Builder) {
	title := html.EscapeString(l.Artefact.String())
	if len(l.Makers) == 0 {
		note := ""
		if l.Again {
			note = " (see above)"
		}
		fmt.Fprintf(b, `<div style="margin-left:1em">%s%s</div>`, title, note)
		return
	}
	fmt.Fprintf(b, `<details open style="margin-left:1em"><summary>%s</summary>`, title)
	for _, m := range l.Makers {
		fmt.Fprintf(b, `<div style="margin-left:1em"><em>%s %s</em>, run %d, %v</div>`, html.EscapeString(m.Run.Stage), html.EscapeString(m.Run.Name),
			m.Run.ID, m.Run.Wall().Round(time.Millisecond))
		for _, f := range m.From {
			f.fold(b)
		}
	}
	b.WriteString("</details>")
}
