package cpu

import (
	"unsafe"

	"quire/simd/dtype"
)

// product is one matrix product with float operands: out = epilogue(a·b), out (m, n).
type product struct {
	a       matrix
	b       matrix  // either b
	w       *packed // or w
	m, n, k int
	out     output
}

// chunkSteps is how many steps a kernel call adds up before its sum goes to C. It is part of the result's bits: it depends on nothing.
// 512 steps make a panel of A of 28 KB, which stays in L1, and one of B of 64 KB (BenchmarkGEMM).
const chunkSteps = 512

// groupPanels is how many panels of B a task packs at once: 6 of 64 KB leave room in L2 for A and C (BenchmarkGEMM).
const groupPanels = 6

// rowBlock is the number of rows from which a task may be split by rows as well: packing B again must cost little.
const rowBlock = 252

// gemm runs p on tile t, whose panels of A hold type aType and those of B bType.
func (e *engine) gemm(t *tile, aType, bType dtype.Type, p product) {
	steps := t.steps(p.k)
	g := &gemmRun{e: e, t: t, p: p, steps: steps, bType: bType}
	if g.p.out.accumulates() {
		g.add, g.p.out.residual = 1, view{}
	}
	aBuf := e.scratch.get(p.m*steps*t.aBytes + slack)
	defer e.scratch.put(aBuf)
	g.a = aBuf.ptr()
	mr := t.mr()
	e.pool.split(p.m, mr, 4*e.pool.threads(), func(lo, hi int) {
		e.ks.packLeft(at(g.a, lo*steps*t.aBytes), t, aType, p.a, lo, hi-lo, &e.scratch)
	})
	panels := (p.n + t.nr - 1) / t.nr
	group := groupPanels
	if p.m <= mr {
		group = max(1, min(32, panels/(4*e.pool.threads())))
	}
	for group > 1 && panels/group*max(1, p.m/(4*rowBlock)) < 2*e.pool.threads() {
		group--
	}
	groups := (panels + group - 1) / group
	rows := 1
	if groups < 3*e.pool.threads() && e.pool.threads() > 1 {
		rows = max(1, min(p.m/rowBlock, (3*e.pool.threads()+groups-1)/groups))
	}
	rowUnits := (p.m + mr - 1) / mr
	e.pool.run(groups*rows, func(i int) {
		part := i % rows
		i0, i1 := rowUnits*part/rows*mr, min(p.m, rowUnits*(part+1)/rows*mr)
		p0 := i / rows * group
		g.task(i0, i1, p0, min(panels, p0+group))
	})
}

// gemmRun is what the tasks of one product share.
type gemmRun struct {
	e     *engine
	t     *tile
	p     product
	steps int
	bType dtype.Type
	a     unsafe.Pointer
	add   int // 1: the products are added to the output
}

// keptSteps is the longest product whose panels of B a task keeps for all its rows: 6 panels of it fill most of L2.
const keptSteps = 2 * chunkSteps

// task computes rows i0 to i1−1 of panels p0 to p1−1, and finishes them. What kernels cannot write to the output itself goes there by way of a buffer, for a block of rows at
// a time, so that it is finished while it is in L2; then the panels of B are packed once for all blocks, or not at all if that is too much to keep.
func (g *gemmRun) task(i0, i1, p0, p1 int) {
	t := g.t
	width := min(p1*t.nr, g.p.n) - p0*t.nr
	direct := g.p.out.direct(p1*t.nr <= g.p.n)
	right := rightPanels{first: p0, size: t.panel(g.steps)}
	rows := i1 - i0
	switch {
	case g.p.w != nil:
		right.base = at(g.p.w.buf.ptr(), p0*right.size)
	case g.steps <= keptSteps && rows > t.mr():
		buf := g.e.scratch.get((p1-p0)*right.size + prefetchSlack)
		defer g.e.scratch.put(buf)
		right.base = buf.ptr()
		for p := p0; p < p1; p++ {
			g.pack(right.at(t, p, 0), p, 0, g.steps)
		}
	default:
		right.size = t.panel(min(chunkSteps, g.steps))
		right.chunk = g.e.scratch.get((p1-p0)*right.size + prefetchSlack)
		defer g.e.scratch.put(right.chunk)
	}
	if !direct && right.base != nil {
		rows = min(rows, rowBlock/t.mr()*t.mr())
	}
	c, ldc := unsafe.Pointer(nil), g.p.out.ldRow*4
	if !direct {
		ldc = (p1 - p0) * t.nr * 4
		buf := g.e.scratch.get(rows * ldc)
		defer g.e.scratch.put(buf)
		c = buf.ptr()
	}
	for r := i0; r < i1; r += rows {
		last := min(i1, r+rows)
		if direct {
			c = g.p.out.ptr(r, p0*t.nr)
		} else if g.add != 0 {
			for i := r; i < last; i++ {
				copy(f32s(at(c, (i-r)*ldc), ldc/4), f32s(g.p.out.ptr(i, p0*t.nr), width))
			}
		}
		g.rows(c, ldc, right, r, last, p0, p1)
		if g.steps == 0 && g.add == 0 {
			for i := r; i < last; i++ {
				clear(f32s(at(c, (i-r)*ldc), width))
			}
		}
		g.p.out.finish(g.e, c, ldc/4, r, last, p0*t.nr, p0*t.nr+width, direct)
	}
}

// rightPanels is where the panels of B are, from panel first on: all of k from base on, or one chunk of steps at a time, packed when it is its turn.
type rightPanels struct {
	base  unsafe.Pointer
	chunk *buffer
	first int
	size  int // bytes a panel
}

// at is the place of panel p at step s.
func (r *rightPanels) at(t *tile, p, s int) unsafe.Pointer {
	if r.chunk != nil {
		return at(r.chunk.ptr(), (p-r.first)*r.size)
	}
	return at(r.base, (p-r.first)*r.size+s*t.nr*t.bBytes)
}

// pack writes steps s to s+n−1 of panel p.
func (g *gemmRun) pack(dst unsafe.Pointer, p, s, n int) {
	t, k0 := g.t, s*g.t.kStep
	g.e.ks.pack(dst, g.p.b, g.bType, p*t.nr, min(t.nr, g.p.n-p*t.nr), k0, min(n*t.kStep, g.p.k-k0), t.nr, &g.e.scratch)
}

// rows computes rows i0 to i1−1 chunk by chunk; a single row of tiles goes panel by panel, which reads B in one stream.
func (g *gemmRun) rows(c unsafe.Pointer, ldc int, right rightPanels, i0, i1, p0, p1 int) {
	if i1-i0 > g.t.mr() {
		for s := 0; s < g.steps; s += chunkSteps {
			g.block(c, ldc, right, i0, i1, p0, p1, s)
		}
		return
	}
	for p := p0; p < p1; p++ {
		for s := 0; s < g.steps; s += chunkSteps {
			g.block(at(c, (p-p0)*g.t.nr*4), ldc, right, i0, i1, p, p+1, s)
		}
	}
}

// block adds the products of one chunk of steps from s on.
func (g *gemmRun) block(c unsafe.Pointer, ldc int, right rightPanels, i0, i1, p0, p1, s int) {
	t := g.t
	n := min(chunkSteps, g.steps-s)
	add := max(g.add, min(s, 1))
	if right.chunk != nil {
		for p := p0; p < p1; p++ {
			g.pack(right.at(t, p, s), p, s, n)
		}
	}
	for i := i0; i < i1; i += t.mr() {
		rows := min(t.mr(), g.p.m-i)
		a := at(g.a, (i*g.steps+s*rows)*t.aBytes)
		for p := p0; p < p1; p++ {
			t.rows[rows](n, a, right.at(t, p, s), at(c, (i-i0)*ldc+(p-p0)*t.nr*4), ldc, add)
		}
	}
}
