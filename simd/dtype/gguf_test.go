package dtype

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
)

// ggufTensor is one tensor of a GGUF file.
type ggufTensor struct {
	code uint32
	n    int
	data []byte
}

// sharedFile finds a file of the shared data, beside or above the module, or skips.
func sharedFile(t *testing.T, name string) string {
	t.Helper()
	for dir := "."; ; dir = filepath.Join("..", dir) {
		if path := filepath.Join(dir, "shared", "data", name); exists(path) {
			return path
		}
		if abs, err := filepath.Abs(dir); err != nil || abs == filepath.Dir(abs) {
			t.Skipf("shared/data/%s is not here", name)
		}
	}
}

func exists(path string) bool { _, err := os.Stat(path); return err == nil }

// readGGUF is as much of the format as these files need.
func readGGUF(t *testing.T, name string) map[string]ggufTensor {
	t.Helper()
	file, err := os.ReadFile(sharedFile(t, "weights/stories260K/gguf/"+name))
	if err != nil {
		t.Fatal(err)
	}
	pos := 8
	u32 := func() uint32 { pos += 4; return binary.LittleEndian.Uint32(file[pos-4:]) }
	u64 := func() int { pos += 8; return int(binary.LittleEndian.Uint64(file[pos-8:])) }
	text := func() string { n := u64(); pos += n; return string(file[pos-n : pos]) }
	tensors, align := u64(), 32
	var skip func(kind uint32)
	skip = func(kind uint32) {
		switch kind {
		case 8:
			text()
		case 9:
			for element, n := u32(), u64(); n > 0; n-- {
				skip(element)
			}
		default:
			pos += []int{1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8}[kind]
		}
	}
	for kvs := u64(); kvs > 0; kvs-- {
		key := text()
		kind := u32()
		if key == "general.alignment" {
			align = int(binary.LittleEndian.Uint32(file[pos:]))
		}
		skip(kind)
	}
	found, offsets := map[string]ggufTensor{}, map[string]int{}
	for range tensors {
		name, n := text(), 1
		for dims := u32(); dims > 0; dims-- {
			n *= u64()
		}
		found[name] = ggufTensor{code: u32(), n: n}
		offsets[name] = u64()
	}
	pos = (pos + align - 1) / align * align
	for name, x := range found {
		x.data = file[pos+offsets[name]:]
		found[name] = x
	}
	return found
}

// The files hold the same weights, written by llama.cpp's quantiser: our quantiser must write the same bytes.
func TestQuantizeEqualsGGML(t *testing.T) {
	codes := map[uint32]Type{1: F16, 2: Q4_0, 3: Q4_1, 6: Q5_0, 7: Q5_1, 8: Q8_0}
	source := readGGUF(t, "stories260K-f32.gguf")
	for _, want := range []Type{F16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0} {
		checked := 0
		for name, x := range readGGUF(t, "stories260K-"+want.String()+".gguf") {
			if codes[x.code] != want {
				continue
			}
			weights := make([]float32, x.n)
			Dequantize(weights, F32, source[name].data)
			got := make([]byte, want.Bytes(x.n))
			Quantize(got, want, weights)
			if i := firstDifference(got, x.data[:len(got)]); i >= 0 {
				t.Errorf("%v %s: byte %d of %d (block %d) is %#x, llama.cpp has %#x", want, name, i, len(got), i/want.BlockBytes(), got[i], x.data[i])
			}
			requantized := make([]byte, len(got))
			Dequantize(weights, want, got)
			Quantize(requantized, want, weights)
			if want == Q8_0 || want == F16 {
				if !bytes.Equal(requantized, got) {
					t.Errorf("%v %s: dequantised and quantised again: bytes differ", want, name)
				}
			}
			checked++
		}
		if checked < 10 {
			t.Errorf("%v: only %d tensors of that type in the file", want, checked)
		}
	}
}

func firstDifference(a, b []byte) int {
	for i := range a {
		if a[i] != b[i] {
			return i
		}
	}
	return -1
}
