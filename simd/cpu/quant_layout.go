package cpu

import (
	"unsafe"

	"quire/simd/dtype"
)

// blockLayout is how a block format is packed: a panel of 32 columns is a sequence of superblocks of subs sub-blocks of 32 elements of k. Within a head every
// scale has 32 neighbours, one a column; codes are interleaved so that VPDPBUSD meets four elements of k of 16 columns.
type blockLayout struct {
	subs            int
	superHead, head int // bytes of scales of a superblock and of a sub-block
	codeBytes       int // bytes of codes of a sub-block
	zero            int // what is taken off a code
	pairs           int // 1: two scales a sub-block

	// read takes a superblock of a row apart: its scales to the heads, its codes to units.
	read func(x column, src, units unsafe.Pointer)
}

// elements is the length of a superblock.
func (l *blockLayout) elements() int { return l.subs * blockK }

func (l *blockLayout) superBytes() int { return l.superHead + l.subs*(l.head+l.codeBytes) }

// panel is the size of a packed panel.
func (l *blockLayout) panel(k int) int { return k / l.elements() * l.superBytes() }

// column is one of the 32 columns of a superblock being packed: its first place in the heads of the superblock and of the first sub-block, for scales of one byte, and the way to the next sub-block.
type column struct {
	super, sub unsafe.Pointer
	c, step    int
}

func (l *blockLayout) column(super unsafe.Pointer, c int) column {
	return column{super, at(super, l.superHead), c, l.head + l.codeBytes}
}

// half writes a scale of the superblock, in the group of scales that starts at a byte of its head; byte writes one of sub-block i.
func (x column) half(group int, v uint16)    { *(*uint16)(at(x.super, group+2*x.c)) = v }
func (x column) byte(i, group int, v uint32) { *(*uint8)(at(x.sub, i*x.step+group+x.c)) = uint8(v) }

// units is how many words of four bytes the codes of a column take in a sub-block: see nibbles in asmgen for the order of their bits.
func (l *blockLayout) units() int { return l.codeBytes / (4 * blockCols) }

const (
	packRows  = 16  // rows that become columns together
	packUnits = 256 // units of each of them: 16 kB in all, half of a first cache
)

// packPanel writes rows of blocks as the columns of a panel of zeros (BenchmarkPackBlocks): their units in order, some superblocks at a time, and then those of 16 rows side by side.
// codes is room for packRows · packUnits of them.
func (ks *kernels) packPanel(l *blockLayout, panel, codes unsafe.Pointer, supers, superBytes int, rows []unsafe.Pointer) {
	units, chunk := l.units(), packUnits/(l.subs*l.units())
	for lo := 0; lo < supers; lo += chunk {
		hi := min(lo+chunk, supers)
		for c := 0; c < len(rows); c += packRows {
			group := rows[c:min(c+packRows, len(rows))]
			for r, row := range group {
				to := at(codes, 4*r*packUnits)
				for i := lo; i < hi; i++ {
					l.read(l.column(at(panel, i*l.superBytes()), c+r), at(row, i*superBytes), to)
					to = at(to, 4*l.subs*units)
				}
			}
			for i := range (hi - lo) * l.subs {
				x := l.column(at(panel, (lo+i/l.subs)*l.superBytes()), c)
				ks.packTranspose(at(x.sub, i%l.subs*x.step+l.head+4*c), at(codes, 4*i*units), units, 4*packUnits, 4*blockCols, len(group))
			}
		}
	}
}

// blockLayouts are the formats with kernels; asmgen's formats are their other half.
var blockLayouts = map[dtype.Type]blockLayout{
	dtype.Q8_0: {subs: 1, head: 64, codeBytes: 1024, zero: 128, read: readQ8},
	dtype.Q4_0: {subs: 1, head: 64, codeBytes: 512, zero: 8, read: func(x column, src, units unsafe.Pointer) { readLegacy(x, src, units, 0, 0) }},
	dtype.Q4_1: {subs: 1, head: 128, codeBytes: 512, read: func(x column, src, units unsafe.Pointer) { readLegacy(x, src, units, 2, 0) }},
	dtype.Q5_0: {subs: 1, head: 64, codeBytes: 640, zero: 16, read: func(x column, src, units unsafe.Pointer) { readLegacy(x, src, units, 0, 4) }},
	dtype.Q5_1: {subs: 1, head: 128, codeBytes: 640, read: func(x column, src, units unsafe.Pointer) { readLegacy(x, src, units, 2, 4) }},
	dtype.Q4_K: {subs: 8, superHead: 128, head: 64, codeBytes: 512, read: func(x column, src, units unsafe.Pointer) { readK(x, src, units, nil, at(src, 16)) }},
	dtype.Q5_K: {subs: 8, superHead: 128, head: 64, codeBytes: 640, read: func(x column, src, units unsafe.Pointer) { readK(x, src, units, at(src, 16), at(src, 48)) }},
	dtype.Q6_K: {subs: 8, superHead: 64, head: 64, codeBytes: 768, zero: 32, pairs: 1, read: readQ6K},
	dtype.AWQ4: {subs: 4, superHead: 96, codeBytes: 512, read: readAWQ},
}

const (
	nibbles = 0x0f0f0f0f0f0f0f0f
	pairs   = 0x0303030303030303
	ones    = 0x0101010101010101
)

func word(p unsafe.Pointer, at int) *uint64 { return (*uint64)(unsafe.Add(p, at)) }
func half(p unsafe.Pointer, at int) uint16  { return *(*uint16)(unsafe.Add(p, at)) }
func unit(p unsafe.Pointer, at int) *uint32 { return (*uint32)(unsafe.Add(p, at)) }

func readQ8(x column, src, units unsafe.Pointer) {
	x.half(0, half(src, 0))
	for i := 0; i < 32; i += 8 { // plus 128
		*word(units, i) = *word(src, 2+i) ^ 0x8080808080808080
	}
}

// readLegacy reads the formats of 4 and 5 bits: a scale, least bytes of minimum, high bytes of high bits, nibbles.
func readLegacy(x column, src, units unsafe.Pointer, least, high int) {
	x.half(0, half(src, 0))
	if least > 0 {
		x.half(64, half(src, 2))
	}
	*word(units, 0), *word(units, 8) = *word(src, 2+least+high), *word(src, 10+least+high)
	if high > 0 {
		v, all := *unit(src, 2+least), uint32(0)
		for s := range 8 { // the product spreads four bits over four bytes
			all |= v >> (4 * s) & 15 * 0x204081 & 0x01010101 << s
		}
		*unit(units, 16) = all
	}
}

// readK reads Q4_K, and Q5_K where its high bits are not nil. The minimum is packed with its sign turned, to be added.
func readK(x column, src, units, high, low unsafe.Pointer) {
	x.half(0, half(src, 0))
	x.half(64, half(src, 2)^0x8000)
	a, b, c := *unit(src, 4), *unit(src, 8), *unit(src, 12)
	scales := uint64(a&0x3f3f3f3f) | uint64(c&0x0f0f0f0f|a>>2&0x30303030)<<32
	minima := uint64(b&0x3f3f3f3f) | uint64(c>>4&0x0f0f0f0f|b>>2&0x30303030)<<32
	for j := range 8 {
		x.byte(j, 0, uint32(scales>>(8*j)))
		x.byte(j, 32, uint32(minima>>(8*j)))
	}
	each := 16
	if high != nil {
		each = 20
		var w [4]uint64
		for i := range w {
			w[i] = uint64(*unit(high, 4*i)) | uint64(*unit(high, 16+4*i))<<32
		}
		for j := range 8 {
			all := w[0]>>j&ones | w[1]>>j&ones<<1 | w[2]>>j&ones<<2 | w[3]>>j&ones<<3
			*unit(units, j*each+16) = uint32(all) | uint32(all>>32)<<4
		}
	}
	for j := 0; j < 8; j += 2 {
		splitNibbles(at(units, j*each), at(units, (j+1)*each), at(low, 16*j))
	}
}

// splitNibbles makes units of 32 bytes: of their low halves, and of their high halves.
func splitNibbles(low, high, src unsafe.Pointer) {
	for i := 0; i < 16; i += 8 {
		a, b := *word(src, i), *word(src, 16+i)
		*word(low, i), *word(high, i) = a&nibbles|b&nibbles<<4, a>>4&nibbles|b&^nibbles
	}
}

// readQ6K: 128 bytes of low halves, 64 of high quarters, 16 scales, d. A half of the superblock has its four sub-blocks' nibbles in 64 bytes, low ones before high ones, and their quarters in 32.
func readQ6K(x column, src, units unsafe.Pointer) {
	x.half(0, half(src, 208))
	for i := range 16 {
		x.byte(i/2, 32*(i%2), uint32(*(*uint8)(at(src, 192+i))))
	}
	for h := range 2 {
		to, low, high := at(units, h*96), at(src, 64*h), at(src, 128+32*h)
		splitNibbles(to, at(to, 48), low)
		splitNibbles(at(to, 24), at(to, 72), at(low, 32))
		var w [4]uint64
		for i := range w {
			w[i] = uint64(*unit(high, 4*i)) | uint64(*unit(high, 16+4*i))<<32
		}
		for j := range 4 {
			*word(to, 24*j+16) = w[0]>>(2*j)&pairs | w[1]>>(2*j)&pairs<<2 | w[2]>>(2*j)&pairs<<4 | w[3]>>(2*j)&pairs<<6
		}
	}
}

// readAWQ: a scale, a zero, and nibbles, the second 64 above the first.
func readAWQ(x column, src, units unsafe.Pointer) {
	x.half(0, half(src, 0))
	*(*uint8)(at(x.super, 64+x.c)) = *(*uint8)(at(src, 2)) & 15
	for j := range 2 {
		splitNibbles(at(units, 16*j), at(units, 32+16*j), at(src, 4+32*j))
	}
}
