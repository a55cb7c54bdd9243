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
	for group > 1 && panels/group < 2*e.pool.threads() {
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

// task computes rows i0 to i1−1 of panels p0 to p1−1, and finishes them.
func (g *gemmRun) task(i0, i1, p0, p1 int) {
	t, ldc := g.t, (p1-p0)*g.t.nr*4
	var c unsafe.Pointer
	direct := g.p.out.direct(p1*t.nr <= g.p.n)
	if direct {
		c, ldc = g.p.out.ptr(i0, p0*t.nr), g.p.out.ldRow*4
	} else {
		buf := g.e.scratch.get((i1 - i0) * ldc)
		defer g.e.scratch.put(buf)
		c = buf.ptr()
		if g.add != 0 {
			for i := i0; i < i1; i++ {
				copy(f32s(at(c, (i-i0)*ldc), ldc/4), f32s(g.p.out.ptr(i, p0*t.nr), min(p1*t.nr, g.p.n)-p0*t.nr))
			}
		}
	}
	bBuf := g.bScratch(p1 - p0)
	if i1-i0 <= t.mr() {
		for p := p0; p < p1; p++ {
			for s := 0; s < g.steps; s += chunkSteps {
				g.block(at(c, (p-p0)*t.nr*4), ldc, bBuf, i0, i1, p, p+1, s)
			}
		}
	} else {
		for s := 0; s < g.steps; s += chunkSteps {
			g.block(c, ldc, bBuf, i0, i1, p0, p1, s)
		}
	}
	if g.steps == 0 && g.add == 0 {
		for i := i0; i < i1; i++ {
			clear(f32s(at(c, (i-i0)*ldc), min(p1*t.nr, g.p.n)-p0*t.nr))
		}
	}
	if bBuf != nil {
		g.e.scratch.put(bBuf)
	}
	g.p.out.finish(g.e, c, ldc/4, i0, i1, p0*t.nr, min(p1*t.nr, g.p.n), direct)
}

func (g *gemmRun) bScratch(panels int) *buffer {
	if g.p.w != nil {
		return nil
	}
	return g.e.scratch.get(panels*g.t.panel(min(chunkSteps, g.steps)) + prefetchSlack)
}

// block adds the products of one chunk of steps from s on.
func (g *gemmRun) block(c unsafe.Pointer, ldc int, bBuf *buffer, i0, i1, p0, p1, s int) {
	t := g.t
	n := min(chunkSteps, g.steps-s)
	add := max(g.add, min(s, 1))
	if bBuf != nil {
		for p := p0; p < p1; p++ {
			k0 := s * t.kStep
			g.e.ks.pack(at(bBuf.ptr(), (p-p0)*t.panel(n)), g.p.b, g.bType, p*t.nr, min(t.nr, g.p.n-p*t.nr), k0, min(n*t.kStep, g.p.k-k0), t.nr, &g.e.scratch)
		}
	}
	for i := i0; i < i1; i += t.mr() {
		rows := min(t.mr(), g.p.m-i)
		a := at(g.a, (i*g.steps+s*rows)*t.aBytes)
		for p := p0; p < p1; p++ {
			var b unsafe.Pointer
			if bBuf != nil {
				b = at(bBuf.ptr(), (p-p0)*t.panel(n))
			} else {
				b = at(g.p.w.buf.ptr(), p*t.panel(g.steps)+s*t.nr*t.bBytes)
			}
			t.rows[rows](n, a, b, at(c, (i-i0)*ldc+(p-p0)*t.nr*4), ldc, add)
		}
	}
}
