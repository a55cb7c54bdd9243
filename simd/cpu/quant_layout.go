package cpu

import (
	"encoding/binary"
	"unsafe"

	"quire/simd/dtype"
)

// blockLayout is how a block format is packed: a panel of 32 columns is a sequence of superblocks of subs sub-blocks of 32 elements of k. Within a head every
// scale has 32 neighbours, one a column; codes are interleaved so that VPDPBUSD meets four elements of k of 16 columns.
type blockLayout struct {
	subs            int
	superHead, head int  // bytes of scales of a superblock and of a sub-block
	codeBytes       int  // bytes of codes of a sub-block
	bits            int  // of a code: 4, 5, 6 or 8
	zero            int  // what is taken off a code
	pairs           int  // 1: two scales a sub-block
	plain           bool // a row's blocks are one half and codes that go to the panel four bytes at a time, flipped
	flip            uint32
	read            func(x column, src []byte, q *[256]uint8) // takes a superblock apart: its codes, and its scales to the heads
}

// elements is the length of a superblock.
func (l *blockLayout) elements() int { return l.subs * blockK }

func (l *blockLayout) superBytes() int { return l.superHead + l.subs*(l.head+l.codeBytes) }

// panel is the size of a packed panel.
func (l *blockLayout) panel(k int) int { return k / l.elements() * l.superBytes() }

// column is one of the 32 columns of a superblock being packed.
type column struct {
	l     *blockLayout
	super []byte
	c     int
}

// sub is sub-block i from its head on; −1 is the superblock's head.
func (x column) sub(i int) []byte {
	if i < 0 {
		return x.super
	}
	return x.super[x.l.superHead+i*(x.l.head+x.l.codeBytes):]
}

// half and byte write this column's scale of the group of scales that starts at byte at of a head.
func (x column) half(sub, at int, v uint16) {
	binary.LittleEndian.PutUint16(x.sub(sub)[at+2*x.c:], v)
}

func (x column) byte(sub, at int, v byte) { x.sub(sub)[at+x.c] = v }

// pack writes one row of blocks as column c of a panel of zeros.
func (l *blockLayout) pack(panel []byte, c int, dt dtype.Type, row []byte) {
	if l.plain {
		l.packPlain(start(panel), c, len(row)/dt.BlockBytes(), dt.BlockBytes(), start(row))
		return
	}
	bytes := dt.Bytes(l.elements())
	var q [256]uint8
	for ; len(row) > 0; row, panel = row[bytes:], panel[l.superBytes():] {
		x := column{l, panel[:l.superBytes()], c}
		l.read(x, row[:bytes], &q)
		for i := range l.subs {
			x.place(x.sub(i)[l.head:], q[i*blockK:(i+1)*blockK])
		}
	}
}

// packPlain is pack for Q8_0 and Q4_0, which loading a model waits for (BenchmarkPackBlocks).
func (l *blockLayout) packPlain(panel unsafe.Pointer, c, blocks, blockBytes int, row unsafe.Pointer) {
	codes, step := l.head+c/16*64+c%16*4, l.superBytes()
	for range blocks {
		*(*uint16)(at(panel, 2*c)) = *(*uint16)(row)
		for i := 2; i < blockBytes; i += 4 {
			*(*uint32)(at(panel, codes+(i-2)*32)) = *(*uint32)(at(row, i)) ^ l.flip
		}
		row, panel = at(row, blockBytes), at(panel, step)
	}
}

// place writes the codes of a sub-block, four at a time: see nibbles in asmgen for the order of the bits.
func (x column) place(dst []byte, q []uint8) {
	lane := x.c/16*64 + x.c%16*4
	if x.l.bits == 8 {
		for s := range 8 {
			put32(dst[s*128+lane:], get32(q[4*s:]))
		}
		return
	}
	for s := range 4 {
		put32(dst[s*128+lane:], get32(q[4*s:])&0x0f0f0f0f|get32(q[4*s+16:])&0x0f0f0f0f<<4)
	}
	for s := 0; x.l.bits > 4 && s < 8; s++ {
		high, at := get32(q[4*s:])>>4&0x03030303, dst[512+lane:]
		if x.l.bits == 5 {
			put32(at, get32(at)|high&0x01010101<<s)
			continue
		}
		at = at[s/4*128:]
		put32(at, get32(at)|high<<(2*(s%4)))
	}
}

func get32(b []byte) uint32    { return binary.LittleEndian.Uint32(b) }
func put32(b []byte, v uint32) { binary.LittleEndian.PutUint32(b, v) }

// blockLayouts are the formats with kernels; asmgen's formats are their other half.
var blockLayouts = map[dtype.Type]blockLayout{
	dtype.Q8_0: {subs: 1, head: 64, codeBytes: 1024, bits: 8, zero: 128, read: readQ8, plain: true, flip: 0x80808080},
	dtype.Q4_0: {subs: 1, head: 64, codeBytes: 512, bits: 4, zero: 8, read: func(x column, src []byte, q *[256]uint8) { readLegacy(x, src, q, 0, 0) }, plain: true},
	dtype.Q4_1: {subs: 1, head: 128, codeBytes: 512, bits: 4, read: func(x column, src []byte, q *[256]uint8) { readLegacy(x, src, q, 2, 0) }},
	dtype.Q5_0: {subs: 1, head: 64, codeBytes: 640, bits: 5, zero: 16, read: func(x column, src []byte, q *[256]uint8) { readLegacy(x, src, q, 0, 4) }},
	dtype.Q5_1: {subs: 1, head: 128, codeBytes: 640, bits: 5, read: func(x column, src []byte, q *[256]uint8) { readLegacy(x, src, q, 2, 4) }},
	dtype.Q4_K: {subs: 8, superHead: 128, head: 64, codeBytes: 512, bits: 4, read: func(x column, src []byte, q *[256]uint8) { readK(x, src, q, nil, src[16:]) }},
	dtype.Q5_K: {subs: 8, superHead: 128, head: 64, codeBytes: 640, bits: 5, read: func(x column, src []byte, q *[256]uint8) { readK(x, src, q, src[16:], src[48:]) }},
	dtype.Q6_K: {subs: 8, superHead: 64, head: 64, codeBytes: 768, bits: 6, zero: 32, pairs: 1, read: readQ6K},
	dtype.AWQ4: {subs: 4, superHead: 96, codeBytes: 512, bits: 4, read: readAWQ},
}

func readQ8(x column, src []byte, q *[256]uint8) {
	x.half(0, 0, binary.LittleEndian.Uint16(src))
	for i := 0; i < blockK; i += 8 { // plus 128
		binary.LittleEndian.PutUint64(q[i:], binary.LittleEndian.Uint64(src[2+i:])^0x8080808080808080)
	}
}

// readLegacy reads the formats of 4 and 5 bits: a scale, minBytes of minimum, highBytes of high bits, nibbles.
func readLegacy(x column, src []byte, q *[256]uint8, minBytes, highBytes int) {
	x.half(0, 0, binary.LittleEndian.Uint16(src))
	if minBytes > 0 {
		x.half(0, 64, binary.LittleEndian.Uint16(src[2:]))
	}
	codes := src[2+minBytes+highBytes:]
	for i := 0; i < blockK/2; i += 8 {
		v := binary.LittleEndian.Uint64(codes[i:])
		binary.LittleEndian.PutUint64(q[i:], v&0x0f0f0f0f0f0f0f0f)
		binary.LittleEndian.PutUint64(q[i+16:], v>>4&0x0f0f0f0f0f0f0f0f)
	}
	if highBytes > 0 {
		high := binary.LittleEndian.Uint32(src[2+minBytes:])
		for i := range blockK {
			q[i] |= uint8(high>>i&1) << 4
		}
	}
}

// readK reads Q4_K, and Q5_K where high is not nil. The minimum is packed with its sign turned, to be added.
func readK(x column, src []byte, q *[256]uint8, high, low []byte) {
	x.half(-1, 0, binary.LittleEndian.Uint16(src))
	x.half(-1, 64, binary.LittleEndian.Uint16(src[2:])^0x8000)
	s := src[4:16]
	for j := range 8 {
		scale, least := s[j%4]&63, s[j%4+4]&63
		if j >= 4 {
			scale, least = s[j+4]&15|s[j-4]>>6<<4, s[j+4]>>4|s[j]>>6<<4
		}
		x.byte(j, 0, scale)
		x.byte(j, 32, least)
		for l := range 32 {
			v := low[j/2*32+l] >> (j % 2 * 4) & 15
			if high != nil {
				v |= high[l] >> j & 1 << 4
			}
			q[32*j+l] = v
		}
	}
}

// readQ6K: 128 bytes of low halves, 64 of high quarters, 16 scales, d.
func readQ6K(x column, src []byte, q *[256]uint8) {
	x.half(-1, 0, binary.LittleEndian.Uint16(src[208:]))
	for i, s := range src[192:208] {
		x.byte(i/2, 32*(i%2), s)
	}
	for i := range q {
		half, k := i/128, i%128
		low := src[half*64+k%64] >> (k / 64 * 4) & 15
		high := src[128+half*32+k%32] >> (k / 32 * 2) & 3
		q[i] = low | high<<4
	}
}

// readAWQ: a scale, a zero, and nibbles, the second 64 above the first.
func readAWQ(x column, src []byte, q *[256]uint8) {
	x.half(-1, 0, binary.LittleEndian.Uint16(src))
	x.byte(-1, 64, src[2]&15)
	for k := range 128 {
		q[k] = src[4+k%64] >> (k / 64 * 4) & 15
	}
}
