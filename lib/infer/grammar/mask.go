package grammar

import (
	"iter"
	"math/bits"
)

// Mask is a set of token ids. The zero value is empty. Masks that a Matcher gives are shared and must not be changed.
type Mask struct{ words []uint64 }

// NewMask returns an empty mask with room for ids below vocab.
func NewMask(vocab int) *Mask { return &Mask{make([]uint64, (vocab+63)/64)} }

// Set adds id. It panics if id is outside the room given to NewMask.
func (m *Mask) Set(id uint32) { m.words[id/64] |= 1 << (id % 64) }

// Has reports whether id is in the set; ids without room are not.
func (m *Mask) Has(id uint32) bool {
	return int(id/64) < len(m.words) && m.words[id/64]>>(id%64)&1 != 0
}

// Count returns how many ids are in the set.
func (m *Mask) Count() int {
	n := 0
	for _, w := range m.words {
		n += bits.OnesCount64(w)
	}
	return n
}

// Words is the set as bits, id i in bit i%64 of word i/64, for loops over a vocabulary. Read only.
func (m *Mask) Words() []uint64 { return m.words }

// All yields the ids in ascending order.
func (m *Mask) All() iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		for i, w := range m.words {
			for ; w != 0; w &= w - 1 {
				if !yield(uint32(i*64 + bits.TrailingZeros64(w))) {
					return
				}
			}
		}
	}
}
