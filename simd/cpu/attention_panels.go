package cpu

import (
	"math"
	"unsafe"

	"quire/simd/dtype"
	"quire/simd/tensor"
)

// attentionKernels are what a level has for attention with BF16 operands: everything on the way between the products is done for a panel of rows at once.
type attentionKernels struct {
	rows    []microKernel // A is rows of keyBlock weights
	columns []microKernel // A is pairs of rows of weights, key by key
	soften  func(softPanel unsafe.Pointer)
	slopes  func(slopePanel unsafe.Pointer)
	store   func(rowStore unsafe.Pointer)
	sums    func(lse, factor, most, sum unsafe.Pointer, n int)
	widen   map[dtype.Type]func(n int, out, x unsafe.Pointer)          // blocks of a cache to BF16
	touch   func(p unsafe.Pointer, rows, bytes, stride int)            // asks for rows that will be read or written
	dots    func(out, x, y unsafe.Pointer, rows, chunks, ldx, ldy int) // chunks of 32 numbers
}

// lookahead asks for the rows of the task that a thread takes next, some with each panel of this one: rows of one head lie far apart, and the processor does not see them
// coming. It is worth 8 % of the gradients of 16 sequences of 256 tokens, and nothing to the forward pass, which has half the operands (quire bench tensor --only train).
type lookahead struct {
	touch func(p unsafe.Pointer, rows, bytes, stride int)
	spans []span
	row   int // the first that was not asked for
}

// span is rows of one head of a tensor (T, H, D).
type span struct {
	p                   unsafe.Pointer
	rows, bytes, stride int
}

// lookRows is how many rows of each tensor a panel asks for: all of a task's before it ends.
const lookRows = 16

// add appends rows t0 to t1−1 of so many heads from one on.
func (l *lookahead) add(x tensor.Tensor, t0, t1, head, heads int) {
	if t0 < t1 && x.Len() > 0 {
		size := x.DType().BlockBytes()
		l.spans = append(l.spans, span{lineOf(x, t0*x.Dim(1)+head).p, t1 - t0, heads * x.Dim(2) * size, x.Stride(0) * size})
	}
}

func (l *lookahead) some() {
	for _, s := range l.spans {
		if n := min(s.rows-l.row, lookRows); n > 0 {
			l.touch(at(s.p, l.row*s.stride), n, s.bytes, s.stride)
		}
	}
	l.row += lookRows
}

// maxPanel bounds the rows of a panel.
const maxPanel = 16

// keyChunk is the unit of keys in which these kernels work.
const keyChunk = 32

// visible says which keys of a block the rows of a panel see: count of them from lo on.
type visible struct {
	lo, count [maxPanel]int32
}

// softPanel is one step of the running softmax of a panel. The assembly knows its layout, like that of the two that follow.
type softPanel struct {
	s, p, o           unsafe.Pointer // scores, weights (BF16), weighted sums so far
	most, sum         unsafe.Pointer // of each row
	lo, count         unsafe.Pointer // of a visible
	rows, chunks      int
	oBytes            int     // of a row of o
	scale, unit       float32 // the attention's, and the same in powers of two
	shift, maxOrTotal [maxPanel]float32
}

// slopePanel turns scores s and dp = dOut·Vᵀ of pairs of rows into weights p and gradients of scores ds, pair by pair, and into rows of ds.
type slopePanel struct {
	s, dp, p, ds, rows unsafe.Pointer
	lo, count          unsafe.Pointer
	shift, delta       unsafe.Pointer // of each row: log-sum-exp in powers of two, and Σ dOut·Out
	pairs, chunks      int
	unit, scale        float32
}

// rowStore multiplies rows of float32 by factors and stores them as BF16: group rows headBytes apart, and the next group tokenBytes further. Rows of o have room for
// whole vectors.
type rowStore struct {
	o, out, factor        unsafe.Pointer
	rows, oBytes          int
	outBytes              int // of a row
	group                 int
	headBytes, tokenBytes int
	factorBytes           int // from row to row: 0 for one factor
	nan                   int // result: not zero if a number is NaN
}

// look finds what the rows of a panel see of keys j0 to j1−1: n keys from j0 on at most, 0 for none, full if every row sees all of them.
func (a *attention) look(v *visible, p panel, j0, j1 int) (full bool, n int) {
	firstLo, firstHi := a.sees(p.s, p.t0+p.i/a.group)
	lastLo, lastHi := a.sees(p.s, p.t0+(p.i+p.n-1)/a.group)
	if firstLo >= j1 || lastHi <= j0 {
		return false, 0
	}
	n = min(lastHi, j1) - j0
	if lastLo <= j0 && firstHi >= j1 {
		for r := range p.n {
			v.lo[r], v.count[r] = 0, int32(n)
		}
		return true, n
	}
	for r := range p.n {
		lo, hi := a.sees(p.s, p.t0+(p.i+r)/a.group)
		lo, hi = max(lo, j0), min(hi, j1)
		v.lo[r], v.count[r] = int32(lo-j0), int32(max(0, hi-lo))
	}
	return false, n
}

// softenFast turns the scores of a panel into weights and brings its sums to the new maxima.
func (a *attention) softenFast(f *flash, p panel, n int) {
	f.soft = softPanel{s: f.s, p: f.prob, o: at(f.o, p.i*a.dPad*4), most: start(f.most[p.i:]), sum: start(f.sum[p.i:]), lo: start(f.seen.lo[:]), count: start(f.seen.count[:]),
		rows: p.n, chunks: (n + keyChunk - 1) / keyChunk, oBytes: a.dPad * 4, scale: a.p.Scale, unit: float32(float64(a.p.Scale) * math.Log2E)}
	a.fast.soften(unsafe.Pointer(&f.soft))
}

// finishFast divides by the sums and stores; it reports whether no result is NaN. The maxima become the log-sum-exps.
func (a *attention) finishFast(f *flash, head, t0 int) (clean bool) {
	a.fast.sums(start(f.most), start(f.sum), start(f.most), start(f.sum), f.rows)
	if !a.p.LSE.IsZero() {
		lse, heads := a.p.LSE.F32(), a.p.Q.Dim(1)
		for r := 0; r < f.rows; r += a.group {
			copy(lse[(t0+r/a.group)*heads+head*a.group:], f.most[r:r+a.group])
		}
	}
	return a.storeRows(a.p.Out, t0*a.p.Out.Dim(1)+head*a.group, a.group, f.o, f.sum)
}

// storeRows stores rows of o times their factors as BF16 rows of out (T, H, D), from one row on: group heads of each token.
func (a *attention) storeRows(out tensor.Tensor, row, group int, o unsafe.Pointer, factor []float32) (clean bool) {
	if len(factor) == 0 {
		return true
	}
	s := &rowStore{o: o, out: lineOf(out, row).p, factor: start(factor), rows: len(factor), oBytes: a.dPad * 4, outBytes: a.d * 2, group: group,
		headBytes: out.Stride(1) * 2, tokenBytes: out.Stride(0) * 2, factorBytes: 4}
	a.fast.store(unsafe.Pointer(s))
	return s.nan == 0
}

// gradPanels is an attentionGrad whose operands are BF16: scores, weights and slopes exist for a panel of rows and a block of keys, and none is transposed.
type gradPanels struct {
	*attentionGrad
	q, dout      unsafe.Pointer // left operands of the scores and of dP
	qT, doutT    unsafe.Pointer // right operands of dK and dV, block by block of gradRows rows
	dq           unsafe.Pointer // float32 (rows, d)
	shift, delta []float32
	ones         []float32
	k, v, kT     unsafe.Pointer // right operands: of one block of keys
	dk, dv       unsafe.Pointer // float32 (keyBlock, d)
	s, dp        unsafe.Pointer // of a panel
	p, ds        unsafe.Pointer // pairs of rows of a block
	dsRows       unsafe.Pointer // of a panel
	seen         visible
	slope        slopePanel
	ahead        lookahead
}

// gradRows is how many rows share a pass over the gradients of a block of keys: a multiple of a panel and of two (BenchmarkAttention).
const gradRows = 112

func (g *attentionGrad) runPanels(next *attentionGrad) {
	rows := g.tokens * g.group
	t := g.qk
	block := t.rightBytes(g.d, gradRows)
	blocks := (rows + gradRows - 1) / gradRows
	parts, free := g.e.scratch.carve(t.leftBytes(rows, g.d), t.leftBytes(rows, g.d), blocks*block, blocks*block, rows*g.d*4, (rows+maxPanel)*4, (rows+maxPanel)*4, max(rows, keyBlock)*4,
		t.rightBytes(keyBlock, g.d), t.rightBytes(keyBlock, g.d), t.rightBytes(g.d, keyBlock), keyBlock*g.d*4, keyBlock*g.d*4,
		maxPanel*keyBlock*4, maxPanel*keyBlock*4, gradRows/2*keyBlock*4, gradRows/2*keyBlock*4, maxPanel*keyBlock*2)
	defer free()
	w := &gradPanels{attentionGrad: g, q: parts[0], dout: parts[1], qT: parts[2], doutT: parts[3], dq: parts[4], shift: f32s(parts[5], rows), delta: f32s(parts[6], rows), ones: f32s(parts[7], max(rows, keyBlock)),
		k: parts[8], v: parts[9], kT: parts[10], dk: parts[11], dv: parts[12], s: parts[13], dp: parts[14], p: parts[15], ds: parts[16], dsRows: parts[17]}
	w.prepare()
	w.lookAhead(next)
	for j := 0; j < g.keys(g.seq); j += keyBlock {
		w.keyBlock(j, min(g.keys(g.seq), j+keyBlock))
	}
	w.store(g.g.DQ, g.t0*g.p.Q.Dim(1)+g.head*g.group, g.group, w.dq, rows)
}

// lookAhead asks for the operands and results of next; nil: there is none.
func (w *gradPanels) lookAhead(next *attentionGrad) {
	if next == nil {
		return
	}
	w.ahead.touch = w.fast.touch
	t0, t1, k0, p := next.t0, next.t0+next.tokens, int(next.p.CuK[next.seq]), &next.g
	for _, x := range []tensor.Tensor{p.Q, p.DOut, p.Out, p.DQ} {
		w.ahead.add(x, t0, t1, next.head*next.group, next.group)
	}
	for _, x := range []tensor.Tensor{p.K, p.V, p.DK, p.DV} {
		w.ahead.add(x, k0, k0+next.keys(next.seq), next.head, 1)
	}
}

// prepare packs the query side, and finds shift and delta of each row.
func (w *gradPanels) prepare() {
	ks, tmp := &w.e.ks, &w.e.scratch
	clear(f32s(w.dq, w.tokens*w.group*w.d))
	for i := range w.ones {
		w.ones[i] = 1
	}
	pack := func(x tensor.Tensor, left, right unsafe.Pointer) {
		m, free := w.groupRows(x, w.head, w.t0, w.t0+w.tokens)
		defer free()
		ks.packLeft(left, w.qk, dtype.BF16, m, 0, m.lines, tmp)
		for r := 0; r < m.lines; r += gradRows {
			part := m
			part.p, part.lines = m.ptr(r, 0), min(gradRows, m.lines-r)
			ks.packRight(at(right, r/gradRows*w.qk.rightBytes(w.d, gradRows)), w.qk, dtype.BF16, part.transposed(), tmp)
		}
	}
	pack(w.attention.p.Q, w.q, w.qT)
	pack(w.g.DOut, w.dout, w.doutT)
	for r := range w.shift {
		w.shift[r] = float32(float64(w.lse[w.row(w.t0, r)]) * math.Log2E)
	}
	if out := w.attention.p.Out; out.DType() == dtype.BF16 && w.tokens > 0 {
		x, freeX := w.groupRows(w.g.DOut, w.head, w.t0, w.t0+w.tokens)
		defer freeX()
		y, freeY := w.groupRows(out, w.head, w.t0, w.t0+w.tokens)
		defer freeY()
		w.fast.dots(start(w.delta), x.p, y.p, x.lines, w.d/keyChunk, x.lineStr*2, y.lineStr*2)
		return
	}
	w.rowDots(w.delta, w.t0)
}

// keyBlock computes DK and DV of keys j0 to j1−1 and their part of DQ.
func (w *gradPanels) keyBlock(j0, j1 int) {
	ks, tmp, n := &w.e.ks, &w.e.scratch, j1-j0
	keys, values := w.lines(nil, w.seq, w.head, j0, j1, false), w.lines(nil, w.seq, w.head, j0, j1, true)
	ks.packRight(w.k, w.qk, dtype.BF16, keys, tmp)
	ks.packRight(w.v, w.qk, dtype.BF16, values, tmp)
	ks.packRight(w.kT, w.qk, dtype.BF16, keys.transposed(), tmp)
	clear(f32s(w.dk, keyBlock*w.d))
	clear(f32s(w.dv, keyBlock*w.d))
	rows := w.tokens * w.group
	for r0 := 0; r0 < rows; r0 += gradRows {
		lo, hi := gradRows, 0
		for i := r0; i < min(rows, r0+gradRows); i += w.qk.mr() {
			n := min(w.qk.mr(), rows-i)
			if w.panel(panel{w.seq, w.head, w.t0, i, n}, i-r0, j0, j1) {
				lo, hi = min(lo, i-r0), i-r0+n
			}
		}
		if lo < hi {
			w.keySide(r0, lo, hi, j0, n)
		}
	}
	row := (int(w.attention.p.CuK[w.seq])+j0)*w.hkv + w.head
	w.store(w.g.DK, row, 1, w.dk, n)
	w.store(w.g.DV, row, 1, w.dv, n)
}

// panel computes weights and slopes of rows that start in line of their block, and adds to DQ. It reports whether they see any of the keys.
func (w *gradPanels) panel(p panel, line, j0, j1 int) bool {
	_, n := w.look(&w.seen, p, j0, j1)
	if n <= 0 {
		return false
	}
	for r := range p.n {
		if math.IsInf(float64(w.shift[p.i+r]), -1) {
			w.seen.count[r] = 0
		}
	}
	for r := p.n; r < p.n+p.n%2; r++ {
		w.seen.lo[r], w.seen.count[r] = 0, 0
	}
	t, steps, from := w.qk, w.qk.steps(w.d), p.i*w.qk.steps(w.d)*w.qk.aBytes
	for j := 0; j < n; j += t.nr {
		t.rows[p.n](steps, at(w.q, from), at(w.k, j*steps*t.bBytes), at(w.s, 4*j), keyBlock*4, 0)
		t.rows[p.n](steps, at(w.dout, from), at(w.v, j*steps*t.bBytes), at(w.dp, 4*j), keyBlock*4, 0)
	}
	w.ahead.some()
	pairs := line / 2 * keyBlock * 4
	w.slope = slopePanel{s: w.s, dp: w.dp, p: at(w.p, pairs), ds: at(w.ds, pairs), rows: w.dsRows, lo: start(w.seen.lo[:]), count: start(w.seen.count[:]),
		shift: at(start(w.shift), 4*p.i), delta: at(start(w.delta), 4*p.i), pairs: (p.n + 1) / 2, chunks: (n + 15) / 16, unit: float32(float64(w.attention.p.Scale) * math.Log2E), scale: w.attention.p.Scale}
	w.fast.slopes(unsafe.Pointer(&w.slope))
	width := t.panel(t.steps(j1 - j0))
	for c := 0; c < w.d; c += t.nr {
		w.fast.rows[p.n](t.steps(n), w.dsRows, at(w.kT, c/t.nr*width), at(w.dq, (p.i*w.d+c)*4), w.d*4, 1)
	}
	return true
}

// keySide adds rows lo to hi−1 of the block that starts at row r0 to DK and DV of n keys. Rows before the first that sees a key are left out.
func (w *gradPanels) keySide(r0, lo, hi, j0, n int) {
	t := w.qk
	block := r0 / gradRows * t.rightBytes(w.d, gradRows)
	width := t.panel(t.steps(min(gradRows, w.tokens*w.group-r0)))
	for i := 0; i < n; i += t.mr() {
		first := lo
		if w.attention.p.Causal {
			token := j0 + i - w.keys(w.seq) + w.tokens
			first = max(lo, min(hi, token*w.group-r0))
		}
		u0, u1 := first/2, (hi+1)/2
		if u0 == u1 {
			continue
		}
		kernel, left := w.fast.columns[min(t.mr(), n-i)], u0*keyBlock*4+i*4
		for c := 0; c < w.d; c += t.nr {
			right, to := block+c/t.nr*width+u0*t.nr*t.bBytes, (i*w.d+c)*4
			kernel(u1-u0, at(w.p, left), at(w.doutT, right), at(w.dv, to), w.d*4, 1)
			kernel(u1-u0, at(w.ds, left), at(w.qT, right), at(w.dk, to), w.d*4, 1)
		}
	}
}

// store writes rows of float32 to rows of a gradient, group heads of each token.
func (w *gradPanels) store(out tensor.Tensor, row, group int, from unsafe.Pointer, rows int) {
	if out.DType() == dtype.BF16 {
		w.storeRows(out, row, group, from, w.ones[:rows])
		return
	}
	to := linesOf(out)
	for r := range rows {
		w.e.ks.scatterLine(to.at(row+r/group*out.Dim(1)+r%group), f32s(at(from, r*w.d*4), w.d))
	}
}
