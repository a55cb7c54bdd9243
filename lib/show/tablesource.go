package show

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
)

// sourceOf finds how v is a table.
func sourceOf(v any) (source, error) {
	switch v := v.(type) {
	case arrow.Record:
		cols := make([]*arrow.Chunked, v.NumCols())
		for i, c := range v.Columns() {
			cols[i] = arrow.NewChunked(c.DataType(), []arrow.Array{c})
		}
		return newArrow(v.Schema(), int(v.NumRows()), cols), nil
	case arrow.Table:
		cols := make([]*arrow.Chunked, v.NumCols())
		for i := range cols {
			cols[i] = v.Column(i).Data()
		}
		return newArrow(v.Schema(), int(v.NumRows()), cols), nil
	}
	rv := reflect.ValueOf(v)
	for rv.IsValid() && rv.Kind() == reflect.Pointer && !rv.IsNil() {
		rv = rv.Elem()
	}
	if rv.IsValid() {
		switch rv.Kind() {
		case reflect.Slice, reflect.Array:
			return sliceSource(rv), nil
		case reflect.Struct:
			return structSource(rv), nil
		case reflect.Map:
			return mapSource(rv)
		}
	}
	return nil, fmt.Errorf("show: Table: %T is no table: give an Arrow record, a slice, a struct or a map", v)
}

// arrowSource reads Arrow columns in place.
type arrowSource struct {
	n      int
	cols   []tableColumn
	chunks []*arrow.Chunked
	starts [][]int // first row of each chunk, by column
}

func newArrow(schema *arrow.Schema, rows int, chunks []*arrow.Chunked) *arrowSource {
	s := &arrowSource{n: rows, chunks: chunks}
	for i, c := range chunks {
		kind := c.DataType()
		s.cols = append(s.cols, tableColumn{name: schema.Field(i).Name, kind: kind.String(), nulls: c.NullN(),
			number: arrow.IsInteger(kind.ID()) || arrow.IsFloating(kind.ID()) || arrow.IsDecimal(kind.ID())})
		starts, at := []int{}, 0
		for _, chunk := range c.Chunks() {
			starts = append(starts, at)
			at += chunk.Len()
		}
		s.starts = append(s.starts, starts)
	}
	return s
}

func (s *arrowSource) rows() int              { return s.n }
func (s *arrowSource) columns() []tableColumn { return s.cols }

func (s *arrowSource) cell(row, col int) tableCell {
	k := sort.SearchInts(s.starts[col], row+1) - 1
	a, i := s.chunks[col].Chunk(k), row-s.starts[col][k]
	if a.IsNull(i) {
		return tableCell{null: true}
	}
	switch a := a.(type) {
	case *array.Float64:
		return tableCell{text: floatText(a.Value(i))}
	case *array.Float32:
		return tableCell{text: floatText(float64(a.Value(i)))}
	case *array.String:
		return tableCell{text: a.Value(i)}
	case *array.LargeString:
		return tableCell{text: a.Value(i)}
	}
	return tableCell{text: a.ValueStr(i)}
}

// floatText writes six significant digits, which is what a person reads.
func floatText(v float64) string {
	switch {
	case math.IsNaN(v):
		return "NaN"
	case math.IsInf(v, 1):
		return "Infinity"
	case math.IsInf(v, -1):
		return "-Infinity"
	}
	return strconv.FormatFloat(v, 'g', 6, 64)
}

// goSource is a table of Go values.
type goSource struct {
	n    int
	cols []tableColumn
	at   func(row, col int) reflect.Value // invalid for no value
}

func (s *goSource) rows() int                   { return s.n }
func (s *goSource) columns() []tableColumn      { return s.cols }
func (s *goSource) cell(row, col int) tableCell { return cellOf(s.at(row, col)) }

func cellOf(v reflect.Value) tableCell {
	if v.IsValid() && v.CanInterface() {
		switch x := v.Interface().(type) {
		case error:
			return tableCell{text: x.Error()}
		case fmt.Stringer:
			if v.Kind() != reflect.Pointer || !v.IsNil() {
				return tableCell{text: x.String()}
			}
		}
	}
	for v.IsValid() && (v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface) {
		v = v.Elem()
	}
	switch {
	case !v.IsValid():
		return tableCell{null: true}
	case v.Kind() == reflect.Float64 || v.Kind() == reflect.Float32:
		return tableCell{text: floatText(v.Float())}
	case v.Kind() == reflect.String:
		return tableCell{text: v.String()}
	case v.Kind() == reflect.Slice && v.Len() > 20:
		return tableCell{text: fmt.Sprintf("%v… (%d)", v.Slice(0, 20), v.Len())}
	}
	return tableCell{text: fmt.Sprint(v)}
}

func columnOf(name string, t reflect.Type) tableColumn {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	kind := t.Kind()
	return tableColumn{name: name, kind: t.String(), nulls: -1,
		number: kind >= reflect.Int && kind <= reflect.Float64 && !t.Implements(reflect.TypeFor[fmt.Stringer]())}
}

func sliceSource(v reflect.Value) source {
	elem := v.Type().Elem()
	for elem.Kind() == reflect.Pointer {
		elem = elem.Elem()
	}
	switch elem.Kind() {
	case reflect.Struct:
		if fields := exported(elem); len(fields) > 0 && !elem.Implements(reflect.TypeFor[fmt.Stringer]()) {
			return structsSource(v, fields)
		}
	case reflect.Slice, reflect.Array:
		return matrixSource(v)
	case reflect.Map:
		if elem.Key().Kind() == reflect.String {
			return mapsSource(v)
		}
	}
	return &goSource{n: v.Len(), cols: []tableColumn{columnOf("value", elem)},
		at: func(row, _ int) reflect.Value { return v.Index(row) }}
}

// exported are the fields that a table shows, those of embedded structs in their place.
func exported(t reflect.Type) (fields []reflect.StructField) {
	for _, f := range reflect.VisibleFields(t) {
		embedded := f.Type
		if embedded.Kind() == reflect.Pointer {
			embedded = embedded.Elem()
		}
		if f.IsExported() && !(f.Anonymous && embedded.Kind() == reflect.Struct) {
			fields = append(fields, f)
		}
	}
	return fields
}

func structsSource(v reflect.Value, fields []reflect.StructField) source {
	s := &goSource{n: v.Len()}
	for _, f := range fields {
		s.cols = append(s.cols, columnOf(f.Name, f.Type))
	}
	s.at = func(row, col int) reflect.Value {
		elem := v.Index(row)
		for elem.Kind() == reflect.Pointer {
			if elem.IsNil() {
				return reflect.Value{}
			}
			elem = elem.Elem()
		}
		field, err := elem.FieldByIndexErr(fields[col].Index)
		if err != nil {
			return reflect.Value{}
		}
		return field
	}
	return s
}

func matrixSource(v reflect.Value) source {
	s := &goSource{n: v.Len()}
	width := 0
	for _, i := range spread(v.Len(), pageHead+pageTail) {
		width = max(width, v.Index(i).Len())
	}
	for j := range min(width, maxCols+1) {
		s.cols = append(s.cols, columnOf(strconv.Itoa(j), v.Type().Elem().Elem()))
	}
	s.at = func(row, col int) reflect.Value {
		if r := v.Index(row); col < r.Len() {
			return r.Index(col)
		}
		return reflect.Value{}
	}
	return s
}

// mapsSource has a column for every key of the rows shown.
func mapsSource(v reflect.Value) source {
	var names []string
	for i := range v.Len() {
		if i == pageHead && v.Len() > pageHead+pageTail {
			break
		}
		for _, k := range v.Index(i).MapKeys() {
			if at, found := slices.BinarySearch(names, k.String()); !found {
				names = slices.Insert(names, at, k.String())
			}
		}
	}
	elem := v.Type().Elem()
	s := &goSource{n: v.Len()}
	for _, name := range names {
		s.cols = append(s.cols, columnOf(name, elem.Elem()))
	}
	s.at = func(row, col int) reflect.Value {
		return v.Index(row).MapIndex(reflect.ValueOf(names[col]).Convert(elem.Key()))
	}
	return s
}

func structSource(v reflect.Value) source {
	fields := exported(v.Type())
	s := &goSource{n: len(fields), cols: []tableColumn{{name: "field", kind: v.Type().String(), nulls: -1}, {name: "value", nulls: -1}}}
	s.at = func(row, col int) reflect.Value {
		if col == 0 {
			return reflect.ValueOf(fields[row].Name)
		}
		field, err := v.FieldByIndexErr(fields[row].Index)
		if err != nil {
			return reflect.Value{}
		}
		return field
	}
	return s
}

// mapSource lists entries by key, or columns where every value is a slice of the same length.
func mapSource(v reflect.Value) (source, error) {
	keys := v.MapKeys()
	name := func(k reflect.Value) string { return fmt.Sprint(k) }
	slices.SortFunc(keys, func(a, b reflect.Value) int {
		if a.CanInt() && b.CanInt() {
			return int(min(1, max(-1, a.Int()-b.Int())))
		}
		return strings.Compare(name(a), name(b))
	})
	if elem := v.Type().Elem(); elem.Kind() == reflect.Slice && elem.Elem().Kind() != reflect.Uint8 && len(keys) > 0 {
		s := &goSource{n: v.MapIndex(keys[0]).Len()}
		cols := make([]reflect.Value, len(keys))
		for i, k := range keys {
			cols[i] = v.MapIndex(k)
			s.cols = append(s.cols, columnOf(name(k), elem.Elem()))
			if cols[i].Len() != s.n {
				return nil, fmt.Errorf("show: Table: column %q has %d values, %q has %d", name(k), cols[i].Len(), name(keys[0]), s.n)
			}
		}
		s.at = func(row, col int) reflect.Value { return cols[col].Index(row) }
		return s, nil
	}
	return &goSource{n: len(keys), cols: []tableColumn{columnOf("key", v.Type().Key()), columnOf("value", v.Type().Elem())},
		at: func(row, col int) reflect.Value {
			if col == 0 {
				return keys[row]
			}
			return v.MapIndex(keys[row])
		}}, nil
}
