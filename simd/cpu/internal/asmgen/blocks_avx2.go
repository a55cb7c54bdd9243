package asmgen

// A block kernel of AVX2 multiplies one row by a panel: 32 columns are four vectors. It has no VPDPBUSD. VPMADDUBSW adds up pairs in 16 bits, which codes of four bits do not
// fill in the eight steps of a sub-block; others go on to 32 bits after each step. Codes of eight bits would not fit: they become signed, and lend their sign to A.
const (
	vectorsAVX2 = 4
	sumAVX2     = 12 // to 15: float sums
	partAVX2    = 8  // to 11: integer sums
	onesAVX2    = 7
	maskAVX2    = 6 // of the lower half of bytes, or of the sign that codes of eight bits lack
	aAVX2       = 5
	wAVX2       = 4
	spareAVX2   = 3
	scaleAVX2   = 2
	minAVX2     = 1
)

func (f *file) blockRow(fm *format) {
	y := func(i int) string { return avx2.v(i) }
	f.fn("block"+fm.name+"AVX2", "", num("k", "CX"), ptr("a", "SI"), ptr("b", subReg), ptr("c", "DX"), num("ldc", ""))
	for j := range vectorsAVX2 {
		f.zero(avx2, sumAVX2+j)
	}
	wide := fm.data == 1024
	f.i("VMOVDQU", f.splatBits(0x00010001), y(onesAVX2))
	if wide {
		f.i("VMOVDQU", f.splatBits(0x80808080), y(maskAVX2))
	} else {
		f.i("VMOVDQU", f.splatBits(0x0f0f0f0f), y(maskAVX2))
	}
	f.walkBlocks(fm, func() {
		for off := 0; off < fm.head+fm.data; off += 64 {
			f.i("PREFETCHT0", mem(prefetchAhead+off, subReg))
		}
		for group := range fm.groups {
			for j := range vectorsAVX2 {
				f.zero(avx2, partAVX2+j)
			}
			for step := range 8 {
				if fm.groups == 2 && step/4 != group {
					continue
				}
				f.i("VPBROADCASTD", mem(4*step, "SI"), y(aAVX2))
				for j := range vectorsAVX2 {
					f.codesAVX2(fm, step, j)
				}
			}
			f.scaleRowAVX2(fm, group)
		}
		f.i("ADDQ", imm(aBlock), "SI")
	})
	for j := range vectorsAVX2 {
		f.i("VMOVUPS", y(sumAVX2+j), mem(32*j, "DX"))
	}
	f.ret()
}

// codesAVX2 adds the products of one step of one vector.
func (f *file) codesAVX2(fm *format, step, j int) {
	y := func(i int) string { return avx2.v(i) }
	w, a, part, spare := y(wAVX2), y(aAVX2), y(partAVX2+j), y(spareAVX2)
	switch half, s := step/4, step%4; {
	case fm.data == 1024:
		f.i("VPXOR", mem(fm.head+step*128+32*j, subReg), y(maskAVX2), w)
		f.i("VPSIGNB", w, a, spare)
		f.i("VPABSB", w, w)
		a = spare
	case half == 0:
		f.i("VPAND", mem(fm.head+s*128+32*j, subReg), y(maskAVX2), w)
		f.highBitsAVX2(fm, half, s, j)
	default:
		f.i("VMOVDQU", mem(fm.head+s*128+32*j, subReg), w)
		f.i("VPSRLD", "$4", w, w)
		f.i("VPAND", w, y(maskAVX2), w)
		f.highBitsAVX2(fm, half, s, j)
	}
	f.i("VPMADDUBSW", a, w, w)
	if fm.data == 512 {
		f.i("VPADDW", w, part, part)
		return
	}
	f.i("VPMADDWD", y(onesAVX2), w, w)
	f.i("VPADDD", w, part, part)
}

// highBitsAVX2 is highBits.
func (f *file) highBitsAVX2(fm *format, half, s, j int) {
	off, shift, mask := fm.head+512+32*j, 4*half+s-4, uint32(0x10101010)
	switch fm.data {
	case 512:
		return
	case 768:
		off, shift, mask = off+128*half, 2*s-4, 0x30303030
	}
	w, spare := avx2.v(wAVX2), avx2.v(spareAVX2)
	f.i("VMOVDQU", mem(off, subReg), spare)
	if shift < 0 {
		f.i("VPSLLD", imm(-shift), spare, spare)
	} else {
		f.i("VPSRLD", imm(shift), spare, spare)
	}
	f.i("VPAND", f.splatBits(mask), spare, spare)
	f.i("VPOR", spare, w, w)
}

// scaleRowAVX2 is scaleParts for one row. Signed codes need no starting value for their zero.
func (f *file) scaleRowAVX2(fm *format, group int) {
	y := func(i int) string { return avx2.v(i) }
	if fm.data == 1024 {
		f.i("VMOVDQU", f.splatBits(magic), y(aAVX2))
	} else {
		f.i("VPBROADCASTD", mem(aStart+4*group, "SI"), y(aAVX2))
	}
	for j := range vectorsAVX2 {
		part, sum, s, m, spare := y(partAVX2+j), y(sumAVX2+j), y(scaleAVX2), y(minAVX2), y(spareAVX2)
		if fm.data == 512 {
			f.i("VPMADDWD", y(onesAVX2), part, part)
		}
		f.i("VPADDD", y(aAVX2), part, part)
		f.i("VSUBPS", f.splatBits(magic), part, part)
		fm.scale(f, avx2, j, group, s, spare)
		if fm.min {
			fm.minimum(f, avx2, j, m, s, spare)
			f.i("VBROADCASTSS", mem(aSum, "SI"), spare)
			f.i("VFMADD231PS", m, spare, sum)
		}
		f.i("VBROADCASTSS", mem(aScale, "SI"), spare)
		f.i("VMULPS", spare, s, s)
		f.i("VFMADD231PS", s, part, sum)
	}
}
