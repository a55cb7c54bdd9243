package show

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/go-echarts/go-echarts/v2/types"
	json "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	jsonv1 "github.com/go-json-experiment/json/v1"
)

// maxLabel is how many characters of a text a chart shows; laying out a megabyte would take minutes.
const maxLabel = 500

// script writes an ECharts option as a JavaScript expression that is safe inside a script element: JSON with <, >, & and the line
// separators escaped, control characters made visible, long texts cut, numbers that JSON lacks as null, and the functions that a go-echarts option marks as such. Only values of
// go-echarts' function type become code: a marker within data stays text.
func script(option any) (string, error) {
	var functions []string
	text, err := json.Marshal(option, jsonv1.DefaultOptionsV1(), json.Deterministic(true), jsontext.EscapeForHTML(true),
		jsontext.EscapeForJS(true), jsontext.AllowInvalidUTF8(true), json.WithMarshalers(json.JoinMarshalers(
			json.MarshalToFunc(func(e *jsontext.Encoder, v float64) error { return number(e, v) }),
			json.MarshalToFunc(func(e *jsontext.Encoder, v float32) error { return number(e, float64(v)) }),
			json.MarshalToFunc(func(e *jsontext.Encoder, v string) error {
				if v == visible(v) && (len(v) <= maxLabel || strings.HasPrefix(v, "data:") || strings.HasPrefix(v, "image://") || strings.HasPrefix(v, "path://")) {
					return errors.ErrUnsupported
				}
				return e.WriteToken(jsontext.String(visible(shorten(v, maxLabel))))
			}),
			json.MarshalToFunc(func(e *jsontext.Encoder, v types.FuncStr) error {
				code, ok := functionOf(string(v))
				if !ok {
					return errors.ErrUnsupported
				}
				functions = append(functions, code)
				return e.WriteToken(jsontext.String(placeholder(len(functions) - 1)))
			}))))
	if err != nil {
		return "", fmt.Errorf("show: this chart is no JSON: %w", err)
	}
	for i, code := range functions {
		quoted := strconv.Quote(placeholder(i))
		text = bytes.Replace(text, []byte(quoted), []byte("("+code+")"), 1)
	}
	return string(text), nil
}

// number writes what JSON has no number for as null, which ECharts draws as a gap.
func number(e *jsontext.Encoder, v float64) error {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return e.WriteToken(jsontext.Null)
	}
	return errors.ErrUnsupported
}

// functionMark encloses a function in go-echarts' strings.
const functionMark = "__f__"

func functionOf(s string) (code string, ok bool) {
	code, ok = strings.CutPrefix(s, functionMark)
	if !ok {
		return "", false
	}
	code, ok = strings.CutSuffix(code, functionMark)
	return strings.ReplaceAll(code, "</", `<\/`), ok
}

// nonce makes placeholders that no data holds.
var nonce = newID()

func placeholder(i int) string { return nonce + strconv.Itoa(i) }

// points are the (x, y) pairs of a series, written compactly.
type points struct{ x, y []float64 }

func (p points) MarshalJSON() ([]byte, error) {
	out := make([]byte, 0, 2+24*len(p.x))
	out = append(out, '[')
	for i, x := range p.x {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(appendNumber(append(out, '['), x), ',')
		out = append(appendNumber(out, p.y[i]), ']')
	}
	return append(out, ']'), nil
}

// values are plain numbers, written compactly.
type values []float64

func (v values) MarshalJSON() ([]byte, error) {
	out := make([]byte, 0, 2+12*len(v))
	out = append(out, '[')
	for i, x := range v {
		if i > 0 {
			out = append(out, ',')
		}
		out = appendNumber(out, x)
	}
	return append(out, ']'), nil
}

// appendNumber writes seven significant digits, more than a screen resolves, and all of those of an integer.
func appendNumber(out []byte, v float64) []byte {
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return append(out, "null"...)
	case v == math.Trunc(v) && math.Abs(v) < 1<<53:
		return strconv.AppendInt(out, int64(v), 10)
	}
	return strconv.AppendFloat(out, v, 'g', 7, 64)
}
