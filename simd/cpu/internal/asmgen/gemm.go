package asmgen

import "fmt"

// Tile sizes: rows of the largest kernel and vectors of columns. 14×2 vectors of 16 leave two registers for B and one for A
// of the 32 of AVX-512; 6×2 does the same with the 16 of AVX2.
const (
	mrAVX512 = 14
	mrAVX2   = 6
	nv       = 2
)

// How far a kernel asks ahead that streams B from memory. One of up to unaidedRows rows waits for memory alone, and the processor's own prefetching does better without:
// 0.97–1.07 of a plain read, 0.82–0.92 with it. One of more also computes, and asks for L2 far ahead and for L1 shortly before use: 0.81–0.90, 0.66–0.71 without
// (Zen 4; BenchmarkGEMV).
const (
	prefetchAhead = 4096
	prefetchFar   = 4 * prefetchAhead
	prefetchNear  = prefetchAhead / 4
	unaidedRows   = 4
)

// streamRows is the largest row count for which B is taken to come from memory and not from L2.
const streamRows = 8

// product is a pair of operand types with its kernel step. A step takes aBytes of each row of A and bBytes of each lane of B.
type product struct {
	typ            string
	aBytes, bBytes int
	step           func(f *file, t tile, u int)
	rowPitch       int  // bytes from row to row of A, where A is no panel: steps are neighbours
	narrow         bool // C is BF16
	stepPitch      int  // bytes from step to step of A, where A is no panel: rows are neighbours
}

// tile is one kernel being printed.
type tile struct {
	isa
	product
	mr int
}

// acc is the register of the accumulator of row i and vector j.
func (t tile) acc(i, j int) int { return t.bytes/2 - 1 - (i*nv + j) }

// aOff and bOff are offsets of unrolled step u: of row i's bytes of A and of vector j of B.
func (t tile) aOff(u, i int) int {
	switch {
	case t.rowPitch > 0:
		return u*t.aBytes + i*t.rowPitch
	case t.stepPitch > 0:
		return u*t.stepPitch + i*t.aBytes
	}
	return (u*t.mr + i) * t.aBytes
}
func (t tile) bOff(u, j int) int { return (u*nv + j) * t.lanes() * t.bBytes }

func gemmFile(f *file) {
	f32, mixedF16 := product{typ: "F32", aBytes: 4, bBytes: 4, step: stepF32}, product{typ: "MixedF16", aBytes: 4, bBytes: 2, step: stepMixedF16}
	bf16, mixedBF16 := product{typ: "BF16", aBytes: 4, bBytes: 4, step: stepBF16}, product{typ: "MixedBF16", aBytes: 8, bBytes: 4, step: stepMixedBF16}
	bf16Narrow := bf16
	bf16Narrow.typ, bf16Narrow.narrow = "BF16Narrow", true
	f.gemm(tile{avx512, bf16Narrow, mrAVX512})
	bf16Rows, bf16Columns := bf16, bf16
	bf16Rows.typ, bf16Rows.rowPitch = "BF16Rows", weightPitch
	bf16Columns.typ, bf16Columns.stepPitch = "BF16Columns", pairPitch
	for _, target := range []struct {
		isa
		mr       int
		products []product
	}{
		{avx512, mrAVX512, []product{f32, bf16, mixedBF16, mixedF16, bf16Rows, bf16Columns}},
		{avx2, mrAVX2, []product{f32, mixedBF16, mixedF16}},
	} {
		for _, p := range target.products {
			fmt.Fprintf(&f.stubs, "var gemm%s%s = []microKernel{nil", p.typ, target.name)
			for mr := 1; mr <= target.mr; mr++ {
				fmt.Fprintf(&f.stubs, ", gemm%s%s_%d", p.typ, target.name, mr)
			}
			f.stubs.WriteString("}\n\n")
			for mr := 1; mr <= target.mr; mr++ {
				f.gemm(tile{target.isa, p, mr})
			}
		}
	}
}

// gemm prints C (mr × nv vectors) = or += A panel (k × mr) · B panel (k × nv vectors).
func (f *file) gemm(t tile) {
	add := num("add", "R9")
	if t.narrow {
		add = ptr("sums", "R9")
	}
	f.fn(fmt.Sprintf("gemm%s%s_%d", t.typ, t.name, t.mr), "", num("k", "CX"), ptr("a", "SI"), ptr("b", "DI"), ptr("c", "DX"), num("ldc", "R8"), add)
	for i := range t.mr {
		for j := range nv {
			f.zero(t.isa, t.acc(i, j))
		}
	}
	if t.mr > streamRows {
		f.prefetchC(t)
	}
	unroll := 4
	if t.mr > 7 {
		unroll = 2
	}
	advance := func(n int) {
		f.i("ADDQ", imm(t.aOff(n, 0)), "SI")
		f.i("ADDQ", imm(t.bOff(n, 0)), "DI")
	}
	f.i("SUBQ", imm(unroll), "CX")
	f.i("JLT", "tail")
	f.i("PCALIGN", "$64")
	f.label("loop")
	for u := range unroll {
		f.prefetchB(t, u)
		t.step(f, t, u)
	}
	advance(unroll)
	f.i("SUBQ", imm(unroll), "CX")
	f.i("JGE", "loop")
	f.label("tail")
	f.i("ADDQ", imm(unroll), "CX")
	f.i("JEQ", "store")
	f.label("one")
	t.step(f, t, 0)
	advance(1)
	f.i("DECQ", "CX")
	f.i("JNE", "one")
	f.label("store")
	if t.narrow {
		f.narrowC(t)
	} else {
		f.storeC(t)
	}
	f.ret()
}

// storeC writes the accumulators to C, or adds them where add is not zero.
func (f *file) storeC(t tile) {
	f.i("TESTQ", "R9", "R9")
	f.i("JEQ", "write")
	f.i("MOVQ", "DX", "R10")
	for i := range t.mr {
		for j := range nv {
			f.i("VADDPS", mem(j*t.bytes, "R10"), t.v(t.acc(i, j)), t.v(t.acc(i, j)))
		}
		f.i("ADDQ", "R8", "R10")
	}
	f.label("write")
	for i := range t.mr {
		for j := range nv {
			f.i("VMOVUPS", t.v(t.acc(i, j)), mem(j*t.bytes, "DX"))
		}
		f.i("ADDQ", "R8", "DX")
	}
}

// narrowC rounds the accumulators to C, after adding earlier sums, rows of a tile, where there are any.
func (f *file) narrowC(t tile) {
	f.i("TESTQ", "R9", "R9")
	f.i("JEQ", "narrow")
	for i := range t.mr {
		for j := range nv {
			f.i("VADDPS", mem((i*nv+j)*t.bytes, "R9"), t.v(t.acc(i, j)), t.v(t.acc(i, j)))
		}
	}
	f.label("narrow")
	for i := range t.mr {
		f.narrow2(t.acc(i, 0), t.acc(i, 1), 0)
		f.i("VMOVDQU32", "Z0", "(DX)")
		f.i("ADDQ", "R8", "DX")
	}
}

func (f *file) prefetchC(t tile) {
	row := nv * t.bytes
	if t.narrow {
		row /= 2
	}
	f.i("MOVQ", "DX", "R10")
	for range t.mr {
		f.i("PREFETCHT0", "(R10)")
		f.i("PREFETCHT0", mem(row-4, "R10"))
		f.i("ADDQ", "R8", "R10")
	}
}

// prefetchB asks for the lines of B that later steps of a kernel of few rows read.
func (f *file) prefetchB(t tile, u int) {
	if t.mr <= unaidedRows || t.mr > streamRows {
		return
	}
	for off := t.bOff(u, 0); off < t.bOff(u+1, 0); off += 64 {
		f.i("PREFETCHT1", mem(prefetchFar+off, "DI"))
		f.i("PREFETCHT0", mem(prefetchNear+off, "DI"))
	}
}

func stepF32(f *file, t tile, u int) {
	for j := range nv {
		f.i("VMOVUPS", mem(t.bOff(u, j), "DI"), t.v(j))
	}
	f.multiply(t, func(i int) int { return t.aOff(u, i) })
}

// multiply broadcasts the float32 of A at offset off(i) for each row and adds its products with the vectors 0 to nv−1.
func (f *file) multiply(t tile, off func(i int) int) {
	for i := range t.mr {
		f.i("VBROADCASTSS", mem(off(i), "SI"), t.v(nv))
		for j := range nv {
			f.i("VFMADD231PS", t.v(j), t.v(nv), t.v(t.acc(i, j)))
		}
	}
}

func stepBF16(f *file, t tile, u int) {
	for j := range nv {
		f.i("VMOVUPS", mem(t.bOff(u, j), "DI"), t.v(j))
	}
	for i := range t.mr {
		f.i("VPBROADCASTD", mem(t.aOff(u, i), "SI"), t.v(nv))
		for j := range nv {
			f.dpbf16(j, nv, t.acc(i, j))
		}
	}
}

// stepMixedBF16 widens a pair of B to two float32 vectors, the low half shifted up, then the high half with the low one cleared.
// A has the mr numbers of the even k, then those of the odd k.
func stepMixedBF16(f *file, t tile, u int) {
	for half := range 2 {
		for j := range nv {
			f.i("VMOVUPS", mem(t.bOff(u, j), "DI"), t.v(j))
			if half == 1 {
				f.i("VPSRLD", "$16", t.v(j), t.v(j))
			}
			f.i("VPSLLD", "$16", t.v(j), t.v(j))
		}
		f.multiply(t, func(i int) int { return t.aOff(u, 0) + (half*t.mr+i)*4 })
	}
}

func stepMixedF16(f *file, t tile, u int) {
	for j := range nv {
		f.i("VCVTPH2PS", mem(t.bOff(u, j), "DI"), t.v(j))
	}
	f.multiply(t, func(i int) int { return t.aOff(u, i) })
}
