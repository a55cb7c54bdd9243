// Package clean judges documents: is this text worth training on, and if not, why.
//
//	text ── Measure ──▶ Stats ── rules ──▶ values ── thresholds ──▶ verdicts
//
// A [Rule] is one number of a text with the range in which the text is kept: the share of duplicated lines, the mean length of a word.
// Measuring and judging are apart: [Rules] as a corpus operator stores each rule's value in a column beside the text, and a moved
// threshold needs those columns only, never the text. Thresholds of the published recipes are the defaults, each with its source, in
// one table ([Gopher], [GopherRepetition], [C4], [FineWeb], [Chinese]).
//
// Judges that are trained or brought along become rules too: [Quality] from two corpora, [NGram] perplexity, [Words] of a list, and any
// function by [Score]. Labels are columns by [Labels]: [Language], or a model of package fasttext.
//
//	page ── MainText ──▶ text ── Repair, NFC, ContentLines, C4Lines, Mask ──▶ text
//
// Invariant: a rule sees one document and nothing else; the same text has the same values everywhere.
// Invariant: nothing here rewrites a corpus. What changes text (line filters, masking, repair) is a function from string to string that
// the user applies on purpose.
//
// Deliberately absent: a fixed pipeline. The order of rules does not matter, as every rule judges the original text.
package clean

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"quire/lib/corpus"
)

// Rule is one number of a text and the range, ends included, in which the text is kept.
type Rule struct {
	Name   string  // as its column is called: "gopher.mean_word_length"
	Min    float64 // −Inf for none
	Max    float64 // +Inf for none
	Source string  // where the threshold was published
	Value  func(*Stats) float64
}

// Keeps reports whether a value lies in the rule's range. NaN, the value of a text that has none, is kept.
func (r Rule) Keeps(value float64) bool { return !(value < r.Min || value > r.Max) }

// With returns the rule with another range.
func (r Rule) With(min, max float64) Rule {
	r.Min, r.Max = min, max
	return r
}

// Verdict is what one rule says of one text.
type Verdict struct {
	Rule      string
	Value     float64
	Threshold float64 // the end of the range that is nearer to the value
	Margin    float64 // how far inside the range the value is; negative: how far outside, and the text is dropped
}

// Judge returns the rule's verdict on a value.
func (r Rule) Judge(value float64) Verdict {
	v := Verdict{Rule: r.Name, Value: value, Threshold: r.Max, Margin: r.Max - value}
	if low := value - r.Min; low < v.Margin {
		v.Threshold, v.Margin = r.Min, low
	}
	return v
}

// Rules is a set of rules. It is an operator: it adds a float32 column for each rule, named as the rule.
type Rules []Rule

// Judge returns every rule's verdict on a text, in order.
func (rs Rules) Judge(text string) []Verdict {
	var s Stats
	s.Measure(text)
	out := make([]Verdict, len(rs))
	for i, r := range rs {
		out[i] = r.Judge(r.Value(&s))
	}
	return out
}

// Reason returns the first rule that drops the text; ok is true where none does.
func (rs Rules) Reason(s *Stats) (rule string, ok bool) {
	for _, r := range rs {
		if !r.Keeps(r.Value(s)) {
			return r.Name, false
		}
	}
	return "", true
}

// Find returns the rule of this name. It panics if there is none: names are the program's own.
func (rs Rules) Find(name string) Rule {
	i := slices.IndexFunc(rs, func(r Rule) bool { return r.Name == name })
	if i < 0 {
		panic(fmt.Sprintf("clean: no rule %q", name))
	}
	return rs[i]
}

// Ranges returns the rules' ranges, for [corpus.Explore] on a corpus with the rules' columns.
func (rs Rules) Ranges() []corpus.Range {
	ranges := make([]corpus.Range, len(rs))
	for i, r := range rs {
		ranges[i] = corpus.Range{Column: r.Name, Min: r.Min, Max: r.Max}
	}
	return ranges
}

// Fields implements corpus.Operator.
func (rs Rules) Fields() []arrow.Field {
	fields := make([]arrow.Field, len(rs))
	for i, r := range rs {
		fields[i] = arrow.Field{Name: r.Name, Type: arrow.PrimitiveTypes.Float32}
	}
	return fields
}

// Apply implements corpus.Operator. Rows that are not selected hold NaN.
func (rs Rules) Apply(ctx context.Context, b corpus.Batch) ([]arrow.Array, error) {
	n := int(b.Record.NumRows())
	values := make([][]float32, len(rs))
	for i := range values {
		values[i] = make([]float32, n)
		if b.Rows != nil {
			for row := range values[i] {
				values[i][row] = float32(math.NaN())
			}
		}
	}
	text := b.Text()
	var s Stats
	for i := range b.Len() {
		if i%64 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		row := b.Row(i)
		s.Measure(text.Value(row))
		for ri, r := range rs {
			values[ri][row] = float32(r.Value(&s))
		}
	}
	cols := make([]arrow.Array, len(rs))
	for i, v := range values {
		cols[i] = array.NewFloat32Data(array.NewData(arrow.PrimitiveTypes.Float32, n,
			[]*memory.Buffer{nil, memory.NewBufferBytes(arrow.Float32Traits.CastToBytes(v))}, nil, 0, 0))
	}
	return cols, nil
}
