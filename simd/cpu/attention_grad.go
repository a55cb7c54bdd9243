package cpu

import (
	"math"
	"unsafe"

	"quire/simd/dtype"
	"quire/simd/internal/check"
	"quire/simd/tensor"
)

// attentionGrad is one sequence and key head of an AttentionGrad. Its query rows, tokens times heads of the group, are cut into blocks of the same size as
// the keys'; each pair of blocks that see each other takes five products, and the scores are formed anew from LSE.
type attentionGrad struct {
	*attention
	g          tensor.AttentionGrad
	seq, head  int
	t0, tokens int
	work       dtype.Type // of probabilities and their gradients
	t          *tile      // of the three products that have them as left operand
	blocks     []queryBlock
	args       softArgs
	lse        []float32
	delta      []float32 // Σ dOut·Out of each row
}

// queryBlock is a block of query rows with everything that the key blocks need of it.
type queryBlock struct {
	t0, t1    int
	q, dout   unsafe.Pointer // left operands of the scores and of dP
	qT, doutT unsafe.Pointer // right operands of dK and dV
	dq        unsafe.Pointer // float32 (rows, dPad)
}

// AttentionGrad runs the sequences and key heads in parallel.
func (b *Backend) AttentionGrad(p tensor.AttentionGrad) {
	p = check.AttentionGrad(p)
	if p.Q.Len() == 0 && p.K.Len() == 0 {
		return
	}
	a := b.e.newAttention(p.Attention)
	tasks := p.Seqs() * a.hkv
	task := func(i int) *attentionGrad {
		if i >= tasks {
			return nil
		}
		g := &attentionGrad{attention: a, g: p, seq: i / a.hkv, head: i % a.hkv}
		g.t0, g.tokens = int(p.CuQ[g.seq]), int(p.CuQ[g.seq+1]-p.CuQ[g.seq])
		g.t, g.work, _ = b.e.choose(p.K.DType(), p.K.DType(), false)
		g.lse = p.LSE.F32()
		return g
	}
	b.e.pool.run(tasks, func(i int) {
		g := task(i)
		if a.fast != nil && p.DOut.DType() == dtype.BF16 {
			g.runPanels(task(i + b.e.pool.threads()))
			return
		}
		g.run()
	})
}

func (g *attentionGrad) run() {
	free := g.prepare()
	defer free()
	for j := 0; j < g.keys(g.seq); j += keyBlock {
		g.keyBlock(j, min(g.keys(g.seq), j+keyBlock))
	}
	dq := linesOf(g.g.DQ)
	for _, b := range g.blocks {
		for r := range (b.t1 - b.t0) * g.group {
			g.e.ks.scatterLine(dq.at(g.row(b.t0, r)), f32s(at(b.dq, r*g.dPad*4), g.d))
		}
	}
}

// row is the row of (T, H) of row r of the block that starts at token t.
func (g *attentionGrad) row(t, r int) int {
	return (t+r/g.group)*g.p.Q.Dim(1) + g.head*g.group + r%g.group
}

// prepare packs the query side once.
func (g *attentionGrad) prepare() (free func()) {
	step := max(1, queryRows/g.group)
	var sizes []int
	for t := 0; t < g.tokens; t += step {
		rows := (min(g.tokens, t+step) - t) * g.group
		sizes = append(sizes, g.qk.leftBytes(rows, g.d), g.qk.leftBytes(rows, g.d), g.t.rightBytes(g.d, rows), g.t.rightBytes(g.d, rows), rows*g.dPad*4)
	}
	rows := g.tokens * g.group
	parts, free := g.e.scratch.carve(append(sizes, rows*4)...)
	g.delta = f32s(parts[len(parts)-1], rows)
	for t := 0; t < g.tokens; t += step {
		b := queryBlock{t0: g.t0 + t, t1: g.t0 + min(g.tokens, t+step), q: parts[0], dout: parts[1], qT: parts[2], doutT: parts[3], dq: parts[4]}
		parts = parts[5:]
		n := (b.t1 - b.t0) * g.group
		clear(f32s(b.dq, n*g.dPad))
		g.packBoth(b.q, b.qT, g.p.Q, b)
		g.packBoth(b.dout, b.doutT, g.g.DOut, b)
		g.rowDots(g.delta[t*g.group:][:n], b.t0)
		g.blocks = append(g.blocks, b)
	}
	return free
}

// packBoth packs rows of x as left operand and, transposed, as right operand. They are rounded to the type of the products' panels.
func (g *attentionGrad) packBoth(left, right unsafe.Pointer, x tensor.Tensor, b queryBlock) {
	rows := (b.t1 - b.t0) * g.group
	ks := &g.e.ks
	buf := g.e.scratch.get(2 * rows * g.d * 4)
	defer g.e.scratch.put(buf)
	wide, bits := f32s(buf.ptr(), rows*g.d), at(buf.ptr(), rows*g.d*4)
	given := linesOf(x)
	for r := range rows {
		from := given.at(g.row(b.t0, r))
		ks.toF32(wide[r*g.d:(r+1)*g.d], from.dt, from.p)
	}
	as := func(want dtype.Type) matrix {
		m := matrix{p: buf.ptr(), dt: dtype.F32, lines: rows, k: g.d, lineStr: g.d, kStr: 1}
		if want == dtype.BF16 {
			ks.fromF32(bits, dtype.BF16, wide)
			m.p, m.dt = bits, want
		}
		return m
	}
	ks.packLeft(left, g.qk, g.qType, as(g.qType), 0, rows, &g.e.scratch)
	if g.t.kStep == 2 && g.work == dtype.F32 {
		ks.packRight(right, g.t, dtype.BF16, as(dtype.BF16).transposed(), &g.e.scratch)
		return
	}
	ks.packRight(right, g.t, g.work, as(g.work).transposed(), &g.e.scratch)
}

// transposed exchanges lines and k.
func (m matrix) transposed() matrix {
	m.lines, m.k, m.lineStr, m.kStr = m.k, m.lines, m.kStr, m.lineStr
	return m
}

// rowDots writes Σ dOut·Out of the rows of the block that starts at token t0.
func (g *attentionGrad) rowDots(delta []float32, t0 int) {
	t, free := g.e.temps(g.d)
	defer free()
	dout, out := linesOf(g.g.DOut), linesOf(g.p.Out)
	for r := range delta {
		row := g.row(t0, r)
		delta[r] = g.e.ks.dot(g.e.ks.load(t[0], dout.at(row), 0, g.d), g.e.ks.load(t[1], out.at(row), 0, g.d))
	}
}

// keyBlock computes DK and DV of keys j0 to j1−1 and their part of DQ.
func (g *attentionGrad) keyBlock(j0, j1 int) {
	ks, n := &g.e.ks, j1-j0
	tmp := &g.e.scratch
	most := max(1, queryRows/g.group) * g.group
	parts, free := tmp.carve(g.qk.rightBytes(n, g.d), g.qk.rightBytes(n, g.d), g.t.rightBytes(g.d, n), keyBlock*g.dPad*4, keyBlock*g.dPad*4,
		most*keyBlock*4, most*keyBlock*4, most*keyBlock*4, most*keyBlock*4, max(g.t.leftBytes(most, keyBlock), g.t.leftBytes(keyBlock, most)))
	defer free()
	k, v, kT, dk, dv := parts[0], parts[1], parts[2], parts[3], parts[4]
	keys, values := g.lines(nil, g.seq, g.head, j0, j1, false), g.lines(nil, g.seq, g.head, j0, j1, true)
	ks.packRight(k, g.qk, g.kType, keys, tmp)
	ks.packRight(v, g.qk, g.kType, values, tmp)
	ks.packRight(kT, g.t, g.rightType(), keys.transposed(), tmp)
	clear(f32s(dk, keyBlock*g.dPad))
	clear(f32s(dv, keyBlock*g.dPad))
	for i, b := range g.blocks {
		lo, _ := g.sees(g.seq, b.t0)
		_, hi := g.sees(g.seq, b.t1-1)
		if lo >= j1 || hi <= j0 {
			continue
		}
		rows := (b.t1 - b.t0) * g.group
		steps := g.qk.steps(g.d)
		g.qk.times(parts[5], keyBlock*4, rows, n, steps, b.q, k, 0)
		g.qk.times(parts[6], keyBlock*4, rows, n, steps, b.dout, v, 0)
		for r := range rows {
			g.slopes(i, r, j0, j1, parts[5:9])
		}
		p := matrix{p: parts[7], dt: g.work, lines: rows, k: n, lineStr: keyBlock, kStr: 1}
		ds := p
		ds.p = parts[8]
		ks.packLeft(parts[9], g.t, g.work, p.transposed(), 0, n, tmp)
		g.t.times(dv, g.dPad*4, n, g.d, g.t.steps(rows), parts[9], b.doutT, 1)
		ks.packLeft(parts[9], g.t, g.work, ds.transposed(), 0, n, tmp)
		g.t.times(dk, g.dPad*4, n, g.d, g.t.steps(rows), parts[9], b.qT, 1)
		ks.packLeft(parts[9], g.t, g.work, ds, 0, rows, tmp)
		g.t.times(b.dq, g.dPad*4, rows, g.d, g.t.steps(n), parts[9], kT, 1)
	}
	toDK, toDV := linesOf(g.g.DK), linesOf(g.g.DV)
	for j := range n {
		row := (int(g.p.CuK[g.seq])+j0+j)*g.hkv + g.head
		ks.scatterLine(toDK.at(row), f32s(at(dk, j*g.dPad*4), g.d))
		ks.scatterLine(toDV.at(row), f32s(at(dv, j*g.dPad*4), g.d))
	}
}

// rightType is the type of right panels of the products with probabilities.
func (g *attentionGrad) rightType() dtype.Type {
	if g.t.kStep == 2 {
		return dtype.BF16
	}
	return g.work
}

// slopes turns a row of scores and of dP (in[0], in[1]) into probabilities and score gradients (in[2], in[3]).
func (g *attentionGrad) slopes(block, r, j0, j1 int, in []unsafe.Pointer) {
	ks, b, n, size := &g.e.ks, g.blocks[block], j1-j0, g.work.BlockBytes()
	lo, hi := g.sees(g.seq, b.t0+r/g.group)
	lo, hi = max(lo, j0)-j0, min(hi, j1)-j0
	lse := g.lse[g.row(b.t0, r)]
	s, dp := f32s(at(in[0], r*keyBlock*4), n), f32s(at(in[1], r*keyBlock*4), n)
	if lo >= hi || math.IsInf(float64(lse), -1) {
		clear(s)
		clear(dp)
	} else {
		clear(s[:lo])
		clear(s[hi:])
		clear(dp[:lo])
		clear(dp[hi:])
		g.args.scale, g.args.shift, g.args.delta = g.p.Scale, lse, g.delta[(b.t0-g.t0)*g.group+r]
		ks.slopes(hi-lo, start(s[lo:]), start(dp[lo:]), &g.args)
	}
	ks.fromF32(at(in[2], r*keyBlock*size), g.work, s)
	ks.fromF32(at(in[3], r*keyBlock*size), g.work, dp)
}
