package corpus

import (
	"cmp"
	"context"
	"fmt"
	"html"
	"runtime"
	"slices"
	"strings"

	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/valyala/fastjson"

	"quire/lib/corpus/internal/ordered"
)

// Datasheet says what a corpus holds, as those of published corpora do: WanJuan's tells documents, bytes and licence of every part.
// It marshals to JSON and shows itself in a notebook.
type Datasheet struct {
	Name      string  `json:"name,omitempty"`
	Documents int     `json:"documents"`
	Bytes     int64   `json:"bytes"`            // of text
	Tokens    int64   `json:"tokens,omitempty"` // 0: not counted
	Empty     int     `json:"empty,omitempty"`  // documents without text
	Parts     []Share `json:"parts,omitempty"`  // by DatasheetConfig.Part
	Languages []Share `json:"languages,omitempty"`
	Licences  []Share `json:"licences,omitempty"`
	Dropped   []Share `json:"dropped,omitempty"` // documents that are not in the corpus, by reason: see Stage
}

// Share is a part of a corpus.
type Share struct {
	Name      string  `json:"name"` // "" is unknown
	Documents int     `json:"documents"`
	Bytes     int64   `json:"bytes"`
	Tokens    int64   `json:"tokens,omitempty"`
	Share     float64 `json:"share"` // of the corpus's bytes; of dropped documents, of what there was before
}

// DatasheetConfig says how documents are told apart. The functions must be safe for many goroutines; nil ones have defaults.
type DatasheetConfig struct {
	Name string
	// Part names what a document is a part of; nil makes no parts.
	Part func(Document) string
	// Language and Licence default to the column or the field of Meta with one of the usual names.
	Language, Licence func(b Batch, i int) string
	// Detect names the language of a document of which Language knows none; nil leaves it unknown.
	Detect func(text string) string
	// Count counts tokens; nil counts none.
	Count func(text string) (int, error)
	// Progress, where not nil, is told how many documents are done.
	Progress func(done, total int)
}

// Datasheet reads the whole corpus, on all cores.
func (c *Corpus) Datasheet(ctx context.Context, cfg DatasheetConfig) (*Datasheet, error) {
	if cfg.Language == nil {
		cfg.Language = labelled(languageNames...)
	}
	if cfg.Licence == nil {
		cfg.Licence = labelled(licenceNames...)
	}
	all := newTally()
	done := 0
	err := ordered.Map(ctx, runtime.GOMAXPROCS(0), c.Batches(), func(ctx context.Context, b Batch) (*tally, error) {
		t := newTally()
		return t, t.batch(ctx, b, cfg)
	}, func(t *tally) error {
		all.merge(t)
		if done += t.Documents; cfg.Progress != nil {
			cfg.Progress(done, c.n)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("corpus: datasheet: %w", err)
	}
	return all.sheet(cfg), nil
}

// What columns and fields are called in published corpora.
var (
	languageNames = []string{"language", "lang"}
	licenceNames  = []string{"license", "licence", "licenses"}
)

// tally is what has been counted.
type tally struct {
	Share
	empty                      int
	parts, languages, licences shares
}

type shares map[string]*Share

func newTally() *tally { return &tally{parts: shares{}, languages: shares{}, licences: shares{}} }

func (s *Share) add(o Share) {
	s.Documents += o.Documents
	s.Bytes += o.Bytes
	s.Tokens += o.Tokens
}

func (s shares) add(name string, o Share) {
	p, ok := s[name]
	if !ok {
		name = strings.Clone(name) // it may alias the mapped file
		p = &Share{Name: name}
		s[name] = p
	}
	p.add(o)
}

func (s shares) merge(o shares) {
	for name, p := range o {
		s.add(name, *p)
	}
}

// list returns the parts, largest first; nil where nothing but the unknown is there.
func (s shares) list(of int64) []Share {
	if len(s) == 0 || len(s) == 1 && s[""] != nil {
		return nil
	}
	var out []Share
	for _, p := range s {
		p.Share = float64(p.Bytes) / float64(max(of, 1))
		out = append(out, *p)
	}
	slices.SortFunc(out, func(a, b Share) int { return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.Name, b.Name)) })
	return out
}

func (t *tally) batch(ctx context.Context, b Batch, cfg DatasheetConfig) error {
	for i := range b.Len() {
		if err := ctx.Err(); err != nil {
			return err
		}
		d := b.Doc(i)
		one := Share{Documents: 1, Bytes: int64(len(d.Text))}
		if cfg.Count != nil {
			n, err := cfg.Count(d.Text)
			if err != nil {
				return fmt.Errorf("document %q: %w", d.ID, err)
			}
			one.Tokens = int64(n)
		}
		t.add(one)
		if d.Text == "" {
			t.empty++
		}
		if cfg.Part != nil {
			t.parts.add(cfg.Part(d), one)
		}
		language := cfg.Language(b, i)
		if language == "" && cfg.Detect != nil {
			language = cfg.Detect(d.Text)
		}
		t.languages.add(language, one)
		t.licences.add(cfg.Licence(b, i), one)
	}
	return nil
}

func (t *tally) merge(o *tally) {
	t.add(o.Share)
	t.empty += o.empty
	t.parts.merge(o.parts)
	t.languages.merge(o.languages)
	t.licences.merge(o.licences)
}

func (t *tally) sheet(cfg DatasheetConfig) *Datasheet {
	return &Datasheet{Name: cfg.Name, Documents: t.Documents, Bytes: t.Bytes, Tokens: t.Tokens, Empty: t.empty,
		Parts: t.parts.list(t.Bytes), Languages: t.languages.list(t.Bytes), Licences: t.licences.list(t.Bytes)}
}

var metaParsers fastjson.ParserPool

// labelled returns a function that looks a label up under one of the names: in the columns that operators added, then in Meta.
func labelled(names ...string) func(b Batch, i int) string {
	return func(b Batch, i int) string {
		for ci := numFixed; ci < int(b.Record.NumCols()); ci++ {
			if col, ok := b.Record.Column(ci).(*array.String); ok && slices.Contains(names, b.Record.ColumnName(ci)) {
				return col.Value(b.Row(i))
			}
		}
		meta := b.Record.Column(colMeta).(*array.String).Value(b.Row(i))
		if !slices.ContainsFunc(names, func(name string) bool { return strings.Contains(meta, `"`+name+`"`) }) {
			return ""
		}
		p := metaParsers.Get()
		defer metaParsers.Put(p)
		v, err := p.Parse(meta)
		if err != nil {
			return ""
		}
		_, found := lookup(v, names)
		switch {
		case found == nil: // the name stands deeper
			return ""
		case found.Type() == fastjson.TypeString:
			return string(found.GetStringBytes())
		}
		return found.String()
	}
}

// MIMEBundle shows the datasheet as tables, as text and as JSON.
func (d *Datasheet) MIMEBundle() map[string]any {
	var text, page strings.Builder
	title := cmp.Or(d.Name, "corpus")
	fmt.Fprintf(&text, "%s: %d documents, %d bytes", title, d.Documents, d.Bytes)
	fmt.Fprintf(&page, "<table><caption>%s</caption><tr><th></th><th>documents</th><th>bytes</th><th>tokens</th><th>share</th></tr>", html.EscapeString(title))
	htmlShare(&page, Share{Name: "all", Documents: d.Documents, Bytes: d.Bytes, Tokens: d.Tokens, Share: 1})
	if d.Tokens > 0 {
		fmt.Fprintf(&text, ", %d tokens", d.Tokens)
	}
	if d.Empty > 0 {
		fmt.Fprintf(&text, ", %d without text", d.Empty)
	}
	text.WriteByte('\n')
	for _, group := range []struct {
		name string
		list []Share
	}{{"parts", d.Parts}, {"languages", d.Languages}, {"licences", d.Licences}, {"dropped", d.Dropped}} {
		if len(group.list) == 0 {
			continue
		}
		fmt.Fprintf(&text, "%s\n", group.name)
		fmt.Fprintf(&page, `<tr><th colspan="5" style="text-align:left">%s</th></tr>`, group.name)
		for _, s := range group.list {
			s.Name = cmp.Or(s.Name, "unknown")
			fmt.Fprintf(&text, "  %-24s %10d documents %14d bytes %6.2f %%\n", s.Name, s.Documents, s.Bytes, 100*s.Share)
			htmlShare(&page, s)
		}
	}
	page.WriteString("</table>")
	return map[string]any{"text/plain": text.String(), "text/html": page.String(), "application/json": d}
}

func htmlShare(page *strings.Builder, s Share) {
	tokens := ""
	if s.Tokens > 0 {
		tokens = fmt.Sprint(s.Tokens)
	}
	fmt.Fprintf(page, "<tr><td>%s</td>"+strings.Repeat(`<td style="text-align:right">%v</td>`, 3)+`<td style="text-align:right">%.2f %%</td></tr>`, html.EscapeString(s.Name), s.Documents, s.Bytes, tokens, 100*s.Share)
}
