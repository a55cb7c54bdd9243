package cpu

import (
	"sync"
	"unsafe"

	"quire/simd/dtype"
	"quire/simd/tensor"
)

// view is a matrix of a float type in memory, strides in elements.
type view struct {
	p            unsafe.Pointer
	dt           dtype.Type
	ldRow, ldCol int
}

func (v view) ptr(i, j int) unsafe.Pointer {
	return at(v.p, (i*v.ldRow+j*v.ldCol)*v.dt.BlockBytes())
}

// output is where a product goes and what happens on the way: act(alpha·c + bias) + residual.
type output struct {
	view
	alpha    float32
	bias     []float32
	residual view // p nil: none
	act      tensor.Activation
}

// plain reports that products are stored as they are.
func (o *output) plain() bool {
	return o.alpha == 1 && o.bias == nil && o.residual.p == nil && o.act == tensor.Identity
}

// accumulates reports that the product is added to what the output holds, in float32: kernels can do that themselves.
func (o *output) accumulates() bool {
	return o.residual == o.view && o.dt == dtype.F32 && o.ldCol == 1 && o.alpha == 1 && o.bias == nil && o.act == tensor.Identity
}

// direct reports whether kernels may write their tiles, all of them whole, to the output itself.
func (o *output) direct(whole bool) bool {
	return whole && o.dt == dtype.F32 && o.ldCol == 1 && o.residual.p == nil
}

// epilogue takes products to the output, some columns wide.
type epilogue struct {
	e    *engine
	o    *output
	cols int
	tmp  *buffer  // a row, where a residual or a strided output needs it
	fast rowStore // to BF16, where nothing else happens on the way
}

// epilogues are reused: a token's products have a thousand tasks.
var epilogues = sync.Pool{New: func() any { return new(epilogue) }}

func newEpilogue(e *engine, o *output, cols int) *epilogue {
	end := epilogues.Get().(*epilogue)
	end.e, end.o, end.cols = e, o, cols
	if o.residual.p != nil || o.ldCol != 1 {
		end.tmp = e.scratch.get(cols * 4)
	}
	return end
}

func (end *epilogue) free() {
	if end.tmp != nil {
		end.e.scratch.put(end.tmp)
	}
	*end = epilogue{}
	epilogues.Put(end)
}

// finish takes rows i0 to i1−1 and the columns from j0 on from c, with ld numbers a row.
func (end *epilogue) finish(c unsafe.Pointer, ld, i0, i1, j0 int, direct bool) {
	e, o := end.e, end.o
	if direct && o.plain() {
		return
	}
	if o.dt == dtype.BF16 && o.ldCol == 1 && o.bias == nil && o.residual.p == nil && o.act == tensor.Identity && e.ks.attn != nil {
		end.narrow(c, ld, i0, i1, j0)
		return
	}
	var tmp []float32
	if end.tmp != nil {
		tmp = f32s(end.tmp.ptr(), end.cols)
	}
	own := !direct && o.dt == dtype.F32 && o.ldCol == 1 // the output's own rows can take the last sum
	for i := i0; i < i1; i++ {
		row := f32s(at(c, (i-i0)*ld*4), end.cols)
		if o.alpha != 1 {
			e.ks.affine(row, row, o.alpha, 0)
		}
		if o.bias != nil {
			e.ks.add(row, row, o.bias[j0:j0+end.cols])
		}
		if o.act != tensor.Identity {
			e.ks.activate(o.act, row)
		}
		switch {
		case o.residual.p != nil && own:
			e.ks.add(f32s(o.ptr(i, j0), end.cols), row, e.ks.gather(tmp, o.residual, i, j0))
			continue
		case o.residual.p != nil:
			e.ks.add(row, row, e.ks.gather(tmp, o.residual, i, j0))
		}
		if !direct {
			e.ks.scatter(o.view, i, j0, row)
		}
	}
}

// narrow rounds rows to BF16.
func (end *epilogue) narrow(c unsafe.Pointer, ld, i0, i1, j0 int) {
	end.fast = rowStore{o: c, out: end.o.ptr(i0, j0), factor: unsafe.Pointer(&end.o.alpha), rows: i1 - i0, oBytes: ld * 4, outBytes: end.cols * 2, group: 1, tokenBytes: end.o.ldRow * 2}
	end.e.ks.attn.store(unsafe.Pointer(&end.fast))
}

// gather returns len(tmp) numbers of row i of v as float32: its own if they are, else in tmp.
func (ks *kernels) gather(tmp []float32, v view, i, j0 int) []float32 {
	return ks.load(tmp, run{v.ptr(i, j0), v.dt, v.ldCol}, 0, len(tmp))
}

// scatter writes part of row i of v.
func (ks *kernels) scatter(v view, i, j0 int, src []float32) {
	if v.ldCol == 1 {
		ks.fromF32(v.ptr(i, j0), v.dt, src)
		return
	}
	for j := range src {
		ks.fromF32(v.ptr(i, j0+j), v.dt, src[j:j+1])
	}
}
