package backendtest

import (
	"fmt"
	"math"

	"quire/simd/dtype"
	"quire/simd/tensor"
)

// lengths are 0, 1, around the vector widths, odd, and large enough for several threads.
var lengths = []int{0, 1, 2, 7, 8, 15, 16, 17, 31, 33, 63, 65, 100, 257, 1003, 1<<16 + 5}

// shapes2 are matrices of those lengths.
var shapes2 = [][]int{{0, 5}, {3, 0}, {1, 1}, {1, 17}, {3, 16}, {5, 33}, {2, 257}, {7, 1003}, {19, 2048}}

// overShapes calls f for vectors and matrices, each in every layout that op allows.
func (k *kit) overShapes(layouts []layout, f func(l layout, shape []int)) {
	for _, l := range layouts {
		for i, n := range lengths {
			if l == plain || n < 1<<15 && i%3 == int(l)-1 { // every length aligned, a third of them in each other layout
				f(l, []int{n})
			}
		}
		for _, s := range shapes2 {
			f(l, s)
		}
	}
}

var anyLayout = []layout{plain, offset, rows, cols}

var unaryNames = []string{"Neg", "Abs", "Square", "Sqrt", "Rsqrt", "Exp", "Log", "Tanh", "Sigmoid", "SiLU", "GELU", "GELUTanh", "ReLU", "LogSigmoid"}

func unaries(k *kit) {
	for op, name := range unaryNames {
		op := tensor.UnaryOp(op)
		k.overShapes(anyLayout, func(l layout, shape []int) {
			in, to := pick(k, floats...), pick(k, floats...)
			x := k.special(in, count(shape))
			for i := range x {
				x[i] = unaryDomain(op, x[i])
			}
			mag := func(i int, want float64) float64 {
				switch op {
				case tensor.GELU, tensor.GELUTanh:
					return math.Abs(float64(x[i]))
				case tensor.LogSigmoid:
					return 1 + math.Abs(want)
				}
				return want
			}
			xt := input(in, l, x, shape...)
			c := call{op: "Unary " + name, about: fmt.Sprint(l, shape), types: []dtype.Type{to, in},
				outs: []out{{dt: to, shape: shape, layout: pick(k, anyLayout...), bound: func(i int, w float64) float64 { return of(name, 1, mag(i, w)) }}},
				do:   func(b tensor.Backend, outs []tensor.Tensor) { b.Unary(op, outs[0], xt) }}
			k.compare(c)
			c.about, c.types = c.about+" in place", []dtype.Type{in, in}
			c.outs[0].dt, c.outs[0].init, c.outs[0].layout = in, x, l
			c.do = func(b tensor.Backend, outs []tensor.Tensor) { b.Unary(op, outs[0], outs[0]) }
			k.compare(c)
		})
	}
}

// unaryDomain keeps results away from the places where a function is defined by a limit that backends may take on either side.
func unaryDomain(op tensor.UnaryOp, v float32) float32 {
	switch op {
	case tensor.Sqrt, tensor.Rsqrt, tensor.Log:
		if a := float32(math.Abs(float64(v))); a > 0 && a < 1e-30 {
			return 1 // the reciprocal and the logarithm of denormals
		}
	case tensor.Exp, tensor.Square:
		if v < -80 && !math.IsInf(float64(v), 0) {
			return -80
		}
		if math.Abs(float64(v)) < 1e-30 {
			return 0
		}
	}
	return v
}

var binaryNames = []string{"Add", "Sub", "Mul", "Div", "Max", "Min", "SiLUGrad", "GELUGrad", "GELUTanhGrad", "ReLUGrad"}

func binaries(k *kit) {
	for op, name := range binaryNames {
		op := tensor.BinaryOp(op)
		k.overShapes(anyLayout, func(l layout, shape []int) {
			ta, tb, to := pick(k, floats...), pick(k, floats...), pick(k, floats...)
			a, b := k.special(ta, count(shape)), k.normal(tb, count(shape))
			if op == tensor.Max || op == tensor.Min {
				for i := range a {
					if a[i] == 0 && b[i] == 0 {
						b[i] = 1 // which zero wins is not defined
					}
				}
			}
			for i := range b { // quotients and products of denormals round twice where F32 is emulated
				if math.Abs(float64(a[i])) < 1e-30 {
					a[i] = 0
				}
			}
			mag := func(i int, want float64) float64 {
				if op >= tensor.SiLUGrad {
					return math.Abs(float64(a[i])) * (1 + math.Abs(float64(b[i])))
				}
				return want
			}
			at, bt := input(ta, l, a, shape...), input(tb, pick(k, anyLayout...), b, shape...)
			bound := func(i int, w float64) float64 { return of(name, 1, mag(i, w)) }
			c := call{op: "Binary " + name, about: fmt.Sprint(l, shape), types: []dtype.Type{to, ta, tb}, outs: []out{{dt: to, shape: shape, layout: pick(k, anyLayout...), bound: bound}},
				do: func(be tensor.Backend, outs []tensor.Tensor) { be.Binary(op, outs[0], at, bt) }}
			k.compare(c)
			c.about, c.types = c.about+" in place", []dtype.Type{ta, ta, tb}
			c.outs[0].dt, c.outs[0].init, c.outs[0].layout = ta, a, l
			c.do = func(be tensor.Backend, outs []tensor.Tensor) { be.Binary(op, outs[0], outs[0], bt) }
			k.compare(c)
			if len(shape) == 2 && shape[0] > 0 {
				k.broadcast(op, name, shape, a, b)
			}
		})
	}
}

// broadcast checks a row and a column vector against a matrix.
func (k *kit) broadcast(op tensor.BinaryOp, name string, shape []int, a, b []float32) {
	at := input(dtype.F32, plain, a, shape...)
	for _, bt := range []tensor.Tensor{
		input(dtype.F32, offset, b[:shape[1]], shape[1]).Broadcast(shape...),
		input(dtype.F32, plain, k.normal(dtype.F32, shape[0]), shape[0], 1).Broadcast(shape...),
	} {
		bs := bt.Floats()
		for i := range bs {
			if a[i] == 0 && bs[i] == 0 {
				return
			}
		}
		bound := func(i int, w float64) float64 {
			if op >= tensor.SiLUGrad {
				w = math.Abs(float64(a[i])) * (1 + math.Abs(float64(bs[i])))
			}
			return of(name, 1, w)
		}
		k.compare(call{op: "Binary " + name, about: fmt.Sprint("broadcast ", shape), types: []dtype.Type{dtype.F32, dtype.F32, dtype.F32},
			outs: []out{{dt: dtype.F32, shape: shape, bound: bound}}, do: func(be tensor.Backend, outs []tensor.Tensor) { be.Binary(op, outs[0], at, bt) }})
	}
}

func affines(k *kit) {
	for _, f := range [][2]float32{{1, 0}, {-0.75, 0}, {2, 0.3}, {0, 1}} {
		k.overShapes(anyLayout, func(l layout, shape []int) {
			in, to := pick(k, floats...), pick(k, floats...)
			x := k.special(in, count(shape))
			xt := input(in, l, x, shape...)
			k.compare(call{op: "Affine", about: fmt.Sprint(l, shape, f), types: []dtype.Type{to, in},
				outs: []out{{dt: to, shape: shape, layout: l, bound: func(i int, w float64) float64 {
					return of("Affine", 1, math.Abs(float64(f[0])*float64(x[i]))+math.Abs(float64(f[1])))
				}}},
				do: func(b tensor.Backend, outs []tensor.Tensor) { b.Affine(outs[0], xt, f[0], f[1]) }})
		})
	}
}

func dropouts(k *kit) {
	for _, p := range []float32{0, 0.1, 0.5} {
		k.overShapes(anyLayout, func(l layout, shape []int) {
			in, to := pick(k, floats...), pick(k, floats...)
			xt := input(in, l, k.normal(in, count(shape)), shape...)
			k.compare(call{op: "Dropout", about: fmt.Sprint(l, shape, p), types: []dtype.Type{to, in},
				outs: []out{{dt: to, shape: shape, layout: l, bound: func(i int, w float64) float64 { return of("Dropout", 1, w) }}},
				do:   func(b tensor.Backend, outs []tensor.Tensor) { b.Dropout(outs[0], xt, p, 42) }})
		})
	}
}

// copies checks every pair of types; conversions are exact by definition.
func copies(k *kit) {
	plainTypes := append([]dtype.Type{dtype.I8, dtype.I32, dtype.U8}, floats...)
	for _, to := range plainTypes {
		for _, from := range plainTypes {
			if from != to && !from.IsFloat() && !to.IsFloat() {
				continue
			}
			k.overShapes(anyLayout, func(l layout, shape []int) {
				x := k.special(dtype.F32, count(shape))
				for i := range x {
					if from != dtype.F32 {
						x[i] = round(from, x[i])
					}
				}
				k.copyCall(to, from, l, pick(k, anyLayout...), shape, x)
			})
		}
	}
	for _, block := range blocks {
		n := block.Block()
		for _, shape := range [][]int{{0}, {n}, {3, 2 * n}, {17, 4 * n}, {0, n}} {
			for _, l := range []layout{plain, offset, rows} {
				for _, f := range floats {
					k.copyCall(block, f, l, l, shape, k.normal(f, count(shape)))
					k.copyCall(f, block, l, l, shape, k.normal(f, count(shape)))
				}
			}
		}
	}
}

func (k *kit) copyCall(to, from dtype.Type, lin, lout layout, shape []int, x []float32) {
	xt := input(from, lin, x, shape...)
	k.compareBits(call{op: "Copy", about: fmt.Sprint(lin, lout, shape), types: []dtype.Type{to, from}, outs: []out{{dt: to, shape: shape, layout: lout}},
		do: func(b tensor.Backend, outs []tensor.Tensor) { b.Copy(outs[0], xt) }})
}
