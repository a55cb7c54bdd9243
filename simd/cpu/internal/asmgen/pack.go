package asmgen

import "fmt"

func packFile(f *file) {
	f.packTranspose()
	f.packRows32()
	f.packRows16()
}

// packTranspose prints the transposition of up to 16 rows of 32-bit units: dst[k][row] = src[row][k].
func (f *file) packTranspose() {
	f.fn("packTransposeAVX512", "writes dst[u·ds + 4·r] = src[r·ld + 4·u] for u < k units of 32 bits and r < rows ≤ 16.",
		ptr("dst", "DI"), ptr("src", "SI"), num("k", "CX"), num("ld", "R8"), num("ds", "R9"), num("rows", "R11"))
	f.laneMask("R11", "K1")
	f.i("XORQ", "R13", "R13")
	f.i("MOVQ", "R8", "R15")
	f.i("SHLQ", "$4", "R15")
	f.i("SUBQ", "$16", "CX")
	f.i("JLT", "tail")
	f.label("loop")
	f.loadRows("")
	f.transpose16()
	for c := range 16 {
		f.i("VMOVDQU32", fmt.Sprintf("Z%d", c), "K1", "(DI)")
		f.i("ADDQ", "R9", "DI")
	}
	f.i("ADDQ", "$64", "SI")
	f.i("SUBQ", "$16", "CX")
	f.i("JGE", "loop")
	f.label("tail")
	f.i("ADDQ", "$16", "CX")
	f.i("JEQ", "done")
	f.laneMask("CX", "K2")
	f.loadRows("K2")
	f.transpose16()
	for c := range 15 {
		f.i("VMOVDQU32", fmt.Sprintf("Z%d", c), "K1", "(DI)")
		f.i("DECQ", "CX")
		f.i("JEQ", "done")
		f.i("ADDQ", "R9", "DI")
	}
	f.label("done")
	f.ret()
}

// laneMask sets the low n bits of a mask register, n in a general register that keeps its value.
func (f *file) laneMask(n, k string) {
	f.i("MOVQ", "$-1", "AX")
	f.i("BZHIQ", n, "AX", "AX")
	f.i("KMOVQ", "AX", k)
}

// loadRows reads Z0–Z15 from 16 rows; rows past the last repeat it, and R13 is zero. It asks for the rows R15 bytes behind, which are packed next.
func (f *file) loadRows(mask string) {
	f.i("MOVQ", "SI", "R10")
	for r := range 16 {
		if r > 0 {
			f.i("MOVQ", "R8", "R12")
			f.i("CMPQ", "R11", imm(r))
			f.i("CMOVQLE", "R13", "R12")
			f.i("ADDQ", "R12", "R10")
		}
		f.i("PREFETCHT0", "(R10)(R15*1)")
		if mask == "" {
			f.i("VMOVDQU32", "(R10)", fmt.Sprintf("Z%d", r))
		} else {
			f.i("VMOVDQU32.Z", "(R10)", mask, fmt.Sprintf("Z%d", r))
		}
	}
}

// transpose16 transposes the 16×16 matrix of 32-bit units in Z0–Z15, using Z16–Z31.
func (f *file) transpose16() {
	z := func(i int) string { return fmt.Sprintf("Z%d", i) }
	for i := 0; i < 16; i += 2 {
		f.i("VUNPCKLPS", z(i+1), z(i), z(16+i))
		f.i("VUNPCKHPS", z(i+1), z(i), z(17+i))
	}
	for g := 0; g < 16; g += 4 {
		f.i("VUNPCKLPD", z(18+g), z(16+g), z(g))
		f.i("VUNPCKHPD", z(18+g), z(16+g), z(g+1))
		f.i("VUNPCKLPD", z(19+g), z(17+g), z(g+2))
		f.i("VUNPCKHPD", z(19+g), z(17+g), z(g+3))
	}
	for c := range 4 {
		f.i("VSHUFF32X4", "$0x88", z(4+c), z(c), z(16+c))
		f.i("VSHUFF32X4", "$0x88", z(12+c), z(8+c), z(20+c))
		f.i("VSHUFF32X4", "$0xdd", z(4+c), z(c), z(24+c))
		f.i("VSHUFF32X4", "$0xdd", z(12+c), z(8+c), z(28+c))
	}
	for c := range 4 {
		f.i("VSHUFF32X4", "$0x88", z(20+c), z(16+c), z(c))
		f.i("VSHUFF32X4", "$0xdd", z(20+c), z(16+c), z(8+c))
		f.i("VSHUFF32X4", "$0x88", z(28+c), z(24+c), z(4+c))
		f.i("VSHUFF32X4", "$0xdd", z(28+c), z(24+c), z(12+c))
	}
}

// packMasks sets K1, K2 to the first n lanes (read) and K3, K4 to the first w lanes (written) of two vectors.
func (f *file) packMasks() {
	f.laneMask("R10", "K1")
	f.i("KSHIFTRQ", "$16", "K1", "K2")
	f.laneMask("R11", "K3")
	f.i("KSHIFTRQ", "$16", "K3", "K4")
}

// packRows32 prints the copy of k rows of n ≤ 32 units of 32 bits to rows of w ≥ n units, zero filled.
func (f *file) packRows32() {
	f.fn("packRows32AVX512", "writes dst[u·ds + 4·c] = src[u·ld + 4·c] for u < k and c < n ≤ 32, and zero for n ≤ c < w ≤ 32.",
		ptr("dst", "DI"), ptr("src", "SI"), num("k", "CX"), num("ld", "R8"), num("ds", "R9"), num("n", "R10"), num("w", "R11"))
	f.packMasks()
	f.i("TESTQ", "CX", "CX")
	f.i("JEQ", "done")
	f.label("loop")
	for j := range 2 {
		f.i("VMOVDQU32.Z", mem(64*j, "SI"), fmt.Sprintf("K%d", 1+j), fmt.Sprintf("Z%d", j))
	}
	for j := range 2 {
		f.i("VMOVDQU32", fmt.Sprintf("Z%d", j), fmt.Sprintf("K%d", 3+j), mem(64*j, "DI"))
	}
	f.i("ADDQ", "R8", "SI")
	f.i("ADDQ", "R9", "DI")
	f.i("DECQ", "CX")
	f.i("JNE", "loop")
	f.label("done")
	f.ret()
}

// packRows16 prints the pairing of rows of 16-bit units: unit c of the output row u holds src[2u][c] below src[2u+1][c].
func (f *file) packRows16() {
	f.fn("packRows16AVX512", "writes dst[u·ds + 4·c] = src[2u·ld + 2·c] | src[(2u+1)·ld + 2·c]<<16 for 2u < k and c < n ≤ 32, zero for a missing row or n ≤ c < w ≤ 32.",
		ptr("dst", "DI"), ptr("src", "SI"), num("k", "CX"), num("ld", "R8"), num("ds", "R9"), num("n", "R10"), num("w", "R11"))
	f.packMasks()
	f.i("CMPQ", "R11", "$16")
	f.i("JLE", "narrow")
	f.pairRows("", 2)
	f.label("narrow")
	f.pairRows("16", 1)
	f.label("done")
	f.ret()
}

// pairRows prints the loop of packRows16 for rows of so many vectors.
func (f *file) pairRows(name string, vectors int) {
	low := func() {
		for j := range vectors {
			f.i("VPMOVZXWD.Z", mem(32*j, "SI"), fmt.Sprintf("K%d", 1+j), z(j))
		}
	}
	write := func() {
		for j := range vectors {
			f.i("VMOVDQU32", z(j), fmt.Sprintf("K%d", 3+j), mem(64*j, "DI"))
		}
	}
	f.i("SUBQ", "$2", "CX")
	f.i("JLT", "tail"+name)
	f.label("loop" + name)
	low()
	f.i("ADDQ", "R8", "SI")
	for j := range vectors {
		f.i("VPMOVZXWD.Z", mem(32*j, "SI"), fmt.Sprintf("K%d", 1+j), z(2+j))
		f.i("VPSLLD", "$16", z(2+j), z(2+j))
		f.i("VPORD", z(2+j), z(j), z(j))
	}
	write()
	f.i("ADDQ", "R8", "SI")
	f.i("ADDQ", "R9", "DI")
	f.i("SUBQ", "$2", "CX")
	f.i("JGE", "loop"+name)
	f.label("tail" + name)
	f.i("ADDQ", "$2", "CX")
	f.i("JEQ", "done")
	low()
	write()
	f.i("JMP", "done")
}
