package show

import (
	"encoding/csv"
	"fmt"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
)

// record10M is an Arrow record of n rows with nulls.
func arrowRecord(n int) arrow.Record {
	schema := arrow.NewSchema([]arrow.Field{{Name: "id", Type: arrow.PrimitiveTypes.Int64}, {Name: "score", Type: arrow.PrimitiveTypes.Float64, Nullable: true},
		{Name: "text", Type: arrow.BinaryTypes.String}}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	for i := range n {
		b.Field(0).(*array.Int64Builder).Append(int64(i))
		if i%10 == 3 {
			b.Field(1).AppendNull()
		} else {
			b.Field(1).(*array.Float64Builder).Append(float64(i) / 7)
		}
		b.Field(2).(*array.StringBuilder).Append("t")
	}
	return b.NewRecord()
}

func TestArrowTable(t *testing.T) {
	b := Table(arrowRecord(2000)).MIMEBundle()
	text := b["text/plain"].(string)
	for _, want := range []string{"int64", "float64, 200 null", "2\u202f000 rows × 3 columns", "1999", "∅", "…"} {
		if !strings.Contains(text, want) {
			t.Errorf("the text lacks %q:\n%s", want, text)
		}
	}
	records, err := csv.NewReader(strings.NewReader(b["text/csv"].(string))).ReadAll()
	if err != nil || len(records) != 1+pageHead+pageTail || records[4][1] != "" || records[len(records)-1][0] != "1999" {
		t.Errorf("%d CSV records, %v", len(records), err)
	}
	whole := array.NewTableFromRecords(arrowRecord(1).Schema(), []arrow.Record{arrowRecord(3), arrowRecord(4)})
	g := Table(whole).take(10, 10)
	if g.cells[3][0].text != "0" || g.cells[6][0].text != "3" || len(g.cells) != 7 {
		t.Errorf("rows of two chunks: %v", g.cells)
	}
}

type base struct{ ID int }

type item struct {
	base
	*Series
	Name   string
	hidden int
	Tags   []string
}

func TestTablesOfGoValues(t *testing.T) {
	for want, v := range map[string]any{
		"Name":                   []item{{Name: "x", hidden: 1}, {}},
		"1    2    ∅":            [][]int{{1, 1}, {2}},
		"field      value":       base{3},
		"key":                    map[string]int{"a": 1},
		"col":                    map[string][]int{"col": {1, 2}},
		"0 rows":                 []base{},
		"2 rows × 1 column":      []any{1, nil},
		"∅":                      []*base{nil, {4}},
		"1 row × 0 columns":      []map[string]int{{}},
		"100 shown":              [][]float64{make([]float64, 300)},
		"10\u202f000\u202f000 r": make([]int8, 10_000_000),
	} {
		b := Table(v).MIMEBundle()
		if text := b["text/plain"].(string); !strings.Contains(text, want) {
			t.Errorf("%T: no %q in\n%s", v, want, text)
		}
	}
	for want, v := range map[string]any{"int is no table": 3, "<nil> is no table": nil, "has 1 values": map[string][]int{"a": {1}, "b": {1, 2}}} {
		table := Table(v)
		if text := table.MIMEBundle()["text/plain"].(string); table.Err() == nil && !strings.Contains(text, want) {
			t.Errorf("Table(%T): %q", v, text)
		}
	}
}

// BenchmarkTable has the bar: 10 million rows in 50 ms.
func BenchmarkTable(b *testing.B) {
	type row struct {
		ID    int64
		Score float64
		Text  string
	}
	for name, make := range map[string]func() any{
		"arrow":   func() any { return arrowRecord(10_000_000) },
		"structs": func() any { return make([]row, 10_000_000) },
	} {
		b.Run(fmt.Sprintf("%s/rows=10M", name), func(b *testing.B) {
			v := make()
			for b.Loop() {
				Table(v).MIMEBundle()
			}
		})
	}
}
