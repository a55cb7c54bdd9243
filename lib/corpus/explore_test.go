package corpus

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
)

var everything = math.Inf(1)

// scored returns a corpus of n documents, per in a chunk, with columns a (float32, some NaN), b (int64), c (bool) and language.
func scored(t testing.TB, n, per int) *Corpus {
	t.Helper()
	rng := rand.New(rand.NewPCG(2, 2))
	schema := arrow.NewSchema(append(Schema.Fields(), arrow.Field{Name: "a", Type: arrow.PrimitiveTypes.Float32},
		arrow.Field{Name: "b", Type: arrow.PrimitiveTypes.Int64}, arrow.Field{Name: "c", Type: arrow.FixedWidthTypes.Boolean},
		arrow.Field{Name: "language", Type: arrow.BinaryTypes.String}), nil)
	var records []arrow.Record
	for from := 0; from < n; from += per {
		b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
		for i := from; i < min(n, from+per); i++ {
			for k, v := range []string{fmt.Sprint("d", i), strings.Repeat("x", i%50), "f:" + fmt.Sprint(i), ""} {
				b.Field(k).(*array.StringBuilder).Append(v)
			}
			v := rng.Float32()
			if i%97 == 0 {
				v = float32(math.NaN())
			}
			b.Field(4).(*array.Float32Builder).Append(v)
			b.Field(5).(*array.Int64Builder).Append(int64(rng.IntN(100)))
			b.Field(6).(*array.BooleanBuilder).Append(rng.IntN(5) > 0)
			b.Field(7).(*array.StringBuilder).Append([]string{"en", "zh", "de"}[rng.IntN(3)])
		}
		records = append(records, b.NewRecord())
	}
	c, err := New(records...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// recount is what an Exploration must say, counted document by document.
func recount(t *testing.T, c *Corpus, ranges, base []Range) (kept []string, w WhatIf) {
	t.Helper()
	w.Rules = make([]RuleYield, len(ranges))
	w.Kept.Name = "kept"
	mix := map[string]*Mix{}
	for b := range c.Batches() {
		values := make([]float32, b.Len())
		outs, outsBase := make([][]bool, len(ranges)), make([][]bool, len(ranges))
		for k, r := range ranges {
			if err := readValues(values, b, r.Column); err != nil {
				t.Fatal(err)
			}
			for _, v := range values {
				outs[k] = append(outs[k], !r.keeps(v))
				outsBase[k] = append(outsBase[k], !base[k].keeps(v))
			}
		}
		for i := range b.Len() {
			d := b.Doc(i)
			lang := b.Record.Column(7).(*array.String).Value(b.Row(i))
			if mix[lang] == nil {
				mix[lang] = &Mix{Language: lang}
			}
			w.Documents++
			w.Bytes += int64(len(d.Text))
			mix[lang].Documents++
			mix[lang].Bytes += int64(len(d.Text))
			n, nBase := 0, 0
			for k := range ranges {
				if outs[k][i] {
					n++
					w.Rules[k].Dropped++
				}
				if outsBase[k][i] {
					nBase++
				}
			}
			for k := range ranges {
				if n == 1 && outs[k][i] {
					w.Rules[k].Alone++
				}
			}
			if n == 0 {
				kept = append(kept, d.ID)
				w.Kept.Documents++
				w.Kept.Bytes += int64(len(d.Text))
				mix[lang].Kept++
				mix[lang].KeptBytes += int64(len(d.Text))
			}
			if n == 0 && nBase > 0 {
				w.Gained.Documents++
			}
			if n > 0 && nBase == 0 {
				w.Lost.Documents++
			}
		}
	}
	for _, m := range mix {
		w.Languages = append(w.Languages, *m)
	}
	return kept, w
}

// After any moves of thresholds, an exploration says what counting anew says.
func TestExplore(t *testing.T) {
	all := scored(t, 3000, 170)
	some, err := all.Where(func(d Document) bool { return len(d.Text) != 7 })
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(4, 4))
	for _, c := range []*Corpus{all, some} {
		ranges := []Range{{"a", 0.2, everything}, {"b", 10, 90}, {"c", 1, everything}}
		base := slices.Clone(ranges)
		e, err := Explore(t.Context(), c, ranges...)
		if err != nil {
			t.Fatal(err)
		}
		for round := range 20 {
			k := rng.IntN(3)
			ranges[k] = Range{ranges[k].Column, float64(rng.IntN(60)) / 100, 0.6 + float64(1+rng.IntN(60))}
			got, err := e.Set(ranges[k].Column, ranges[k].Min, ranges[k].Max)
			if err != nil {
				t.Fatal(err)
			}
			if round == 10 {
				e.Mark()
				base = slices.Clone(ranges)
				if got, err = e.WhatIf(); err != nil {
					t.Fatal(err)
				}
			}
			ids, want := recount(t, c, ranges, base)
			if got.Documents != want.Documents || got.Bytes != want.Bytes || got.Kept.Documents != want.Kept.Documents || got.Kept.Bytes != want.Kept.Bytes ||
				got.Gained.Documents != want.Gained.Documents || got.Lost.Documents != want.Lost.Documents {
				t.Fatalf("round %d: %+v, want %+v", round, got, want)
			}
			for k := range want.Rules {
				if got.Rules[k].Dropped != want.Rules[k].Dropped || got.Rules[k].Alone != want.Rules[k].Alone {
					t.Errorf("round %d: rule %+v, want %+v", round, got.Rules[k], want.Rules[k])
				}
			}
			for _, m := range want.Languages {
				if !slices.ContainsFunc(got.Languages, func(g Mix) bool {
					return g.Language == m.Language && g.Documents == m.Documents && g.Kept == m.Kept && g.KeptBytes == m.KeptBytes &&
						math.Abs(g.After-float64(m.KeptBytes)/float64(max(want.Kept.Bytes, 1))) < 1e-9
				}) {
					t.Errorf("round %d: no language %+v in %+v", round, m, got.Languages)
				}
			}
			var left []string
			for d := range e.Kept().Docs() {
				left = append(left, d.ID)
			}
			if !slices.Equal(left, ids) {
				t.Fatalf("round %d: %d documents are left, want %d", round, len(left), len(ids))
			}
		}
	}
}

// Samples are documents whose verdict has changed, with the value of the column that was set.
func TestExploreSamples(t *testing.T) {
	c := scored(t, 2000, 300)
	e, err := Explore(t.Context(), c, Range{"b", 50, everything}, Range{"a", 0, 1})
	if err != nil {
		t.Fatal(err)
	}
	for _, min := range []float64{40, 60} {
		w, err := e.Set("b", min, everything)
		if err != nil {
			t.Fatal(err)
		}
		change, lo, hi := w.Gained, 40.0, 49.0
		if min == 60 {
			change, lo, hi = w.Lost, 50, 59
		}
		if len(change.Samples) != samples || change.Documents < 100 {
			t.Errorf("from %v: %d changed, %d samples", min, change.Documents, len(change.Samples))
		}
		for i, s := range change.Samples {
			if s.Value < lo || s.Value > hi || s.Rule != "b" || s.ID != fmt.Sprint("d", s.at) || i > 0 && s.at <= change.Samples[i-1].at {
				t.Errorf("from %v: sample %+v", min, s)
			}
		}
		if _, err := json.Marshal(w); err != nil {
			t.Error(err)
		}
	}
}

func TestExploreErrors(t *testing.T) {
	c := scored(t, 10, 10)
	for name, ranges := range map[string][]Range{
		"no column":  {{"nothing", 0, 1}},
		"give 1 to":  nil,
		"twice":      {{"a", 0, 1}, {"a", 0, 1}},
		"of type":    {{"id", 0, 1}},
		"of type ut": {{"language", 0, 1}},
	} {
		if _, err := Explore(t.Context(), c, ranges...); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%v: %v, want %q", ranges, err, name)
		}
	}
	e, err := Explore(t.Context(), c, Range{"a", 0, 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Set("b", 0, 1); err == nil {
		t.Error("a column that is not explored is set")
	}
}

// An exploration shows what is left, which rule drops how much, the mix of languages, and a histogram; its sliders move its ranges.
func TestExploreShows(t *testing.T) {
	c := scored(t, 500, 100)
	e, err := Explore(t.Context(), c, Range{"a", 0.25, everything}, Range{"b", 10, 90})
	if err != nil {
		t.Fatal(err)
	}
	bundle := e.MIMEBundle()
	for _, mime := range []string{"text/plain", "text/html"} {
		s, _ := bundle[mime].(string)
		for _, want := range []string{"of 500 documents", "0.25", "zh", "documents that each range drops"} {
			if !strings.Contains(s, want) {
				t.Errorf("%s lacks %q", mime, want)
			}
		}
	}
	if html := bundle["text/html"].(string); strings.Count(html, "<rect") != 2*bins {
		t.Error("the page has no histogram")
	}
	controls := e.Controls("b")
	if err := controls.Err(); err != nil {
		t.Fatal(err)
	}
	if s := controls.MIMEBundle()["text/plain"].(string); !strings.Contains(s, "of 500 documents") || !strings.Contains(s, "b ≥: 10") || !strings.Contains(s, "b ≤: 90") || strings.Contains(s, "a ≥") {
		t.Errorf("sliders: %s", s)
	}
	e.setEnd("b", true, 50)
	if r := e.Ranges()[1]; r != (Range{"b", 10, 50}) {
		t.Errorf("after its slider moved, the range is %+v", r)
	}
}

// BenchmarkExplore moves a threshold of 1 M documents with 25 ranges.
func BenchmarkExplore(b *testing.B) {
	c := scored(b, 1_000_000, 50_000)
	var ranges []Range
	fields, columns := []arrow.Field{}, make([][]arrow.Array, c.NumBatches())
	for k := range 25 {
		name := fmt.Sprint("rule", k)
		fields = append(fields, arrow.Field{Name: name, Type: arrow.PrimitiveTypes.Float32})
		ranges = append(ranges, Range{name, 0.02, everything})
		for i := range columns {
			batch, err := c.Batch(i)
			if err != nil {
				b.Fatal(err)
			}
			values := array.NewFloat32Builder(memory.DefaultAllocator)
			rng := rand.New(rand.NewPCG(uint64(k), uint64(i)))
			for range batch.Len() {
				values.Append(rng.Float32())
			}
			columns[i] = append(columns[i], values.NewArray())
		}
	}
	c, err := c.WithColumns(fields, columns)
	if err != nil {
		b.Fatal(err)
	}
	begin := time.Now()
	e, err := Explore(b.Context(), c, ranges...)
	if err != nil {
		b.Fatal(err)
	}
	opened := time.Since(begin)
	b.Run("what=set", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			if _, err := e.Set(fmt.Sprint("rule", i%25), float64(i%100)/100, everything); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(opened.Milliseconds()), "ms-to-open")
	})
	b.Run("what=set+show", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			e.setEnd("rule3", false, float64(i%100)/100)
			e.still()
		}
	})
}
