package cpu

import (
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

// finish takes rows i0 to i1−1 and columns j0 to j1−1 from c, with ld numbers a row, to the output.
func (o *output) finish(e *engine, c unsafe.Pointer, ld, i0, i1, j0, j1 int, direct bool) {
	if direct && o.plain() {
		return
	}
	own := !direct && o.dt == dtype.F32 && o.ldCol == 1 // the output's own rows can take the last sum
	var tmp []float32
	if o.residual.p != nil || o.ldCol != 1 {
		buf := e.scratch.get((j1 - j0) * 4)
		defer e.scratch.put(buf)
		tmp = f32s(buf.ptr(), j1-j0)
	}
	for i := i0; i < i1; i++ {
		row := f32s(at(c, (i-i0)*ld*4), j1-j0)
		if o.alpha != 1 {
			e.ks.affine(row, row, o.alpha, 0)
		}
		if o.bias != nil {
			e.ks.add(row, row, o.bias[j0:j1])
		}
		if o.act != tensor.Identity {
			e.ks.activate(o.act, row)
		}
		switch {
		case o.residual.p != nil && own:
			e.ks.add(f32s(o.ptr(i, j0), j1-j0), row, e.ks.gather(tmp, o.residual, i, j0))
			continue
		case o.residual.p != nil:
			e.ks.add(row, row, e.ks.gather(tmp, o.residual, i, j0))
		}
		if !direct {
			e.ks.scatter(o.view, i, j0, row)
		}
	}
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
