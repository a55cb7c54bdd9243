package cpu

import (
	"unsafe"

	"quire/simd/dtype"
	"quire/simd/tensor"
)

// kv is a paged cache: [page][head][slot of the page][d], keys and values apart, so that a page of one head is one piece.
type kv struct {
	c    tensor.KVConfig
	e    *engine
	data [2]*buffer
}

// NewKV makes a cache of zeros.
func (b *Backend) NewKV(c tensor.KVConfig) tensor.KV {
	if err := c.Validate(); err != nil {
		panic(err.Error())
	}
	n := c.DType.Bytes(c.Pages * c.PageSize * c.KVHeads * c.HeadDim)
	return &kv{c: c, e: b.e, data: [2]*buffer{newBuffer(n), newBuffer(n)}}
}

func (c *kv) Config() tensor.KVConfig { return c.c }
func (c *kv) Bytes() int              { return len(c.data[0].data) + len(c.data[1].data) }

// row is the place of one key (i = 0) or value (i = 1).
func (c *kv) row(i, page, head, slot int) unsafe.Pointer {
	n := c.c.DType.Bytes(c.c.HeadDim)
	return at(c.data[i].ptr(), ((page*c.c.KVHeads+head)*c.c.PageSize+slot)*n)
}

// each calls do for every key and value of the tokens.
func (c *kv) each(k, v, slots tensor.Tensor, do func(tmp []float32, stored []byte, given run)) {
	tensor.CheckKV(c.c, k, v, slots)
	d, heads, places := c.c.HeadDim, c.c.KVHeads, slots.I32()
	c.e.eachRow(k.Dim(0), heads*d, func(t temps, i int) {
		page, slot := int(places[i])/c.c.PageSize, int(places[i])%c.c.PageSize
		for head := range heads {
			for which, x := range [2]tensor.Tensor{k, v} {
				do(t[0][:d], bytesAt(c.row(which, page, head, slot), c.c.DType.Bytes(d)), lineOf(x, i*heads+head))
			}
		}
	})
}

// Write stores tokens.
func (c *kv) Write(k, v, slots tensor.Tensor) {
	c.each(k, v, slots, func(tmp []float32, stored []byte, given run) {
		if given.dt == c.c.DType {
			copy(stored, bytesAt(given.p, len(stored)))
			return
		}
		x := c.e.ks.load(tmp, given, 0, c.c.HeadDim)
		if c.c.DType.IsBlock() {
			dtype.Quantize(stored, c.c.DType, x)
		} else {
			c.e.ks.fromF32(unsafe.Pointer(&stored[0]), c.c.DType, x)
		}
	})
}

// Read fetches tokens.
func (c *kv) Read(k, v, slots tensor.Tensor) {
	c.each(k, v, slots, func(tmp []float32, stored []byte, given run) {
		if given.dt == c.c.DType {
			copy(bytesAt(given.p, len(stored)), stored)
			return
		}
		dtype.Dequantize(tmp, c.c.DType, stored)
		c.e.ks.scatterLine(given, tmp)
	})
}

// CopyPages copies whole pages.
func (c *kv) CopyPages(dst, src []int32) {
	tensor.CheckPages(c.c, dst, src)
	n := c.c.KVHeads * c.c.PageSize * c.c.DType.Bytes(c.c.HeadDim)
	for i := range dst {
		for which := range c.data {
			copy(bytesAt(c.row(which, int(dst[i]), 0, 0), n), bytesAt(c.row(which, int(src[i]), 0, 0), n))
		}
	}
}

// lines returns keys or values j0 to j1−1 of one head, gathered in tmp where they lie in several pages.
func (c *kv) lines(tmp unsafe.Pointer, pages []int32, head, j0, j1 int, values bool) matrix {
	which, p, d, n := 0, c.c.PageSize, c.c.HeadDim, c.c.DType.Bytes(c.c.HeadDim)
	if values {
		which = 1
	}
	m := matrix{p: tmp, dt: c.c.DType, lines: j1 - j0, k: d, lineStr: d, kStr: 1}
	if j0/p == (j1-1)/p {
		m.p = c.row(which, int(pages[j0/p]), head, j0%p)
	} else {
		for j := j0; j < j1; {
			next := min(j1, (j/p+1)*p)
			copy(bytesAt(at(tmp, (j-j0)*n), (next-j)*n), bytesAt(c.row(which, int(pages[j/p]), head, j%p), (next-j)*n))
			j = next
		}
	}
	if !m.dt.IsBlock() {
		return m
	}
	wide := make([]float32, m.lines*d)
	dtype.Dequantize(wide, m.dt, bytesAt(m.p, m.lines*n))
	m.p, m.dt = unsafe.Pointer(unsafe.SliceData(wide)), dtype.F32
	return m
}
