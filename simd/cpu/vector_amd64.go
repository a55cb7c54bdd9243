package cpu

import (
	"math"
	"unsafe"

	"quire/simd/dtype"
	"quire/simd/tensor"
)

// vectors are the element-wise kernels of one level, as the generator prints them.
type vectors struct {
	lanes                                                                int
	fromBF16, fromF16, toBF16, toF16, sqrt, exp, sigmoid, silu, geluTanh func(n int, out, x unsafe.Pointer)
	add, sub, mul, div, siluGrad, swiGLU                                 func(n int, out, x, y unsafe.Pointer)
	affine, scale                                                        func(n int, out, x, scalars unsafe.Pointer)
	addScaled, scaleMul                                                  func(n int, out, x, y, scalars unsafe.Pointer)
	fma                                                                  func(n int, out, x, y, z unsafe.Pointer)
	swiGLUGrad                                                           func(n int, dgate, dup, dout, gate, up unsafe.Pointer)
	adam                                                                 func(n int, w, m, v, w0, g, m0, v0, scalars unsafe.Pointer)
	rotate                                                               func(n int, a, b, a0, b0, cos, sin unsafe.Pointer)
	sum, squares, max, maxOrdered                                        func(n int, x, result unsafe.Pointer)
	dot                                                                  func(n int, x, y, result unsafe.Pointer)
	weights, weightsBF16                                                 func(n int, out, x, scalars, result unsafe.Pointer)
	slopes                                                               func(n int, weight, slope, s, dp, scalars unsafe.Pointer)
	expSum                                                               func(n int, out, x, scalars, result unsafe.Pointer)
}

// use replaces the functions of k that v has.
func (v *vectors) use(k *kernels) {
	k.fromBF16, k.fromF16 = v.widen(v.fromBF16, fromBF16Go), v.widen(v.fromF16, fromF16Go)
	k.toBF16, k.toF16 = v.narrow(v.toBF16, toBF16Go), v.narrow(v.toF16, toF16Go)
	for op, f := range map[tensor.UnaryOp]func(n int, out, x unsafe.Pointer){
		tensor.Sqrt: v.sqrt, tensor.Exp: v.exp, tensor.Sigmoid: v.sigmoid, tensor.SiLU: v.silu, tensor.GELUTanh: v.geluTanh,
	} {
		k.unary[op] = func(dst, x []float32) { f(len(dst), start(dst), start(x[:len(dst)])) }
	}
	for op, f := range map[tensor.BinaryOp]func(n int, out, x, y unsafe.Pointer){
		tensor.Add: v.add, tensor.Sub: v.sub, tensor.Mul: v.mul, tensor.Div: v.div, tensor.SiLUGrad: v.siluGrad,
	} {
		k.binary[op] = lift2(f)
	}
	k.add, k.swiGLU = k.binary[tensor.Add], lift2(v.swiGLU)
	v.useScaled(k)
	v.useFolds(k)
	k.swiGLUGrad = func(dgate, dup, dout, gate, up []float32) {
		v.swiGLUGrad(len(gate), start(dgate), start(dup), start(dout), start(gate), start(up))
	}
	k.adam = func(w, g, m, vv []float32, c *adam) {
		v.adam(len(w), start(w), start(m), start(vv), start(w), start(g), start(m), start(vv), unsafe.Pointer(c))
	}
	k.rotate = func(a, b, cos, sin []float32) {
		v.rotate(len(a), start(a), start(b), start(a), start(b), start(cos), start(sin))
	}
}

// lift2 checks the lengths, as an index would.
func lift2(f func(n int, out, x, y unsafe.Pointer)) func(dst, x, y []float32) {
	return func(dst, x, y []float32) { f(len(dst), start(dst), start(x[:len(dst)]), start(y[:len(dst)])) }
}

// widen and narrow leave to Go what is shorter than a vector where the kernel has no masks for 16-bit numbers. Both are exact, so the bits are the same.
func (v *vectors) widen(f func(n int, out, x unsafe.Pointer), rest func(dst []float32, src []uint16)) func(dst []float32, src []uint16) {
	return func(dst []float32, src []uint16) {
		n := v.whole(len(dst))
		f(n, start(dst), start(src[:len(dst)]))
		rest(dst[n:], src[n:len(dst)])
	}
}

func (v *vectors) narrow(f func(n int, out, x unsafe.Pointer), rest func(dst []uint16, src []float32)) func(dst []uint16, src []float32) {
	return func(dst []uint16, src []float32) {
		n := v.whole(len(src))
		f(n, start(dst[:len(src)]), start(src))
		rest(dst[n:], src[n:])
	}
}

func (v *vectors) whole(n int) int {
	if v.lanes == 8 {
		return n &^ 7
	}
	return n
}

func (v *vectors) useScaled(k *kernels) {
	k.affine = func(dst, x []float32, scale, shift float32) {
		c := [2]float32{scale, shift}
		v.affine(len(dst), start(dst), start(x[:len(dst)]), unsafe.Pointer(&c))
	}
	k.scale = func(x []float32, s float32) { v.scale(len(x), start(x), start(x), unsafe.Pointer(&s)) }
	k.addScaled = func(dst, x []float32, s float32) {
		v.addScaled(len(dst), start(dst), start(x[:len(dst)]), start(dst), unsafe.Pointer(&s))
	}
	k.scaleMul = func(dst, x, y []float32, s float32) {
		v.scaleMul(len(dst), start(dst), start(x[:len(dst)]), start(y[:len(dst)]), unsafe.Pointer(&s))
	}
	k.fma = func(dst, x, y []float32) {
		v.fma(len(dst), start(dst), start(x[:len(dst)]), start(y[:len(dst)]), start(dst))
	}
}

func (v *vectors) useFolds(k *kernels) {
	k.sum = func(x []float32) (sum float32) {
		v.sum(len(x), start(x), unsafe.Pointer(&sum))
		return sum
	}
	k.squares = func(x []float32) (sum float32) {
		v.squares(len(x), start(x), unsafe.Pointer(&sum))
		return sum
	}
	k.dot = func(x, y []float32) (sum float32) {
		v.dot(len(x), start(x), start(y[:len(x)]), unsafe.Pointer(&sum))
		return sum
	}
	k.max = func(x []float32) float32 {
		var r [2]float32
		v.max(len(x), start(x), unsafe.Pointer(&r))
		if r[1] != r[1] {
			return float32(math.NaN())
		}
		return r[0]
	}
	k.weights = func(n int, out unsafe.Pointer, dt dtype.Type, x unsafe.Pointer, c *softArgs) {
		if whole := v.whole(n); dt == dtype.BF16 && whole == n {
			v.weightsBF16(n, out, x, unsafe.Pointer(&c.scale), unsafe.Pointer(&c.sum))
			return
		}
		v.weights(n, x, x, unsafe.Pointer(&c.scale), unsafe.Pointer(&c.sum))
		k.fromF32(out, dt, f32s(x, n))
	}
	k.slopes = func(n int, s, dp unsafe.Pointer, c *softArgs) { v.slopes(n, s, dp, s, dp, unsafe.Pointer(&c.scale)) }
	k.maxOrdered = func(x []float32) (most float32) {
		v.maxOrdered(len(x), start(x), unsafe.Pointer(&most))
		return most
	}
	k.expSum = func(dst, x []float32, shift float32) (sum float32) {
		v.expSum(len(dst), start(dst), start(x[:len(dst)]), unsafe.Pointer(&shift), unsafe.Pointer(&sum))
		return sum
	}
}

var vectorsAVX512 = vectors{
	lanes:      16,
	fromBF16:   fromBF16AVX512,
	fromF16:    fromF16AVX512,
	toBF16:     toBF16AVX512,
	toF16:      toF16AVX512,
	sqrt:       sqrtAVX512,
	exp:        expAVX512,
	sigmoid:    sigmoidAVX512,
	silu:       siluAVX512,
	geluTanh:   geluTanhAVX512,
	add:        addAVX512,
	sub:        subAVX512,
	mul:        mulAVX512,
	div:        divAVX512,
	siluGrad:   siluGradAVX512,
	swiGLU:     swiGLUAVX512,
	affine:     affineAVX512,
	scale:      scaleAVX512,
	addScaled:  addScaledAVX512,
	scaleMul:   scaleMulAVX512,
	fma:        fmaAVX512,
	swiGLUGrad: swiGLUGradAVX512,
	adam:       adamAVX512,
	rotate:     rotateAVX512,
	sum:        sumAVX512,
	squares:    squaresAVX512,
	max:        maxAVX512,
	maxOrdered: maxOrderedAVX512,
	dot:        dotAVX512,
	expSum:     expSumAVX512,
	weights:    weightsAVX512, weightsBF16: weightsBF16AVX512, slopes: slopesAVX512,
}

var vectorsAVX2 = vectors{
	lanes:      8,
	fromBF16:   fromBF16AVX2,
	fromF16:    fromF16AVX2,
	toBF16:     toBF16AVX2,
	toF16:      toF16AVX2,
	sqrt:       sqrtAVX2,
	exp:        expAVX2,
	sigmoid:    sigmoidAVX2,
	silu:       siluAVX2,
	geluTanh:   geluTanhAVX2,
	add:        addAVX2,
	sub:        subAVX2,
	mul:        mulAVX2,
	div:        divAVX2,
	siluGrad:   siluGradAVX2,
	swiGLU:     swiGLUAVX2,
	affine:     affineAVX2,
	scale:      scaleAVX2,
	addScaled:  addScaledAVX2,
	scaleMul:   scaleMulAVX2,
	fma:        fmaAVX2,
	swiGLUGrad: swiGLUGradAVX2,
	adam:       adamAVX2,
	rotate:     rotateAVX2,
	sum:        sumAVX2,
	squares:    squaresAVX2,
	max:        maxAVX2,
	maxOrdered: maxOrderedAVX2,
	dot:        dotAVX2,
	expSum:     expSumAVX2,
	weights:    weightsAVX2, weightsBF16: weightsBF16AVX2, slopes: slopesAVX2,
}
