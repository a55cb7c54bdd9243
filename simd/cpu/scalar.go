package cpu

import (
	"math"
	"sync/atomic"
	"unsafe"

	"quire/simd/dtype"
	"quire/simd/tensor"
)

// The vector functions in plain Go: the definition of what the assembly of a level replaces, with one rounding where the operation is exact.

// unaryGo are the element-wise functions, in float64.
var unaryGo = [...]func(x float64) float64{
	tensor.Neg:        func(x float64) float64 { return -x },
	tensor.Abs:        math.Abs,
	tensor.Square:     func(x float64) float64 { return x * x },
	tensor.Sqrt:       math.Sqrt,
	tensor.Rsqrt:      func(x float64) float64 { return 1 / math.Sqrt(x) },
	tensor.Exp:        math.Exp,
	tensor.Log:        math.Log,
	tensor.Tanh:       math.Tanh,
	tensor.Sigmoid:    sigmoid,
	tensor.SiLU:       func(x float64) float64 { return timesDecay(x, sigmoid(x)) },
	tensor.GELU:       func(x float64) float64 { return timesDecay(x, phi(x)) },
	tensor.GELUTanh:   func(x float64) float64 { return timesDecay(x, sigmoid(geluInner(x))) },
	tensor.ReLU:       relu,
	tensor.LogSigmoid: func(x float64) float64 { return math.Min(x, 0) - math.Log1p(math.Exp(-math.Abs(x))) },
}

// binaryGo are the functions of two operands, in float64.
var binaryGo = [...]func(a, b float64) float64{
	tensor.Add:      func(a, b float64) float64 { return a + b },
	tensor.Sub:      func(a, b float64) float64 { return a - b },
	tensor.Mul:      func(a, b float64) float64 { return a * b },
	tensor.Div:      func(a, b float64) float64 { return a / b },
	tensor.Max:      math.Max,
	tensor.Min:      math.Min,
	tensor.SiLUGrad: func(a, b float64) float64 { return a * siluSlope(b) },
	tensor.GELUGrad: func(a, b float64) float64 {
		return a * (phi(b) + timesDecay(b, math.Exp(-b*b/2)/math.Sqrt(2*math.Pi)))
	},
	tensor.GELUTanhGrad: func(a, b float64) float64 {
		s := sigmoid(geluInner(b))
		return a * (s + timesDecay(b, s*(1-s)*2*math.Sqrt(2/math.Pi)*(1+3*geluCubic*b*b)))
	},
	tensor.ReLUGrad: func(a, b float64) float64 {
		if b > 0 {
			return a
		}
		return 0 * b
	},
}

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

func relu(x float64) float64 {
	if x < 0 {
		return 0
	}
	return x
}

// phi is the normal distribution function.
func phi(x float64) float64 { return math.Erfc(-x/math.Sqrt2) / 2 }

// geluCubic is the constant of the tanh approximation: Hendrycks & Gimpel 2016, arXiv:1606.08415 §2.
const geluCubic = 0.044715

// geluInner is twice the argument of tanh in GELUTanh: (1+tanh z)/2 = sigmoid(2z).
func geluInner(x float64) float64 {
	return 2 * math.Sqrt(2/math.Pi) * (x + geluCubic*x*x*x)
}

// siluSlope is the derivative of silu: σ + x·σ·(1−σ).
func siluSlope(x float64) float64 {
	s := sigmoid(x)
	return s + timesDecay(x, s*(1-s))
}

// timesDecay is x·d for a d that decays faster than x grows: its limit 0 at −Inf, and at +Inf for a d that is 0 there.
func timesDecay(x, d float64) float64 {
	if math.IsInf(x, 0) && d == 0 {
		return 0
	}
	return x * d
}

func liftUnary(f func(x float64) float64) func(dst, x []float32) {
	return func(dst, x []float32) {
		for i, v := range x {
			dst[i] = float32(f(float64(v)))
		}
	}
}

func liftBinary(f func(a, b float64) float64) func(dst, a, b []float32) {
	return func(dst, a, b []float32) {
		for i, v := range a {
			dst[i] = float32(f(float64(v), float64(b[i])))
		}
	}
}

func affineGo(dst, x []float32, scale, shift float32) {
	for i, v := range x {
		dst[i] = float32(float64(scale)*float64(v) + float64(shift))
	}
}

func addScaledGo(dst, x []float32, s float32) {
	for i, v := range x {
		dst[i] += float32(s * v)
	}
}

func sumGo(x []float32) float32 {
	var sum float64
	for _, v := range x {
		sum += float64(v)
	}
	return float32(sum)
}

func dotGo(x, y []float32) float32 {
	var sum float64
	for i, v := range x {
		sum += float64(v) * float64(y[i])
	}
	return float32(sum)
}

// maxGo is −Inf for nothing and NaN if any is.
func maxGo(x []float32) float32 {
	most := float32(math.Inf(-1))
	for _, v := range x {
		most = max(most, v)
	}
	return most
}

// expSumGo writes e^(x−shift) and returns the sum.
func expSumGo(dst, x []float32, shift float32) float32 {
	var sum float64
	for i, v := range x {
		dst[i] = float32(math.Exp(float64(v - shift)))
		sum += float64(dst[i])
	}
	return float32(sum)
}

// swiGLUGo writes silu(gate)·up.
func swiGLUGo(dst, gate, up []float32) {
	for i, v := range gate {
		x := float64(v)
		dst[i] = float32(timesDecay(x, sigmoid(x)) * float64(up[i]))
	}
}

// swiGLUGradGo replaces gate and up by their gradients.
func swiGLUGradGo(dgate, dup, dout, gate, up []float32) {
	for i, v := range gate {
		x, d, u := float64(v), float64(dout[i]), float64(up[i])
		dgate[i], dup[i] = float32(d*u*siluSlope(x)), float32(d*timesDecay(x, sigmoid(x)))
	}
}

// adam holds the constants of one AdamW step.
type adam struct {
	gradScale, beta1, rest1, beta2, rest2, decay, rate, fix2, eps float32
}

func adamGo(w, g, m, v []float32, c *adam) {
	for i := range w {
		gi := float64(c.gradScale) * float64(g[i])
		mi := float64(c.beta1)*float64(m[i]) + float64(c.rest1)*gi
		vi := float64(c.beta2)*float64(v[i]) + float64(c.rest2)*gi*gi
		w[i] = float32(float64(w[i])*float64(c.decay) - float64(c.rate)*mi/(math.Sqrt(vi*float64(c.fix2))+float64(c.eps)))
		m[i], v[i] = float32(mi), float32(vi)
	}
}

// rotateGo turns the pairs (a, b) by the angles whose cosines and sines are given.
func rotateGo(a, b, cos, sin []float32) {
	for i, x := range a {
		y := b[i]
		c, s := float64(cos[i]), float64(sin[i])
		a[i], b[i] = float32(float64(x)*c-float64(y)*s), float32(float64(x)*s+float64(y)*c)
	}
}

func fmaGo(dst, x, y []float32) {
	for i, v := range x {
		dst[i] += float32(v * y[i])
	}
}

func scaleMulGo(dst, x, y []float32, s float32) {
	for i, v := range x {
		dst[i] = float32(float32(s*v) * y[i])
	}
}

// peakGo does a million multiply-adds in eight chains.
func peakGo() float64 {
	const n = 1 << 17
	var a, b, c, d, e, f, g, h float32
	x, y := float32(0.5), float32(0.25)
	for range n {
		a, b, c, d = a*x+y, b*x+y, c*x+y, d*x+y
		e, f, g, h = e*x+y, f*x+y, g*x+y, h*x+y
	}
	sink.Store(math.Float32bits(a + b + c + d + e + f + g + h))
	return 16 * n
}

// sink takes results that nobody needs, so that the compiler keeps the loops.
var sink atomic.Uint32

func readGo(p unsafe.Pointer, n int) {
	var a, b, c, d uint64
	x := unsafe.Slice((*uint64)(p), n/8)
	for i := 0; i+4 <= len(x); i += 4 {
		a, b, c, d = a+x[i], b+x[i+1], c+x[i+2], d+x[i+3]
	}
	sink.Store(uint32(a + b + c + d))
}

// softArgs are the scalars of attention's inner functions, and the sum that weights gives.
type softArgs struct {
	scale, shift, delta, sum float32
}

func (ks *kernels) weightsGo(n int, out unsafe.Pointer, dt dtype.Type, x unsafe.Pointer, c *softArgs) {
	xs := f32s(x, n)
	var sum float64
	for i, v := range xs {
		xs[i] = float32(math.Exp(float64(v)*float64(c.scale) - float64(c.shift)))
		sum += float64(xs[i])
	}
	c.sum = float32(sum)
	if dt != dtype.F32 || out != x {
		ks.fromF32(out, dt, xs)
	}
}

func slopesGo(n int, s, dp unsafe.Pointer, c *softArgs) {
	slope := f32s(dp, n)
	for i, v := range f32s(s, n) {
		p := math.Exp(float64(v)*float64(c.scale) - float64(c.shift))
		f32s(s, n)[i] = float32(p)
		slope[i] = float32(p * float64(c.scale) * (float64(slope[i]) - float64(c.delta)))
	}
}
