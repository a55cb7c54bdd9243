package asmgen

import (
	"fmt"
	"math"
	"strconv"
)

// The inner functions of attention on BF16 work on a few rows, queries, of up to keyBlock scores, keys. They take one struct of package cpu; the offsets here are those
// of its fields.
const (
	keyBlock    = 128
	scorePitch  = 4 * keyBlock // bytes from row to row of scores, and of gradients of weights
	weightPitch = 2 * keyBlock // of weights as BF16
	pairPitch   = 4 * keyBlock // of weights of two rows, key by key side by side
)

// exp2Floor are the coefficients of 2^f for 0 ≤ f < 1, highest first: a least maximum fit with 2^0 = 1, relative error below 1.6·2⁻²⁴.
var exp2Floor = []float64{0.0018671300495043397, 0.009017030708491802, 0.05579991266131401, 0.24016444385051727, 0.6931512951850891, 1}

// exp2Coefficients of 2^f for |f| ≤ 1/2, highest first: a least maximum fit with 2^0 = 1, relative error below 1.9·2⁻²⁴.
var exp2Coefficients = []float64{0.0013264723820611835, 0.009671512991189957, 0.05550733581185341, 0.24022242426872253, 0.6931470036506653, 1}

// Registers that hold constants.
const (
	polyReg  = 9  // to 14: the coefficients of exp2
	iotaReg  = 31 // 0 to 15
	stepReg  = 30 // 16
	limitReg = 28 // number of keys that the row sees
	placeReg = 29 // key of each lane, from the first that the row sees
)

func attentionFile(f *file) {
	f.soften()
	f.slopePairs()
	f.storeRows()
	f.rowDots()
	f.finishSums()
	f.widenBlocks()
	f.touchRows()
	words := make([]uint32, 16)
	for i := range words {
		words[i] = uint32(i)
	}
	f.constant("iota", words...)
	for i := range words {
		words[i] = uint32(i | (i+16)<<16)
	}
	f.constant("zip", words...)
	f.declareSplats()
}

func (f *file) loadExp2() {
	for i, c := range exp2Floor {
		f.i("VMOVUPS", f.splat(float32(c)), z(polyReg+i))
	}
}

// exp2 prints 2^y for registers y with a spare register each, zero outside the masks; NaN stays. Masks nil: none.
func (f *file) exp2(y, n []int, masks []string) {
	p := make([]int, len(y))
	for i := range y {
		p[i] = n[i] + len(n)
		f.i("VREDUCEPS", "$9", z(y[i]), z(n[i])) // y − ⌊y⌋
		f.i("VMOVAPS", z(polyReg), z(p[i]))
	}
	for c := 1; c < len(exp2Floor); c++ {
		for i := range y {
			f.i("VFMADD213PS", z(polyReg+c), z(n[i]), z(p[i]))
		}
	}
	for i := range y { // VSCALEFPS takes ⌊y⌋ itself
		if masks == nil {
			f.i("VSCALEFPS", z(y[i]), z(p[i]), z(y[i]))
		} else {
			f.i("VSCALEFPS.Z", z(y[i]), z(p[i]), masks[i], z(y[i]))
		}
	}
}

// visible sets a mask to the keys of the next vector that the row sees.
func (f *file) visible(place, limit int, masks ...string) {
	for _, k := range masks {
		f.i("VPCMPUD", "$1", z(limit), z(place), k)
		f.i("VPADDD", z(stepReg), z(place), z(place))
	}
}

// rowRange loads the keys that the row at the given registers sees: place and limit for visible.
func (f *file) rowRange(lo, count string, place, limit int) {
	f.i("VPBROADCASTD", lo, z(place))
	f.i("VPSUBD", z(place), z(iotaReg), z(place))
	f.i("VPBROADCASTD", count, z(limit))
}

// across folds the 16 lanes of a register below 16 into its first.
func (f *file) across(op string, r, spare int) {
	y, x, s := "Y"+digits(r), "X"+digits(r), "X"+digits(spare)
	f.i("VEXTRACTF64X4", "$1", z(r), "Y"+digits(spare))
	f.i(op, "Y"+digits(spare), y, y)
	f.i("VEXTRACTF128", "$1", y, s)
	f.i(op, s, x, x)
	f.i("VPERMILPS", "$14", x, s)
	f.i(op, s, x, x)
	f.i("VPERMILPS", "$1", x, s)
	f.i(op, s, x, x)
}

// soften prints one step of the running softmax: the maxima of all rows, then their effect on sums and outputs, all rows in one vector, then the weights.
func (f *file) soften() {
	const s, p, o, most, sum, lo, count, rows, chunks, oBytes, scale, unit, shift, found = 0, 8, 16, 24, 32, 40, 48, 56, 64, 72, 80, 84, 88, 152
	f.fn("softenAVX512", "takes a softPanel.", ptr("c", "BX"))
	f.i("VMOVDQU32", "iota<>(SB)", z(iotaReg))
	f.i("VPBROADCASTD", f.splatBits(16), z(stepReg))
	f.loadExp2()
	// The largest score of each row.
	row := func(label string, body func()) {
		f.i("MOVQ", mem(s, "BX"), "SI")
		f.i("MOVQ", mem(lo, "BX"), "R10")
		f.i("MOVQ", mem(count, "BX"), "R11")
		f.i("LEAQ", mem(found, "BX"), "R12")
		f.i("MOVQ", mem(rows, "BX"), "CX")
		f.label(label)
		f.rowRange("(R10)", "(R11)", placeReg, limitReg)
		f.i("MOVQ", "SI", "DX")
		f.i("MOVQ", mem(chunks, "BX"), "AX")
		body()
		for _, r := range []string{"R10", "R11", "R12"} {
			f.i("ADDQ", "$4", r)
		}
		f.i("ADDQ", imm(scorePitch), "SI")
		f.i("DECQ", "CX")
		f.i("JNE", label)
	}
	row("rowMax", func() {
		f.i("VMOVUPS", f.splatBits(0xff800000), "Z0")
		f.i("VMOVAPS", "Z0", "Z1")
		f.label("chunkMax")
		f.visible(placeReg, limitReg, "K1", "K2")
		f.i("VMAXPS", "(DX)", "Z0", "K1", "Z0")
		f.i("VMAXPS", "64(DX)", "Z1", "K2", "Z1")
		f.i("ADDQ", "$128", "DX")
		f.i("DECQ", "AX")
		f.i("JNE", "chunkMax")
		f.i("VMAXPS", "Z1", "Z0", "Z0")
		f.across("VMAXPS", 0, 1)
		f.i("VMOVSS", "X0", "(R12)")
	})
	// The new maxima, the shifts in powers of two (0 where nothing is above −Inf), and the factors of what was summed before.
	f.i("MOVQ", mem(rows, "BX"), "CX")
	f.laneMask("CX", "K7")
	f.i("MOVQ", mem(most, "BX"), "SI")
	f.i("MOVQ", mem(sum, "BX"), "R13")
	f.i("VMOVUPS", mem(found, "BX"), "Z0")
	f.i("VMULPS.BCST", mem(scale, "BX"), "Z0", "Z0")
	f.i("VMOVUPS.Z", "(SI)", "K7", "Z1")
	f.i("VMAXPS", "Z0", "Z1", "Z2")
	f.i("VMOVUPS", "Z2", "K7", "(SI)")
	f.i("VCMPPS", "$0", f.splatBits(0xff800000), "Z2", "K1")
	f.i("VXORPS", "Z2", "Z2", "K1", "Z2")
	f.i("VMULPS", f.splat(math.Log2E), "Z2", "Z2")
	f.i("VMOVUPS", "Z2", mem(shift, "BX"))
	f.i("VMULPS", f.splat(math.Log2E), "Z1", "Z1")
	f.i("VSUBPS", "Z2", "Z1", "Z0")
	f.exp2([]int{0}, []int{2}, nil)
	f.i("VMULPS.Z", "(R13)", "Z0", "K7", "Z1")
	f.i("VMOVUPS", "Z1", "K7", "(R13)")
	f.i("VMOVUPS", "Z0", mem(found, "BX"))
	f.i("VCMPPS", "$4", f.splat(1), "Z0", "K7", "K1")
	f.i("KMOVW", "K1", "R8")
	f.label("nextShrink")
	f.i("TESTL", "R8", "R8")
	f.i("JEQ", "shrunk")
	f.i("BSFL", "R8", "R9")
	f.i("LEAL", "-1(R8)", "R10")
	f.i("ANDL", "R10", "R8")
	f.i("VBROADCASTSS", fmt.Sprintf("%d(BX)(R9*4)", found), "Z0")
	f.i("IMULQ", mem(oBytes, "BX"), "R9")
	f.i("ADDQ", mem(o, "BX"), "R9")
	f.i("MOVQ", mem(oBytes, "BX"), "R10")
	f.label("shrink")
	f.i("VMULPS", "-64(R9)(R10*1)", "Z0", "Z1")
	f.i("VMOVUPS", "Z1", "-64(R9)(R10*1)")
	f.i("SUBQ", "$64", "R10")
	f.i("JNE", "shrink")
	f.i("JMP", "nextShrink")
	f.label("shrunk")
	// The weights and their sums.
	f.i("VBROADCASTSS", mem(unit, "BX"), "Z24")
	f.i("LEAQ", mem(shift, "BX"), "R9")
	f.i("MOVQ", mem(p, "BX"), "R8")
	row("rowWeights", func() {
		f.i("VBROADCASTSS", "(R9)", "Z27")
		f.i("MOVQ", "R8", "DI")
		f.zero(avx512, 6)
		f.zero(avx512, 7)
		f.label("chunkWeights")
		f.visible(placeReg, limitReg, "K1", "K2")
		f.i("VMOVUPS", "(DX)", "Z0")
		f.i("VMOVUPS", "64(DX)", "Z1")
		f.i("VFMSUB213PS", "Z27", "Z24", "Z0")
		f.i("VFMSUB213PS", "Z27", "Z24", "Z1")
		f.exp2([]int{0, 1}, []int{2, 3}, []string{"K1", "K2"})
		f.i("VADDPS", "Z0", "Z6", "Z6")
		f.i("VADDPS", "Z1", "Z7", "Z7")
		f.narrow2(0, 1, 2)
		f.i("VMOVDQU32", "Z2", "(DI)")
		f.i("ADDQ", "$128", "DX")
		f.i("ADDQ", "$64", "DI")
		f.i("DECQ", "AX")
		f.i("JNE", "chunkWeights")
		f.i("VADDPS", "Z7", "Z6", "Z6")
		f.across("VADDPS", 6, 7)
		f.i("VMOVSS", "X6", "(R12)")
		f.i("ADDQ", "$4", "R9")
		f.i("ADDQ", imm(weightPitch), "R8")
	})
	f.i("VMOVUPS.Z", mem(found, "BX"), "K7", "Z0")
	f.i("VADDPS", "(R13)", "Z0", "K7", "Z0")
	f.i("VMOVUPS", "Z0", "K7", "(R13)")
	f.ret()
}

// slopePairs prints the weights and their gradients of pairs of rows: pairs of both for the products that sum over queries, rows of the gradients for the one that sums over keys.
func (f *file) slopePairs() {
	const s, dp, p, ds, rows, lo, count, shift, delta, pairs, chunks, unit, scale = 0, 8, 16, 24, 32, 40, 48, 56, 64, 72, 80, 88, 92
	f.fn("slopePairsAVX512", "takes a slopePanel.", ptr("c", "BX"))
	f.i("VMOVDQU32", "iota<>(SB)", z(iotaReg))
	f.i("VPBROADCASTD", f.splatBits(16), z(stepReg))
	f.i("VMOVDQU32", "zip<>(SB)", "Z27")
	f.loadExp2()
	f.i("VBROADCASTSS", mem(unit, "BX"), "Z26")
	f.i("VBROADCASTSS", mem(scale, "BX"), "Z25")
	for i, r := range []string{"SI", "DX", "DI", "R8", "R9", "R10", "R11", "R12", "R13"} {
		f.i("MOVQ", mem(s+8*i, "BX"), r)
	}
	f.i("MOVQ", mem(pairs, "BX"), "CX")
	f.label("pair")
	f.rowRange("(R10)", "(R11)", 24, 22)
	f.rowRange("4(R10)", "4(R11)", 23, 21)
	for i := range 2 {
		f.i("VBROADCASTSS", mem(4*i, "R12"), z(20-i))
		f.i("VBROADCASTSS", mem(4*i, "R13"), z(18-i))
	}
	f.i("MOVQ", mem(chunks, "BX"), "AX")
	f.i("XORQ", "R15", "R15")
	f.label("chunk")
	f.visible(24, 22, "K1")
	f.visible(23, 21, "K2")
	for i := range 2 {
		f.i("VMOVUPS", at("SI", i*scorePitch, 2), z(i))
		f.i("VFMSUB213PS", z(20-i), z(26), z(i))
	}
	f.exp2([]int{0, 1}, []int{2, 3}, []string{"K1", "K2"})
	for i := range 2 {
		f.i("VMOVUPS", at("DX", i*scorePitch, 2), z(2+i))
		f.i("VSUBPS", z(18-i), z(2+i), z(2+i))
		f.i("VMULPS", z(25), z(2+i), z(2+i))
		f.i("VMULPS.Z", z(i), z(2+i), "K"+digits(1+i), z(2+i))
	}
	f.narrow2(0, 1, 4)
	f.narrow2(2, 3, 5)
	f.i("VMOVDQU32", "Y5", at("R9", 0, 1))
	f.i("VEXTRACTI64X4", "$1", "Z5", at("R9", weightPitch, 1))
	f.i("VPERMW", "Z4", "Z27", "Z4")
	f.i("VPERMW", "Z5", "Z27", "Z5")
	f.i("VMOVDQU32", "Z4", at("DI", 0, 2))
	f.i("VMOVDQU32", "Z5", at("R8", 0, 2))
	f.i("ADDQ", "$32", "R15")
	f.i("DECQ", "AX")
	f.i("JNE", "chunk")
	f.zero(avx512, 0)
	f.label("rest")
	f.i("CMPQ", "R15", imm(2*keyBlock))
	f.i("JGE", "next")
	f.i("VMOVDQU32", "Z0", at("DI", 0, 2))
	f.i("VMOVDQU32", "Z0", at("R8", 0, 2))
	f.i("ADDQ", "$32", "R15")
	f.i("JMP", "rest")
	f.label("next")
	for _, r := range []string{"SI", "DX"} {
		f.i("ADDQ", imm(2*scorePitch), r)
	}
	for _, r := range []string{"DI", "R8"} {
		f.i("ADDQ", imm(pairPitch), r)
	}
	f.i("ADDQ", imm(2*weightPitch), "R9")
	for _, r := range []string{"R10", "R11", "R12", "R13"} {
		f.i("ADDQ", "$8", r)
	}
	f.i("DECQ", "CX")
	f.i("JNE", "pair")
	f.ret()
}

// storeRows prints the scaling of rows of float32 and their rounding to BF16. c.nan becomes other than zero if a result is NaN.
func (f *file) storeRows() {
	const o, out, factor, rows, oBytes, outBytes, group, headBytes, tokenBytes, factorBytes, nan = 0, 8, 16, 24, 32, 40, 48, 56, 64, 72, 80
	f.fn("storeRowsAVX512", "takes a rowStore.", ptr("c", "BX"))
	for i, r := range []string{"SI", "DI", "R8", "CX", "R9", "R10", "R11", "R12", "R13"} {
		f.i("MOVQ", mem(o+8*i, "BX"), r)
	}
	f.i("MOVQ", "R10", "R15")
	f.i("ANDQ", "$63", "R15")
	f.i("SUBQ", "R15", "R10")
	f.i("SHRQ", "$1", "R15")
	f.laneMask("R15", "K3")
	f.i("KXORW", "K1", "K1", "K1")
	f.i("MOVQ", "DI", "DX")
	two := func() {
		f.i("VMULPS", "(SI)(AX*2)", "Z2", "Z0")
		f.i("VMULPS", "64(SI)(AX*2)", "Z2", "Z1")
		f.narrow2(0, 1, 3)
	}
	f.label("row")
	f.i("VBROADCASTSS", "(R8)", "Z2")
	f.i("XORQ", "AX", "AX")
	f.label("chunk")
	f.i("CMPQ", "AX", "R10")
	f.i("JGE", "tail")
	two()
	f.i("VCMPPS", "$3", "Z1", "Z0", "K2")
	f.i("KORW", "K1", "K2", "K1")
	f.i("VMOVDQU32", "Z3", "(DX)(AX*1)")
	f.i("ADDQ", "$64", "AX")
	f.i("JMP", "chunk")
	f.label("tail")
	f.i("TESTQ", "R15", "R15")
	f.i("JEQ", "next")
	two()
	f.i("VMOVDQU16", "Z3", "K3", "(DX)(AX*1)")
	f.label("next")
	f.i("ADDQ", "R9", "SI")
	f.i("ADDQ", mem(factorBytes, "BX"), "R8")
	f.i("ADDQ", "R12", "DX")
	f.i("DECQ", "R11")
	f.i("JNE", "same")
	f.i("MOVQ", mem(group, "BX"), "R11")
	f.i("ADDQ", "R13", "DI")
	f.i("MOVQ", "DI", "DX")
	f.label("same")
	f.i("DECQ", "CX")
	f.i("JNE", "row")
	f.i("KMOVW", "K1", "AX")
	f.i("MOVQ", "AX", mem(nan, "BX"))
	f.ret()
}

// finishSums prints what the sums of a softmax are good for: lse = most + ln sum and factor = 1/sum; −Inf and 1 for sum 0. The logarithm is that of Cephes: the mantissa m in
// [√½, √2), and a polynomial in m−1.
func (f *file) finishSums() {
	f.fn("finishSumsAVX512", "takes n maxima and sums; factor may be sum.", ptr("lse", "DI"), ptr("factor", "DX"), ptr("most", "SI"), ptr("sum", "R8"), num("n", "CX"))
	f.label("loop")
	f.laneMask("CX", "K1")
	f.i("VMOVUPS.Z", "(R8)", "K1", "Z0")
	f.i("VPXORD", "Z1", "Z1", "Z1")
	f.i("VCMPPS", "$0", "Z1", "Z0", "K2")
	f.i("VMOVUPS", f.splat(1), "Z2")
	f.i("VDIVPS", "Z0", "Z2", "Z3")
	f.i("VMOVAPS", "Z2", "K2", "Z3")
	f.i("VMOVUPS", "Z3", "K1", "(DX)")
	f.i("VGETEXPPS", "Z0", "Z4")
	f.i("VGETMANTPS", "$0", "Z0", "Z5") // [1, 2)
	f.i("VCMPPS", "$13", f.splat(math.Sqrt2), "Z5", "K3")
	f.i("VADDPS", "Z2", "Z4", "K3", "Z4")
	f.i("VMULPS", f.splat(0.5), "Z5", "K3", "Z5")
	f.i("VSUBPS", "Z2", "Z5", "Z5")
	coefficients := []float64{7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1}
	f.i("VMOVUPS", f.splat(float32(coefficients[0])), "Z6")
	for _, c := range coefficients[1:] {
		f.i("VFMADD213PS", f.splat(float32(c)), "Z5", "Z6")
	}
	f.i("VMULPS", "Z5", "Z5", "Z7")
	f.i("VMULPS", "Z5", "Z6", "Z6")
	f.i("VFMSUB213PS", f.splat(0.5), "Z6", "Z2") // x·poly − ½: Z2 is 1
	f.i("VFMADD213PS", "Z5", "Z7", "Z2")
	f.i("VFMADD231PS", f.splat(math.Ln2), "Z4", "Z2")
	f.i("VADDPS", "(SI)", "Z2", "K1", "Z2")
	f.i("VMOVUPS", f.splatBits(0xff800000), "K2", "Z2")
	f.i("VMOVUPS", "Z2", "K1", "(DI)")
	for _, r := range []string{"DI", "DX", "SI", "R8"} {
		f.i("ADDQ", "$64", r)
	}
	f.i("SUBQ", "$16", "CX")
	f.i("JGT", "loop")
	f.ret()
}

// touchRows prints a request for rows that will be read or written soon.
func (f *file) touchRows() {
	f.fn("touchRowsAVX512", "asks L2 for so many bytes at p and at multiples of stride behind it.", ptr("p", "SI"), num("rows", "CX"), num("bytes", "DX"), num("stride", "R8"))
	f.label("row")
	f.i("MOVQ", "DX", "AX")
	f.label("line")
	f.i("PREFETCHT1", "-1(SI)(AX*1)")
	f.i("SUBQ", "$64", "AX")
	f.i("JGT", "line")
	f.i("ADDQ", "R8", "SI")
	f.i("DECQ", "CX")
	f.i("JNE", "row")
	f.i("RET")
	f.asm.WriteByte('\n')
}

// rowDots prints the dot products of the rows of two BF16 matrices.
func (f *file) rowDots() {
	f.fn("rowDotsAVX512", "writes out[i] = Σ x[i]·y[i] of rows of chunks·32 numbers, ldx and ldy bytes apart.",
		ptr("out", "DI"), ptr("x", "SI"), ptr("y", "DX"), num("rows", "CX"), num("chunks", "R8"), num("ldx", "R9"), num("ldy", "R10"))
	f.i("SHLQ", "$6", "R8")
	f.label("row")
	f.zero(avx512, 0)
	f.i("XORQ", "AX", "AX")
	f.label("chunk")
	f.i("VMOVDQU32", "(SI)(AX*1)", "Z1")
	f.i("VMOVDQU32", "(DX)(AX*1)", "Z2")
	f.dpbf16(1, 2, 0)
	f.i("ADDQ", "$64", "AX")
	f.i("CMPQ", "AX", "R8")
	f.i("JNE", "chunk")
	f.across("VADDPS", 0, 1)
	f.i("VMOVSS", "X0", "(DI)")
	f.i("ADDQ", "$4", "DI")
	f.i("ADDQ", "R9", "SI")
	f.i("ADDQ", "R10", "DX")
	f.i("DECQ", "CX")
	f.i("JNE", "row")
	f.ret()
}

// widenBlocks prints the conversion of blocks of 32 numbers, a half as scale before the codes, to BF16: Q8_0, and Q4_0 with the first 16 codes in the lower halves of bytes.
func (f *file) widenBlocks() {
	kernel := func(name string, bytes int, codes func()) {
		f.fn("widen"+name+"AVX512", "writes n blocks as BF16.", num("n", "CX"), ptr("out", "DI"), ptr("x", "SI"))
		f.label("loop")
		f.i("VPBROADCASTW", "(SI)", "Y2")
		f.i("VCVTPH2PS", "Y2", "Z2")
		codes()
		for j := range 2 {
			f.i("VCVTDQ2PS", z(j), z(j))
			f.i("VMULPS", "Z2", z(j), z(j))
		}
		f.narrow2(0, 1, 3)
		f.i("VMOVDQU32", "Z3", "(DI)")
		f.i("ADDQ", imm(bytes), "SI")
		f.i("ADDQ", "$64", "DI")
		f.i("DECQ", "CX")
		f.i("JNE", "loop")
		f.ret()
	}
	kernel("Q8_0", 34, func() {
		f.i("VPMOVSXBD", "2(SI)", "Z0")
		f.i("VPMOVSXBD", "18(SI)", "Z1")
	})
	kernel("Q4_0", 18, func() {
		f.i("VPMOVZXBD", "2(SI)", "Z1")
		f.i("VPANDD", f.splatBits(15), "Z1", "Z0")
		f.i("VPSRLD", "$4", "Z1", "Z1")
		for j := range 2 {
			f.i("VPSUBD", f.splatBits(8), z(j), z(j))
		}
	})
}

func digits(i int) string { return strconv.Itoa(i) }

// at is a place relative to the chunk register of slopePairs.
func at(base string, off, width int) string { return fmt.Sprintf("%d(%s)(R15*%d)", off, base, width) }
