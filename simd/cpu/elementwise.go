package cpu

import (
	"math"

	"quire/simd/tensor"
)

func scaleGo(dst, x []float32, s float32) {
	for i, v := range x {
		dst[i] = v * s
	}
}

func addGo(dst, x, y []float32) {
	for i, v := range x {
		dst[i] = v + y[i]
	}
}

// activate applies the activation in place.
func (ks *kernels) activate(act tensor.Activation, x []float32) {
	switch act {
	case tensor.ActSiLU:
		ks.unary[tensor.SiLU](x, x)
	case tensor.ActGELU:
		ks.unary[tensor.GELU](x, x)
	case tensor.ActGELUTanh:
		ks.unary[tensor.GELUTanh](x, x)
	case tensor.ActReLU:
		ks.unary[tensor.ReLU](x, x)
	}
}

// unaryGo are the element-wise functions in float64, rounded once.
var unaryGo = map[tensor.UnaryOp]func(x float64) float64{
	tensor.Neg:        func(x float64) float64 { return -x },
	tensor.Abs:        math.Abs,
	tensor.Square:     func(x float64) float64 { return x * x },
	tensor.Sqrt:       math.Sqrt,
	tensor.Rsqrt:      func(x float64) float64 { return 1 / math.Sqrt(x) },
	tensor.Exp:        math.Exp,
	tensor.Log:        math.Log,
	tensor.Tanh:       math.Tanh,
	tensor.Sigmoid:    sigmoid,
	tensor.SiLU:       func(x float64) float64 { return x * sigmoid(x) },
	tensor.GELU:       func(x float64) float64 { return x * phi(x) },
	tensor.GELUTanh:   func(x float64) float64 { return x / 2 * (1 + math.Tanh(geluInner(x))) },
	tensor.ReLU:       func(x float64) float64 { return max(x, 0) },
	tensor.LogSigmoid: func(x float64) float64 { return min(x, 0) - math.Log1p(math.Exp(-math.Abs(x))) },
}

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// phi is the normal distribution function.
func phi(x float64) float64 { return 0.5 * math.Erfc(-x/math.Sqrt2) }

// geluInner is the argument of tanh in GELUTanh.
func geluInner(x float64) float64 {
	return math.Sqrt(2/math.Pi) * (x + 0.044715*x*x*x)
}

// liftUnary applies f to every element.
func liftUnary(f func(x float64) float64) func(dst, x []float32) {
	return func(dst, x []float32) {
		for i, v := range x {
			dst[i] = float32(f(float64(v)))
		}
	}
}
