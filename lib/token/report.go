package token

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"quire/lib/show"
)

// Named is a tokenizer with the name it is compared under.
type Named struct {
	Name string
	*Tokenizer
}

// Sample is text of one language, or of any other kind.
type Sample struct {
	Language string
	Texts    []string
}

// ReportRow says how one tokenizer writes one language. More bytes a token is a shorter text for the model.
type ReportRow struct {
	Language      string
	Tokenizer     string
	Bytes         int
	Tokens        int
	BytesPerToken float64
	CharsPerToken float64
	Unknown       int // tokens that stand for text the vocabulary cannot write
}

// Comparison is the result of Report. It shows itself as a chart and a table.
type Comparison struct{ Rows []ReportRow }

// Report measures how tightly each tokenizer writes each sample.
func Report(tokenizers []Named, samples ...Sample) (*Comparison, error) {
	if len(tokenizers) == 0 || len(samples) == 0 {
		return nil, fmt.Errorf("token: Report needs tokenizers and samples: have %d and %d", len(tokenizers), len(samples))
	}
	c := &Comparison{}
	for _, s := range samples {
		for _, t := range tokenizers {
			row, err := t.measure(s)
			if err != nil {
				return nil, err
			}
			c.Rows = append(c.Rows, row)
		}
	}
	return c, nil
}

func (t *Named) measure(s Sample) (ReportRow, error) {
	row := ReportRow{Language: s.Language, Tokenizer: t.Name}
	chars := 0
	var ids []uint32
	for _, text := range s.Texts {
		var err error
		if ids, err = t.AppendEncode(ids[:0], text, Options{}); err != nil {
			return row, err
		}
		row.Bytes += len(text)
		row.Tokens += len(ids)
		chars += utf8.RuneCountInString(text)
		for _, id := range ids {
			if int(id) == t.unk {
				row.Unknown++
			}
		}
	}
	if row.Tokens > 0 {
		row.BytesPerToken = float64(row.Bytes) / float64(row.Tokens)
		row.CharsPerToken = float64(chars) / float64(row.Tokens)
	}
	return row, nil
}

// MIMEBundle shows the bars, one colour a tokenizer, above the table.
func (c *Comparison) MIMEBundle() map[string]any {
	chart, table := c.Chart().MIMEBundle(), show.Table(c.Rows).MIMEBundle()
	out := map[string]any{}
	for _, kind := range []string{"text/html", "text/plain"} {
		a, _ := chart[kind].(string)
		b, _ := table[kind].(string)
		out[kind] = strings.TrimPrefix(a+"\n"+b, "\n")
	}
	return out
}

// Chart is bytes per token by language, for all tokenizers.
func (c *Comparison) Chart() *show.Plot {
	var languages, names []string
	for _, r := range c.Rows {
		if !slices.Contains(languages, r.Language) {
			languages = append(languages, r.Language)
		}
		if !slices.Contains(names, r.Tokenizer) {
			names = append(names, r.Tokenizer)
		}
	}
	series := make([]any, len(names))
	for i, name := range names {
		y := make([]float64, len(languages))
		for _, r := range c.Rows {
			if r.Tokenizer == name {
				y[slices.Index(languages, r.Language)] = r.BytesPerToken
			}
		}
		series[i] = show.S(name, y)
	}
	return show.Bar(languages, series...).Title("Bytes a token, more is better")
}

// Show is text as the tokenizer cuts it, in colours.
func (t *Tokenizer) Show(text string, opt Options) (show.Value, error) {
	ids, spans, err := t.EncodeSpans(text, opt)
	if err != nil {
		return nil, err
	}
	pieces := make([]string, len(ids))
	for i, sp := range spans {
		if pieces[i] = text[sp.Start:sp.End]; sp.Start == sp.End {
			pieces[i] = t.Piece(ids[i])
		}
	}
	return show.Tokens(ids, pieces, nil), nil
}
