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
	first   int     // the step of w that k starts at
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

// gemm runs p on tile t, whose panels of A hold type aType and those of B bType. Where sums can wait in the output, it goes along k chunk by chunk, so that a packed chunk of
// A is read while it is in cache.
func (e *engine) gemm(t *tile, aType, bType dtype.Type, p product) {
	chunk := chunkSteps * t.kStep
	waits := p.out.direct(true) && p.out.plain() || p.out.accumulates()
	if !waits || p.m <= t.mr() || p.k <= chunk || p.w == nil && p.b.dt.IsBlock() {
		e.gemmChunk(t, aType, bType, p)
		return
	}
	for k := 0; k < p.k; k += chunk {
		part := p
		part.k, part.first = min(chunk, p.k-k), k/t.kStep
		part.a = p.a.from(k)
		if p.w == nil {
			part.b = p.b.from(k)
		}
		if k > 0 {
			part.out.residual = part.out.view
		}
		e.gemmChunk(t, aType, bType, part)
	}
}

// from is the rest of m, no block format, from element k of each line on.
func (m matrix) from(k int) matrix {
	m.p, m.k = m.ptr(0, k), m.k-k
	return m
}

// gemmChunk runs a product whose operands are packed whole.
func (e *engine) gemmChunk(t *tile, aType, bType dtype.Type, p product) {
	p.a.k = p.k
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
	group := max(1, min(groupPanels, groupBytes/t.panel(max(1, steps))))
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
	b := g.right(p0, p1)
	defer b.free()
	for i := i0; i < i1; i += mr {
		rows, c := min(mr, i1-i), tile
		if rows == mr && g.narrows(p1) {
			g.multiplyNarrow(i, b, tile, p0, p1)
			continue
		}
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
		end.finish(c, ldc/4, i, i+rows, p0*t.nr, direct)
	}
}

// narrows reports that kernels may round panels before p1 to the output themselves: all columns exist, and nothing else happens to them.
func (g *gemmRun) narrows(p1 int) bool {
	o := &g.p.out
	return g.t.narrow != nil && o.dt == dtype.BF16 && o.ldCol == 1 && o.plain() && p1*g.t.nr <= g.p.n && g.steps > 0
}

// multiplyNarrow is multiply for a full panel of rows from i on whose sums go to the output rounded. Until the last chunk of steps they wait in tiles, one for each panel.
func (g *gemmRun) multiplyNarrow(i int, b panels, tiles unsafe.Pointer, p0, p1 int) {
	t, out := g.t, &g.p.out
	for s := 0; s < g.steps; s += chunkSteps {
		n, a := min(chunkSteps, g.steps-s), at(g.a, (i*g.steps+s*t.mr())*t.aBytes)
		for p := range p1 - p0 {
			right, sums := at(b.p, p*b.stride+s*t.nr*t.bBytes), at(tiles, p*t.mr()*t.nr*4)
			if s+n < g.steps {
				t.rows[t.mr()](n, a, right, sums, t.nr*4, min(s, 1))
				continue
			}
			if s == 0 {
				sums = nil
			}
			t.narrow(n, a, right, out.ptr(i, (p0+p)*t.nr), out.ldRow*2, sums)
		}
	}
}

// panels are panels of B, stride bytes apart.
type panels struct {
	p      unsafe.Pointer
	stride int
	free   func()
}

// right finds panels p0 to p1−1: in the packed operand, or packed now.
func (g *gemmRun) right(p0, p1 int) panels {
	t := g.t
	if w := g.p.w; w != nil {
		size := t.panel(t.steps(w.k))
		return panels{at(w.buf.ptr(), p0*size+g.p.first*t.nr*t.bBytes), size, func() {}}
	}
	size := t.panel(g.steps)
	buf := g.e.scratch.get((p1-p0)*size + prefetchSlack)
	for p := p0; p < p1; p++ {
		g.e.ks.pack(at(buf.ptr(), (p-p0)*size), g.p.b, g.bType, p*t.nr, min(t.nr, g.p.n-p*t.nr), 0, g.p.k, t.nr, &g.e.scratch)
	}
	return panels{buf.ptr(), size, func() { g.e.scratch.put(buf) }}
}

// multiply adds up rows from i on of panels p0 to p1−1 of b, chunk by chunk of steps, so that a chunk of A serves all panels from L1.
func (g *gemmRun) multiply(i, rows int, b panels, c unsafe.Pointer, ldc, p0, p1 int) {
	t := g.t
	for s := 0; s < g.steps; s += chunkSteps {
		n, a := min(chunkSteps, g.steps-s), at(g.a, (i*g.steps+s*rows)*t.aBytes)
		for p := p0; p < p1; p++ {
			t.rows[rows](n, a, at(b.p, p*b.stride+s*t.nr*t.bBytes), at(c, p*t.nr*4), ldc, max(g.add, min(s, 1)))
		}
	}
}
