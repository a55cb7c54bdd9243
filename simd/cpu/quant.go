package cpu

import (
	"math"
	"unsafe"

	"quire/simd/dtype"
)

// blockKernel computes C (rows × 32) = A·B over k sub-blocks of 32, A as quantizeRow writes it.
type blockKernel = func(k int, a, b, c unsafe.Pointer, ldc int)

// blockKernels are the kernels of one format: by rows, and the conversion to a wide format of bytes and float32 scales.
type blockKernels struct {
	unpack func(k int, out, b unsafe.Pointer)
	rows   [8]blockKernel
}

// blockFormat is a block format with kernels of its own.
type blockFormat struct {
	blockKernels
	wide     *blockKernels // of what unpack writes; nil: any number of rows reads the packed format
	wideHead int           // bytes of scales of a wide sub-block
	layout   blockLayout
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
	wideCodes  = blockCols * blockK
	wideRows   = 6         // rows of the largest kernel
	fusedRows  = 4         // products of up to this many rows read the packed format itself (BenchmarkBlocks)
	blockGroup = 256 << 10 // bytes of unpacked panels of a task
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
	r := &blockRun{e: e, p: p, f: w.blocks, fused: p.m <= fusedRows || w.blocks.wide == nil}
	left := e.scratch.get(p.m*p.k/blockK*leftBlock + slack)
	defer e.scratch.put(left)
	r.left = left.ptr()
	r.quantize()
	panels := (p.n + blockCols - 1) / blockCols
	group := max(1, min(blockGroup/r.f.wideBytes(p.k), panels/(4*e.pool.threads())))
	groups := (panels + group - 1) / group
	e.pool.run(groups, func(i int) { r.task(i*group, min(panels, (i+1)*group)) })
}

// wideBytes is the size of an unpacked panel.
func (f *blockFormat) wideBytes(k int) int { return k / blockK * (f.wideHead + wideCodes) }

// blockRun is what the tasks of one product with a block format share.
type blockRun struct {
	e     *engine
	p     product
	f     *blockFormat
	fused bool
	left  unsafe.Pointer
}

// rowsAt is the size of the group of rows that starts at i: as large as there is a kernel for.
func (r *blockRun) rowsAt(i int) int {
	left := r.p.m - i
	if !r.fused {
		return min(wideRows, left)
	}
	for n := fusedRows; ; n-- {
		if n <= left && r.f.rows[n] != nil {
			return n
		}
	}
}

// quantize writes the rows of A in 8 bits.
func (r *blockRun) quantize() {
	type rowGroup struct{ i, n int }
	var groups []rowGroup
	for i := 0; i < r.p.m; i += r.rowsAt(i) {
		groups = append(groups, rowGroup{i, r.rowsAt(i)})
	}
	e, p, blocks := r.e, &r.p, r.p.k/blockK
	parts := max(1, min(8*e.pool.threads(), p.m*p.k/taskLen))
	e.pool.split(len(groups), 1, parts, func(lo, hi int) {
		tmp := e.scratch.get(p.k * 4)
		defer e.scratch.put(tmp)
		for _, g := range groups[lo:hi] {
			for l := range g.n {
				x := e.ks.load(f32s(tmp.ptr(), p.k), run{p.a.ptr(g.i+l, 0), p.a.dt, p.a.kStr}, 0, p.k)
				e.ks.blocks.quantizeRow(blocks, at(r.left, (g.i*blocks+l)*leftBlock), start(x), g.n*leftBlock, r.f.layout.zero, r.f.layout.pairs)
			}
		}
	})
}

// task computes all rows of panels p0 to p1−1.
func (r *blockRun) task(p0, p1 int) {
	e, p := r.e, &r.p
	ldc := (p1 - p0) * blockCols * 4
	direct := p.out.direct(p1*blockCols <= p.n)
	var c unsafe.Pointer
	if direct {
		c, ldc = p.out.ptr(0, p0*blockCols), p.out.ldRow*4
	} else {
		buf := e.scratch.get(p.m * ldc)
		defer e.scratch.put(buf)
		c = buf.ptr()
	}
	blocks, bytes := p.k/blockK, r.f.layout.panel(p.k)
	b, kernels := at(p.w.buf.ptr(), p0*bytes), &r.f.blockKernels
	if !r.fused {
		wide := r.f.wideBytes(p.k)
		buf := e.scratch.get((p1 - p0) * wide)
		defer e.scratch.put(buf)
		for i := range p1 - p0 {
			r.f.unpack(blocks, at(buf.ptr(), i*wide), at(b, i*bytes))
		}
		b, bytes, kernels = buf.ptr(), wide, r.f.wide
	}
	for i := 0; i < p.m; {
		n := r.rowsAt(i)
		for j := range p1 - p0 {
			kernels.rows[n](blocks, at(r.left, i*blocks*leftBlock), at(b, j*bytes), at(c, i*ldc+j*blockCols*4), ldc)
		}
		i += n
	}
	end := newEpilogue(e, &p.out, min(p1*blockCols, p.n)-p0*blockCols)
	defer end.free()
	end.finish(c, ldc/4, 0, p.m, p0*blockCols, direct)
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
