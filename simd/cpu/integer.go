package cpu

import "quire/simd/dtype"

// timesInt8 is the exact product of I8 matrices.
func (e *engine) timesInt8(p product) {
	e.pool.split(p.m, 1, 8*e.pool.threads(), func(lo, hi int) {
		for i := lo; i < hi; i++ {
			for j := range p.n {
				var sum int32
				for k := range p.k {
					sum += int32(*(*int8)(p.a.ptr(i, k))) * int32(*(*int8)(p.b.ptr(j, k)))
				}
				*(*int32)(at(p.out.p, 4*(i*p.out.ldRow+j*p.out.ldCol))) = sum
			}
		}
	})
}

// packInt8 copies b, line by line.
func (e *engine) packInt8(b matrix) *packed {
	w := &packed{dt: dtype.I8, k: b.k, n: b.lines, buf: newBuffer(b.lines * b.k)}
	w.raw = matrix{p: w.buf.ptr(), dt: dtype.I8, lines: b.lines, k: b.k, lineStr: b.k, kStr: 1}
	for l := range b.lines {
		for k := range b.k {
			*(*int8)(w.raw.ptr(l, k)) = *(*int8)(b.ptr(l, k))
		}
	}
	return w
}
