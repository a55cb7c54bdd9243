package backendtest

import (
	"fmt"
	"math"

	"quire/simd/dtype"
	"quire/simd/ref"
	"quire/simd/tensor"
)

// rowLayouts are those with last stride 1.
var rowLayouts = []layout{plain, offset, rows}

// rowShapes are (M, C): empty, one, around the vector width, odd, large.
var rowShapes = [][]int{{0, 8}, {1, 1}, {1, 16}, {3, 17}, {2, 31}, {5, 64}, {4, 100}, {3, 1003}, {37, 2048}, {300, 513}}

func abs(x float32) float64 { return math.Abs(float64(x)) }

func norms(k *kit) {
	for _, shape := range rowShapes {
		for _, dt := range floats {
			for _, l := range rowLayouts {
				m, c := shape[0], shape[1]
				to, tw := pick(k, floats...), pick(k, floats...)
				x, w := k.normal(dt, m*c), k.normal(tw, c)
				xt, wt := input(dt, l, x, m, c), input(tw, offset, w, c)
				n := tensor.RMSNorm{X: xt, W: wt, Eps: 1e-5}
				result := func(i int, v float64) float64 { return of("RMSNorm", c, v) }
				rstd := out{dt: dtype.F32, shape: []int{m}, bound: func(i int, v float64) float64 { return of("RStd", c, v) }}
				k.compare(call{op: "RMSNorm", about: fmt.Sprint(l, shape), types: []dtype.Type{to, dt, tw}, outs: []out{{dt: to, shape: shape, layout: pick(k, rowLayouts...), bound: result}, rstd},
					do: func(b tensor.Backend, outs []tensor.Tensor) { n := n; n.Out, n.RStd = outs[0], outs[1]; b.RMSNorm(n) }})
				k.compare(call{op: "RMSNorm", about: fmt.Sprint("in place ", shape), types: []dtype.Type{dt, dt, tw}, outs: []out{{dt: dt, shape: shape, layout: l, init: x, bound: result}},
					do: func(b tensor.Backend, outs []tensor.Tensor) { n := n; n.Out, n.X = outs[0], outs[0]; b.RMSNorm(n) }})
				k.normGrad(l, dt, tw, shape, x, w)
			}
		}
	}
}

func (k *kit) normGrad(l layout, dt, tw dtype.Type, shape []int, x, w []float32) {
	m, c := shape[0], shape[1]
	dy, res, old := k.normal(dt, m*c), k.normal(dt, m*c), k.normal(dtype.F32, c)
	xt, wt, dyt, rest := input(dt, l, x, m, c), input(tw, plain, w, c), input(dt, l, dy, m, c), input(dt, plain, res, m, c)
	rstd := tensor.New(dtype.F32, m)
	ref.Backend{}.RMSNorm(tensor.RMSNorm{Out: tensor.New(dtype.F32, m, c), X: xt, W: wt, RStd: rstd, Eps: 1e-5})
	r, rowSum, dwMag := rstd.F32(), make([]float64, m), make([]float64, c)
	for i := range x {
		rowSum[i/c] += abs(w[i%c]) * abs(dy[i]) * abs(x[i])
		dwMag[i%c] += abs(dy[i]) * abs(x[i]) * float64(r[i/c])
	}
	dx := out{dt: dt, shape: shape, layout: l, bound: func(i int, _ float64) float64 {
		ri := float64(r[i/c])
		return of("RMSNormDX", c, abs(w[i%c])*abs(dy[i])*ri+abs(x[i])*ri*ri*ri/float64(c)*rowSum[i/c]+abs(res[i]))
	}}
	dw := out{dt: dtype.F32, shape: []int{c}, init: old, bound: func(i int, _ float64) float64 { return of("RMSNormDW", m, dwMag[i]+abs(old[i])) }}
	for _, frozen := range []bool{false, true} {
		outs := []out{dx, dw}
		if frozen {
			outs = outs[:1]
		}
		k.compare(call{op: "RMSNormGrad", about: fmt.Sprint(l, shape, " frozen ", frozen), types: []dtype.Type{dt, dt, tw}, outs: outs, do: func(b tensor.Backend, outs []tensor.Tensor) {
			p := tensor.RMSNormGrad{DX: outs[0], DY: dyt, X: xt, W: wt, RStd: rstd, Residual: rest}
			if !frozen {
				p.DW = outs[1]
			}
			b.RMSNormGrad(p)
		}})
	}
}

func ropes(k *kit) {
	for _, shape := range [][]int{{0, 2, 8}, {1, 1, 2}, {3, 2, 64}, {5, 3, 34}, {17, 4, 128}, {300, 8, 64}, {2, 2, 80}} {
		for _, interleaved := range []bool{false, true} {
			for _, inverse := range []bool{false, true} {
				for _, dt := range floats {
					dim := shape[2]
					if dim == 80 {
						dim = 32 // partial rotation
					}
					config := tensor.RotaryConfig{Dim: dim, Theta: 10000, MaxPosition: 512, Linear: pick[float64](k, 0, 4), DynamicNTK: pick[float64](k, 0, 2)}
					r := tensor.NewRotary(config.Frequencies(1000), 1000, interleaved)
					l := pick(k, rowLayouts...)
					x, pos := k.normal(dt, count(shape)), make([]int32, shape[0])
					for i := range pos {
						pos[i] = int32(k.rng.IntN(1000))
					}
					xt, post := input(dt, l, x, shape...), tensor.FromI32(pos, len(pos))
					mag := func(i int, _ float64) float64 {
						e := i % shape[2]
						if e >= dim {
							return 0
						}
						pair := i - e + (e+dim/2)%dim
						if interleaved {
							pair = i ^ 1
							if shape[2]%2 == 1 {
								pair = i - e + e ^ 1
							}
						}
						return of("RoPE", 1, abs(x[i])+abs(x[pair]))
					}
					about := fmt.Sprint(l, shape, " interleaved ", interleaved, " inverse ", inverse)
					k.compare(call{op: "RoPE", about: about, types: []dtype.Type{dt}, outs: []out{{dt: dt, shape: shape, layout: pick(k, rowLayouts...), bound: mag}},
						do: func(b tensor.Backend, outs []tensor.Tensor) { b.RoPE(outs[0], xt, post, r, inverse) }})
					k.compare(call{op: "RoPE", about: about + " in place", types: []dtype.Type{dt}, outs: []out{{dt: dt, shape: shape, layout: l, init: x, bound: mag}},
						do: func(b tensor.Backend, outs []tensor.Tensor) { b.RoPE(outs[0], outs[0], post, r, inverse) }})
				}
			}
		}
	}
}

func swiglus(k *kit) {
	for _, shape := range rowShapes {
		for _, dt := range floats {
			m, f := shape[0], shape[1]
			both := k.normal(dt, 2*m*f)
			fused := input(dt, plain, both, m, 2*f)
			gate, up := fused.Slice(1, 0, f), fused.Slice(1, f, 2*f)
			k.compare(call{op: "SwiGLU", about: fmt.Sprint(shape), types: []dtype.Type{dt}, outs: []out{{dt: dt, shape: shape, layout: pick(k, rowLayouts...), bound: func(i int, v float64) float64 { return of("SwiGLU", 1, v) }}},
				do: func(b tensor.Backend, outs []tensor.Tensor) { b.SwiGLU(outs[0], gate, up) }})
			g, upValues, dout := gate.Floats(), up.Floats(), k.normal(dt, m*f)
			do := input(dt, pick(k, rowLayouts...), dout, m, f)
			bound := func(i int, _ float64) float64 {
				return of("SwiGLUGrad", 1, abs(dout[i])*(1+abs(g[i]))*(1+abs(upValues[i])))
			}
			o := []out{{dt: dt, shape: shape, layout: pick(k, rowLayouts...), bound: bound}, {dt: dt, shape: shape, layout: pick(k, rowLayouts...), bound: bound}}
			k.compare(call{op: "SwiGLUGrad", about: fmt.Sprint(shape), types: []dtype.Type{dt}, outs: o,
				do: func(b tensor.Backend, outs []tensor.Tensor) { b.SwiGLUGrad(outs[0], outs[1], do, gate, up) }})
			o[0].init, o[1].init = g, upValues
			k.compare(call{op: "SwiGLUGrad", about: fmt.Sprint("in place ", shape), types: []dtype.Type{dt}, outs: o,
				do: func(b tensor.Backend, outs []tensor.Tensor) { b.SwiGLUGrad(outs[0], outs[1], do, outs[0], outs[1]) }})
		}
	}
}

func softmaxes(k *kit) {
	for _, shape := range append([][]int{{2, 3, 40}, {3, 0}, {1, 32000}}, rowShapes...) {
		for _, dt := range floats {
			n, l := shape[len(shape)-1], pick(k, rowLayouts...)
			x := k.normal(dt, count(shape))
			if n > 4 && len(x) > 0 && k.rng.IntN(2) == 0 {
				x[1] = float32(math.Inf(-1))
				x[len(x)-1] = float32(pick(k, math.NaN(), math.Inf(1), math.Inf(-1)))
			}
			if n > 4 && len(x) >= 2*n {
				for i := range n {
					x[i] = float32(math.Inf(-1))
				}
			}
			xt := input(dt, l, x, shape...)
			bound := func(i int, v float64) float64 { return of("Softmax", n, v*(1+20/float64(n))) }
			k.compare(call{op: "Softmax", about: fmt.Sprint(l, shape), types: []dtype.Type{dt}, outs: []out{{dt: dt, shape: shape, layout: pick(k, rowLayouts...), bound: bound}},
				do: func(b tensor.Backend, outs []tensor.Tensor) { b.Softmax(outs[0], xt) }})
			k.compare(call{op: "Softmax", about: fmt.Sprint("in place ", shape), types: []dtype.Type{dt}, outs: []out{{dt: dt, shape: shape, layout: l, init: x, bound: bound}},
				do: func(b tensor.Backend, outs []tensor.Tensor) { b.Softmax(outs[0], outs[0]) }})
			k.softmaxGrad(l, dt, shape)
		}
	}
}

func (k *kit) softmaxGrad(l layout, dt dtype.Type, shape []int) {
	n := shape[len(shape)-1]
	yt := input(dt, l, k.normal(dt, count(shape)), shape...)
	ref.Backend{}.Softmax(yt, yt)
	y, dy := yt.Floats(), k.normal(dt, count(shape))
	sums := make([]float64, len(y)/max(n, 1))
	for i := range y {
		sums[i/n] += abs(y[i]) * abs(dy[i])
	}
	dyt := input(dt, l, dy, shape...)
	k.compare(call{op: "SoftmaxGrad", about: fmt.Sprint(l, shape), types: []dtype.Type{dt},
		outs: []out{{dt: dt, shape: shape, layout: l, bound: func(i int, _ float64) float64 { return of("SoftmaxGrad", n, abs(y[i])*(abs(dy[i])+sums[i/n])) }}},
		do:   func(b tensor.Backend, outs []tensor.Tensor) { b.SoftmaxGrad(outs[0], dyt, yt) }})
}

func embeddings(k *kit) {
	const v = 50
	for _, tokens := range []int{0, 1, 33, 1000} {
		for _, c := range []int{1, 17, 256, 1024} {
			id := make([]int32, tokens)
			for i := range id {
				id[i] = int32(k.rng.IntN(v))
			}
			idt := tensor.FromI32(id, tokens)
			for _, dt := range append(append([]dtype.Type(nil), floats...), blocks...) {
				if c%dt.Block() != 0 {
					continue
				}
				to := pick(k, floats...)
				w := input(dt, pick(k, rowLayouts...), k.normal(dtype.F32, v*c), v, c)
				k.compareBits(call{op: "Embedding", about: fmt.Sprint(tokens, c), types: []dtype.Type{to, dt}, outs: []out{{dt: to, shape: []int{tokens, c}, layout: pick(k, rowLayouts...)}},
					do: func(b tensor.Backend, outs []tensor.Tensor) { b.Embedding(outs[0], w, idt) }})
			}
			for _, dt := range floats {
				dout := input(dt, pick(k, rowLayouts...), k.normal(dt, tokens*c), tokens, c)
				k.compareBits(call{op: "EmbeddingGrad", about: fmt.Sprint(tokens, c), types: []dtype.Type{dt},
					outs: []out{{dt: dtype.F32, shape: []int{v, c}, layout: pick(k, rowLayouts...), init: k.normal(dtype.F32, v*c)}},
					do:   func(b tensor.Backend, outs []tensor.Tensor) { b.EmbeddingGrad(outs[0], dout, idt) }})
			}
		}
	}
}
