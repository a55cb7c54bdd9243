package cpu

import (
	"runtime"
	"unsafe"

	"quire/simd/dtype"
	"quire/simd/internal/check"
	"quire/simd/tensor"
)

// kv is a paged cache: [head][page][slot of the page][d], keys and values apart, so that pages in order are one stream for the prefetch of the kernels. Where a level multiplies BF16
// and the sizes allow it, that piece is kept in panels, as the products of attention want it: keys are columns, values are rows.
type kv struct {
	c      tensor.KVConfig
	e      *engine
	panels *tile // nil: row by row
	data   [2]*buffer
}

// NewKV makes a cache of zeros.
func (b *Backend) NewKV(c tensor.KVConfig) tensor.KV {
	if err := c.Validate(); err != nil {
		panic(err.Error())
	}
	n := c.Pages * c.PageSize * c.KVHeads * c.RowBytes()
	cache := &kv{c: c, e: b.e, data: [2]*buffer{newBuffer(n + prefetchSlack), newBuffer(n + prefetchSlack)}}
	if t := &b.e.ks.bf16; c.DType == dtype.BF16 && t.nr > 0 && c.PageSize%t.nr == 0 && c.HeadDim%t.nr == 0 {
		cache.panels = t
	}
	return cache
}

func (c *kv) Config() tensor.KVConfig { return c.c }
func (c *kv) Bytes() int              { return len(c.data[0].data) + len(c.data[1].data) - 2*prefetchSlack }

// row is the place of one key (i = 0) or value (i = 1).
func (c *kv) row(i, page, head, slot int) unsafe.Pointer {
	n := c.c.RowBytes()
	return at(c.data[i].ptr(), ((head*c.c.Pages+page)*c.c.PageSize+slot)*n)
}

// each calls do for every key and value of the tokens; stored is where it lies, or a copy that is put back if write is set.
func (c *kv) each(write bool, k, v, slots tensor.Tensor, do func(tmp []float32, stored []byte, given run)) {
	check.KV(c.c, k, v, slots)
	d, heads, places := c.c.HeadDim, c.c.KVHeads, slots.I32()
	given := [2]lines{linesOf(k), linesOf(v)}
	c.e.eachRow(k.Dim(0), heads*d, func(t temps, i int) {
		page, slot := int(places[i])/c.c.PageSize, int(places[i])%c.c.PageSize
		for head := range heads {
			for which := range given {
				if c.panels == nil {
					do(t[0][:d], bytesAt(c.row(which, page, head, slot), c.c.RowBytes()), given[which].at(i*heads+head))
					continue
				}
				row := u16s(start(t[1]), d)
				if !write {
					c.fetch(which, page, head, slot, row)
				}
				do(t[0][:d], bytesAt(start(row), 2*d), given[which].at(i*heads+head))
				if write {
					c.put(which, page, head, slot, row)
				}
			}
		}
	})
	runtime.KeepAlive(c)
}

// put writes one key or value, row, to its panels, two numbers of a key or one of a value at a time.
func (c *kv) put(which, page, head, slot int, row []uint16) {
	nr, base := c.panels.nr, c.row(which, page, head, 0)
	if which == 0 {
		p := at(base, (slot/nr*len(row)/2*nr+slot%nr)*4)
		for _, pair := range unsafe.Slice((*uint32)(start(row)), len(row)/2) {
			*(*uint32)(p) = pair
			p = at(p, 4*nr)
		}
		return
	}
	for ; len(row) > 0; row = row[nr:] {
		out := u16s(at(base, slot/2*nr*4), 2*nr)[slot%2:]
		for i, v := range row[:nr] {
			out[2*i] = v
		}
		base = at(base, c.c.PageSize*nr*2)
	}
}

// fetch is the inverse of put.
func (c *kv) fetch(which, page, head, slot int, row []uint16) {
	nr, base := c.panels.nr, c.row(which, page, head, 0)
	if which == 0 {
		p := at(base, (slot/nr*len(row)/2*nr+slot%nr)*4)
		pairs := unsafe.Slice((*uint32)(start(row)), len(row)/2)
		for i := range pairs {
			pairs[i] = *(*uint32)(p)
			p = at(p, 4*nr)
		}
		return
	}
	for ; len(row) > 0; row = row[nr:] {
		in := u16s(at(base, slot/2*nr*4), 2*nr)[slot%2:]
		for i := range row[:nr] {
			row[i] = in[2*i]
		}
		base = at(base, c.c.PageSize*nr*2)
	}
}

// keyPanel is the panel of key j, the first of its panel.
func (c *kv) keyPanel(pages []int32, head, j int) unsafe.Pointer {
	return at(c.row(0, int(pages[j/c.c.PageSize]), head, 0), j%c.c.PageSize*c.c.HeadDim*2)
}

// valuePanels copies the values of keys j0 to j1−1, j0 a multiple of a panel, to panels of d as packRight would write them, with zeros for keys before lo
// and after the last.
func (c *kv) valuePanels(dst unsafe.Pointer, pages []int32, head, lo, j0, j1 int) {
	nr, steps := c.panels.nr, (j1-j0+1)/2
	row := make([]uint16, c.c.HeadDim)
	clear(f32s(dst, steps*c.c.HeadDim))
	for j := max(lo, j0); j < j1; j++ {
		c.fetch(1, int(pages[j/c.c.PageSize]), head, j%c.c.PageSize, row)
		for i, v := range row {
			u16s(dst, 2*steps*c.c.HeadDim)[((i/nr*steps+(j-j0)/2)*nr+i%nr)*2+(j-j0)%2] = v
		}
	}
}

// Write stores tokens.
func (c *kv) Write(k, v, slots tensor.Tensor) {
	c.each(true, k, v, slots, func(tmp []float32, stored []byte, given run) {
		if given.dt == c.c.DType && c.c.Bits == 0 {
			copy(stored, bytesAt(given.p, len(stored)))
			return
		}
		x := c.e.ks.load(tmp, given, 0, c.c.HeadDim)
		switch {
		case c.c.Bits > 0:
			dtype.QuantizeAsymmetric(stored, c.c.Bits, x)
		case c.c.DType.IsBlock():
			dtype.Quantize(stored, c.c.DType, x)
		default:
			c.e.ks.fromF32(unsafe.Pointer(&stored[0]), c.c.DType, x)
		}
	})
}

// Read fetches tokens.
func (c *kv) Read(k, v, slots tensor.Tensor) {
	c.each(false, k, v, slots, func(tmp []float32, stored []byte, given run) {
		if given.dt == c.c.DType && c.c.Bits == 0 {
			copy(bytesAt(given.p, len(stored)), stored)
			return
		}
		c.widen(tmp, stored)
		c.e.ks.scatterLine(given, tmp)
	})
}

// widen writes a stored key or value as float32.
func (c *kv) widen(dst []float32, stored []byte) {
	if c.c.Bits > 0 {
		dtype.DequantizeAsymmetric(dst, c.c.Bits, stored)
	} else {
		dtype.Dequantize(dst, c.c.DType, stored)
	}
}

// CopyPages copies whole pages.
func (c *kv) CopyPages(dst, src []int32) {
	check.Pages(c.c, dst, src)
	n := c.c.PageSize * c.c.RowBytes()
	for i := range dst {
		for head := range c.c.KVHeads {
			for which := range c.data {
				copy(bytesAt(c.row(which, int(dst[i]), head, 0), n), bytesAt(c.row(which, int(src[i]), head, 0), n))
			}
		}
	}
	runtime.KeepAlive(c)
}

// widened is the conversion to BF16 of a cache of blocks, where attention computes in BF16.
func (c *kv) widened() func(n int, out, x unsafe.Pointer) {
	if attn := c.e.ks.attn; attn != nil && c.c.HeadDim%c.e.ks.bf16.nr == 0 {
		return attn.widen[c.c.DType]
	}
	return nil
}

// lines returns keys or values j0 to j1−1 of one head, gathered in tmp where they lie in several pages; a block of keys of float32 behind it is for what they become.
func (c *kv) lines(tmp unsafe.Pointer, pages []int32, head, j0, j1 int, values bool) matrix {
	which, p, d, n := 0, c.c.PageSize, c.c.HeadDim, c.c.RowBytes()
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
	if !m.dt.IsBlock() && c.c.Bits == 0 {
		return m
	}
	if widen := c.widened(); widen != nil {
		blocks := m.lines * d / m.dt.Block()
		widen(blocks, at(tmp, keyBlock*d*4), m.p)
		m.p, m.dt = at(tmp, keyBlock*d*4), dtype.BF16
		return m
	}
	wide := make([]float32, m.lines*d)
	for i := range m.lines {
		c.widen(wide[i*d:(i+1)*d], bytesAt(at(m.p, i*n), n))
	}
	m.p, m.dt = unsafe.Pointer(unsafe.SliceData(wide)), dtype.F32
	return m
}
