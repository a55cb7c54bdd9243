package cpu

import (
	"unsafe"

	"quire/simd/dtype"
)

// sideBlock is how much of k is packed at a time where lines lie side by side: 256 rows of a matrix of 600 columns of BF16 are a third of L2.
const sideBlock = 256

// matrix is an operand of a product seen as lines of k elements: the rows of A, the columns of B. One of the strides is 1.
type matrix struct {
	p             unsafe.Pointer
	dt            dtype.Type
	lines, k      int
	lineStr, kStr int // in elements
}

func (m matrix) ptr(line, k int) unsafe.Pointer {
	return at(m.p, (line*m.lineStr+k*m.kStr)*m.dt.BlockBytes())
}

// pack writes lines l0 to l0+n−1, elements k0 to k0+kn−1, as a panel of width w ≥ n: for each step the w lines side by side, zeros after the n.
// pairs is the type of the panel's numbers: BF16 for pairs, F32 and F16 for single ones. A panel of another type than m's is made by way of float32 in tmp.
func (ks *kernels) pack(dst unsafe.Pointer, m matrix, want dtype.Type, l0, n, k0, kn, w int, tmp *scratch) {
	if m.dt != want {
		b := tmp.get(n * kn * 4)
		defer tmp.put(b)
		m = ks.widen(f32s(b.ptr(), n*kn), m, l0, n, k0, kn)
		l0, k0 = 0, 0
		if want != dtype.F32 {
			ks.fromF32(m.p, want, f32s(m.p, n*kn))
			m.dt = want
		}
	}
	src := m.ptr(l0, k0)
	switch size := want.BlockBytes(); {
	case want == dtype.F16:
		packF16(u16s(dst, kn*w), m, l0, n, k0, w)
	case m.kStr == 1 && (m.lineStr != 1 || kn > 1):
		ks.packLines(dst, src, n, kn, w, m.lineStr*size, size)
	case want == dtype.F32:
		ks.packRows32(dst, src, kn, m.kStr*4, w*4, n, w)
	default:
		ks.packRows16(dst, src, kn, m.kStr*2, w*4, n, w)
	}
}

// packLines packs lines whose elements are consecutive, 16 lines at a time.
func (ks *kernels) packLines(dst, src unsafe.Pointer, n, kn, w, ld, size int) {
	units := kn * size / 4
	if n < w {
		clear(f32s(dst, (kn*size+3)/4*w))
	}
	for l := 0; l < n; l += 16 {
		ks.packTranspose(at(dst, 4*l), at(src, l*ld), units, ld, 4*w, min(16, n-l))
	}
	if units*4 == kn*size {
		return
	}
	for l := range n {
		*(*uint32)(at(dst, 4*(units*w+l))) = uint32(*(*uint16)(at(src, l*ld+4*units)))
	}
}

func packF16(dst []uint16, m matrix, l0, n, k0, w int) {
	for u := range len(dst) / w {
		for l := range w {
			dst[u*w+l] = 0
			if l < n {
				dst[u*w+l] = *(*uint16)(m.ptr(l0+l, k0+u))
			}
		}
	}
}

// widen copies a part of m to float32, keeping which of the axes is the consecutive one.
func (ks *kernels) widen(dst []float32, m matrix, l0, n, k0, kn int) matrix {
	out := matrix{p: unsafe.Pointer(unsafe.SliceData(dst)), dt: dtype.F32, lines: n, k: kn}
	if m.dt.IsBlock() {
		return widenBlocks(out, dst, m, l0, k0)
	}
	if m.kStr == 1 {
		out.lineStr, out.kStr = kn, 1
		for l := range n {
			ks.toF32(dst[l*kn:(l+1)*kn], m.dt, m.ptr(l0+l, k0))
		}
		return out
	}
	out.lineStr, out.kStr = 1, n
	for k := range kn {
		ks.toF32(dst[k*n:(k+1)*n], m.dt, m.ptr(l0, k0+k))
	}
	return out
}

// widenBlocks dequantises whole blocks along the blocked axis and keeps the part wanted.
func widenBlocks(out matrix, dst []float32, m matrix, l0, k0 int) matrix {
	n, kn := out.lines, out.k
	rows, cols, r0, c0, ld := n, kn, l0, k0, m.lineStr
	out.lineStr, out.kStr = kn, 1
	if m.kStr != 1 {
		rows, cols, r0, c0, ld = kn, n, k0, l0, m.kStr
		out.lineStr, out.kStr = 1, n
	}
	block := m.dt.Block()
	lo, hi := c0/block*block, (c0+cols+block-1)/block*block
	tmp := make([]float32, hi-lo)
	for r := range rows {
		dtype.Dequantize(tmp, m.dt, bytesAt(at(m.p, m.dt.Bytes((r0+r)*ld+lo)), m.dt.Bytes(hi-lo)))
		copy(dst[r*cols:(r+1)*cols], tmp[c0-lo:])
	}
	return out
}

// packLeft packs lines l0 to l0+n−1, all of k, as panels of A for tile t: each of t.mr lines, the last of what is left. Lines side by side are packed a block of k
// after the other, so that a cache line which several panels share is read once.
func (ks *kernels) packLeft(dst unsafe.Pointer, t *tile, want dtype.Type, m matrix, l0, n int, tmp *scratch) {
	steps, block := t.steps(m.k), m.k
	if m.kStr != 1 {
		block = min(m.k, sideBlock)
	}
	if steps*t.kStep != m.k && t.aBytes == 4*t.kStep {
		for i := 0; i < n; i += t.mr() {
			rows := min(t.mr(), n-i)
			clear(f32s(at(dst, i*steps*t.aBytes+(steps*t.kStep-1)*rows*4), rows))
		}
	}
	for k := 0; k < m.k; k += block {
		for i := 0; i < n; i += t.mr() {
			rows := min(t.mr(), n-i)
			ks.pack(at(dst, (i*steps+k/t.kStep*rows)*t.aBytes), m, want, l0+i, rows, k, min(block, m.k-k), rows, tmp)
		}
	}
}

// packRight packs all lines of m as panels of B for tile t.
func (ks *kernels) packRight(dst unsafe.Pointer, t *tile, want dtype.Type, m matrix, tmp *scratch) {
	steps := t.steps(m.k)
	for l := 0; l < m.lines; l += t.nr {
		ks.pack(at(dst, l*steps*t.bBytes), m, want, l, min(t.nr, m.lines-l), 0, m.k, t.nr, tmp)
	}
}

// times writes or adds A·B for operands packed by packLeft and packRight; C has room for whole panels.
func (t *tile) times(c unsafe.Pointer, ldc, rows, cols, steps int, a, b unsafe.Pointer, add int) {
	for i := 0; i < rows; i += t.mr() {
		r := min(t.mr(), rows-i)
		for j := 0; j < cols; j += t.nr {
			t.rows[r](steps, at(a, i*steps*t.aBytes), at(b, j*steps*t.bBytes), at(c, i*ldc+4*j), ldc, add)
		}
	}
}

// leftBytes and rightBytes are the sizes of what packLeft and packRight write.
func (t *tile) leftBytes(rows, k int) int { return rows*t.steps(k)*t.aBytes + slack }
func (t *tile) rightBytes(cols, k int) int {
	return (cols + t.nr - 1) / t.nr * t.panel(t.steps(k))
}
