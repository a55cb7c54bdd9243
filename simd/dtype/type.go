package dtype

import "fmt"

// Type is an element type or a block format. The zero value is None: no type.
type Type uint8

// The element types come first, the block formats after them. The numbers are Quire's own: GGUF and safetensors have their own codes.
const (
	None Type = iota
	F32       // IEEE 754 binary32
	F16       // IEEE 754 binary16
	BF16      // the upper half of binary32
	I8        // two's complement
	I32       // two's complement
	U8        // unsigned

	Q8_0 // 32 weights: f16 d, 32 × int8;                     w = d·q
	Q4_0 // 32 weights: f16 d, 16 bytes of nibbles;           w = d·(q−8)
	Q4_1 // 32 weights: f16 d, f16 m, 16 bytes of nibbles;    w = d·q + m
	Q5_0 // 32 weights: f16 d, 4 bytes of high bits, nibbles; w = d·(q−16)
	Q5_1 // 32 weights: f16 d, f16 m, high bits, nibbles;     w = d·q + m
	Q4_K // 256 weights: f16 d, f16 dmin, 8 × (6-bit scale, 6-bit min), nibbles
	Q5_K // 256 weights: as Q4_K with 32 bytes of high bits
	Q6_K // 256 weights: 128 bytes low, 64 bytes high, 16 × int8 scale, f16 d
	AWQ4 // 128 weights of one output row: f16 scale, u8 zero, u8 unused, 64 bytes of nibbles; w = scale·(q−zero)
	NF4  // 64 weights: f32 absmax, 32 bytes of codes, high nibble first; w = absmax·NF4Table[q]
	numTypes
)

// layout is the size of a type: block weights occupy bytes bytes.
type layout struct {
	name         string
	block, bytes int
}

var layouts = [numTypes]layout{
	None: {"none", 1, 0},
	F32:  {"F32", 1, 4}, F16: {"F16", 1, 2}, BF16: {"BF16", 1, 2}, I8: {"I8", 1, 1}, I32: {"I32", 1, 4}, U8: {"U8", 1, 1},
	Q8_0: {"Q8_0", 32, 34}, Q4_0: {"Q4_0", 32, 18}, Q4_1: {"Q4_1", 32, 20}, Q5_0: {"Q5_0", 32, 22}, Q5_1: {"Q5_1", 32, 24},
	Q4_K: {"Q4_K", 256, 144}, Q5_K: {"Q5_K", 256, 176}, Q6_K: {"Q6_K", 256, 210},
	AWQ4: {"AWQ4", 128, 68}, NF4: {"NF4", 64, 36},
}

// String is the name that Parse reads: F32, Q4_K …
func (t Type) String() string {
	if t >= numTypes {
		return fmt.Sprintf("Type(%d)", uint8(t))
	}
	return layouts[t].name
}

// Block is the number of weights that share one block: 1 for element types.
func (t Type) Block() int { return layouts[t].block }

// BlockBytes is the size of one block, of one element for element types.
func (t Type) BlockBytes() int { return layouts[t].bytes }

// Bytes is the storage of n weights; n must be a multiple of Block.
func (t Type) Bytes(n int) int { return n / layouts[t].block * layouts[t].bytes }

// Bits is the storage of one weight, scales included.
func (t Type) Bits() float64 { return 8 * float64(layouts[t].bytes) / float64(layouts[t].block) }

// IsFloat reports whether t is F32, F16 or BF16: the types that activations and gradients have.
func (t Type) IsFloat() bool { return t == F32 || t == F16 || t == BF16 }

// IsBlock reports whether t is a block format.
func (t Type) IsBlock() bool { return t >= Q8_0 && t < numTypes }

// Parse returns the type with that name, in the spelling of String.
func Parse(name string) (Type, error) {
	for t := F32; t < numTypes; t++ {
		if layouts[t].name == name {
			return t, nil
		}
	}
	return None, fmt.Errorf("dtype: no type %q: use one of %v", name, All())
}

// All lists the types in the order of their constants, None left out.
func All() []Type {
	var all []Type
	for t := F32; t < numTypes; t++ {
		all = append(all, t)
	}
	return all
}
