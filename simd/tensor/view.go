package tensor

import (
	"fmt"

	"quire/simd/dtype"
)

// Slice is the view of elements lo to hi−1 of axis i. On the blocked axis of a block format lo and hi must be multiples of the block.
func (t Tensor) Slice(i, lo, hi int) Tensor {
	i = t.axis(i)
	if lo < 0 || hi < lo || hi > t.dims[i] {
		panic(fmt.Sprintf("tensor: Slice: %d:%d of axis %d of %v", lo, hi, i, t))
	}
	if b := t.dt.Block(); t.strides[i] == 1 && (lo%b != 0 || hi%b != 0) {
		panic(fmt.Sprintf("tensor: Slice: %d:%d of axis %d of %v cuts a block", lo, hi, i, t))
	}
	if lo < hi && t.Len() > 0 {
		t.data = t.data[t.dt.Bytes(lo*t.strides[i]):]
	}
	t.dims[i] = hi - lo
	return t
}

// Index is the view of element j of axis 0, with that axis gone: row j of a matrix.
func (t Tensor) Index(j int) Tensor {
	if t.rank == 0 || j < 0 || j >= t.dims[0] {
		panic(fmt.Sprintf("tensor: Index: %d of %v", j, t))
	}
	if t.dt.IsBlock() && t.strides[0] == 1 {
		panic(fmt.Sprintf("tensor: Index: axis 0 of %v is blocked", t))
	}
	if t.Len() > 0 {
		t.data = t.data[t.dt.Bytes(j*t.strides[0]):]
	}
	copy(t.dims[:], t.dims[1:t.rank])
	copy(t.strides[:], t.strides[1:t.rank])
	t.rank--
	t.dims[t.rank], t.strides[t.rank] = 0, 0
	return t
}

// T exchanges the last two axes.
func (t Tensor) T() Tensor { return t.Transpose(-2, -1) }

// Transpose exchanges axes i and j.
func (t Tensor) Transpose(i, j int) Tensor {
	i, j = t.axis(i), t.axis(j)
	t.dims[i], t.dims[j] = t.dims[j], t.dims[i]
	t.strides[i], t.strides[j] = t.strides[j], t.strides[i]
	return t
}

// Reshape views a contiguous tensor under another shape of equal length; one axis may be −1 and is computed.
func (t Tensor) Reshape(shape ...int) Tensor {
	want := append([]int(nil), shape...)
	known, free := 1, -1
	for i, d := range want {
		if d == -1 && free < 0 {
			free = i
		} else {
			known *= d
		}
	}
	if free >= 0 && known > 0 {
		want[free] = t.Len() / known
	}
	u := describe("Reshape", t.dt, want)
	if u.Len() != t.Len() || !t.IsContiguous() {
		panic(fmt.Sprintf("tensor: Reshape: %v to %v", t, shape))
	}
	u.data = t.data
	return u
}

// Broadcast views t under a larger shape: missing leading axes and axes of length 1 get stride 0. The view is read-only.
func (t Tensor) Broadcast(shape ...int) Tensor {
	u := describe("Broadcast", t.dt, shape)
	u.data, u.strides = t.data, [MaxRank]int{}
	lead := len(shape) - int(t.rank)
	for i := range int(t.rank) {
		switch {
		case lead < 0 || t.dims[i] != 1 && t.dims[i] != shape[lead+i]:
			panic(fmt.Sprintf("tensor: Broadcast: %v to %v", t, shape))
		case t.dims[i] == shape[lead+i]:
			u.strides[lead+i] = t.strides[i]
		}
	}
	return u
}

// Bytes is the storage of a contiguous tensor.
func (t Tensor) Bytes() []byte {
	if !t.IsContiguous() {
		panic(fmt.Sprintf("tensor: Bytes: %v is not contiguous", t))
	}
	return t.data[:t.NumBytes():t.NumBytes()]
}

// Span is the storage from the first element to the last, gaps included: with Dim and Stride it is all that a kernel needs.
func (t Tensor) Span() []byte { return t.span() }

// F32 is the storage from the first element to the last as float32, gaps included: the elements themselves if t is contiguous.
func (t Tensor) F32() []float32 { t.must(dtype.F32); return cast[float32](t.span()) }

// U16 is F32 for the bits of F16 and BF16.
func (t Tensor) U16() []uint16 {
	if t.dt != dtype.F16 {
		t.must(dtype.BF16)
	}
	return cast[uint16](t.span())
}

// I32 is F32 for I32.
func (t Tensor) I32() []int32 { t.must(dtype.I32); return cast[int32](t.span()) }

// I8 is F32 for I8.
func (t Tensor) I8() []int8 { t.must(dtype.I8); return cast[int8](t.span()) }

func (t Tensor) must(dt dtype.Type) {
	if t.dt != dt {
		panic(fmt.Sprintf("tensor: %v read as %v", t, dt))
	}
}

// Floats returns the elements in row-major order as fresh float32, whatever the type and strides: for looking at, not for kernels.
func (t Tensor) Floats() []float32 {
	out := make([]float32, 0, t.Len())
	t.walk(t.data, 0, func(data []byte, n int) {
		at := len(out)
		out = out[:at+n]
		dtype.Dequantize(out[at:], t.dt, data)
	})
	return out
}

// SetFloats writes x, in row-major order, rounded or quantised to t's type.
func (t Tensor) SetFloats(x []float32) {
	if len(x) != t.Len() {
		panic(fmt.Sprintf("tensor: SetFloats: %d numbers into %v", len(x), t))
	}
	t.walk(t.data, 0, func(data []byte, n int) {
		dtype.Quantize(data, t.dt, x[:n])
		x = x[n:]
	})
}

// walk calls f for every run of n consecutive elements, in row-major order.
func (t Tensor) walk(data []byte, axis int, f func(data []byte, n int)) {
	if t.Len() == 0 {
		return
	}
	if t.dt.IsBlock() && t.rank > 0 && t.strides[t.rank-1] != 1 {
		panic(fmt.Sprintf("tensor: %v: the last axis is not the blocked one", t))
	}
	if axis == int(t.rank) {
		f(data, 1)
		return
	}
	if axis == int(t.rank)-1 && t.strides[axis] == 1 {
		f(data, t.dims[axis])
		return
	}
	for i := range t.dims[axis] {
		t.walk(data[t.dt.Bytes(i*t.strides[axis]):], axis+1, f)
	}
}
