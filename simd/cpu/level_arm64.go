package cpu

import (
	"github.com/ajroetker/go-highway/hwy/contrib/vec"

	"quire/simd/tensor"
)

// available adds NEON, which every arm64 processor has, by way of go-highway: the element-wise functions that round as the definition does, and the sums.
// Products run the portable tiles; exponentials stay in Go, where their error is known.
func available() []kernels {
	k := portable()
	k.level = NEON
	k.binary[tensor.Add], k.binary[tensor.Sub] = vec.AddTo[float32], vec.SubTo[float32]
	k.binary[tensor.Mul], k.binary[tensor.Div] = vec.MulTo[float32], vec.DivTo[float32]
	k.add = vec.AddTo[float32]
	k.addScaled = func(dst, x []float32, s float32) { vec.MulConstAddTo(dst, s, x) }
	k.dot, k.sum = vec.Dot[float32], vec.Sum[float32]
	k.squares = func(x []float32) float32 { return vec.Dot(x, x) }
	return []kernels{k}
}
