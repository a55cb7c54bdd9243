package asmgen

import "fmt"

// A kernel of many rows reads the panel once for all of them, at an even pace: a sub-block becomes float32 scales and bytes in a tile, and group after group of rows is multiplied by
// that. Integer sums are in registers for the rows of a group, float sums in memory for all rows; both are in L1. What a group does is a subroutine which formats share.
const (
	groupRows = 8    // rows of the largest group: 16 integer accumulators
	tileCodes = 256  // offset of the codes in a tile, after the scales and the minima or second scales
	scalesReg = "BX" // tile
	codesReg  = "R9" // codes of the sub-block: in the tile, or in the panel
	groupReg  = "R12"
	restReg   = "R13"
	sumReg    = 10 // float sums, once loaded
	magicReg  = 11
)

// kind is what formats that share subroutines have in common.
type kind struct {
	name   string
	min    bool
	groups int
}

var kinds = []kind{{"Plain", false, 1}, {"Min", true, 1}, {"Pair", false, 2}}

func (fm *format) kind() kind {
	for _, k := range kinds {
		if k.min == fm.min && k.groups == fm.groups {
			return k
		}
	}
	panic("asmgen: " + fm.name + " is of no kind")
}

// manyKernel prints C += A·B for groups groups of each rows, and one of rest rows. A is packed for the sum of the rows; C has a row every ldc bytes.
func (f *file) manyKernel(fm *format) {
	k := fm.kind()
	f.fn("many"+fm.name+"AVX512", "", num("k", "CX"), ptr("a", "SI"), ptr("b", subReg), ptr("c", ""), num("ldc", "R8"), ptr("tile", scalesReg), num("each", "AX"), num("groups", ""), num("rest", ""))
	f.i("CALL", "pick"+k.name+"<>(SB)")
	f.i("MOVQ", groupReg, "DX")
	f.i("MOVQ", "rest+64(FP)", "AX")
	f.i("CALL", "pick"+k.name+"<>(SB)")
	f.i("MOVQ", groupReg, restReg)
	f.i("MOVQ", "DX", groupReg)
	if fm.data < 1024 {
		f.i("VMOVDQU32", f.splatBits(0x0f0f0f0f), z(vReg+1))
		f.i("LEAQ", mem(tileCodes, scalesReg), codesReg)
	}
	f.i("VMOVDQU32", f.splatBits(magic), z(magicReg))
	f.walkBlocks(fm, func() {
		f.prefetchBlock(fm)
		f.fillTile(fm)
		f.i("MOVQ", "c+24(FP)", "DX")
		f.i("MOVQ", "groups+56(FP)", "AX")
		f.label("groups")
		f.i("CALL", groupReg)
		f.i("DECQ", "AX")
		f.i("JNE", "groups")
		f.i("TESTQ", restReg, restReg)
		f.i("JEQ", "next")
		f.i("CALL", restReg)
		f.label("next")
	})
	f.ret()
}

// blocksAhead is how far kernels of blocks that compute as well as stream ask ahead, for L2. Kernels of one and two rows wait for memory alone, and the processor's own prefetching does
// better: of a plain read Q8_0 and Q4_0 reach 88 and 84 % without, 70 and 73 % with it. At 8 rows the product takes 1.2 times as long without, and 1.6 times if L1 is asked for
// (Zen 4; BenchmarkBlocks).
const blocksAhead = 8192

func (f *file) prefetchBlock(fm *format) {
	for off := 0; off < fm.head+fm.data; off += 64 {
		f.i("PREFETCHT1", mem(blocksAhead+off, subReg))
	}
}

// fillTile prints the conversion of a sub-block. Codes that are bytes stay where they are.
func (f *file) fillTile(fm *format) {
	if fm.data == 1024 {
		f.i("LEAQ", mem(fm.head, subReg), codesReg)
	}
	for group := range fm.groups {
		for j := range nv {
			fm.scale(f, avx512, j, group, z(sReg+j), z(vReg))
			f.i("VMOVUPS", z(sReg+j), mem(128*group+64*j, scalesReg))
			if fm.min {
				fm.minimum(f, avx512, j, z(mReg+j), z(sReg+j), z(vReg))
				f.i("VMOVUPS", z(mReg+j), mem(128+64*j, scalesReg))
			}
		}
		if fm.data == 1024 {
			continue
		}
		fm.codes(f, fm, group, func(step int) {
			for j := range nv {
				f.i("VMOVDQU32", z(wReg+j), mem((2*step+j)*64, codesReg))
			}
		})
	}
}

// routine starts a subroutine of kernels of many rows: it has the registers of its caller.
func (f *file) routine(name string) {
	fmt.Fprintf(&f.asm, "TEXT %s<>(SB), NOSPLIT, $0-0\n", name)
}

// pickRows prints the choice of the subroutine for AX rows, or none.
func (f *file) pickRows(k kind) {
	f.routine("pick" + k.name)
	f.i("XORL", groupReg, groupReg)
	for n := 1; n <= groupRows; n++ {
		f.i("SUBQ", "$1", "AX")
		f.i("JLT", "done")
		f.i("LEAQ", fmt.Sprintf("rows%s_%d<>(SB)", k.name, n), groupReg)
	}
	f.label("done")
	f.i("RET")
	f.asm.WriteByte('\n')
}

// rowGroup prints the products of n rows with a sub-block, and goes on to the next rows of A and C.
func (f *file) rowGroup(k kind, n int) {
	part := func(i, j int) int { return 31 - (i*nv + j) }
	f.routine(fmt.Sprintf("rows%s_%d", k.name, n))
	for group := range k.groups {
		for i := range n {
			f.i("VPBROADCASTD", mem(i*aBlock+aStart+4*group, "SI"), z(part(i, 0)))
			f.i("VMOVDQA64", z(part(i, 0)), z(part(i, 1)))
		}
		for step := 8 / k.groups * group; step < 8/k.groups*(group+1); step++ {
			for j := range nv {
				f.i("VMOVDQU32", mem((2*step+j)*64, codesReg), z(wReg+j))
			}
			for i := range n {
				f.i("VPBROADCASTD", mem(i*aBlock+4*step, "SI"), z(rowReg))
				for j := range nv {
					f.i("VPDPBUSD", z(rowReg), z(wReg+j), z(part(i, j)))
				}
			}
		}
		if group > 0 {
			f.i("MOVQ", "R14", "DX")
		} else if k.groups > 1 {
			f.i("MOVQ", "DX", "R14")
		}
		f.addParts(k, group, n, part)
	}
	f.i("ADDQ", imm(n*aBlock), "SI")
	f.i("RET")
	f.asm.WriteByte('\n')
}

// addParts is scaleParts with the float sums in memory, from DX on.
func (f *file) addParts(k kind, group, n int, part func(i, j int) int) {
	for j := range nv {
		f.i("VMOVUPS", mem(128*group+64*j, scalesReg), z(sReg+j))
		if k.min {
			f.i("VMOVUPS", mem(128+64*j, scalesReg), z(mReg+j))
		}
	}
	for i := range n {
		for j := range nv {
			p, sum := z(part(i, j)), z(sumReg)
			f.i("VMOVUPS", mem(64*j, "DX"), sum)
			f.i("VSUBPS", z(magicReg), p, p)
			f.i("VMULPS.BCST", mem(i*aBlock+aScale, "SI"), z(sReg+j), z(vReg))
			f.i("VFMADD231PS", z(vReg), p, sum)
			if k.min {
				f.i("VFMADD231PS.BCST", mem(i*aBlock+aSum, "SI"), z(mReg+j), sum)
			}
			f.i("VMOVUPS", sum, mem(64*j, "DX"))
		}
		f.i("ADDQ", "R8", "DX")
	}
}
