// Package ref is the definition of every operation: plain loops over row-major copies, sums in float64, one rounding at the end. It is never optimised.
//
// Data flows the same way everywhere: load copies an operand to float32 (exact, whatever its type and strides), the loop computes in float64, and SetFloats rounds
// to the type of out. Fast backends are checked against it by backendtest, within bounds that are derived from the arithmetic.
//
// Invariant: a loop here reads like the formula in package tensor.
// Invariant: float64 in between: the error against exact arithmetic is far below half a unit of F32, so a result is the correctly rounded one but for rare ties.
package ref

import (
	"math"

	"quire/simd/dtype"
	"quire/simd/internal/check"
	"quire/simd/tensor"
)

// Backend is the reference. The zero value is ready.
type Backend struct{}

var _ tensor.Backend = Backend{}

// Info says that this is scalar code.
func (Backend) Info() tensor.Info {
	return tensor.Info{Name: "ref", Variant: "scalar", Threads: 1, Scalar: true}
}

// Close does nothing.
func (Backend) Close() error { return nil }

// Copy converts by dtype's rules. I8, I32 and U8 pass through float32 only between types: a copy within a type is exact.
func (Backend) Copy(out, x tensor.Tensor) {
	check.Copy(out, x)
	if out.DType() == x.DType() {
		copyRows(out, x)
		return
	}
	out.SetFloats(x.Floats())
}

// copyRows copies bits, axis by axis.
func copyRows(out, x tensor.Tensor) {
	switch {
	case x.Len() == 0:
	case x.IsContiguous() && out.IsContiguous():
		copy(out.Bytes(), x.Bytes())
	default:
		for i := range x.Dim(0) {
			copyRows(out.Index(i), x.Index(i))
		}
	}
}

// Unary applies op to every element.
func (Backend) Unary(op tensor.UnaryOp, out, x tensor.Tensor) {
	check.Same("Unary", out, x)
	xs := x.Floats()
	for i, v := range xs {
		xs[i] = float32(unary(op, float64(v)))
	}
	out.SetFloats(xs)
}

func unary(op tensor.UnaryOp, x float64) float64 {
	switch op {
	case tensor.Neg:
		return -x
	case tensor.Abs:
		return math.Abs(x)
	case tensor.Square:
		return x * x
	case tensor.Sqrt:
		return math.Sqrt(x)
	case tensor.Rsqrt:
		return 1 / math.Sqrt(x)
	case tensor.Exp:
		return math.Exp(x)
	case tensor.Log:
		return math.Log(x)
	case tensor.Tanh:
		return math.Tanh(x)
	case tensor.Sigmoid:
		return sigmoid(x)
	case tensor.SiLU:
		return silu(x)
	case tensor.GELU:
		return gelu(x)
	case tensor.GELUTanh:
		return geluTanh(x)
	case tensor.ReLU:
		return relu(x)
	case tensor.LogSigmoid:
		return math.Min(x, 0) - math.Log1p(math.Exp(-math.Abs(x)))
	}
	panic("ref: Unary: no such operation")
}

func sigmoid(x float64) float64 {
	if x < 0 {
		return math.Exp(x) / (1 + math.Exp(x))
	}
	return 1 / (1 + math.Exp(-x))
}

// silu of −Inf is its limit, 0, not the NaN of −Inf·0.
func silu(x float64) float64 {
	if math.IsInf(x, -1) {
		return 0
	}
	return x * sigmoid(x)
}

func gelu(x float64) float64 {
	if math.IsInf(x, -1) {
		return 0
	}
	return x / 2 * math.Erfc(-x/math.Sqrt2)
}

// geluCubic is the constant of the tanh approximation: Hendrycks & Gimpel 2016, arXiv:1606.08415 §2.
const geluCubic = 0.044715

func geluTanh(x float64) float64 {
	if math.IsInf(x, -1) {
		return 0
	}
	return x * sigmoid(2*math.Sqrt(2/math.Pi)*(x+geluCubic*x*x*x))
}

func relu(x float64) float64 {
	if x < 0 {
		return 0
	}
	return x
}

// Binary applies op to every pair.
func (Backend) Binary(op tensor.BinaryOp, out, a, b tensor.Tensor) {
	check.Same("Binary", out, a, b)
	as, bs := a.Floats(), b.Floats()
	for i, v := range as {
		as[i] = float32(binary(op, float64(v), float64(bs[i])))
	}
	out.SetFloats(as)
}

func binary(op tensor.BinaryOp, a, b float64) float64 {
	switch op {
	case tensor.Add:
		return a + b
	case tensor.Sub:
		return a - b
	case tensor.Mul:
		return a * b
	case tensor.Div:
		return a / b
	case tensor.Max:
		return math.Max(a, b)
	case tensor.Min:
		return math.Min(a, b)
	case tensor.SiLUGrad:
		return a * siluSlope(b)
	case tensor.GELUGrad:
		return a * (math.Erfc(-b/math.Sqrt2)/2 + timesDecay(b, math.Exp(-b*b/2)/math.Sqrt(2*math.Pi)))
	case tensor.GELUTanhGrad:
		s := sigmoid(2 * math.Sqrt(2/math.Pi) * (b + geluCubic*b*b*b))
		return a * (s + timesDecay(b, s*(1-s)*2*math.Sqrt(2/math.Pi)*(1+3*geluCubic*b*b)))
	case tensor.ReLUGrad:
		if b > 0 {
			return a
		}
		return 0 * b // NaN stays NaN
	}
	panic("ref: Binary: no such operation")
}

// siluSlope is the derivative of silu: σ + x·σ·(1−σ).
func siluSlope(x float64) float64 {
	s := sigmoid(x)
	return s + timesDecay(x, s*(1-s))
}

// timesDecay is x·d for a d that decays faster than x grows: 0 at ±Inf.
func timesDecay(x, d float64) float64 {
	if math.IsInf(x, 0) {
		return 0
	}
	return x * d
}

// Affine is scale·x + shift.
func (Backend) Affine(out, x tensor.Tensor, scale, shift float32) {
	check.Same("Affine", out, x)
	xs := x.Floats()
	for i, v := range xs {
		xs[i] = float32(float64(scale)*float64(v) + float64(shift))
	}
	out.SetFloats(xs)
}

// Dropout keeps what DropoutKeeps says.
func (Backend) Dropout(out, x tensor.Tensor, p float32, seed uint64) {
	check.Dropout(out, x, p)
	xs := x.Floats()
	for i, v := range xs {
		if tensor.DropoutKeeps(seed, i, p) {
			xs[i] = float32(float64(v) / (1 - float64(p)))
		} else {
			xs[i] = 0
		}
	}
	out.SetFloats(xs)
}

// load is Floats for every legal operand of a product: also for block formats that are not blocked along the last axis.
func load(t tensor.Tensor) []float32 {
	if t.IsZero() || !t.DType().IsBlock() || t.Rank() < 2 || t.Stride(-1) == 1 {
		return floats(t)
	}
	rows, cols := t.Dim(-2), t.Dim(-1)
	xs := t.T().Floats()
	out := make([]float32, len(xs))
	for z := 0; z < len(xs); z += rows * cols {
		for i := range rows {
			for j := range cols {
				out[z+i*cols+j] = xs[z+j*rows+i]
			}
		}
	}
	return out
}

// floats is Floats, nil for none.
func floats(t tensor.Tensor) []float32 {
	if t.IsZero() {
		return nil
	}
	return t.Floats()
}

// store writes xs if t is given.
func store(t tensor.Tensor, xs []float32) {
	if !t.IsZero() {
		t.SetFloats(xs)
	}
}

// ids returns the elements of an I32 vector.
func ids(t tensor.Tensor) []int32 { return t.I32()[:t.Len()] }

// isInt8 reports the exact integer product.
func isInt8(p tensor.MatMul) bool { return p.Out.DType() == dtype.I32 }
