package checkpoint

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"quire/internal/gguf"
	"quire/simd/dtype"
)

// numberOf are the formats without a dtype, number by number, as ggml.h and gguf-py describe them.
var numberOf = map[uint32]func(b []byte, i int) float64{
	10: func(b []byte, i int) float64 { // scales[16], qs[64], d, dmin
		q := b[16+32*(i/128)+i%32] >> (2 * (i / 32 % 4)) & 3
		return half(b[80:])*float64(b[i/16]&15)*float64(q) - half(b[82:])*float64(b[i/16]>>4)
	},
	11: func(b []byte, i int) float64 { // hmask[32], qs[64], scales[12], d
		q := int(b[32+32*(i/128)+i%32] >> (2 * (i / 32 % 4)) & 3)
		if b[i%32]&(1<<(i/32)) == 0 {
			q -= 4
		}
		s, j := b[96:108], i/16
		scale := int(s[j%8]) & 15
		if j >= 8 {
			scale = int(s[j%8]) >> 4
		}
		scale |= int(s[8+j%4]) >> (2 * (j / 4)) & 3 << 4
		return half(b[108:]) * float64(scale-32) * float64(q)
	},
	20: func(b []byte, i int) float64 { return half(b) * fourBits(b[2:], i) },
	23: func(b []byte, i int) float64 { // d, scales_h, scales_l[4], qs[128]
		j := i / 32
		scale := int(b[4+j/2])>>(4*(j%2))&15 | int(binary.LittleEndian.Uint16(b[2:]))>>(2*j)&3<<4
		return half(b) * float64(scale-32) * fourBits(b[8+16*j:], i%32)
	},
}

func half(b []byte) float64 { return float64(dtype.F16ToF32(binary.LittleEndian.Uint16(b))) }

func fourBits(b []byte, i int) float64 {
	values := []float64{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113}
	if i < 16 {
		return values[b[i]&15]
	}
	return values[b[i-16]>>4]
}

// TestForeignBlocks reads random blocks of the formats that are rewritten and compares every number: exact where a dtype has room for it, else within half precision.
func TestForeignBlocks(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for code, f := range ggmlForeign {
		const rows, cols = 5, 512
		data := make([]byte, rows*cols/f.elements*f.bytes)
		for i := range data {
			data[i] = byte(rng.Uint32())
		}
		for b := 0; b < len(data); b += f.bytes { // scales that weights have
			for _, at := range map[uint32][]int{10: {80, 82}, 11: {108}, 20: {0}, 23: {0}}[code] {
				binary.LittleEndian.PutUint16(data[b+at:], dtype.F32ToF16(0.001+0.01*rng.Float32()))
			}
		}
		head, err := gguf.Append(nil, &gguf.Head{Meta: map[string]any{"general.architecture": "llama"}, Tensors: []gguf.Tensor{{Name: "a", Dims: []int{cols, rows}, Type: code}}})
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "x.gguf")
		if err := os.WriteFile(path, append(head, data...), 0o644); err != nil {
			t.Fatal(err)
		}
		g, err := OpenGGUF(path)
		if err != nil {
			t.Fatal(err)
		}
		defer g.Close()
		x, err := g.Tensor("a")
		if err != nil {
			t.Fatal(err)
		}
		if x.DType() != f.to || x.Dim(0) != rows || x.Dim(1) != cols {
			t.Fatalf("%s: read as %v", f.name, x)
		}
		for i, got := range x.Floats() {
			want := numberOf[code](data[i/f.elements*f.bytes:][:f.bytes], i%f.elements)
			bound := 0.0
			if code == 10 || code == 23 {
				bound = 0x1p-11*math.Abs(want) + 0x1p-18
			}
			if math.Abs(float64(got)-want) > bound+0x1p-22*math.Abs(want) {
				t.Fatalf("%s: number %d is %v, want %v", f.name, i, got, want)
			}
		}
	}
}
