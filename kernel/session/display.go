package session

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"image"
	"image/png"
	"maps"
	"reflect"
	"slices"
	"strings"

	"quire/kernel/link"
)

// bundleOf shows the results of a last expression: nothing for nil, several results one a line.
func (s *Session) bundleOf(values []any) *link.Bundle {
	values = slices.DeleteFunc(slices.Clone(values), isNothing)
	switch len(values) {
	case 0:
		return nil
	case 1:
		return s.bundle(values[0])
	}
	var lines []string
	for _, v := range values {
		b := s.bundle(v)
		text, _ := b.Data["text/plain"].(string)
		lines = append(lines, text)
	}
	return &link.Bundle{Data: map[string]any{"text/plain": strings.Join(lines, "\n")}}
}

// isNothing reports whether v is nil or a nil pointer or function.
func isNothing(v any) bool {
	if v == nil {
		return true
	}
	switch rv := reflect.ValueOf(v); rv.Kind() {
	case reflect.Pointer, reflect.Func, reflect.Chan:
		return rv.IsNil()
	}
	return false
}

// bundle shows a value in every form that it has; nil for nothing.
func (s *Session) bundle(v any) (b *link.Bundle) {
	if isNothing(v) {
		return nil
	}
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(stopped); ok {
				panic(r)
			}
			b = plain(fmt.Sprintf("%T, whose display panics: %s", v, panicText(r)))
		}
	}()
	if m, ok := v.(interface{ MIMEBundle() map[string]any }); ok {
		return s.withText(m.MIMEBundle(), v)
	}
	for _, show := range s.cfg.Show {
		if data, ok := show(v); ok {
			return s.withText(data, v)
		}
	}
	if img, ok := v.(image.Image); ok {
		var buf bytes.Buffer
		if err := png.Encode(&buf, img); err == nil {
			r := img.Bounds()
			return &link.Bundle{Data: map[string]any{
				"image/png":  base64.StdEncoding.EncodeToString(buf.Bytes()),
				"text/plain": fmt.Sprintf("image of %d × %d pixels", r.Dx(), r.Dy()),
			}, Metadata: map[string]any{"image/png": map[string]any{"width": r.Dx(), "height": r.Dy()}}}
		}
	}
	return plain(format(v))
}

func plain(text string) *link.Bundle {
	return &link.Bundle{Data: map[string]any{"text/plain": text}}
}

// withText makes a bundle of data, with a plain text for front ends that show nothing else.
func (s *Session) withText(data map[string]any, v any) *link.Bundle {
	if len(data) == 0 {
		return plain(fmt.Sprintf("%T", v))
	}
	data = maps.Clone(data)
	if _, ok := data["text/plain"]; !ok {
		data["text/plain"] = fmt.Sprintf("%T", v)
	}
	return &link.Bundle{Data: data}
}

const (
	formatItems = 200 // elements of a slice or map that are shown
	formatDepth = 6
)

// format is a value as text: what String or Error say, strings as they are, others much as Go source writes them.
func format(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case error:
		return v.Error()
	case fmt.Stringer:
		return v.String()
	}
	var f formatter
	f.value(reflect.ValueOf(v), 0)
	return f.String()
}

type formatter struct {
	strings.Builder
	raw bool // call no methods and walk no maps
}

func (f *formatter) value(v reflect.Value, depth int) {
	if !v.IsValid() {
		f.WriteString("nil")
		return
	}
	if depth > 0 && !f.raw && f.says(v) {
		return
	}
	if depth > formatDepth {
		f.WriteString("…")
		return
	}
	switch v.Kind() {
	case reflect.String:
		fmt.Fprintf(f, "%q", v.String())
	case reflect.Interface:
		f.value(v.Elem(), depth)
	case reflect.Pointer:
		if v.IsNil() {
			f.WriteString("nil")
			return
		}
		f.WriteByte('&')
		f.value(v.Elem(), depth+1)
	case reflect.Slice, reflect.Array:
		f.list(v, depth)
	case reflect.Map:
		f.table(v, depth)
	case reflect.Struct:
		f.fields(v, depth)
	case reflect.Func, reflect.Chan, reflect.UnsafePointer:
		fmt.Fprintf(f, "%v", v.Type())
	default:
		fmt.Fprintf(f, "%v", v)
	}
}

// says writes what an element says of itself.
func (f *formatter) says(v reflect.Value) bool {
	if !v.CanInterface() {
		return false
	}
	if k := v.Kind(); (k == reflect.Pointer || k == reflect.Interface || k == reflect.Map) && v.IsNil() {
		return false
	}
	switch x := v.Interface().(type) {
	case error:
		f.WriteString(x.Error())
	case fmt.Stringer:
		f.WriteString(x.String())
	default:
		return false
	}
	return true
}

func (f *formatter) list(v reflect.Value, depth int) {
	f.WriteByte('[')
	for i := range v.Len() {
		if i > 0 {
			f.WriteByte(' ')
		}
		if i == formatItems {
			fmt.Fprintf(f, "… %d more", v.Len()-i)
			break
		}
		f.value(v.Index(i), depth+1)
	}
	f.WriteByte(']')
}

func (f *formatter) table(v reflect.Value, depth int) {
	if f.raw {
		fmt.Fprintf(f, "%v of %d entries", v.Type(), v.Len())
		return
	}
	f.WriteString("map[")
	keys := v.MapKeys()
	slices.SortFunc(keys, compareKeys)
	for i, k := range keys {
		if i > 0 {
			f.WriteByte(' ')
		}
		if i == formatItems {
			fmt.Fprintf(f, "… %d more", len(keys)-i)
			break
		}
		f.value(k, depth+1)
		f.WriteByte(':')
		f.value(v.MapIndex(k), depth+1)
	}
	f.WriteByte(']')
}

func compareKeys(a, b reflect.Value) int {
	switch {
	case a.CanInt() && b.CanInt():
		return compare(a.Int(), b.Int())
	case a.CanUint() && b.CanUint():
		return compare(a.Uint(), b.Uint())
	case a.CanFloat() && b.CanFloat():
		return compare(a.Float(), b.Float())
	}
	return strings.Compare(fmt.Sprint(a), fmt.Sprint(b))
}

func compare[T int64 | uint64 | float64](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func (f *formatter) fields(v reflect.Value, depth int) {
	if v.Type().Name() != "" || depth == 0 {
		f.WriteString(strings.TrimPrefix(v.Type().String(), cellPath+"."))
	}
	f.WriteByte('{')
	for i := range v.NumField() {
		if i > 0 {
			f.WriteString(", ")
		}
		f.WriteString(v.Type().Field(i).Name)
		f.WriteString(": ")
		f.value(v.Field(i), depth+1)
	}
	f.WriteByte('}')
}
