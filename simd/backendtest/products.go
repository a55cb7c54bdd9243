package backendtest

import (
	"fmt"
	"math"

	"quire/simd/dtype"
	"quire/simd/tensor"
)

// productSizes are M, N, K: empty, one, around tiles and vectors, odd, decoding, and large enough for blocking and threads.
var productSizes = [][3]int{
	{0, 5, 7}, {5, 0, 7}, {5, 7, 0}, {1, 1, 1}, {1, 17, 33}, {2, 16, 16}, {3, 31, 65}, {7, 33, 15}, {8, 64, 64}, {13, 47, 29}, {14, 32, 128}, {15, 97, 63},
	{16, 48, 31}, {17, 65, 257}, {33, 129, 100}, {1, 1003, 300}, {8, 500, 512}, {64, 192, 257}, {130, 70, 520}, {5, 40, 2050}, {257, 300, 130},
}

// product is one MatMul: operands in row-major F32 with the values their types hold.
type product struct {
	m, n, k        int
	a, b           []float32
	bias, residual []float32
	act            tensor.Activation
	alpha          float32
}

// newProduct draws operands; w is how B's type rounds.
func (k *kit) newProduct(size [3]int, ta, tb dtype.Type) product {
	p := product{m: size[0], n: size[1], k: size[2], alpha: pick[float32](k, 0, 0.5, -2)}
	p.a, p.b = k.normal(ta, p.m*p.k), k.normal(tb, p.k*p.n)
	if k.rng.IntN(2) == 0 {
		p.bias = k.normal(dtype.F32, p.n)
	}
	if k.rng.IntN(2) == 0 {
		p.residual = k.normal(dtype.BF16, p.m*p.n)
	}
	if k.rng.IntN(2) == 0 {
		p.act = tensor.Activation(k.rng.IntN(5))
	}
	return p
}

// bound returns the largest error of each element: F32 sums, and where quantised A's rounding to 8 bits a group of 32.
func (p product) bound(quantised bool) func(i int, want float64) float64 {
	limit := make([]float64, p.m*p.n)
	scale := math.Abs(float64(p.alpha))
	if p.alpha == 0 {
		scale = 1
	}
	for i := range limit {
		row, col := i/p.n, i%p.n
		var mag, rounding float64
		for l := 0; l < p.k; l += 32 {
			var most, sum float64
			for j := l; j < min(l+32, p.k); j++ {
				a, b := math.Abs(float64(p.a[row*p.k+j])), math.Abs(float64(p.b[j*p.n+col]))
				mag += a * b
				most, sum = max(most, a), sum+b
			}
			rounding += most / 254 * 1.01 * sum
		}
		mag *= scale
		if p.bias != nil {
			mag += math.Abs(float64(p.bias[col]))
		}
		if p.residual != nil {
			mag += math.Abs(float64(p.residual[i]))
		}
		limit[i] = of("MatMul", p.k, mag)
		if quantised {
			limit[i] += 1.2 * scale * rounding
		}
	}
	return func(i int, _ float64) float64 { return limit[i] }
}

// check runs p in one choice of layouts: A normal or transposed, B as B or packed, out plain or with gaps, the residual apart or in place.
func (k *kit) checkProduct(op string, p product, ta, to dtype.Type, b tensor.Tensor, packed bool, bound func(int, float64) float64) {
	k.t.Helper()
	la, lo := pick(k, plain, offset, rows, cols), pick(k, plain, offset, rows, cols)
	mm := tensor.MatMul{A: input(ta, la, p.a, p.m, p.k), Act: p.act, Alpha: p.alpha}
	if p.bias != nil {
		mm.Bias = input(dtype.F32, offset, p.bias, p.n)
	}
	o := out{dt: to, shape: []int{p.m, p.n}, layout: lo, bound: bound}
	inPlace := p.residual != nil && k.rng.IntN(2) == 0
	if inPlace {
		o.init = p.residual
	} else if p.residual != nil {
		mm.Residual = input(dtype.BF16, pick(k, plain, rows, cols), p.residual, p.m, p.n)
	}
	about := fmt.Sprintf("m=%d n=%d k=%d a=%v out=%v packed=%v inplace=%v act=%d", p.m, p.n, p.k, la, lo, packed, inPlace, p.act)
	k.compare(call{op: op, about: about, types: []dtype.Type{to, ta, b.DType()}, outs: []out{o}, do: func(be tensor.Backend, outs []tensor.Tensor) {
		mm := mm
		mm.Out = outs[0]
		if inPlace {
			mm.Residual = outs[0]
		}
		if packed {
			mm.W = be.Pack(b)
		} else {
			mm.B = b
		}
		be.MatMul(mm)
	}})
}

func products(k *kit) {
	for _, size := range productSizes {
		for _, types := range [][3]dtype.Type{
			{dtype.F32, dtype.F32, dtype.F32}, {dtype.BF16, dtype.BF16, dtype.BF16}, {dtype.F16, dtype.F16, dtype.F16}, {dtype.F32, dtype.BF16, dtype.BF16},
			{dtype.F32, dtype.F32, dtype.BF16}, {dtype.F32, dtype.F32, dtype.F16}, {dtype.BF16, dtype.BF16, dtype.F32}, {dtype.F32, dtype.F16, dtype.BF16},
		} {
			p := k.newProduct(size, types[1], types[2])
			bound := p.bound(false)
			for i, lb := range []layout{plain, rows, cols, plain, cols} {
				k.checkProduct("MatMul", p, types[1], types[0], input(types[2], lb, p.b, p.k, p.n), i >= 3, bound)
			}
		}
	}
	k.specialProducts()
}

// specialProducts puts NaN and infinity into one row of A and one column of B: they must reach exactly what depends on them.
func (k *kit) specialProducts() {
	for _, dt := range floats {
		for _, packed := range []bool{false, true} {
			for _, size := range [][3]int{{3, 33, 40}, {17, 65, 70}, {1, 100, 64}} {
				p := k.newProduct(size, dt, dt)
				p.act, p.bias, p.residual = tensor.Identity, nil, nil
				p.a[len(p.a)-1] = float32(pick(k, math.NaN(), math.Inf(1)))
				p.b[0] = float32(math.Inf(-1))
				finite := p
				finite.a, finite.b = withoutSpecials(p.a), withoutSpecials(p.b)
				k.checkProduct("MatMul", p, dt, dtype.F32, input(dt, cols, p.b, p.k, p.n), packed, finite.bound(false))
			}
		}
	}
}

func withoutSpecials(x []float32) []float32 {
	y := make([]float32, len(x))
	for i, v := range x {
		if !math.IsNaN(float64(v)) && !math.IsInf(float64(v), 0) {
			y[i] = v
		}
	}
	return y
}

// blockProducts multiplies by every block format, blocked along K (a weight (N, K), transposed) and along N.
func blockProducts(k *kit) {
	for _, dt := range blocks {
		n := dt.Block()
		for _, size := range [][3]int{{1, 5, n}, {1, 65, 2 * n}, {3, 16, n}, {8, 33, 3 * n}, {17, 48, 2 * n}, {65, 130, 4 * n}, {0, 8, n}, {4, 0, n}} {
			for _, types := range [][2]dtype.Type{{dtype.F32, dtype.F32}, {dtype.BF16, dtype.BF16}, {dtype.F32, dtype.BF16}} {
				p := k.newProduct(size, types[1], dtype.F32)
				w := input(dt, pick(k, plain, offset, rows), p.b, p.n, p.k)
				p.b = transposed(w.Floats(), p.n, p.k)
				back := k.newProduct([3]int{size[0], size[2], size[1]}, types[1], dtype.F32)
				b := input(dt, pick(k, plain, offset, rows), back.b, back.k, back.n)
				back.b = b.Floats()
				bound, backBound := p.bound(true), back.bound(true)
				for _, packed := range []bool{false, true} {
					k.checkProduct("MatMul", p, types[1], types[0], w.T(), packed, bound)
					k.checkProduct("MatMul N-blocked", back, types[1], types[0], b, packed, backBound)
				}
			}
		}
	}
}

// transposed turns row-major (n, k) into (k, n).
func transposed(w []float32, n, k int) []float32 {
	b := make([]float32, len(w))
	for i := range n {
		for j := range k {
			b[j*n+i] = w[i*k+j]
		}
	}
	return b
}

// intProducts are exact.
func intProducts(k *kit) {
	for _, size := range productSizes {
		a, b := make([]float32, size[0]*size[2]), make([]float32, size[2]*size[1])
		for _, x := range [][]float32{a, b} {
			for i := range x {
				x[i] = float32(k.rng.IntN(256) - 128)
			}
		}
		at := input(dtype.I8, pick(k, plain, offset, rows, cols), a, size[0], size[2])
		bt := input(dtype.I8, pick(k, plain, offset, rows, cols), b, size[2], size[1])
		for _, packed := range []bool{false, true} {
			k.compare(call{op: "MatMul", about: fmt.Sprint(size, packed), types: []dtype.Type{dtype.I32, dtype.I8, dtype.I8},
				outs: []out{{dt: dtype.I32, shape: size[:2], layout: pick(k, plain, offset, rows)}}, do: func(be tensor.Backend, outs []tensor.Tensor) {
					mm := tensor.MatMul{Out: outs[0], A: at, B: bt}
					if packed {
						mm.B, mm.W = tensor.Tensor{}, be.Pack(bt)
					}
					be.MatMul(mm)
				}})
		}
	}
}

// batchedProducts have one and two batch axes, B also broadcast over them.
func batchedProducts(k *kit) {
	for _, z := range [][]int{{0}, {1}, {3}, {2, 3}} {
		for _, size := range [][3]int{{5, 17, 33}, {1, 40, 16}, {16, 32, 20}} {
			for _, dt := range floats {
				for _, shared := range []bool{false, true} {
					k.batched(z, size, dt, shared)
				}
			}
		}
	}
}

func (k *kit) batched(z []int, size [3]int, dt dtype.Type, shared bool) {
	nz := count(z)
	axes := func(last ...int) []int { return append(append([]int(nil), z...), last...) }
	whole := product{m: nz * size[0], n: size[1], k: size[2]}
	a := k.normal(dt, nz*size[0]*size[2])
	var b []float32
	var bt tensor.Tensor
	if shared {
		b = k.normal(dt, size[2]*size[1])
		bt = input(dt, pick(k, plain, rows, cols), b, size[2], size[1]).Broadcast(axes(size[2], size[1])...)
	} else {
		b = k.normal(dt, nz*size[2]*size[1])
		bt = input(dt, pick(k, plain, rows, cols), b, axes(size[2], size[1])...)
	}
	var limit []float64
	for i := range nz {
		p := product{m: size[0], n: whole.n, k: whole.k, a: a[i*size[0]*size[2]:], b: b}
		if !shared {
			p.b = b[i*size[2]*size[1]:]
		}
		f := p.bound(false)
		for j := range size[0] * size[1] {
			limit = append(limit, f(j, 0))
		}
	}
	at := input(dt, pick(k, plain, rows, cols), a, axes(size[0], size[2])...)
	k.compare(call{op: "MatMul batched", about: fmt.Sprint(z, size, shared), types: []dtype.Type{dt, dt, dt},
		outs: []out{{dt: dt, shape: axes(size[0], size[1]), layout: pick(k, plain, rows, cols), bound: func(i int, _ float64) float64 { return limit[i] }}},
		do:   func(be tensor.Backend, outs []tensor.Tensor) { be.MatMul(tensor.MatMul{Out: outs[0], A: at, B: bt}) }})
}
