package gguf

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"
)

// Append writes the head of a version 3 file, padded to the alignment, behind b, which must be empty or begin at a multiple of it. Keys are
// written in order. h.Data is not read: it is the length of what is written.
func Append(b []byte, h *Head) ([]byte, error) {
	start := len(b)
	b = append(b, magic...)
	b = le.AppendUint32(b, 3)
	b = le.AppendUint64(b, uint64(len(h.Tensors)))
	b = le.AppendUint64(b, uint64(len(h.Meta)))
	for _, key := range slices.Sorted(maps.Keys(h.Meta)) {
		b = appendString(b, key)
		kind, value, err := appendValue(nil, h.Meta[key])
		if err != nil {
			return nil, fmt.Errorf("metadata key %q: %w", key, err)
		}
		b = append(le.AppendUint32(b, kind), value...)
	}
	for _, t := range h.Tensors {
		b = appendString(b, t.Name)
		b = le.AppendUint32(b, uint32(len(t.Dims)))
		for _, d := range t.Dims {
			b = le.AppendUint64(b, uint64(d))
		}
		b = le.AppendUint32(b, t.Type)
		b = le.AppendUint64(b, t.Offset)
	}
	align := h.Align
	if align == 0 {
		align = defaultAlign
	}
	return append(b, make([]byte, (align-(len(b)-start)%align)%align)...), nil
}

var le = binary.LittleEndian

func appendString(b []byte, s string) []byte { return append(le.AppendUint64(b, uint64(len(s))), s...) }

// appendValue returns the type code with the bytes of a value.
func appendValue(b []byte, v any) (kind uint32, out []byte, err error) {
	switch v := v.(type) {
	case uint8:
		return 0, append(b, v), nil
	case int8:
		return 1, append(b, byte(v)), nil
	case uint16:
		return 2, le.AppendUint16(b, v), nil
	case int16:
		return 3, le.AppendUint16(b, uint16(v)), nil
	case uint32:
		return 4, le.AppendUint32(b, v), nil
	case int32:
		return 5, le.AppendUint32(b, uint32(v)), nil
	case float32:
		return 6, le.AppendUint32(b, math.Float32bits(v)), nil
	case bool:
		return 7, appendBool(b, v), nil
	case string:
		return 8, appendString(b, v), nil
	case uint64:
		return 10, le.AppendUint64(b, v), nil
	case int64:
		return 11, le.AppendUint64(b, uint64(v)), nil
	case float64:
		return 12, le.AppendUint64(b, math.Float64bits(v)), nil
	}
	out, err = appendArray(b, v)
	return 9, out, err
}

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

func appendArray(b []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case []uint8:
		return appendNumbers(b, 0, v)
	case []int8:
		return appendNumbers(b, 1, v)
	case []uint16:
		return appendNumbers(b, 2, v)
	case []int16:
		return appendNumbers(b, 3, v)
	case []uint32:
		return appendNumbers(b, 4, v)
	case []int32:
		return appendNumbers(b, 5, v)
	case []float32:
		return appendNumbers(b, 6, v)
	case []bool:
		return appendNumbers(b, 7, v)
	case []string:
		b = le.AppendUint64(le.AppendUint32(b, 8), uint64(len(v)))
		for _, s := range v {
			b = appendString(b, s)
		}
		return b, nil
	case []uint64:
		return appendNumbers(b, 10, v)
	case []int64:
		return appendNumbers(b, 11, v)
	case []float64:
		return appendNumbers(b, 12, v)
	case []any:
		b = le.AppendUint64(le.AppendUint32(b, 9), uint64(len(v)))
		for _, x := range v {
			var err error
			if b, err = appendArray(b, x); err != nil {
				return nil, err
			}
		}
		return b, nil
	}
	return nil, fmt.Errorf("a value of type %T: want numbers, bool, string and slices of them", v)
}

func appendNumbers[E any](b []byte, kind uint32, v []E) ([]byte, error) {
	return binary.Append(le.AppendUint64(le.AppendUint32(b, kind), uint64(len(v))), le, v)
}
