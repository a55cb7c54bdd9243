package show

import (
	"fmt"
	"math"
	"reflect"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
)

// maxPoints bounds what is read of an iterator, which may never end.
const maxPoints = 10_000_000

// numbers reads a column of numbers: a slice or array of any numeric, bool, time or duration type, an Arrow array or chunked
// column, or an iterator (func(yield func(T) bool)). A missing number is NaN. Times become milliseconds since 1970. Of a []float64
// nothing is copied.
func numbers(column any) ([]float64, error) {
	switch c := column.(type) {
	case []float64:
		return c, nil
	case []float32:
		return convert(c), nil
	case []int:
		return convert(c), nil
	case []int64:
		return convert(c), nil
	case []int32:
		return convert(c), nil
	case arrow.Array:
		return arrowNumbers(nil, c)
	case *arrow.Chunked:
		return chunkedNumbers(c)
	case *arrow.Column:
		return chunkedNumbers(c.Data())
	case arrow.Column:
		return chunkedNumbers(c.Data())
	}
	v := reflect.ValueOf(column)
	switch {
	case !v.IsValid():
	case v.Kind() == reflect.Slice || v.Kind() == reflect.Array:
		out := make([]float64, v.Len())
		for i := range out {
			x, ok := numberOf(v.Index(i))
			if !ok {
				return nil, fmt.Errorf("element %d of %T is no number", i, column)
			}
			out[i] = x
		}
		return out, nil
	case v.Type().CanSeq() && v.Kind() == reflect.Func && !v.IsNil():
		return seqNumbers(v)
	}
	return nil, fmt.Errorf("%T is no column of numbers: give a slice, an Arrow column or an iterator", column)
}

func convert[T float32 | int | int32 | int64](in []T) []float64 {
	out := make([]float64, len(in))
	for i, x := range in {
		out[i] = float64(x)
	}
	return out
}

func seqNumbers(v reflect.Value) (out []float64, err error) {
	for x := range v.Seq() {
		f, ok := numberOf(x)
		if !ok {
			return nil, fmt.Errorf("the iterator gives %v, which is no number", x.Type())
		}
		if out = append(out, f); len(out) == maxPoints {
			break
		}
	}
	return out, nil
}

// pairs reads an iterator of (x, y); ok is false for anything else.
func pairs(column any) (x, y []float64, ok bool) {
	v := reflect.ValueOf(column)
	if !v.IsValid() || v.Kind() != reflect.Func || !v.Type().CanSeq2() || v.IsNil() {
		return nil, nil, false
	}
	for a, b := range v.Seq2() {
		fa, okA := numberOf(a)
		fb, okB := numberOf(b)
		if !okA || !okB {
			return nil, nil, false
		}
		if x, y = append(x, fa), append(y, fb); len(x) == maxPoints {
			break
		}
	}
	return x, y, true
}

// numberOf is a value as a number.
func numberOf(v reflect.Value) (float64, bool) {
	switch v.Kind() {
	case reflect.Float32, reflect.Float64:
		return v.Float(), true
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return float64(v.Int()), true
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return float64(v.Uint()), true
	case reflect.Bool:
		if v.Bool() {
			return 1, true
		}
		return 0, true
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return math.NaN(), true
		}
		return numberOf(v.Elem())
	case reflect.Struct:
		if v.CanInterface() {
			if t, ok := v.Interface().(time.Time); ok {
				return float64(t.UnixMilli()), true
			}
		}
	}
	return 0, false
}

func chunkedNumbers(c *arrow.Chunked) (out []float64, err error) {
	out = make([]float64, 0, c.Len())
	for _, chunk := range c.Chunks() {
		if out, err = arrowNumbers(out, chunk); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// arrowNumbers appends an Arrow array, nulls as NaN.
func arrowNumbers(out []float64, a arrow.Array) ([]float64, error) {
	switch a := a.(type) {
	case *array.Float64:
		return appendArrow(out, a, a.Float64Values()), nil
	case *array.Float32:
		return appendArrow(out, a, a.Float32Values()), nil
	case *array.Float16:
		return appendArrowFunc(out, a, func(i int) float64 { return float64(a.Value(i).Float32()) }), nil
	case *array.Int64:
		return appendArrow(out, a, a.Int64Values()), nil
	case *array.Int32:
		return appendArrow(out, a, a.Int32Values()), nil
	case *array.Int16:
		return appendArrow(out, a, a.Int16Values()), nil
	case *array.Int8:
		return appendArrow(out, a, a.Int8Values()), nil
	case *array.Uint64:
		return appendArrow(out, a, a.Uint64Values()), nil
	case *array.Uint32:
		return appendArrow(out, a, a.Uint32Values()), nil
	case *array.Uint16:
		return appendArrow(out, a, a.Uint16Values()), nil
	case *array.Uint8:
		return appendArrow(out, a, a.Uint8Values()), nil
	case *array.Boolean:
		return appendArrowFunc(out, a, func(i int) float64 {
			if a.Value(i) {
				return 1
			}
			return 0
		}), nil
	case *array.Timestamp:
		unit := a.DataType().(*arrow.TimestampType).Unit
		return appendArrowFunc(out, a, func(i int) float64 { return float64(a.Value(i).ToTime(unit).UnixMilli()) }), nil
	}
	return nil, fmt.Errorf("an Arrow column of type %s holds no numbers", a.DataType())
}

type arrowNumber interface {
	~float32 | ~float64 | ~int8 | ~int16 | ~int32 | ~int64 | ~uint8 | ~uint16 | ~uint32 | ~uint64
}

func appendArrow[T arrowNumber](out []float64, a arrow.Array, values []T) []float64 {
	return appendArrowFunc(out, a, func(i int) float64 { return float64(values[i]) })
}

func appendArrowFunc(out []float64, a arrow.Array, at func(int) float64) []float64 {
	for i := range a.Len() {
		if a.IsNull(i) {
			out = append(out, math.NaN())
		} else {
			out = append(out, at(i))
		}
	}
	return out
}

// labels reads names: strings, or anything else by its fmt form.
func labels(column any) ([]string, error) {
	switch c := column.(type) {
	case []string:
		return c, nil
	case arrow.Array:
		out := make([]string, c.Len())
		for i := range out {
			out[i] = c.ValueStr(i)
		}
		return out, nil
	}
	v := reflect.ValueOf(column)
	if !v.IsValid() || v.Kind() != reflect.Slice && v.Kind() != reflect.Array {
		return nil, fmt.Errorf("%T is no list of labels: give a []string", column)
	}
	out := make([]string, v.Len())
	for i := range out {
		out[i] = fmt.Sprint(v.Index(i).Interface())
	}
	return out, nil
}
