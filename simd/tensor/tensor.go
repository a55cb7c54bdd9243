package tensor

import (
	"fmt"
	"strings"

	"quire/simd/dtype"
)

// MaxRank is the largest number of axes.
const MaxRank = 5

// Tensor is a view of storage. The zero Tensor means "none" in operation structs. Copying it copies the view, not the numbers; goroutines may
// share it as they would share a slice.
type Tensor struct {
	data    []byte // from the first element to the end of the storage
	dims    [MaxRank]int
	strides [MaxRank]int // in elements
	rank    uint8
	dt      dtype.Type
}

// New allocates a zeroed, 64-byte aligned, contiguous tensor on the heap.
func New(dt dtype.Type, shape ...int) Tensor { return NewIn(Heap, dt, shape...) }

// NewIn allocates a contiguous tensor in a; its contents are what a gives (Heap: zero, Arena: undefined).
func NewIn(a Allocator, dt dtype.Type, shape ...int) Tensor {
	t := describe("New", dt, shape)
	t.data = a.Alloc(dt.Bytes(t.Len()))
	return t
}

// FromBytes views data as a contiguous tensor. It panics if data is too short.
func FromBytes(dt dtype.Type, data []byte, shape ...int) Tensor {
	t := describe("FromBytes", dt, shape)
	need := dt.Bytes(t.Len())
	if len(data) < need {
		panic(fmt.Sprintf("tensor: FromBytes: %v %v needs %d bytes, has %d", dt, shape, need, len(data)))
	}
	t.data = data[:need:need]
	return t
}

// describe fills everything but the storage, checking the shape.
func describe(op string, dt dtype.Type, shape []int) Tensor {
	if dt == dtype.None || len(shape) > MaxRank {
		panic(fmt.Sprintf("tensor: %s: type %v, shape %v: want a type and at most %d axes", op, dt, shape, MaxRank))
	}
	t := Tensor{dt: dt, rank: uint8(len(shape))}
	stride := 1
	for i := len(shape) - 1; i >= 0; i-- {
		if shape[i] < 0 {
			panic(fmt.Sprintf("tensor: %s: negative axis in %v", op, shape))
		}
		t.dims[i], t.strides[i] = shape[i], stride
		stride *= max(shape[i], 1)
	}
	if b := dt.Block(); b > 1 && (len(shape) == 0 || shape[len(shape)-1]%b != 0) {
		panic(fmt.Sprintf("tensor: %s: %v %v: the last axis must be a multiple of %d", op, dt, shape, b))
	}
	return t
}

// IsZero reports whether t is the zero Tensor, which means "none".
func (t Tensor) IsZero() bool { return t.dt == dtype.None }

// DType is the element type or block format.
func (t Tensor) DType() dtype.Type { return t.dt }

// Rank is the number of axes; 0 for a scalar and for the zero Tensor.
func (t Tensor) Rank() int { return int(t.rank) }

// Dim is the length of axis i; negative i counts from the last axis.
func (t Tensor) Dim(i int) int { return t.dims[t.axis(i)] }

// Stride is the distance, in elements, between neighbours along axis i; negative i counts from the last axis.
func (t Tensor) Stride(i int) int { return t.strides[t.axis(i)] }

// Shape returns a fresh slice of the axis lengths.
func (t Tensor) Shape() []int { return append([]int(nil), t.dims[:t.rank]...) }

// Len is the number of elements.
func (t Tensor) Len() int {
	n := 1
	for _, d := range t.dims[:t.rank] {
		n *= d
	}
	return n
}

// NumBytes is the storage of Len elements, whatever the strides.
func (t Tensor) NumBytes() int { return t.dt.Bytes(t.Len()) }

// SameShape reports whether t and u have equal rank and axis lengths.
func (t Tensor) SameShape(u Tensor) bool { return t.rank == u.rank && t.dims == u.dims }

// IsContiguous reports whether the elements lie in row-major order without gaps.
func (t Tensor) IsContiguous() bool {
	stride := 1
	for i := int(t.rank) - 1; i >= 0; i-- {
		if t.dims[i] > 1 && t.strides[i] != stride {
			return t.Len() == 0
		}
		stride *= t.dims[i]
	}
	return true
}

// IsSame reports whether t and u are the same view: storage, shape, strides and type.
func (t Tensor) IsSame(u Tensor) bool {
	return t.dt == u.dt && t.SameShape(u) && t.strides == u.strides && start(t.data) == start(u.data)
}

// Overlaps reports whether the storage spanned by t and by u has a byte in common.
func (t Tensor) Overlaps(u Tensor) bool {
	a, b := t.span(), u.span()
	if len(a) == 0 || len(b) == 0 {
		return false
	}
	pa, pb := start(a), start(b)
	return pa < pb+uintptr(len(b)) && pb < pa+uintptr(len(a))
}

// String describes the tensor without its numbers: F32 [2 3].
func (t Tensor) String() string {
	if t.IsZero() {
		return "none"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%v %v", t.dt, t.dims[:t.rank])
	if !t.IsContiguous() {
		fmt.Fprintf(&b, " strides %v", t.strides[:t.rank])
	}
	return b.String()
}

// axis maps a possibly negative axis to its index.
func (t Tensor) axis(i int) int {
	j := i
	if j < 0 {
		j += int(t.rank)
	}
	if j < 0 || j >= int(t.rank) {
		panic(fmt.Sprintf("tensor: axis %d of %v", i, t))
	}
	return j
}

// span is the storage from the first element to the last, gaps included.
func (t Tensor) span() []byte {
	if t.Len() == 0 {
		return nil
	}
	last := 0
	for i, d := range t.dims[:t.rank] {
		last += (d - 1) * t.strides[i]
	}
	block := t.dt.Block()
	return t.data[:t.dt.Bytes(last/block*block+block)]
}
