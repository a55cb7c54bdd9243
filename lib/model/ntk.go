package model

import (
	"quire/simd/dtype"
	"quire/simd/tensor"
)

// lengths are the rotary tables of a model whose frequencies depend on the length of the text, one after another in one table.
type lengths struct {
	table  tensor.Rotary
	starts map[int32]int32 // by length
}

// scaled gives every row the place of its position in the table of its sequence's length.
func (m *Model) scaled(b Batch) (pos tensor.Tensor) {
	pos = tensor.NewIn(&m.arena, dtype.I32, b.Pos.Len())
	for s, length := range b.Lengths {
		start := m.lengths.start(m.c, length)
		for i := b.Cu[s]; i < b.Cu[s+1]; i++ {
			p := b.Pos.I32()[i]
			if p < 0 || p >= length {
				panic("model: Forward: a position is outside its sequence's length")
			}
			pos.I32()[i] = start + p
		}
	}
	return pos
}

// start is where the table for a length begins; it is appended when it is first asked for.
func (l *lengths) start(c Config, length int32) int32 {
	if at, ok := l.starts[length]; ok {
		return at
	}
	if l.starts == nil {
		l.starts = map[int32]int32{}
	}
	one := tensor.NewRotary(c.frequencies(int(length)), int(length), c.RopeInterleaved)
	at := 0
	if !l.table.Cos.IsZero() {
		at = l.table.Len()
		join := func(a, b tensor.Tensor) tensor.Tensor {
			return tensor.FromF32(append(append(make([]float32, 0, a.Len()+b.Len()), a.F32()...), b.F32()...), a.Dim(0)+b.Dim(0), a.Dim(1))
		}
		one.Cos, one.Sin = join(l.table.Cos, one.Cos), join(l.table.Sin, one.Sin)
	}
	l.table, l.starts[length] = one, int32(at)
	return int32(at)
}
