package dtype

import "testing"

// BenchmarkConvert walks 32 MiB of float32: bytes are those read and written.
func BenchmarkConvert(b *testing.B) {
	const n = 8 << 20
	wide, narrow := make([]float32, n), make([]uint16, n)
	for i := range wide {
		wide[i] = float32(i)
	}
	for _, v := range variants {
		best := active
		active = v
		for _, c := range []struct {
			name string
			f    func()
		}{
			{"widen-f16", func() { WidenF16(wide, narrow) }}, {"widen-bf16", func() { WidenBF16(wide, narrow) }},
			{"narrow-f16", func() { NarrowF16(narrow, wide) }}, {"narrow-bf16", func() { NarrowBF16(narrow, wide) }},
		} {
			b.Run("impl="+v.name+"/"+c.name, func(b *testing.B) {
				b.SetBytes(6 * n)
				for b.Loop() {
					c.f()
				}
			})
		}
		active = best
	}
}

// BenchmarkQuantize reports weights a second of one row of 4,096.
func BenchmarkQuantize(b *testing.B) {
	x := make([]float32, 4096)
	for i := range x {
		x[i] = float32(i%251)/125 - 1
	}
	for _, dt := range All() {
		if !dt.IsBlock() {
			continue
		}
		blocks := make([]byte, dt.Bytes(len(x)))
		b.Run("type="+dt.String()+"/quantize", func(b *testing.B) {
			b.SetBytes(int64(4 * len(x)))
			for b.Loop() {
				Quantize(blocks, dt, x)
			}
		})
		b.Run("type="+dt.String()+"/dequantize", func(b *testing.B) {
			b.SetBytes(int64(4 * len(x)))
			for b.Loop() {
				Dequantize(x, dt, blocks)
			}
		})
	}
}
