package asmgen

import (
	"fmt"
	"slices"
)

// A block kernel multiplies rows of A, quantised to 8 bits per 32 elements of k, by a panel of 32 columns of a block format. Columns are interleaved so that
// a lane is a column: a step of VPDPBUSD takes four elements of k of 16 columns. The packed panel is a sequence of superblocks, each a head and subs
// sub-blocks of 32 elements; a sub-block is a head of scales and then the codes. The layouts are those of blockLayouts in package cpu.
//
// A has, for each sub-block and row, aBlock bytes: 32 codes, the scale, two starting values of the integer sums, and the scale times the sum of the codes.
//
// Integer sums start at magic − zero·Σcodes: as a float32 they are 1.5·2²³ plus the sum, so that no conversion and no correction is left.
const (
	aBlock = 48
	aScale = 32
	aStart = 36
	aSum   = 44
	magic  = 0x4b400000
)

// format is a block format as the kernels see it.
type format struct {
	name            string
	subs            int // sub-blocks of a superblock
	superHead, head int // bytes
	data            int // bytes of codes of a sub-block
	min             bool
	groups          int                                               // scales of a sub-block: 2 for groups of 16
	scale           func(f *file, t isa, j, group int, s, tmp string) // of vector j of columns
	minimum         func(f *file, t isa, j int, m, s, tmp string)
	codes           func(f *file, fm *format, group int, emit func(step int))
}

const (
	superReg = "R10" // head of the superblock
	subReg   = "DI"  // head of the sub-block
)

// Registers of a block kernel: accumulators from 31 down, then these.
const (
	wReg   = 0 // codes of two vectors: 0, 1
	sReg   = 2 // scales: 2, 3
	mReg   = 4 // minima: 4, 5
	vReg   = 6 // spare: 6, 7
	rowReg = 6 // broadcast of A, once the codes are in place
	rawReg = 8 // packed codes: 8, 9
)

func z(i int) string { return fmt.Sprintf("Z%d", i) }

func halfScale(off int, base string) func(f *file, t isa, j, group int, s, tmp string) {
	return func(f *file, t isa, j, _ int, s, _ string) { f.i("VCVTPH2PS", mem(off+2*t.lanes()*j, base), s) }
}

// byteScale is a half in the superblock's head times a byte in the sub-block's, widened by op.
func byteScale(half int, op string, bytes func(group int) int) func(f *file, t isa, j, group int, s, tmp string) {
	return func(f *file, t isa, j, group int, s, tmp string) {
		f.i("VCVTPH2PS", mem(half+2*t.lanes()*j, superReg), tmp)
		f.i(op, mem(bytes(group)+t.lanes()*j, subReg), s)
		f.i("VCVTDQ2PS", s, s)
		f.i("VMULPS", tmp, s, s)
	}
}

func formats() []*format {
	halfMin := func(f *file, t isa, j int, m, _, _ string) { f.i("VCVTPH2PS", mem(64+2*t.lanes()*j, subReg), m) }
	kScale := byteScale(0, "VPMOVZXBD", func(int) int { return 0 })
	kMin := func(f *file, t isa, j int, m, _, tmp string) {
		byteScale(64, "VPMOVZXBD", func(int) int { return 32 })(f, t, j, 0, m, tmp)
	}
	awqMin := func(f *file, t isa, j int, m, s, tmp string) {
		f.i("VPMOVZXBD", mem(64+t.lanes()*j, superReg), m)
		f.i("VCVTDQ2PS", m, m)
		f.i("VMULPS", s, m, m)
		f.i("VXORPS", f.splatBits(1<<31), m, m)
	}
	return []*format{
		{name: "Q8_0", subs: 1, head: 64, data: 1024, groups: 1, scale: halfScale(0, subReg), codes: bytes8},
		{name: "Q4_0", subs: 1, head: 64, data: 512, groups: 1, scale: halfScale(0, subReg), codes: nibbles(0)},
		{name: "Q4_1", subs: 1, head: 128, data: 512, min: true, groups: 1, scale: halfScale(0, subReg), minimum: halfMin, codes: nibbles(0)},
		{name: "Q5_0", subs: 1, head: 64, data: 640, groups: 1, scale: halfScale(0, subReg), codes: nibbles(1)},
		{name: "Q5_1", subs: 1, head: 128, data: 640, min: true, groups: 1, scale: halfScale(0, subReg), minimum: halfMin, codes: nibbles(1)},
		{name: "Q4_K", subs: 8, superHead: 128, head: 64, data: 512, min: true, groups: 1, scale: kScale, minimum: kMin, codes: nibbles(0)},
		{name: "Q5_K", subs: 8, superHead: 128, head: 64, data: 640, min: true, groups: 1, scale: kScale, minimum: kMin, codes: nibbles(1)},
		{name: "Q6_K", subs: 8, superHead: 64, head: 64, data: 768, groups: 2, codes: nibbles(2),
			scale: byteScale(0, "VPMOVSXBD", func(group int) int { return 32 * group })},
		{name: "AWQ4", subs: 4, superHead: 96, data: 512, min: true, groups: 1, scale: halfScale(0, superReg), minimum: awqMin, codes: nibbles(0)},
	}
}

// bytes8 puts the eight steps of 8-bit codes in the w registers, those of one group of 16 or all.
func bytes8(f *file, fm *format, group int, emit func(step int)) {
	for s := range 8 {
		if fm.groups == 2 && s/4 != group {
			continue
		}
		for j := range nv {
			f.i("VMOVDQU32", mem(fm.head+(2*s+j)*64, subReg), z(wReg+j))
		}
		emit(s)
	}
}

// nibbles does so for codes whose low four bits are halves of bytes, steps 0–3 the lower, and whose high bits follow: one bit, bit 8b+s of a lane for byte b of
// step s, or two, bits 8b+2(s mod 4) of the lanes of half s/4. A byte is read once for both halves, unless they belong to two groups.
func nibbles(high int) func(f *file, fm *format, group int, emit func(step int)) {
	return func(f *file, fm *format, group int, emit func(step int)) {
		for s := range 4 {
			for half := range 2 {
				if fm.groups == 2 && half != group {
					continue
				}
				for j := range nv {
					raw, w := z(rawReg+j), z(wReg+j)
					if half == 0 || fm.groups == 2 {
						f.i("VMOVDQU32", mem(fm.head+(2*s+j)*64, subReg), raw)
					}
					if half == 1 {
						f.i("VPSRLD", "$4", raw, raw)
					}
					f.i("VPANDD", z(vReg+1), raw, w)
					f.highBits(fm, high, half, s, j)
				}
				emit(4*half + s)
			}
		}
	}
}

func (f *file) highBits(fm *format, high, half, s, j int) {
	if high == 0 {
		return
	}
	off, shift, mask := fm.head+512+64*j, 4*half+s-4, uint32(0x10101010)
	if high == 2 {
		off, shift, mask = fm.head+512+64*(2*half+j), 2*s-4, 0x30303030
	}
	tmp := z(vReg)
	f.i("VPRORD", imm((shift+32)%32), mem(off, subReg), tmp)
	f.i("VPTERNLOGD", "$0xf8", f.splatBits(mask), tmp, z(wReg+j))
}

// fewRows are the row counts with a kernel of their own, which keeps its sums in registers.
var fewRows = []int{1, 2, 4}

func blocksFile(f *file) {
	for _, fm := range formats() {
		fmt.Fprintf(&f.stubs, "var block%sAVX512 = blockKernels{many%sAVX512, [...]blockKernel{nil", fm.name, fm.name)
		for mr := 1; mr <= fewRows[len(fewRows)-1]; mr++ {
			name := "nil"
			if slices.Contains(fewRows, mr) {
				name = fmt.Sprintf("block%sAVX512_%d", fm.name, mr)
			}
			f.stubs.WriteString(", " + name)
		}
		f.stubs.WriteString("}}\n\n")
		for _, mr := range fewRows {
			f.blockKernel(fm, mr)
		}
		f.manyKernel(fm)
	}
	for _, k := range kinds {
		f.pickRows(k)
		for n := 1; n <= groupRows; n++ {
			f.rowGroup(k, n)
		}
	}
	f.quantizeRow()
	for _, fm := range formats() {
		f.blockRow(fm)
	}
	f.declareSplats()
}

// walkBlocks prints the loops over superblocks (CX sub-blocks in all) and sub-blocks around body.
func (f *file) walkBlocks(fm *format, body func()) {
	f.label("super")
	f.i("MOVQ", subReg, superReg)
	if fm.superHead > 0 {
		f.i("ADDQ", imm(fm.superHead), subReg)
	}
	if fm.subs > 1 {
		f.i("MOVQ", imm(fm.subs), "R11")
		f.label("sub")
	}
	body()
	f.i("ADDQ", imm(fm.head+fm.data), subReg)
	if fm.subs > 1 {
		f.i("DECQ", "R11")
		f.i("JNE", "sub")
	}
	f.i("SUBQ", imm(fm.subs), "CX")
	f.i("JNE", "super")
}

// blockKernel prints C (mr × 32) = A·B over k sub-blocks.
func (f *file) blockKernel(fm *format, mr int) {
	f.fn(fmt.Sprintf("block%sAVX512_%d", fm.name, mr), "", num("k", "CX"), ptr("a", "SI"), ptr("b", subReg), ptr("c", "DX"), num("ldc", "R8"))
	sum := func(i, j int) int { return 31 - (i*nv + j) }
	part := func(i, j int) int { return 31 - (mr+i)*nv - j }
	for i := range mr {
		for j := range nv {
			f.zero(avx512, sum(i, j))
		}
	}
	if fm.data < 1024 {
		f.i("VMOVDQU32", f.splatBits(0x0f0f0f0f), z(vReg+1))
	}
	f.walkBlocks(fm, func() {
		if mr > 2 {
			f.prefetchBlock(fm)
		}
		for group := range fm.groups {
			for i := range mr {
				for j := range nv {
					f.i("VPBROADCASTD", mem(i*aBlock+aStart+4*group, "SI"), z(part(i, j)))
				}
			}
			fm.codes(f, fm, group, func(step int) {
				for i := range mr {
					f.i("VPBROADCASTD", mem(i*aBlock+4*step, "SI"), z(rowReg))
					for j := range nv {
						f.i("VPDPBUSD", z(rowReg), z(wReg+j), z(part(i, j)))
					}
				}
			})
			f.scaleParts(fm, group, mr, sum, part)
		}
		f.i("ADDQ", imm(mr*aBlock), "SI")
	})
	for i := range mr {
		for j := range nv {
			f.i("VMOVUPS", z(sum(i, j)), mem(64*j, "DX"))
		}
		f.i("ADDQ", "R8", "DX")
	}
	f.ret()
}

// scaleParts adds the integer sums of a group, times both scales, to the float sums.
func (f *file) scaleParts(fm *format, group, mr int, sum, part func(i, j int) int) {
	for j := range nv {
		fm.scale(f, avx512, j, group, z(sReg+j), z(vReg))
		if fm.min {
			fm.minimum(f, avx512, j, z(mReg+j), z(sReg+j), z(vReg))
		}
	}
	for i := range mr {
		for j := range nv {
			p := z(part(i, j))
			f.i("VSUBPS", f.splatBits(magic), p, p)
			f.i("VMULPS.BCST", mem(i*aBlock+aScale, "SI"), z(sReg+j), z(vReg))
			f.i("VFMADD231PS", z(vReg), p, z(sum(i, j)))
			if fm.min {
				f.i("VFMADD231PS.BCST", mem(i*aBlock+aSum, "SI"), z(mReg+j), z(sum(i, j)))
			}
		}
	}
}

// quantizeRow prints the quantisation of a row of A: k sub-blocks of 32 float32, written every stride bytes. A NaN makes the scale NaN.
func (f *file) quantizeRow() {
	f.fn("quantizeRowAVX512", "writes 32 codes, absmax/127, the starting values for codes with that zero (two of them if pair is not zero), and scale·Σcodes.",
		num("k", "CX"), ptr("out", "DI"), ptr("x", "SI"), num("stride", "R8"), num("zero", "R9"), num("pair", "R10"))
	f.i("VMOVUPS", f.splatBits(0x7fffffff), "Z10")
	f.label("loop")
	for j := range 2 {
		f.i("VMOVUPS", mem(64*j, "SI"), z(j))
		f.i("VANDPS", z(j), "Z10", z(2+j))
	}
	f.i("VMAXPS", "Z3", "Z2", "Z2")
	f.i("VEXTRACTF64X4", "$1", "Z2", "Y3")
	f.i("VMAXPS", "Y3", "Y2", "Y2")
	f.i("VEXTRACTF128", "$1", "Y2", "X3")
	f.i("VMAXPS", "X3", "X2", "X2")
	f.i("VPERMILPS", "$14", "X2", "X3")
	f.i("VMAXPS", "X3", "X2", "X2")
	f.i("VPERMILPS", "$1", "X2", "X3")
	f.i("VMAXSS", "X3", "X2", "X2")
	f.i("VCMPPS", "$3", "Z0", "Z1", "K1")
	f.i("VDIVSS", f.splat(127), "X2", "X4")
	f.i("KTESTW", "K1", "K1")
	f.i("JEQ", "ordered")
	f.i("VMOVSS", f.splatBits(0x7fc00000), "X4")
	f.label("ordered")
	f.i("VMOVSS", f.splat(127), "X5")
	f.i("VDIVSS", "X2", "X5", "X5")
	f.i("VXORPS", "X6", "X6", "X6")
	f.i("VUCOMISS", "X6", "X2")
	f.i("JNE", "scaled")
	f.i("VXORPS", "X5", "X5", "X5")
	f.label("scaled")
	f.i("VBROADCASTSS", "X5", "Z5")
	for j := range 2 {
		f.i("VMULPS", "Z5", z(j), z(j))
		f.i("VCVTPS2DQ", z(j), z(j))
		f.i("VPMOVDB", z(j), mem(16*j, "DI"))
		f.i("VPMOVDB", z(j), fmt.Sprintf("X%d", 7+j))
		f.i("VPMOVSXBD", fmt.Sprintf("X%d", 7+j), z(j))
		f.i("VEXTRACTI64X4", "$1", z(j), "Y3")
		y, x := fmt.Sprintf("Y%d", j), fmt.Sprintf("X%d", j)
		f.i("VPADDD", "Y3", y, y)
		f.i("VEXTRACTI128", "$1", y, "X3")
		f.i("VPADDD", "X3", x, x)
		f.i("VPSHUFD", "$14", x, "X3")
		f.i("VPADDD", "X3", x, x)
		f.i("VPSHUFD", "$1", x, "X3")
		f.i("VPADDD", "X3", x, x)
	}
	f.i("VMOVD", "X0", "AX")
	f.i("VMOVD", "X1", "BX")
	f.i("LEAL", "(AX)(BX*1)", "R11")
	f.i("VXORPS", "X6", "X6", "X6")
	f.i("VCVTSI2SSL", "R11", "X6", "X6")
	f.i("VMULSS", "X4", "X6", "X6")
	f.i("VMOVSS", "X4", mem(aScale, "DI"))
	f.i("VMOVSS", "X6", mem(aSum, "DI"))
	f.i("TESTQ", "R10", "R10")
	f.i("CMOVLEQ", "R11", "AX")
	f.i("IMULL", "R9", "AX")
	f.i("IMULL", "R9", "BX")
	for i, r := range []string{"AX", "BX"} {
		f.i("MOVL", imm(magic), "R12")
		f.i("SUBL", r, "R12")
		f.i("MOVL", "R12", mem(aStart+4*i, "DI"))
	}
	f.i("ADDQ", "$128", "SI")
	f.i("ADDQ", "R8", "DI")
	f.i("DECQ", "CX")
	f.i("JNE", "loop")
	f.ret()
}
