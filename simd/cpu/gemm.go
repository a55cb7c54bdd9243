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

// A task takes panels of B of groupBytes at most, which leaves room in L2 for A, and groupPanels of them at most, so that one panel of rows of the output stays in L1
// until it is finished (BenchmarkGEMM).
const (
	groupBytes  = 384 << 10
	groupPanels = 12
)

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
	group := max(1, min(groupPanels, groupBytes/t.panel(min(g.span(p.out.direct(true)), max(1, steps)))))
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

// task computes rows i0 to i1−1 of panels p0 to p1−1, a panel of rows at a time, and finishes them.
func (g *gemmRun) task(i0, i1, p0, p1 int) {
	t, out := g.t, &g.p.out
	cols, mr := min(p1*t.nr, g.p.n)-p0*t.nr, t.mr()
	ldc, direct := (p1-p0)*t.nr*4, out.direct(p1*t.nr <= g.p.n)
	var tile unsafe.Pointer
	if !direct {
		buf := g.e.scratch.get(mr * ldc)
		defer g.e.scratch.put(buf)
		tile = buf.ptr()
	}
	end := newEpilogue(g.e, out, cols)
	defer end.free()
	span := g.span(direct)
	for s := 0; s == 0 || s < g.steps; s += span {
		b := g.right(p0, p1, s, min(span, g.steps-s))
		for i := i0; i < i1; i += mr {
			rows, c := min(mr, i1-i), tile
			switch {
			case direct:
				c, ldc = out.ptr(i, p0*t.nr), out.ldRow*4
			case g.add != 0:
				for r := range rows {
					copy(f32s(at(c, r*ldc), cols), f32s(out.ptr(i+r, p0*t.nr), cols))
				}
			}
			if g.steps == 0 && g.add == 0 {
				for r := range rows {
					clear(f32s(at(c, r*ldc), cols))
				}
			}
			if i1-i0 <= mr {
				for p := range p1 - p0 {
					g.multiply(i, rows, b, c, ldc, p, p+1)
				}
			} else {
				g.multiply(i, rows, b, c, ldc, 0, p1-p0)
			}
			if s+span >= g.steps {
				end.finish(c, ldc/4, i, i+rows, p0*t.nr, direct)
			}
		}
		b.free()
	}
}

// span is how many steps a task takes of all its rows before it goes on along k: all, unless the sums can wait in the output. It is at least 1.
func (g *gemmRun) span(direct bool) int {
	if direct {
		return chunkSteps
	}
	return max(1, g.steps)
}

// panels are some steps of panels of B, stride bytes apart.
type panels struct {
	p                    unsafe.Pointer
	first, steps, stride int
	free                 func()
}

// right finds n steps, from s on, of panels p0 to p1−1: in the packed operand, or packed now.
func (g *gemmRun) right(p0, p1, s, n int) panels {
	t := g.t
	if size := t.panel(g.steps); g.p.w != nil {
		return panels{at(g.p.w.buf.ptr(), p0*size+s*t.nr*t.bBytes), s, n, size, func() {}}
	}
	size, k0 := t.panel(n), s*t.kStep
	buf := g.e.scratch.get((p1-p0)*size + prefetchSlack)
	for p := p0; p < p1; p++ {
		g.e.ks.pack(at(buf.ptr(), (p-p0)*size), g.p.b, g.bType, p*t.nr, min(t.nr, g.p.n-p*t.nr), k0, min(n*t.kStep, g.p.k-k0), t.nr, &g.e.scratch)
	}
	return panels{buf.ptr(), s, n, size, func() { g.e.scratch.put(buf) }}
}

// multiply adds up rows from i on of panels p0 to p1−1 of b, chunk by chunk of steps, so that a chunk of A serves all panels from L1.
func (g *gemmRun) multiply(i, rows int, b panels, c unsafe.Pointer, ldc, p0, p1 int) {
	t := g.t
	for s := 0; s < b.steps; s += chunkSteps {
		n, a := min(chunkSteps, b.steps-s), at(g.a, (i*g.steps+(b.first+s)*rows)*t.aBytes)
		for p := p0; p < p1; p++ {
			t.rows[rows](n, a, at(b.p, p*b.stride+s*t.nr*t.bBytes), at(c, p*t.nr*4), ldc, max(g.add, min(b.first+s, 1)))
		}
	}
}
