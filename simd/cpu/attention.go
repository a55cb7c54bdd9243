package cpu

import (
	"math"
	"runtime"
	"unsafe"

	"quire/simd/dtype"
	"quire/simd/internal/check"
	"quire/simd/tensor"
)

// keyBlock is how many keys are scored at a time. Blocks lie at multiples of it, counted from the first key of the sequence, so that a query meets the same
// sums whatever other queries share its task.
const keyBlock = 128

// queryRows is how many rows, tokens times query heads of a group, a task handles together (BenchmarkAttention): packing keys and values must cost little beside them.
const queryRows = 252

// attention is what the tasks of one Attention share.
type attention struct {
	e                 *engine
	p                 tensor.Attention
	group, hkv, d     int
	dPad              int // d in whole panels of pv
	qk, pv            *tile
	qType, kType      dtype.Type // panels of the first product
	probType, valType dtype.Type // panels of the second
	cache             *kv        // the cache, if it keeps panels
	fast              *attentionKernels
}

func (e *engine) newAttention(p tensor.Attention) *attention {
	a := &attention{e: e, p: p, d: p.Q.Dim(2)}
	qdt, kdt, vdt := p.Q.DType(), p.K.DType(), p.V.DType()
	if p.KV != nil {
		c := p.KV.Config()
		a.hkv, kdt, vdt = c.KVHeads, c.DType, c.DType
		cache, ok := p.KV.(*kv)
		if !ok {
			panic(tensor.Unsupported{Backend: "cpu", Op: "Attention over a cache of another backend", Types: []dtype.Type{kdt}})
		}
		if cache.panels != nil {
			a.cache = cache
		}
		if cache.widened() != nil {
			qdt, kdt, vdt = dtype.BF16, dtype.BF16, dtype.BF16
		}
	} else {
		a.hkv = p.K.Dim(1)
	}
	a.group = p.Q.Dim(1) / a.hkv
	a.qk, a.qType, a.kType = e.choose(qdt, kdt, false)
	a.pv, a.probType, a.valType = e.choose(vdt, vdt, false)
	a.dPad = (a.d + a.pv.nr - 1) / a.pv.nr * a.pv.nr
	if bf16 := &e.ks.bf16; a.qk == bf16 && a.pv == bf16 && a.d == a.dPad && p.Scale >= 0 {
		a.fast = e.ks.attn
	}
	return a
}

// Attention computes each key head's queries block by block, keeping a running maximum and sum a row.
func (b *Backend) Attention(p tensor.Attention) {
	p = check.Attention(p)
	if p.Q.Len() == 0 {
		return
	}
	a := b.e.newAttention(p)
	type task struct{ seq, head, t0, t1 int }
	var tasks []task
	tokens := max(1, queryRows/a.group)
	for s := range p.Seqs() {
		for head := range a.hkv {
			first, last := int(p.CuQ[s]), int(p.CuQ[s+1])
			for t := last; t > first; t -= tokens {
				tasks = append(tasks, task{s, head, max(first, t-tokens), t})
			}
		}
	}
	b.e.pool.run(len(tasks), func(i int) {
		t := tasks[i]
		a.queries(t.seq, t.head, t.t0, t.t1, false)
	})
	runtime.KeepAlive(p.KV) // its memory may be a mapping, which pointers do not hold
}

// sees is the range of keys that the query at row t of sequence s sees.
func (a *attention) sees(s, t int) (lo, hi int) {
	keys := a.keys(s)
	hi = keys
	if a.p.Causal {
		hi = max(0, t-int(a.p.CuQ[s+1])+keys+1)
	}
	if a.p.Window > 0 {
		lo = max(0, hi-a.p.Window)
	}
	return lo, hi
}

func (a *attention) keys(s int) int {
	if a.p.KV != nil {
		return int(a.p.KeyLens[s])
	}
	return int(a.p.CuK[s+1] - a.p.CuK[s])
}

// flash is the state of one task. Scores and weights are those of one panel of rows, as many as a kernel takes.
type flash struct {
	rows      int
	q         unsafe.Pointer // packed queries
	s, o      unsafe.Pointer // float32 scores (panel, keyBlock) and weighted sums (rows, dPad)
	prob      unsafe.Pointer // weights (panel, keyBlock) in probType
	left      unsafe.Pointer // the same packed
	k, v      unsafe.Pointer // packed keys and values
	most, sum []float32      // running maximum and sum of each row
	args      softArgs       // scale is the attention's, or 1 where that is negative and the scores are scaled first
	careful   bool           // one token, and masked values must not be touched
	tmp       unsafe.Pointer // keys or values of one block gathered from pages
	soft      softPanel
	seen      visible
}

// carve cuts aligned pieces of the given sizes out of one scratch buffer.
func (s *scratch) carve(sizes ...int) (parts []unsafe.Pointer, free func()) {
	total := prefetchSlack
	for _, n := range sizes {
		total += (n + 127) &^ 63
	}
	buf := s.get(total)
	off := 0
	for _, n := range sizes {
		parts = append(parts, at(buf.ptr(), off))
		off += (n + 127) &^ 63
	}
	return parts, func() { s.put(buf) }
}

func (a *attention) newFlash(rows int) (f *flash, free func()) {
	panel := a.qk.mr()
	p, free := a.e.scratch.carve(a.qk.leftBytes(rows, a.d), panel*keyBlock*4, rows*a.dPad*4, panel*keyBlock*4, a.pv.leftBytes(panel, keyBlock),
		a.qk.rightBytes(keyBlock, a.d), a.pv.rightBytes(a.d, keyBlock), rows*4, rows*4, 2*keyBlock*a.d*4)
	f = &flash{rows: rows, q: p[0], s: p[1], o: p[2], prob: p[3], left: p[4], k: p[5], v: p[6], most: f32s(p[7], rows), sum: f32s(p[8], rows), tmp: p[9]}
	clear(f32s(f.o, rows*a.dPad))
	clear(f.sum)
	f.args.scale = a.p.Scale
	if a.p.Scale < 0 {
		f.args.scale = 1
	}
	for i := range f.most {
		f.most[i] = float32(math.Inf(-1))
	}
	return f, free
}

// queries computes the rows of tokens t0 to t1−1 of sequence s for the query heads of one key head. A masked value that is not finite would spoil
// its whole task by 0·Inf, so a task with NaN in its result is done again token by token, carefully.
func (a *attention) queries(s, head, t0, t1 int, careful bool) {
	f, free := a.newFlash((t1 - t0) * a.group)
	defer free()
	a.packQueries(f.q, a.p.Q, head, t0, t1)
	lo, _ := a.sees(s, t0)
	_, hi := a.sees(s, t1-1)
	j := lo / keyBlock * keyBlock
	if f.careful = careful; careful && a.cache == nil {
		j = lo
	}
	for j < hi {
		next := min(hi, (j/keyBlock+1)*keyBlock)
		a.keyBlock(f, s, head, t0, j, next)
		j = next
	}
	if clean := a.finish(f, head, t0, t1); !clean && !careful {
		for t := t0; t < t1; t++ {
			a.queries(s, head, t, t+1, true)
		}
	}
}

// packQueries packs rows of x (T, H, D), the heads of one group token by token, as the left operand of the first product.
func (a *attention) packQueries(dst unsafe.Pointer, x tensor.Tensor, head, t0, t1 int) {
	m, free := a.groupRows(x, head, t0, t1)
	defer free()
	a.e.ks.packLeft(dst, a.qk, a.qType, m, 0, m.lines, &a.e.scratch)
}

// groupRows views those rows as lines of d, copied together where a group has several heads.
func (a *attention) groupRows(x tensor.Tensor, head, t0, t1 int) (m matrix, free func()) {
	rows, size := (t1-t0)*a.group, x.DType().BlockBytes()
	m = matrix{dt: x.DType(), lines: rows, k: a.d, lineStr: a.d, kStr: 1}
	if a.group == 1 {
		m.p, m.lineStr = lineOf(x, t0*x.Dim(1)+head).p, x.Stride(0)
		return m, func() {}
	}
	buf := a.e.scratch.get(rows * a.d * size)
	m.p = buf.ptr()
	queries := linesOf(x)
	for r := range rows {
		from := queries.at((t0+r/a.group)*x.Dim(1) + head*a.group + r%a.group)
		copy(bytesAt(m.ptr(r, 0), a.d*size), bytesAt(from.p, a.d*size))
	}
	return m, func() { a.e.scratch.put(buf) }
}

// keyBlock takes keys j0 to j1−1 into account.
func (a *attention) keyBlock(f *flash, s, head, t0, j0, j1 int) {
	ks := &a.e.ks
	if a.cache == nil {
		ks.packRight(f.k, a.qk, a.kType, a.lines(f, s, head, j0, j1, false), &a.e.scratch)
		ks.packRight(f.v, a.pv, a.valType, a.lines(f, s, head, j0, j1, true).transposed(), &a.e.scratch)
	} else if f.careful {
		lo, _ := a.sees(s, t0)
		a.cache.valuePanels(f.v, a.p.Pages[s], head, lo, j0, j1)
	}
	for i := 0; i < f.rows; i += a.qk.mr() {
		a.panel(f, panel{s, head, t0, i, min(a.qk.mr(), f.rows-i)}, j0, j1)
	}
}

// panel is rows i to i+n−1 of those that start at token t0 of sequence s.
type panel struct{ s, head, t0, i, n int }

// panel takes keys j0 to j1−1 into account for rows that fit one kernel. Keys behind the last that they see cost nothing.
func (a *attention) panel(f *flash, p panel, j0, j1 int) {
	full, n := a.look(&f.seen, p, j0, j1)
	if n <= 0 {
		return
	}
	t, steps := a.qk, a.qk.steps(a.d)
	for j := 0; j < n; j += t.nr {
		keys := at(f.k, j*steps*t.bBytes)
		if a.cache != nil {
			keys = a.cache.keyPanel(a.p.Pages[p.s], p.head, j0+j)
		}
		t.rows[p.n](steps, at(f.q, p.i*steps*t.aBytes), keys, at(f.s, 4*j), keyBlock*4, 0)
	}
	left, rows, stride := f.prob, []microKernel(nil), 1
	if a.fast != nil {
		a.softenFast(f, p, n)
		rows = a.fast.rows
	} else {
		a.softenRows(f, p, full, n)
		a.e.ks.packLeft(f.left, a.pv, a.probType, matrix{p: f.prob, dt: a.probType, lines: p.n, k: n, lineStr: keyBlock, kStr: 1}, 0, p.n, &a.e.scratch)
		left, rows, stride = f.left, a.pv.rows, p.n
	}
	o := at(f.o, p.i*a.dPad*4)
	if a.cache != nil && !f.careful {
		a.sumPages(rows[p.n], p, left, stride, o, j0, j0+n)
		return
	}
	width := a.pv.panel(a.pv.steps(j1 - j0))
	for c := 0; c < a.d; c += a.pv.nr {
		rows[p.n](a.pv.steps(n), left, at(f.v, c/a.pv.nr*width), at(o, 4*c), a.dPad*4, 1)
	}
}

// sumPages is the second product with values that the cache keeps in panels, page by page: what a page adds up is part of the result's bits. A step of the left
// operand takes stride times four bytes.
func (a *attention) sumPages(kernel microKernel, p panel, left unsafe.Pointer, stride int, o unsafe.Pointer, j0, j1 int) {
	size, pages, nr := a.cache.c.PageSize, a.p.Pages[p.s], a.pv.nr
	for j := j0; j < j1; {
		next := min(j1, (j/size+1)*size)
		page := at(a.cache.row(1, int(pages[j/size]), p.head, 0), j%size/2*nr*4)
		for c := 0; c < a.d; c += nr {
			kernel((next-j+1)/2, at(left, (j-j0)/2*stride*4), at(page, c*size*2), at(o, 4*c), a.dPad*4, 1)
		}
		j = next
	}
}

// softenRows turns the scores of n keys into weights, row by row.
func (a *attention) softenRows(f *flash, p panel, full bool, n int) {
	for r := range p.n {
		lo, hi := 0, n
		if !full {
			lo, hi = int(f.seen.lo[r]), int(f.seen.lo[r]+f.seen.count[r])
		}
		a.soften(f, p.i+r, r, lo, hi, n)
	}
}

// soften turns the scores lo to hi−1 of row r, the one numbered line of its panel, into weights, zero outside, and brings the row's sums to the new maximum.
func (a *attention) soften(f *flash, r, line, lo, hi, n int) {
	size := a.probType.BlockBytes()
	ks, out := &a.e.ks, at(f.prob, line*keyBlock*size)
	if lo > 0 || hi < n {
		clear(bytesAt(out, n*size))
	}
	if lo >= hi {
		return
	}
	seen := f32s(at(f.s, line*keyBlock*4+lo*4), hi-lo)
	if f.args.scale != a.p.Scale {
		ks.affine(seen, seen, a.p.Scale, 0)
	}
	most := max(f.most[r], ks.maxOrdered(seen)*f.args.scale)
	if math.IsInf(float64(most), -1) {
		most = ks.max(seen)
	}
	if math.IsInf(float64(most), -1) {
		clear(bytesAt(out, n*size))
		return
	}
	if most != f.most[r] {
		shrink := float32(math.Exp(float64(f.most[r] - most)))
		f.sum[r] *= shrink
		o := f32s(at(f.o, r*a.dPad*4), a.d)
		ks.affine(o, o, shrink, 0)
		f.most[r] = most
	}
	f.args.shift = most
	ks.weights(hi-lo, at(out, lo*size), a.probType, start(seen), &f.args)
	f.sum[r] += f.args.sum
}

// lines returns keys or values j0 to j1−1 of one head as lines of d.
func (a *attention) lines(f *flash, s, head, j0, j1 int, values bool) matrix {
	if a.p.KV != nil {
		return a.p.KV.(*kv).lines(f.tmp, a.p.Pages[s], head, j0, j1, values)
	}
	x := a.p.K
	if values {
		x = a.p.V
	}
	return matrix{p: lineOf(x, (int(a.p.CuK[s])+j0)*a.hkv+head).p, dt: x.DType(), lines: j1 - j0, k: a.d, lineStr: x.Stride(0), kStr: 1}
}

// finish divides by the sums and stores; it reports whether no result is NaN.
func (a *attention) finish(f *flash, head, t0, t1 int) (clean bool) {
	if a.fast != nil && a.p.Out.DType() == dtype.BF16 {
		return a.finishFast(f, head, t0)
	}
	ks := &a.e.ks
	check, out := float32(0), linesOf(a.p.Out)
	for r := range f.rows {
		row := (t0+r/a.group)*a.p.Q.Dim(1) + head*a.group + r%a.group
		o, lse := f32s(at(f.o, r*a.dPad*4), a.d), float32(math.Inf(-1))
		if f.sum[r] != 0 {
			ks.affine(o, o, 1/f.sum[r], 0)
			lse = f.most[r] + float32(math.Log(float64(f.sum[r])))
		}
		check += 0 * ks.sum(o)
		ks.scatterLine(out.at(row), o)
		if !a.p.LSE.IsZero() {
			a.p.LSE.F32()[row] = lse
		}
	}
	return check == check
}
