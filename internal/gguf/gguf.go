// Package gguf reads and writes the head of GGUF files: metadata and the table of tensors. What the tensors hold is
// lib/checkpoint's business, what the vocabulary means lib/token's; both read files through this package.
//
// A file is (github.com/ggml-org/ggml, docs/gguf.md, version 3): the magic "GGUF", the version, the numbers of tensors and of keys, the
// keys with typed values, the table (name, axes with the fastest first, type code, offset), padding to the alignment, and the data,
// whose offsets count from there. All is little-endian. Version 2 has the same layout; version 1, with 32-bit lengths, is refused.
//
// Values are Go's: uint8, int8, uint16, int16, uint32, int32, float32, bool, string, uint64, int64, float64, slices of them, and []any for
// arrays of arrays.
//
// **Invariant:** what Parse allocates is bounded by a small multiple of the bytes it is given; no input makes it panic.
// **Invariant:** Parse(Append(nil, h)) gives h back.
package gguf

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"unsafe"
)

// Head is what precedes the data of a file.
type Head struct {
	Meta    map[string]any
	Tensors []Tensor
	Align   int // general.alignment, 32 where the file has none
	Data    int // byte at which the data begin
}

// Tensor is a row of the table.
type Tensor struct {
	Name   string
	Dims   []int // fastest axis first, as in the file
	Type   uint32
	Offset uint64 // from Head.Data
}

const (
	magic        = "GGUF"
	defaultAlign = 32
	maxDims      = 8
	maxDepth     = 4
)

// Parse reads the head of a file, given its bytes or enough of the first of them.
func Parse(data []byte) (*Head, error) {
	d := &decoder{data: data}
	tensors, keys, err := d.preamble()
	if err != nil {
		return nil, err
	}
	h := &Head{Align: defaultAlign}
	if h.Meta, err = d.meta(keys); err != nil {
		return nil, err
	}
	if v, ok := h.Meta["general.alignment"]; ok {
		n, ok := v.(uint32)
		if !ok || n == 0 || n&(n-1) != 0 || n > 1<<20 {
			return nil, fmt.Errorf("general.alignment is %v: want a power of two", v)
		}
		h.Align = int(n)
	}
	if h.Tensors, err = d.table(tensors); err != nil {
		return nil, err
	}
	h.Data = (d.pos + h.Align - 1) / h.Align * h.Align
	return h, nil
}

// ParseMeta reads the metadata alone. The error wraps io.ErrUnexpectedEOF if data ends within it: more of the file may help.
func ParseMeta(data []byte) (map[string]any, error) {
	d := &decoder{data: data}
	_, keys, err := d.preamble()
	if err != nil {
		return nil, err
	}
	return d.meta(keys)
}

// decoder walks over the bytes; the first error stays.
type decoder struct {
	data []byte
	pos  int
	err  error
}

func (d *decoder) preamble() (tensors, keys uint64, err error) {
	head := d.take(24)
	if d.err != nil || string(head[:4]) != magic {
		return 0, 0, fmt.Errorf("it does not begin with %s", magic)
	}
	if v := binary.LittleEndian.Uint32(head[4:]); v < 2 || v > 3 {
		return 0, 0, fmt.Errorf("GGUF version %d: want 2 or 3", v)
	}
	return binary.LittleEndian.Uint64(head[8:]), binary.LittleEndian.Uint64(head[16:]), nil
}

func (d *decoder) meta(n uint64) (map[string]any, error) {
	d.room(n, 13, "metadata keys")
	meta := map[string]any{}
	for i := uint64(0); i < n && d.err == nil; i++ {
		at := d.pos
		key := d.string()
		value := d.value(d.u32(), 0)
		if _, twice := meta[key]; twice && d.err == nil {
			d.err = fmt.Errorf("it appears twice")
		}
		if d.err != nil {
			return nil, fmt.Errorf("metadata key %.60q at byte %d: %w", key, at, d.err)
		}
		meta[key] = value
	}
	return meta, d.err
}

func (d *decoder) table(n uint64) ([]Tensor, error) {
	d.room(n, 24, "tensors")
	if d.err != nil {
		return nil, d.err
	}
	list := make([]Tensor, 0, n)
	for range n {
		at := d.pos
		t := Tensor{Name: d.string()}
		dims := d.u32()
		if dims > maxDims {
			d.fail("%d axes: want at most %d", dims, maxDims)
		}
		for i := uint32(0); i < dims && d.err == nil; i++ {
			v := d.u64()
			if v > 1<<56 {
				d.fail("an axis of %d", v)
			}
			t.Dims = append(t.Dims, int(v))
		}
		t.Type, t.Offset = d.u32(), d.u64()
		if d.err != nil {
			return nil, fmt.Errorf("tensor %.60q at byte %d: %w", t.Name, at, d.err)
		}
		list = append(list, t)
	}
	return list, nil
}

func (d *decoder) fail(format string, args ...any) {
	if d.err == nil {
		d.err = fmt.Errorf(format, args...)
	}
}

// room fails unless n things of at least size bytes can follow.
func (d *decoder) room(n uint64, size int, what string) bool {
	if d.err == nil && n > uint64((len(d.data)-d.pos)/size) {
		d.err = fmt.Errorf("%d %s at byte %d, %d bytes follow: %w", n, what, d.pos, len(d.data)-d.pos, io.ErrUnexpectedEOF)
	}
	return d.err == nil
}

// zeros is what take gives after an error.
var zeros [24]byte

func (d *decoder) take(n int) []byte {
	if d.err == nil && n > len(d.data)-d.pos {
		d.err = fmt.Errorf("%d bytes at byte %d, %d follow: %w", n, d.pos, len(d.data)-d.pos, io.ErrUnexpectedEOF)
	}
	if d.err != nil {
		return zeros[:min(n, len(zeros))]
	}
	d.pos += n
	return d.data[d.pos-n : d.pos]
}

func (d *decoder) u32() uint32 { return binary.LittleEndian.Uint32(d.take(4)) }

func (d *decoder) u64() uint64 { return binary.LittleEndian.Uint64(d.take(8)) }

func (d *decoder) string() string {
	n := d.u64()
	if !d.room(n, 1, "bytes of a string") {
		return ""
	}
	return string(d.take(int(n)))
}

// value reads one value of a type code.
func (d *decoder) value(kind uint32, depth int) any {
	switch kind {
	case 0:
		return d.take(1)[0]
	case 1:
		return int8(d.take(1)[0])
	case 2:
		return binary.LittleEndian.Uint16(d.take(2))
	case 3:
		return int16(binary.LittleEndian.Uint16(d.take(2)))
	case 4:
		return d.u32()
	case 5:
		return int32(d.u32())
	case 6:
		return math.Float32frombits(d.u32())
	case 7:
		return d.take(1)[0] != 0
	case 8:
		return d.string()
	case 9:
		return d.array(depth)
	case 10:
		return d.u64()
	case 11:
		return int64(d.u64())
	case 12:
		return math.Float64frombits(d.u64())
	}
	d.fail("value type %d at byte %d: want 0 to 12", kind, d.pos)
	return nil
}

func (d *decoder) array(depth int) any {
	kind, n := d.u32(), d.u64()
	switch kind {
	case 0:
		return numbers[uint8](d, n)
	case 1:
		return numbers[int8](d, n)
	case 2:
		return numbers[uint16](d, n)
	case 3:
		return numbers[int16](d, n)
	case 4:
		return numbers[uint32](d, n)
	case 5:
		return numbers[int32](d, n)
	case 6:
		return numbers[float32](d, n)
	case 7:
		bytes := numbers[uint8](d, n)
		out := make([]bool, len(bytes))
		for i, b := range bytes {
			out[i] = b != 0
		}
		return out
	case 8:
		return d.strings(n)
	case 9:
		return d.arrays(n, depth)
	case 10:
		return numbers[uint64](d, n)
	case 11:
		return numbers[int64](d, n)
	case 12:
		return numbers[float64](d, n)
	}
	d.fail("an array of type %d at byte %d: want 0 to 12", kind, d.pos)
	return nil
}

// numbers copies n little-endian numbers.
func numbers[E any](d *decoder, n uint64) []E {
	size := int(unsafe.Sizeof(*new(E)))
	if !d.room(n, size, "numbers") {
		return nil
	}
	out := make([]E, n)
	if _, err := binary.Decode(d.take(int(n)*size), binary.LittleEndian, out); err != nil {
		d.fail("numbers at byte %d: %v", d.pos, err)
	}
	return out
}

// strings reads an array of strings as parts of one: vocabularies have hundreds of thousands.
func (d *decoder) strings(n uint64) []string {
	if !d.room(n, 8, "strings") {
		return nil
	}
	first := d.pos
	for i := uint64(0); i < n && d.err == nil; i++ {
		if size := d.u64(); d.room(size, 1, "bytes of a string") {
			d.pos += int(size)
		}
	}
	if d.err != nil {
		return nil
	}
	all, out := string(d.data[first:d.pos]), make([]string, n)
	for i, at := 0, 0; i < len(out); i++ {
		size := int(binary.LittleEndian.Uint64(d.data[first+at:]))
		out[i] = all[at+8 : at+8+size]
		at += 8 + size
	}
	return out
}

func (d *decoder) arrays(n uint64, depth int) []any {
	if depth >= maxDepth {
		d.fail("arrays within %d arrays at byte %d", depth, d.pos)
	}
	if !d.room(n, 12, "arrays") {
		return nil
	}
	out := make([]any, 0, n)
	for i := uint64(0); i < n && d.err == nil; i++ {
		out = append(out, d.array(depth+1))
	}
	return out
}
