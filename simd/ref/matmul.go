package ref

import (
	"quire/simd/dtype"
	"quire/simd/internal/check"
	"quire/simd/tensor"
)

// packed is the right operand, widened, row-major.
type packed struct {
	dt   dtype.Type
	k, n int
	b    []float32
}

func (w packed) DType() dtype.Type { return w.dt }
func (w packed) K() int            { return w.k }
func (w packed) N() int            { return w.n }
func (w packed) Bytes() int        { return 4 * len(w.b) }

// Pack widens b.
func (Backend) Pack(b tensor.Tensor) tensor.Packed {
	check.Pack(b)
	return packed{b.DType(), b.Dim(0), b.Dim(1), load(b)}
}

// MatMul sums every product in float64.
func (Backend) MatMul(p tensor.MatMul) {
	p, m, n, k := check.MatMul(p)
	a, b := load(p.A), load(p.B)
	if p.W != nil {
		b = p.W.(packed).b
	}
	bias, residual := floats(p.Bias), floats(p.Residual)
	out := make([]float32, p.Out.Len())
	exact := make([]int32, 0, len(out))
	for row := range len(out) / max(n, 1) {
		weights := b
		if p.W == nil && m > 0 {
			weights = b[row/m*k*n:]
		}
		for j := range n {
			var sum float64
			for l := range k {
				sum += float64(a[row*k+l]) * float64(weights[l*n+j])
			}
			exact = append(exact, int32(int64(sum)))
			sum *= float64(p.Alpha)
			if bias != nil {
				sum += float64(bias[j])
			}
			sum = activate(p.Act, sum)
			if residual != nil {
				sum += float64(residual[row*n+j])
			}
			out[row*n+j] = float32(sum)
		}
	}
	if isInt8(p) {
		storeI32(p.Out, exact)
		return
	}
	p.Out.SetFloats(out)
}

// storeI32 writes xs in row-major order without passing through float32.
func storeI32(t tensor.Tensor, xs []int32) {
	copyRows(t, tensor.FromI32(xs, t.Shape()...))
}

func activate(act tensor.Activation, x float64) float64 {
	switch act {
	case tensor.ActSiLU:
		return silu(x)
	case tensor.ActGELU:
		return gelu(x)
	case tensor.ActGELUTanh:
		return geluTanh(x)
	case tensor.ActReLU:
		return relu(x)
	}
	return x
}
