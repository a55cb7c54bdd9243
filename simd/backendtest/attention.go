package backendtest

import (
	"fmt"
	"math"

	"quire/simd/dtype"
	"quire/simd/tensor"
)

// attentionCase is a packed batch: lengths of queries and keys a sequence.
type attentionCase struct {
	tq, sk    []int
	h, hkv, d int
	causal    bool
	window    int
}

var attentionCases = []attentionCase{
	{tq: []int{0}, sk: []int{0}, h: 1, hkv: 1, d: 4},
	{tq: []int{1}, sk: []int{1}, h: 1, hkv: 1, d: 1, causal: true},
	{tq: []int{3}, sk: []int{3}, h: 2, hkv: 1, d: 16, causal: true},
	{tq: []int{17}, sk: []int{17}, h: 4, hkv: 2, d: 33, causal: true},
	{tq: []int{5}, sk: []int{40}, h: 8, hkv: 1, d: 64, causal: true},
	{tq: []int{70}, sk: []int{131}, h: 8, hkv: 2, d: 64, causal: true},
	{tq: []int{33}, sk: []int{20}, h: 2, hkv: 2, d: 80, causal: true}, // the first 13 queries see no key
	{tq: []int{9}, sk: []int{65}, h: 3, hkv: 3, d: 128},
	{tq: []int{4, 0, 17, 1}, sk: []int{4, 0, 17, 1}, h: 4, hkv: 2, d: 32, causal: true},
	{tq: []int{1, 1, 1}, sk: []int{200, 1, 63}, h: 16, hkv: 2, d: 64, causal: true},
	{tq: []int{30, 12}, sk: []int{50, 12}, h: 4, hkv: 1, d: 64, causal: true, window: 7},
	{tq: []int{1, 2}, sk: []int{300, 290}, h: 8, hkv: 1, d: 128, causal: true, window: 100},
}

// cumulate turns lengths into CuQ or CuK.
func cumulate(lens []int) []int32 {
	cu := []int32{0}
	for _, n := range lens {
		cu = append(cu, cu[len(cu)-1]+int32(n))
	}
	return cu
}

func total(lens []int) int { return int(cumulate(lens)[len(lens)]) }

// operands draws q, k, v of a case; k and v as their type holds them.
func (k *kit) operands(c attentionCase, tq, tk dtype.Type) (q, key, value []float32) {
	return k.normal(tq, total(c.tq)*c.h*c.d), k.normal(tk, total(c.sk)*c.hkv*c.d), k.normal(tk, total(c.sk)*c.hkv*c.d)
}

// attentionErrors are the largest errors of Out and LSE, and of DQ, DK and DV if dout is given.
type attentionErrors struct{ out, lse, dq, dk, dv []float64 }

// newAttentionErrors follows the definition with absolute values; rounding is the unit of the type of V, quantised says that Q may be rounded to 8 bits.
func newAttentionErrors(c attentionCase, q, key, value, dout []float32, rounding float64, quantised bool) attentionErrors {
	e := attentionErrors{make([]float64, len(q)), make([]float64, total(c.tq)*c.h), make([]float64, len(q)), make([]float64, len(key)), make([]float64, len(key))}
	scale, cuQ, cuK := 1/math.Sqrt(float64(c.d)), cumulate(c.tq), cumulate(c.sk)
	for b := range c.tq {
		for i := range c.tq[b] {
			lo, hi := 0, c.sk[b]
			if c.causal {
				hi = max(0, i+c.sk[b]-c.tq[b]+1)
			}
			if c.window > 0 {
				lo = max(0, hi-c.window)
			}
			for head := range c.h {
				row := (int(cuQ[b])+i)*c.h + head
				r := attentionRow{c: c, q: q[row*c.d : (row+1)*c.d], lo: lo, hi: hi, base: (int(cuK[b])*c.hkv + head/(c.h/c.hkv)) * c.d, scale: scale}
				r.solve(key, quantised)
				e.lse[row] = of("LSE", c.d+hi-lo, 1+math.Abs(r.lse)+r.most) + r.rounding
				slack := of("Attention", c.d+hi-lo, 1+2*r.most) + 2*r.rounding + rounding
				for l := range c.d {
					for j := lo; j < hi; j++ {
						e.out[row*c.d+l] += r.p[j-lo] * abs(value[r.at(j)+l]) * slack
					}
				}
				if dout != nil {
					r.addGradErrors(&e, row, key, value, dout[row*c.d:(row+1)*c.d], rounding)
				}
			}
		}
	}
	return e
}

// attentionRow is one query head.
type attentionRow struct {
	c                   attentionCase
	q                   []float32
	lo, hi, base        int
	scale               float64
	p                   []float64
	lse, most, rounding float64
}

// at is where key j of this head starts.
func (r *attentionRow) at(j int) int { return r.base + j*r.c.hkv*r.c.d }

// solve finds the probabilities, and the largest magnitude and 8-bit rounding of a score.
func (r *attentionRow) solve(key []float32, quantised bool) {
	var sum float64
	for j := r.lo; j < r.hi; j++ {
		var dot, mag, round float64
		for g := 0; g < r.c.d; g += 32 {
			var most, keys float64
			for l := g; l < min(g+32, r.c.d); l++ {
				a, b := float64(r.q[l]), float64(key[r.at(j)+l])
				dot += a * b
				mag += math.Abs(a * b)
				most, keys = max(most, math.Abs(a)), keys+math.Abs(b)
			}
			round += most / 254 * 1.01 * keys
		}
		r.p = append(r.p, math.Exp(dot*r.scale))
		sum += r.p[j-r.lo]
		r.most = max(r.most, mag*r.scale)
		if quantised {
			r.rounding = max(r.rounding, round*r.scale)
		}
	}
	r.lse = 0
	if sum > 0 {
		r.lse = math.Log(sum)
	}
	for j := range r.p {
		r.p[j] /= sum
	}
}

func (r *attentionRow) addGradErrors(e *attentionErrors, row int, key, value, dout []float32, rounding float64) {
	dp, mean := make([]float64, len(r.p)), 0.0
	for j, p := range r.p {
		for l, g := range dout {
			dp[j] += abs(g) * abs(value[r.at(r.lo+j)+l])
		}
		mean += p * dp[j]
	}
	slack := of("AttentionGrad", r.c.d+len(r.p), 1+2*r.most) + 2*rounding
	for j, p := range r.p {
		ds := p * (dp[j] + mean) * r.scale * slack
		at := r.at(r.lo + j)
		for l := range r.q {
			e.dq[row*r.c.d+l] += ds * abs(key[at+l])
			e.dk[at+l] += ds * abs(r.q[l])
			e.dv[at+l] += p * abs(dout[l]) * slack
		}
	}
}

// rounding is the relative error of probabilities that are rounded to the type of V; block formats count as BF16.
func rounding(dt dtype.Type) float64 {
	switch dt {
	case dtype.F32:
		return 0
	case dtype.F16:
		return formats[dtype.F16].unit
	}
	return formats[dtype.BF16].unit
}

func attentions(k *kit) {
	for _, c := range attentionCases {
		for _, types := range [][3]dtype.Type{{dtype.F32, dtype.F32, dtype.F32}, {dtype.BF16, dtype.BF16, dtype.BF16}, {dtype.F32, dtype.F32, dtype.BF16}, {dtype.F16, dtype.F16, dtype.F16}, {dtype.BF16, dtype.BF16, dtype.F32}} {
			to, tq, tk := types[0], types[1], types[2]
			q, key, value := k.operands(c, tq, tk)
			e := newAttentionErrors(c, q, key, value, nil, rounding(tk), false)
			l, lk := pick(k, rowLayouts...), pick(k, rowLayouts...)
			t, s := total(c.tq), total(c.sk)
			p := tensor.Attention{Q: input(tq, l, q, t, c.h, c.d), K: input(tk, lk, key, s, c.hkv, c.d), V: input(tk, lk, value, s, c.hkv, c.d),
				CuQ: cumulate(c.tq), CuK: cumulate(c.sk), Causal: c.causal, Window: c.window}
			o := []out{{dt: to, shape: []int{t, c.h, c.d}, layout: pick(k, rowLayouts...), bound: func(i int, _ float64) float64 { return e.out[i] }},
				{dt: dtype.F32, shape: []int{t, c.h}, bound: func(i int, _ float64) float64 { return e.lse[i] }}}
			k.compare(call{op: "Attention", about: fmt.Sprintf("%+v %v %v", c, l, lk), types: types[:], outs: o,
				do: func(b tensor.Backend, outs []tensor.Tensor) { p := p; p.Out, p.LSE = outs[0], outs[1]; b.Attention(p) }})
		}
	}
}

// pagedAttentions scatters keys over pages in random order.
func pagedAttentions(k *kit) {
	for _, c := range attentionCases {
		for _, dt := range []dtype.Type{dtype.F32, dtype.F16, dtype.BF16, dtype.Q8_0, dtype.Q4_0} {
			if c.d%dt.Block() != 0 {
				continue
			}
			for _, tq := range []dtype.Type{dtype.F32, dtype.BF16} {
				k.paged(c, dt, tq, pick(k, 1, 16, 64))
			}
		}
	}
}

func (k *kit) paged(c attentionCase, dt, tq dtype.Type, pageSize int) {
	q, key, value := k.operands(c, tq, dtype.F32)
	t, s := total(c.tq), total(c.sk)
	kt, vt := input(dt, plain, key, s, c.hkv, c.d), input(dt, plain, value, s, c.hkv, c.d)
	key, value = kt.Floats(), vt.Floats()
	pages := 3
	for _, n := range c.sk {
		pages += (n + pageSize - 1) / pageSize
	}
	free, slots := k.rng.Perm(pages), make([]int32, 0, s)
	p := tensor.Attention{Q: input(tq, pick(k, rowLayouts...), q, t, c.h, c.d), CuQ: cumulate(c.tq), Causal: c.causal, Window: c.window}
	for _, n := range c.sk {
		var table []int32
		for j := range n {
			if j%pageSize == 0 {
				table, free = append(table, int32(free[0])), free[1:]
			}
			slots = append(slots, table[j/pageSize]*int32(pageSize)+int32(j%pageSize))
		}
		p.Pages, p.KeyLens = append(p.Pages, table), append(p.KeyLens, int32(n))
	}
	e := newAttentionErrors(c, q, key, value, nil, rounding(dt), dt.IsBlock())
	kf, vf := input(dtype.F32, plain, key, s, c.hkv, c.d), input(dtype.F32, rows, value, s, c.hkv, c.d)
	config := tensor.KVConfig{Pages: pages, PageSize: pageSize, KVHeads: c.hkv, HeadDim: c.d, DType: dt}
	k.compare(call{op: "Attention paged", about: fmt.Sprintf("%+v page %d", c, pageSize), types: []dtype.Type{tq, dt}, outs: []out{
		{dt: dtype.F32, shape: []int{t, c.h, c.d}, bound: func(i int, _ float64) float64 { return e.out[i] }},
		{dt: dtype.F32, shape: []int{t, c.h}, bound: func(i int, _ float64) float64 { return e.lse[i] }},
	}, do: func(b tensor.Backend, outs []tensor.Tensor) {
		p := p
		p.KV, p.Out, p.LSE = b.NewKV(config), outs[0], outs[1]
		p.KV.Write(kf, vf, tensor.FromI32(slots, len(slots)))
		b.Attention(p)
	}})
}

func attentionGrads(k *kit) {
	for _, c := range attentionCases {
		for _, types := range [][2]dtype.Type{{dtype.F32, dtype.F32}, {dtype.BF16, dtype.BF16}, {dtype.F16, dtype.F16}} {
			tq, tk := types[0], types[1]
			q, key, value := k.operands(c, tq, tk)
			t, s := total(c.tq), total(c.sk)
			dout := k.normal(tq, len(q))
			r := rounding(tk)
			e := newAttentionErrors(c, q, key, value, dout, r, false)
			l := pick(k, rowLayouts...)
			p := tensor.AttentionGrad{Attention: tensor.Attention{Q: input(tq, l, q, t, c.h, c.d), K: input(tk, l, key, s, c.hkv, c.d), V: input(tk, l, value, s, c.hkv, c.d),
				Out: tensor.New(dtype.F32, t, c.h, c.d), LSE: tensor.New(dtype.F32, t, c.h), CuQ: cumulate(c.tq), CuK: cumulate(c.sk), Causal: c.causal, Window: c.window},
				DOut: input(tq, l, dout, t, c.h, c.d)}
			reference.Attention(p.Attention)
			bound := func(e []float64) func(int, float64) float64 { return func(i int, _ float64) float64 { return e[i] } }
			k.compare(call{op: "AttentionGrad", about: fmt.Sprintf("%+v %v", c, l), types: types[:], outs: []out{
				{dt: tq, shape: []int{t, c.h, c.d}, layout: pick(k, rowLayouts...), bound: bound(e.dq)},
				{dt: tk, shape: []int{s, c.hkv, c.d}, layout: pick(k, rowLayouts...), bound: bound(e.dk)},
				{dt: tk, shape: []int{s, c.hkv, c.d}, layout: pick(k, rowLayouts...), bound: bound(e.dv)},
			}, do: func(b tensor.Backend, outs []tensor.Tensor) {
				p := p
				p.DQ, p.DK, p.DV = outs[0], outs[1], outs[2]
				b.AttentionGrad(p)
			}})
		}
	}
}

// kvs checks that Read gives back what Write rounded, also after CopyPages.
func kvs(k *kit) {
	for _, kind := range []tensor.KVConfig{{DType: dtype.F32}, {DType: dtype.F16}, {DType: dtype.BF16}, {DType: dtype.Q8_0}, {DType: dtype.Q4_0}, {DType: dtype.F32, Bits: 8}, {DType: dtype.F32, Bits: 4}} {
		dt := kind.DType
		for _, from := range floats {
			config := tensor.KVConfig{Pages: 5, PageSize: 8, KVHeads: 3, HeadDim: 64, DType: dt, Bits: kind.Bits}
			const tokens = 16
			slots := make([]int32, tokens)
			for i := range slots {
				slots[i] = int32([]int{3, 1}[i/8]*8 + (i*5+2)%8)
			}
			n := tokens * config.KVHeads * config.HeadDim
			kt, vt := input(from, pick(k, rowLayouts...), k.normal(from, n), tokens, 3, 64), input(from, pick(k, rowLayouts...), k.normal(from, n), tokens, 3, 64)
			moved := make([]int32, tokens)
			for i, s := range slots {
				moved[i] = s%8 + map[int32]int32{3: 0, 1: 4}[s/8]*8
			}
			shape := []int{tokens, 3, 64}
			outs := make([]out, 4)
			for i := range outs {
				outs[i] = out{dt: dtype.F32, shape: shape, layout: pick(k, rowLayouts...)}
			}
			k.compareBits(call{op: "KV", about: "write, copy pages, read", types: []dtype.Type{dt, from}, outs: outs, do: func(b tensor.Backend, outs []tensor.Tensor) {
				kv := b.NewKV(config)
				kv.Write(kt, vt, tensor.FromI32(slots, tokens))
				kv.CopyPages([]int32{0, 4}, []int32{3, 1})
				kv.Read(outs[0], outs[1], tensor.FromI32(slots, tokens))
				kv.Read(outs[2], outs[3], tensor.FromI32(moved, tokens))
			}})
		}
	}
}
