package backendtest

import (
	"fmt"
	"math"

	"quire/simd/dtype"
	"quire/simd/tensor"
)

// headLosses runs the fused head: T, C, V around vectors and beyond what a chunk holds.
func headLosses(k *kit) {
	for _, size := range [][3]int{{0, 8, 5}, {1, 1, 1}, {3, 17, 33}, {8, 64, 100}, {33, 48, 257}, {5, 32, 5003}, {140, 40, 300}} {
		for _, types := range [][2]dtype.Type{{dtype.F32, dtype.F32}, {dtype.BF16, dtype.BF16}, {dtype.F32, dtype.BF16}, {dtype.F16, dtype.F16}} {
			for variant := range 4 {
				k.headLoss(size, types, variant)
			}
		}
	}
}

// headLoss checks one size; variant 0 is the loss alone, 1 has both gradients, 2 and 3 one of them, with z-loss and smoothing.
func (k *kit) headLoss(size [3]int, types [2]dtype.Type, variant int) {
	t, c, v := size[0], size[1], size[2]
	x, w := k.normal(types[0], t*c), k.normal(types[1], v*c)
	for i := range w {
		w[i] = round(types[1], w[i]/float32(math.Sqrt(float64(c))))
	}
	labels, gl := make([]int32, t), k.normal(dtype.F32, t)
	for i := range labels {
		labels[i] = int32(k.rng.IntN(v))
		if k.rng.IntN(4) == 0 {
			labels[i] = -100
		}
	}
	p := tensor.HeadLoss{X: input(types[0], pick(k, rowLayouts...), x, t, c), W: input(types[1], pick(k, rowLayouts...), w, v, c), Labels: tensor.FromI32(labels, t)}
	if variant > 1 {
		p.ZLoss, p.Smoothing = 1e-2, 0.1
	}
	e := newHeadErrors(p, x, w, labels, gl)
	old := k.normal(dtype.F32, v*c)
	outs := []out{{dt: dtype.F32, shape: []int{t}, bound: func(i int, _ float64) float64 { return e.loss[i] }},
		{dt: dtype.F32, shape: []int{t}, bound: func(i int, _ float64) float64 { return e.loss[i] }}}
	dx := out{dt: types[0], shape: []int{t, c}, layout: pick(k, rowLayouts...), bound: func(i int, _ float64) float64 { return e.dx[i] }}
	dw := out{dt: dtype.F32, shape: []int{v, c}, layout: pick(k, rowLayouts...), init: old, bound: func(i int, _ float64) float64 { return e.dw[i] + u*4*abs(old[i]) }}
	if variant > 0 {
		p.GradLoss = tensor.FromF32(gl, t)
	}
	if variant == 1 || variant == 2 {
		outs = append(outs, dx)
	}
	if variant == 1 || variant == 3 {
		outs = append(outs, dw)
	}
	k.compare(call{op: "HeadLoss", about: fmt.Sprint(size, " variant ", variant), types: types[:], outs: outs, do: func(b tensor.Backend, outs []tensor.Tensor) {
		p := p
		p.Loss, p.LSE = outs[0], outs[1]
		switch variant {
		case 1:
			p.DX, p.DW = outs[2], outs[3]
		case 2:
			p.DX = outs[2]
		case 3:
			p.DW = outs[2]
		}
		b.HeadLoss(p)
	}})
}

// headErrors are the largest errors of a HeadLoss.
type headErrors struct{ loss, dx, dw []float64 }

func newHeadErrors(p tensor.HeadLoss, x, w []float32, labels []int32, gl []float32) headErrors {
	t, c, v := p.X.Dim(0), p.X.Dim(1), p.W.Dim(0)
	e := headErrors{make([]float64, t), make([]float64, t*c), make([]float64, v*c)}
	gRound := 0.0
	if p.W.DType() != dtype.F32 {
		gRound = formats[p.W.DType()].unit
	}
	logits := make([]float64, v)
	for i, y := range labels {
		var sum, most float64
		for j := range v {
			var dot, mag float64
			for l := range c {
				dot += float64(x[i*c+l]) * float64(w[j*c+l])
				mag += abs(x[i*c+l]) * abs(w[j*c+l])
			}
			logits[j] = dot
			sum += math.Exp(dot)
			most = max(most, mag)
		}
		lse, z := math.Log(sum), float64(p.ZLoss)
		e.loss[i] = of("HeadLoss", c+v, (1+math.Abs(lse)+2*most)*(1+2*z*math.Abs(lse)))
		if y < 0 {
			continue
		}
		for j := range v {
			g := math.Exp(logits[j]-lse)*(1+2*z*math.Abs(lse)) + float64(p.Smoothing)/float64(v)
			if j == int(y) {
				g++
			}
			g *= abs(gl[i])
			for l := range c {
				e.dx[i*c+l] += g*abs(w[j*c+l])*gRound + of("HeadLossGrad", c+v, g*abs(w[j*c+l])*(1+most))
				e.dw[j*c+l] += g*abs(x[i*c+l])*gRound + of("HeadLossGrad", c+t, g*abs(x[i*c+l])*(1+most))
			}
		}
	}
	return e
}

func adams(k *kit) {
	for _, n := range lengths {
		for _, dt := range floats {
			p := tensor.AdamW{LR: 1e-2, Beta1: 0.9, Beta2: 0.95, Eps: 1e-8, WeightDecay: 0.1, GradScale: pick[float32](k, 0, 0.5), Step: pick(k, 1, 2, 1000)}
			w, g, m, v := k.normal(dtype.F32, n), k.normal(dt, n), k.normal(dtype.F32, n), k.normal(dtype.F32, n)
			for i := range v {
				v[i] *= v[i]
			}
			gt := input(dt, pick(k, plain, offset), g, n)
			moment := func(i int, _ float64) float64 { return of("AdamWMoment", 1, abs(m[i])+abs(g[i])) }
			// |update| ≤ LR·(|m| + 0.1·|g|)/(1−β₁)/√(0.95·v): v is the square of a normal number, so it may be small.
			weight := func(i int, _ float64) float64 {
				update := float64(p.LR) * (abs(m[i]) + abs(g[i])) / (1 - math.Pow(float64(p.Beta1), float64(p.Step))) /
					math.Sqrt(0.95*float64(v[i])/(1-math.Pow(float64(p.Beta2), float64(p.Step)))+1e-16)
				return of("AdamW", 1, abs(w[i])+4*update)
			}
			k.compare(call{op: "AdamW", about: fmt.Sprint(n, " step ", p.Step), types: []dtype.Type{dt, dt}, outs: []out{
				{dt: dtype.F32, shape: []int{n}, layout: pick(k, plain, offset), init: w, bound: weight}, {dt: dtype.F32, shape: []int{n}, init: m, bound: moment},
				{dt: dtype.F32, shape: []int{n}, init: v, bound: func(i int, x float64) float64 { return of("AdamWV", 1, x) }}, {dt: dt, shape: []int{n}, bound: weight},
			}, do: func(b tensor.Backend, outs []tensor.Tensor) {
				p := p
				p.W, p.G, p.M, p.V, p.Out = outs[0], gt, outs[1], outs[2], outs[3]
				b.AdamW(p)
			}})
		}
	}
}

func muons(k *kit) {
	for _, shape := range [][]int{{8, 8}, {16, 40}, {65, 33}} {
		for _, work := range []dtype.Type{dtype.F32, dtype.BF16} {
			n := count(shape)
			w, m := k.normal(dtype.F32, n), k.normal(dtype.F32, n)
			g := input(dtype.F32, plain, k.normal(dtype.F32, n), shape...)
			// The singular values pass 1 five times with slope up to 3.4445; 1e-3 of LR·update in BF16 work is what that leaves.
			limit := func(i int, x float64) float64 {
				return 0.02 * formats[work].unit * 3.4445 * 3.4445 * 3.4445 * float64(shape[0]+shape[1])
			}
			k.compare(call{op: "Muon", about: fmt.Sprint(shape), types: []dtype.Type{work}, outs: []out{
				{dt: dtype.F32, shape: shape, init: w, bound: func(i int, x float64) float64 { return limit(i, x) + 4*u*math.Abs(x) }},
				{dt: dtype.F32, shape: shape, init: m, bound: func(i int, x float64) float64 { return of("AdamWMoment", 1, 4+math.Abs(x)) }},
			}, do: func(b tensor.Backend, outs []tensor.Tensor) {
				tensor.Muon(b, tensor.Heap, tensor.MuonStep{W: outs[0], G: g, M: outs[1], LR: 0.02, Momentum: 0.95, WeightDecay: 0.01, Work: work})
			}})
		}
	}
}
