package quant

import (
	"quire/simd/dtype"
)

// grid is where a block format keeps its codes: the rest of a block, its scales, says which numbers the codes stand for. Code q of weight i is step[i]·q + offset[i].
type grid struct {
	codes int // byte of the first code
	half  int // weights whose codes lie in low nibbles before those in high ones; 0: codes are signed bytes
}

var grids = map[dtype.Type]grid{dtype.Q8_0: {2, 0}, dtype.Q4_0: {2, 16}, dtype.Q4_K: {16, 32}, dtype.AWQ4: {4, 64}}

// block rounds weights to one block whose scales are fixed.
type block struct {
	dt           dtype.Type
	grid         grid
	data         []byte
	step, offset []float32
}

func newBlock(dt dtype.Type) *block {
	return &block{dt, grids[dt], nil, make([]float32, dt.Block()), make([]float32, dt.Block())}
}

// begin fixes the scales of the block at data: those that rounding w to nearest has. It clears the codes.
func (b *block) begin(data []byte, w []float32) {
	b.data = data[:b.dt.BlockBytes()]
	dtype.Quantize(b.data, b.dt, w)
	codes := b.data[b.grid.codes : b.grid.codes+b.codeBytes()]
	one := byte(0x11)
	if b.grid.half == 0 {
		one = 1
	}
	for i := range codes {
		codes[i] = one
	}
	dtype.Dequantize(b.step, b.dt, b.data)
	clear(codes)
	dtype.Dequantize(b.offset, b.dt, b.data)
	for i := range b.step {
		b.step[i] -= b.offset[i]
	}
}

func (b *block) codeBytes() int {
	if b.grid.half == 0 {
		return b.dt.Block()
	}
	return b.dt.Block() / 2
}

// put rounds weight i to v's nearest code and returns the number that it stands for.
func (b *block) put(i int, v float32) float32 {
	low, high := 0, 15
	if b.grid.half == 0 {
		low, high = -127, 127
	}
	q := 0
	if b.step[i] != 0 {
		q = min(max(int(dtype.RoundI32((v-b.offset[i])/b.step[i])), low), high)
	}
	if half := b.grid.half; half == 0 {
		b.data[b.grid.codes+i] = byte(q)
	} else {
		b.data[b.grid.codes+i/(2*half)*half+i%half] |= byte(q) << (i / half % 2 * 4)
	}
	return b.step[i]*float32(q) + b.offset[i]
}
