package backendtest

import (
	"fmt"
	"math"

	"quire/simd/dtype"
	"quire/simd/tensor"
)

var reduceNames = []string{"Sum", "Mean", "SumSquares", "MaxOf", "MinOf", "LogSumExp", "ArgMax"}

func reductions(k *kit) {
	for op, name := range reduceNames {
		op := tensor.ReduceOp(op)
		k.overShapes(anyLayout, func(l layout, shape []int) {
			n := shape[len(shape)-1]
			if op == tensor.ArgMax && n == 0 {
				return
			}
			dt := pick(k, floats...)
			x := k.normal(dt, count(shape))
			if k.rng.IntN(3) == 0 && n > 2 && len(x) > 0 {
				x[n/2] = round(dt, float32(pick(k, math.NaN(), math.Inf(1), math.Inf(-1), 1e-40)))
			}
			mag := make([]float64, count(shape[:len(shape)-1]))
			for i, v := range x {
				mag[i/n] += math.Abs(float64(v))
			}
			to := dtype.F32
			if op == tensor.ArgMax {
				to = dtype.I32
			}
			xt := input(dt, l, x, shape...)
			k.compare(call{op: "Reduce " + name, about: fmt.Sprint(l, shape), types: []dtype.Type{to, dt}, outs: []out{{dt: to, shape: shape[:len(shape)-1],
				bound: func(i int, w float64) float64 {
					switch op {
					case tensor.Sum:
						w = mag[i]
					case tensor.Mean:
						w = mag[i] / float64(n)
					case tensor.LogSumExp:
						w = 1 + math.Abs(w)
					}
					return of(name, n, w)
				}}},
				do: func(b tensor.Backend, outs []tensor.Tensor) { b.Reduce(op, outs[0], xt) }})
		})
	}
}

func topKs(k *kit) {
	for _, n := range []int{1, 2, 15, 17, 100, 1003, 92544} {
		for _, top := range []int{0, 1, 2, 5, 40, 64} {
			if top > n || n > 50000 && top%40 != 0 {
				continue
			}
			for _, dt := range floats {
				rowsOf := pick(k, 0, 1, 3)
				x := k.normal(dt, rowsOf*n)
				if rowsOf > 0 && n > 20 {
					x[3], x[7], x[11], x[12] = float32(math.NaN()), float32(math.Inf(1)), x[5], x[5]
				}
				xt := input(dt, pick(k, plain, offset, rows), x, rowsOf, n)
				k.compare(call{op: "TopK", about: fmt.Sprint(rowsOf, n, top), types: []dtype.Type{dt},
					outs: []out{{dt: dtype.F32, shape: []int{rowsOf, top}}, {dt: dtype.I32, shape: []int{rowsOf, top}}},
					do:   func(b tensor.Backend, outs []tensor.Tensor) { b.TopK(outs[0], outs[1], xt) }})
			}
		}
	}
}

func samples(k *kit) {
	for _, n := range []int{1, 17, 1003, 32000} {
		for _, dt := range floats {
			for range 8 {
				rowsOf := pick(k, 0, 1, 4)
				settings := make([]tensor.SampleRow, rowsOf)
				for i := range settings {
					settings[i] = tensor.SampleRow{Temperature: pick[float32](k, 0, 0.5, 1, 1.7), TopK: pick(k, 0, 1, 5, 50), TopP: pick[float32](k, 0, 0.3, 0.9, 1),
						MinP: pick[float32](k, 0, 0.05), U: k.rng.Float64(), Allow: k.allow(n)}
				}
				x := k.normal(dt, rowsOf*n)
				for i := range x {
					x[i] *= 3
				}
				xt := input(dt, pick(k, plain, offset, rows), x, rowsOf, n)
				k.compare(call{op: "Sample", about: fmt.Sprint(rowsOf, n), types: []dtype.Type{dt}, outs: []out{{dt: dtype.I32, shape: []int{rowsOf}}},
					do: func(b tensor.Backend, outs []tensor.Tensor) { b.Sample(outs[0], xt, settings) }})
			}
		}
	}
}

// allow is a mask: none, everything forbidden, or about every third token allowed.
func (k *kit) allow(n int) []uint64 {
	words := make([]uint64, (n+63)/64)
	switch k.rng.IntN(4) {
	case 0:
		return words
	case 1:
		for i := range words {
			words[i] = 0x9249249249249249
		}
		return words
	}
	return nil
}
