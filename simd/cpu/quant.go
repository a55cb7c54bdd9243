package cpu

import (
	"math"
	"unsafe"

	"quire/simd/dtype"
)

// blockKernel computes C (rows × 32) = A·B over k sub-blocks of 32, A as quantizeRow writes it.
type blockKernel = func(k int, a, b, c unsafe.Pointer, ldc int)

// manyKernel computes C += A·B for groups groups of each rows and one of rest rows, all packed as one. It reads B once. tile has tileBytes.
type manyKernel = func(k int, a, b, c unsafe.Pointer, ldc int, tile unsafe.Pointer, each, groups, rest int)

// blockKernels are the kernels of one format: one for any number of rows, if the level has it, and those that stream B for a few, by rows.
type blockKernels struct {
	many manyKernel
	rows [fewRows + 1]blockKernel
}

// blockFormat is a block format with kernels of its own.
type blockFormat struct {
	blockKernels
	layout blockLayout
}

// blockSet is what a level has for block formats.
type blockSet struct {
	formats     map[dtype.Type]*blockFormat
	quantizeRow func(k int, out, x unsafe.Pointer, stride, zero, pair int)
}

const (
	blockCols  = 32 // columns of a panel
	blockK     = 32 // elements of a sub-block
	leftBlock  = 48 // bytes of a sub-block of one row of A
	tileBytes  = 256 + blockCols*blockK
	fewRows    = 4         // rows of the largest kernel that keeps its sums in registers
	groupRows  = 8         // rows that a kernel of many rows multiplies at a time
	bandRows   = 32        // rows of one call: their sums, 128 bytes a row, stay in L1 with the codes (BenchmarkBlocks)
	blockGroup = 256 << 10 // bytes of panels of a task
)

// packBlocks packs a block format. Formats without kernels, and matrices that are not blocked along k, are kept as they are and widened in use.
func (e *engine) packBlocks(b matrix) *packed {
	f := e.ks.blocks.formats[b.dt]
	if f == nil || b.kStr != 1 {
		return e.keepBlocks(b)
	}
	l := &f.layout
	panels, bytes := (b.lines+blockCols-1)/blockCols, l.panel(b.k)
	w := &packed{dt: b.dt, k: b.k, n: b.lines, buf: newBuffer(panels*bytes + prefetchSlack), blocks: f}
	e.pool.split(panels, 1, 8*e.pool.threads(), func(lo, hi int) {
		codes := e.scratch.get(4 * packRows * packUnits)
		defer e.scratch.put(codes)
		for p := lo; p < hi; p++ {
			var rows [blockCols]unsafe.Pointer
			n := min(blockCols, b.lines-p*blockCols)
			for c := range n {
				rows[c] = at(b.p, b.dt.Bytes((p*blockCols+c)*b.lineStr))
			}
			e.ks.packPanel(l, at(w.buf.ptr(), p*bytes), codes.ptr(), b.k/l.elements(), b.dt.Bytes(l.elements()), rows[:n])
		}
	})
	return w
}

// keepBlocks copies the blocks row by row.
func (e *engine) keepBlocks(b matrix) *packed {
	rows, n := b.lines, b.k
	if b.kStr != 1 {
		rows, n = b.k, b.lines
	}
	bytes := b.dt.Bytes(n)
	w := &packed{dt: b.dt, k: b.k, n: b.lines, buf: newBuffer(rows * bytes), raw: b}
	ld := max(b.lineStr, b.kStr)
	for r := range rows {
		copy(w.buf.data[r*bytes:], bytesAt(at(b.p, b.dt.Bytes(r*ld)), bytes))
	}
	w.raw.p = w.buf.ptr()
	if b.kStr == 1 {
		w.raw.lineStr = n
	} else {
		w.raw.kStr = n
	}
	return w
}

// timesBlocks multiplies by a packed block format.
func (e *engine) timesBlocks(p product, w *packed) {
	if w.blocks == nil {
		p.b, p.w = w.raw, nil
		e.gemm(&e.ks.f32, dtype.F32, dtype.F32, p)
		return
	}
	r := &blockRun{e: e, p: p, f: w.blocks, band: w.blocks.band(p.m)}
	left := e.scratch.get(p.m*p.k/blockK*leftBlock + slack)
	defer e.scratch.put(left)
	r.left = left.ptr()
	r.quantize()
	panels := (p.n + blockCols - 1) / blockCols
	group := max(1, min(blockGroup/max(1, r.f.layout.panel(p.k)), panels/(4*e.pool.threads())))
	groups := (panels + group - 1) / group
	e.pool.run(groups, func(i int) { r.task(i*group, min(panels, (i+1)*group)) })
}

// band is how many of m rows one kernel call takes: what there is a kernel for, or bands of nearly equal size.
func (f *blockFormat) band(m int) int {
	switch {
	case m <= fewRows && f.rows[m] != nil:
		return m
	case f.many == nil:
		return 1
	}
	bands := (m + bandRows - 1) / bandRows
	return (m + bands - 1) / bands
}

// blockRun is what the tasks of one product with a block format share.
type blockRun struct {
	e    *engine
	p    product
	f    *blockFormat
	band int // rows of a kernel call; the last one may have fewer
	left unsafe.Pointer
}

// bandOf is the band that row i begins or lies in.
func (r *blockRun) bandOf(i int) (first, rows int) {
	first = i / r.band * r.band
	return first, min(r.band, r.p.m-first)
}

// quantize writes the rows of A in 8 bits.
func (r *blockRun) quantize() {
	e, p, blocks := r.e, &r.p, r.p.k/blockK
	parts := max(1, min(8*e.pool.threads(), p.m*p.k/taskLen))
	e.pool.split(p.m, 1, parts, func(lo, hi int) {
		tmp := e.scratch.get(p.k * 4)
		defer e.scratch.put(tmp)
		for i := lo; i < hi; i++ {
			first, rows := r.bandOf(i)
			x := e.ks.load(f32s(tmp.ptr(), p.k), run{p.a.ptr(i, 0), p.a.dt, p.a.kStr}, 0, p.k)
			e.ks.blocks.quantizeRow(blocks, at(r.left, (first*blocks+i-first)*leftBlock), start(x), rows*leftBlock, r.f.layout.zero, r.f.layout.pairs)
		}
	})
}

// task computes all rows of panels p0 to p1−1.
func (r *blockRun) task(p0, p1 int) {
	p := &r.p
	end := newEpilogue(r.e, &p.out, min(p1*blockCols, p.n)-p0*blockCols)
	defer end.free()
	direct, few := p.out.direct(p1*blockCols <= p.n), r.band <= fewRows && r.f.rows[r.band] != nil
	if few && direct {
		for i := 0; i < p.m; i += r.band {
			c := p.out.ptr(i, p0*blockCols)
			r.few(i, p0, p1, c, p.out.ldRow*4)
			end.finish(c, p.out.ldRow, i, i+r.band, p0*blockCols, true)
		}
		return
	}
	ldc := (p1-p0)*blockCols*4 + 64 // rows that are not a power of two apart do not push each other out of L1
	buf := r.e.scratch.get(tileBytes + r.band*ldc)
	defer r.e.scratch.put(buf)
	c := at(buf.ptr(), tileBytes)
	for i := 0; i < p.m; i += r.band {
		if few {
			r.few(i, p0, p1, c, ldc)
		} else {
			r.many(i, p0, p1, c, ldc, buf.ptr())
		}
		_, rows := r.bandOf(i)
		end.finish(c, ldc/4, i, i+rows, p0*blockCols, false)
	}
}

// few computes the band from row i on with a kernel that keeps its sums in registers.
func (r *blockRun) few(i, p0, p1 int, c unsafe.Pointer, ldc int) {
	blocks, bytes := r.p.k/blockK, r.f.layout.panel(r.p.k)
	for j := p0; j < p1; j++ {
		r.f.rows[r.band](blocks, at(r.left, i*blocks*leftBlock), at(r.p.w.buf.ptr(), j*bytes), at(c, (j-p0)*blockCols*4), ldc)
	}
}

// many computes the band from row i on in groups of nearly equal size.
func (r *blockRun) many(i, p0, p1 int, c unsafe.Pointer, ldc int, tile unsafe.Pointer) {
	blocks, bytes := r.p.k/blockK, r.f.layout.panel(r.p.k)
	_, rows := r.bandOf(i)
	groups := (rows + groupRows - 1) / groupRows
	each := (rows + groups - 1) / groups
	clear(bytesAt(c, rows*ldc))
	for j := p0; j < p1; j++ {
		r.f.many(blocks, at(r.left, i*blocks*leftBlock), at(r.p.w.buf.ptr(), j*bytes), at(c, (j-p0)*blockCols*4), ldc, tile, each, rows/each, rows%each)
	}
}

// magic is 1.5·2²³ as float32: added to the bits of it, an integer becomes that number of units above it.
const magic = 0x4b400000

// quantizeRowGo writes k sub-blocks of 32 numbers of x, stride bytes apart: 32 codes, absmax/127, the starting values magic − zero·Σcodes of one group of codes, or of two if
// pair is not zero, and the scale times the sum of the codes. A NaN makes the scale NaN.
func quantizeRowGo(k int, out, x unsafe.Pointer, stride, zero, pair int) {
	for range k {
		v, most := f32s(x, blockK), float32(0)
		for _, f := range v {
			most = max(most, max(f, -f))
		}
		scale, inverse := most/127, float32(0)
		if most > 0 {
			inverse = 127 / most
		}
		codes, sums := unsafe.Slice((*int8)(out), blockK), [2]int32{}
		for i, f := range v {
			c := int8(0)
			if most <= math.MaxFloat32 {
				c = int8(math.RoundToEven(float64(f * inverse)))
			}
			codes[i] = c
			sums[i/(blockK/2)] += int32(c)
		}
		total := sums[0] + sums[1]
		if pair == 0 {
			sums[0] = total
		}
		tail := unsafe.Slice((*uint32)(at(out, blockK)), 4)
		tail[0], tail[3] = math.Float32bits(scale), math.Float32bits(scale*float32(total))
		for i, s := range sums {
			tail[1+i] = uint32(magic - int32(zero)*s)
		}
		x, out = at(x, 4*blockK), at(out, stride)
	}
}
