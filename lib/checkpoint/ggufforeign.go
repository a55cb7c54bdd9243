package checkpoint

import (
	"encoding/binary"

	"quire/internal/gguf"
	"quire/simd/dtype"
	"quire/simd/tensor"
)

// foreign is a block format of GGUF that has no dtype: its blocks are rewritten in one that has, when a tensor is read.
type foreign struct {
	name            string
	elements, bytes int // of a block
	to              dtype.Type
	rewrite         func(dst, src []byte)
}

// ggmlForeign are those that published files have, by their type codes. Q3_K and IQ4_NL keep their numbers exactly; IQ4_XS rounds the scale of 32 numbers to half precision, Q2_K every number.
var ggmlForeign = map[uint32]foreign{
	10: {"Q2_K", 256, 84, dtype.F16, rewriteQ2K},
	11: {"Q3_K", 256, 110, dtype.Q6_K, rewriteQ3K},
	20: {"IQ4_NL", 32, 18, dtype.Q8_0, rewriteIQ4NL},
	23: {"IQ4_XS", 256, 136, dtype.Q8_0, rewriteIQ4XS},
}

// read rewrites a tensor whose bytes lie in the file.
func (f foreign) read(g *GGUF, t gguf.Tensor) tensor.Tensor {
	out := tensor.New(f.to, shapeOf(t)...)
	blocks, size := out.Len()/f.elements, f.to.Bytes(f.elements)
	src, dst := g.file.Bytes()[g.head.Data+int(t.Offset):], out.Bytes()
	const run = 1024
	_ = parallel((blocks+run-1)/run, func(n int) error {
		for i := n * run; i < min((n+1)*run, blocks); i++ {
			f.rewrite(dst[i*size:(i+1)*size], src[i*f.bytes:(i+1)*f.bytes])
		}
		return nil
	})
	return out
}

// rewriteQ2K: 16 bytes of scale and minimum, a nibble each, 64 of codes of 2 bits, d, dmin. A number is d·scale·code − dmin·minimum.
func rewriteQ2K(dst, src []byte) {
	d, least := halfAt(src, 80), halfAt(src, 82)
	for i := range 256 {
		s := src[i/16]
		code := src[16+i/128*32+i%32] >> (i % 128 / 32 * 2) & 3
		v := d*float32(s&15)*float32(code) - least*float32(s>>4)
		binary.LittleEndian.PutUint16(dst[2*i:], dtype.F32ToF16(v))
	}
}

// rewriteQ3K: 32 bytes of high bits, 64 of codes of 2 bits, 12 of scales of 6 bits, d. A number is d·(scale − 32)·(code − 4), which Q6_K says with the code raised by 28: its scales are bytes.
func rewriteQ3K(dst, src []byte) {
	high, codes, scales := src[:32], src[32:96], src[96:108]
	clear(dst[:192])
	for i := range 256 {
		half, quarter, at := i/128, i%128/32, i%32
		code := codes[half*32+at]>>(2*quarter)&3 | high[at]>>(i/32)&1<<2
		code += 32 - 4
		dst[half*64+quarter%2*32+at] |= code & 15 << (quarter / 2 * 4)
		dst[128+half*32+at] |= code >> 4 << (2 * quarter)
	}
	for i := range 16 {
		scale := scales[i%8]>>(i/8*4)&15 | scales[8+i%4]>>(i/4*2)&3<<4
		dst[192+i] = scale - 32
	}
	copy(dst[208:210], src[108:110])
}

// nonLinear are the numbers of IQ4's codes.
var nonLinear = [16]int8{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113}

// rewriteIQ4NL: d and 16 bytes of codes, the first 16 numbers in the low halves.
func rewriteIQ4NL(dst, src []byte) {
	copy(dst, src[:2])
	putNonLinear(dst[2:], src[2:])
}

// putNonLinear writes 32 numbers for 16 bytes of codes.
func putNonLinear(dst, src []byte) {
	for i, c := range src[:16] {
		dst[i], dst[16+i] = byte(nonLinear[c&15]), byte(nonLinear[c>>4])
	}
}

// rewriteIQ4XS: d, high pairs of bits of eight scales, low halves of them, and eight times the codes of IQ4_NL. A number is d·(scale − 32)·value.
func rewriteIQ4XS(dst, src []byte) {
	d, high := halfAt(src, 0), binary.LittleEndian.Uint16(src[2:])
	for i := range 8 {
		scale := int(src[4+i/2]>>(i%2*4)&15) | int(high>>(2*i)&3)<<4
		putNonLinear(dst[34*i+2:], src[8+16*i:])
		binary.LittleEndian.PutUint16(dst[34*i:], dtype.F32ToF16(d*float32(scale-32)))
	}
}

func halfAt(b []byte, at int) float32 { return dtype.F16ToF32(binary.LittleEndian.Uint16(b[at:])) }
