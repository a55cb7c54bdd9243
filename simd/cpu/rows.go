package cpu

import (
	"unsafe"

	"quire/simd/dtype"
	"quire/simd/tensor"
)

// chunkLen is how many numbers an element-wise operation widens at a time: the buffers of four operands stay in L1.
const chunkLen = 1024

// taskLen is the least work, in numbers, that is worth a second thread (BenchmarkPoolWake).
const taskLen = 1 << 14

// run is a line of a tensor: n numbers at a fixed stride.
type run struct {
	p      unsafe.Pointer
	dt     dtype.Type
	stride int
}

func (r run) ptr(i int) unsafe.Pointer { return at(r.p, i*r.stride*r.dt.BlockBytes()) }

// lines finds the lines of the last axis of a tensor, counted in row-major order.
type lines struct {
	run
	axes          int
	dims, strides [tensor.MaxRank]int // of the axes before the last, last first; strides in elements
}

func linesOf(t tensor.Tensor) lines {
	l := lines{run: run{p: start(t.Span()), dt: t.DType(), stride: 1}}
	if t.Rank() == 0 {
		return l
	}
	l.stride = t.Stride(-1)
	for axis := t.Rank() - 2; axis >= 0; axis-- {
		l.dims[l.axes], l.strides[l.axes] = t.Dim(axis), t.Stride(axis)
		l.axes++
	}
	return l
}

// at returns line i.
func (l *lines) at(i int) run {
	off := 0
	for a := range l.axes {
		if a == l.axes-1 {
			off += i * l.strides[a]
			break
		}
		off += i % l.dims[a] * l.strides[a]
		i /= l.dims[a]
	}
	r := l.run
	r.p = at(r.p, r.dt.Bytes(off))
	return r
}

// lineOf returns line i of t.
func lineOf(t tensor.Tensor, i int) run {
	l := linesOf(t)
	return l.at(i)
}

// load returns numbers lo to hi−1 as float32: the tensor's own if they are, else in tmp.
func (ks *kernels) load(tmp []float32, r run, lo, hi int) []float32 {
	if r.dt == dtype.F32 && r.stride == 1 {
		return f32s(r.ptr(lo), hi-lo)
	}
	tmp = tmp[:hi-lo]
	if r.stride == 1 {
		ks.toF32(tmp, r.dt, r.ptr(lo))
		return tmp
	}
	for i := range tmp {
		ks.toF32(tmp[i:i+1], r.dt, r.ptr(lo+i))
	}
	return tmp
}

// target returns where numbers lo to hi−1 can be computed; store completes them.
func target(tmp []float32, r run, lo, hi int) []float32 {
	if r.dt == dtype.F32 && r.stride == 1 {
		return f32s(r.ptr(lo), hi-lo)
	}
	return tmp[:hi-lo]
}

func (ks *kernels) store(r run, lo int, x []float32) {
	if r.stride == 1 {
		if r.dt != dtype.F32 {
			ks.fromF32(r.ptr(lo), r.dt, x)
		}
		return
	}
	for i := range x {
		ks.fromF32(r.ptr(lo+i), r.dt, x[i:i+1])
	}
}

// temps are buffers of chunkLen numbers for the operands of one task.
type temps [5][]float32

func (e *engine) temps(n int) (t temps, free func()) {
	buf := e.scratch.get(len(t) * n * 4)
	all := f32s(buf.ptr(), len(t)*n)
	for i := range t {
		t[i] = all[i*n : (i+1)*n : (i+1)*n]
	}
	return t, func() { e.scratch.put(buf) }
}

// each calls do for pieces of at most chunkLen numbers of equally shaped tensors: do gets one run for each tensor and the range.
func (e *engine) each(do func(t temps, lines []run, lo, hi int), ts ...tensor.Tensor) {
	count, n := lineCount(ts)
	if count*n == 0 {
		return
	}
	parts := max(1, min(8*e.pool.threads(), count*n/taskLen))
	body := func(i0, i1, lo, hi int) {
		t, free := e.temps(chunkLen)
		defer free()
		lines := make([]run, len(ts))
		for i := i0; i < i1; i++ {
			for k, x := range ts {
				lines[k] = lineOf(x, i)
			}
			for at := lo; at < hi; at += chunkLen {
				do(t, lines, at, min(hi, at+chunkLen))
			}
		}
	}
	if count == 1 {
		e.pool.split(n, 64, parts, func(lo, hi int) { body(0, 1, lo, hi) })
		return
	}
	e.pool.split(count, 1, parts, func(i0, i1 int) { body(i0, i1, 0, n) })
}

// lineCount returns the number and length of lines; contiguous tensors are made one line.
func lineCount(ts []tensor.Tensor) (count, n int) {
	total := ts[0].Len()
	flat := true
	for _, t := range ts {
		flat = flat && t.IsContiguous()
	}
	if flat || total == 0 {
		for i, t := range ts {
			ts[i] = t.Reshape(total)
		}
		return 1, total
	}
	n = ts[0].Dim(-1)
	return total / n, n
}

// eachRow calls do for each row of the last axis of equally shaped tensors with stride 1 there: norms, softmax.
func (e *engine) eachRow(rows, n int, do func(t temps, i int)) {
	parts := max(1, min(8*e.pool.threads(), rows*n/taskLen))
	e.pool.split(rows, 1, parts, func(lo, hi int) {
		t, free := e.temps(n)
		defer free()
		for i := lo; i < hi; i++ {
			do(t, i)
		}
	})
}
