package cpu

import (
	"unsafe"

	"quire/simd/dtype"
	"quire/simd/tensor"
)

// portableRows × portableCols is the tile of the portable kernels: small enough for the registers of any machine.
const (
	portableRows = 4
	portableCols = 4
)

// portable is the level of plain Go: the definition of what every other kernel computes.
func portable() kernels {
	k := kernels{level: Portable}
	k.f32 = portableTile(1, 4, 4, func(k int, a, b unsafe.Pointer, mr int, acc *[portableRows][portableCols]float32) {
		av, bv := f32s(a, k*mr), f32s(b, k*portableCols)
		for s := range k {
			for i := range mr {
				for j := range portableCols {
					acc[i][j] += av[s*mr+i] * bv[s*portableCols+j]
				}
			}
		}
	})
	k.mixedBF16 = portableTile(2, 8, 4, func(k int, a, b unsafe.Pointer, mr int, acc *[portableRows][portableCols]float32) {
		av, bv := f32s(a, 2*k*mr), u16s(b, 2*k*portableCols)
		for s := range 2 * k {
			for i := range mr {
				for j := range portableCols {
					acc[i][j] += av[s*mr+i] * dtype.BF16ToF32(bv[(s/2*portableCols+j)*2+s%2])
				}
			}
		}
	})
	k.mixedF16 = portableTile(1, 4, 2, func(k int, a, b unsafe.Pointer, mr int, acc *[portableRows][portableCols]float32) {
		av, bv := f32s(a, k*mr), u16s(b, k*portableCols)
		for s := range k {
			for i := range mr {
				for j := range portableCols {
					acc[i][j] += av[s*mr+i] * dtype.F16ToF32(bv[s*portableCols+j])
				}
			}
		}
	})
	k.packTranspose, k.packRows32, k.packRows16 = packTransposeGo, packRows32Go, packRows16Go
	k.fromBF16, k.fromF16, k.toBF16, k.toF16 = fromBF16Go, fromF16Go, toBF16Go, toF16Go
	for op, f := range unaryGo {
		k.unary[op] = liftUnary(f)
	}
	for op, f := range binaryGo {
		k.binary[op] = liftBinary(f)
	}
	k.affine, k.add, k.fma, k.addScaled, k.scaleMul = affineGo, k.binary[tensor.Add], fmaGo, addScaledGo, scaleMulGo
	k.scale = func(x []float32, s float32) { affineGo(x, x, s, 0) }
	k.swiGLU, k.swiGLUGrad, k.adam, k.rotate = swiGLUGo, swiGLUGradGo, adamGo, rotateGo
	k.sum, k.max, k.dot, k.expSum = sumGo, maxGo, dotGo, expSumGo
	k.squares = func(x []float32) float32 { return dotGo(x, x) }
	k.weights, k.slopes = k.weightsGo, slopesGo
	k.maxOrdered = maxGo
	k.peak, k.read = map[tensor.Limit]func() float64{tensor.PeakF32: peakGo}, readGo
	return k
}

func portableTile(kStep, aBytes, bBytes int, body func(k int, a, b unsafe.Pointer, mr int, acc *[portableRows][portableCols]float32)) tile {
	t := tile{make([]microKernel, portableRows+1), portableCols, kStep, aBytes, bBytes, nil}
	for mr := 1; mr <= portableRows; mr++ {
		t.rows[mr] = func(k int, a, b, c unsafe.Pointer, ldc, add int) {
			var acc [portableRows][portableCols]float32
			body(k, a, b, mr, &acc)
			for i := range mr {
				row := f32s(at(c, i*ldc), portableCols)
				for j := range row {
					if add != 0 {
						acc[i][j] += row[j]
					}
					row[j] = acc[i][j]
				}
			}
		}
	}
	return t
}

func packTransposeGo(dst, src unsafe.Pointer, k, ld, ds, rows int) {
	for r := range rows {
		row := at(src, r*ld)
		for u := range k {
			*(*uint32)(at(dst, u*ds+4*r)) = *(*uint32)(at(row, 4*u))
		}
	}
}

func packRows32Go(dst, src unsafe.Pointer, k, ld, ds, n, w int) {
	for u := range k {
		out := f32s(at(dst, u*ds), w)
		copy(out, f32s(at(src, u*ld), n))
		clear(out[n:])
	}
}

func packRows16Go(dst, src unsafe.Pointer, k, ld, ds, n, w int) {
	for u := 0; u < k; u += 2 {
		out := u16s(at(dst, u/2*ds), 2*w)
		clear(out)
		for c, v := range u16s(at(src, u*ld), n) {
			out[2*c] = v
		}
		if u+1 < k {
			for c, v := range u16s(at(src, (u+1)*ld), n) {
				out[2*c+1] = v
			}
		}
	}
}
