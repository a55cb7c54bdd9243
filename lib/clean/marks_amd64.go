//go:build goexperiment.simd

package clean

import (
	"simd/archsimd"
	"unicode/utf8"
)

func init() {
	if archsimd.X86.AVX512VBMI() {
		classify = classifyAVX512
	}
}

// asciiLanes holds of each ASCII character a bit for each lane of its class.
var asciiLanes = func() (t [128]uint8) {
	for c := range t {
		for lane := range 8 {
			t[c] |= uint8(byteLanes[c] >> (8 * lane) << lane)
		}
	}
	return t
}()

// classifyAVX512 looks up the classes of 64 bytes at once.
func classifyAVX512(ms []marks, b []byte) {
	low, high := archsimd.LoadUint8x64Slice(asciiLanes[:]), archsimd.LoadUint8x64Slice(asciiLanes[64:])
	first, zero := archsimd.BroadcastUint8x64(utf8.RuneSelf), archsimd.BroadcastUint8x64(0)
	word, letter := archsimd.BroadcastUint8x64(1<<(laneWord/8)), archsimd.BroadcastUint8x64(1<<(laneLetter/8))
	space, inner := archsimd.BroadcastUint8x64(1<<(laneSpace/8)), archsimd.BroadcastUint8x64(1<<(laneInner/8))
	stop, newline := archsimd.BroadcastUint8x64(1<<(laneStop/8)), archsimd.BroadcastUint8x64(1<<(laneNewline/8))
	clue := archsimd.BroadcastUint8x64(1 << (laneClue / 8))
	for k := range ms {
		p := b[64*k:][:65]
		x := archsimd.LoadUint8x64Slice(p[1:])
		ascii := x.Less(first)
		class := low.ConcatPermute(high, x).Masked(ascii)
		ms[k] = marks{
			word:    class.And(word).NotEqual(zero).ToBits(),
			letter:  class.And(letter).NotEqual(zero).ToBits(),
			space:   class.And(space).NotEqual(zero).ToBits(),
			inner:   class.And(inner).NotEqual(zero).ToBits(),
			stop:    class.And(stop).NotEqual(zero).ToBits(),
			newline: class.And(newline).NotEqual(zero).ToBits(),
			clue:    class.And(clue).NotEqual(zero).ToBits(),
			wide:    ^ascii.ToBits(),
			same:    x.Equal(archsimd.LoadUint8x64Slice(p)).ToBits(),
		}
	}
	archsimd.ClearAVXUpperBits()
}
