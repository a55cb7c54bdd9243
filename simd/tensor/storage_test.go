package tensor

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"quire/simd/dtype"
)

func TestArenaReusesMemoryAndReportsItsPeak(t *testing.T) {
	a := NewArena(1 << 12)
	mark := a.Mark()
	x := NewIn(a, dtype.F32, 100)
	x.F32()[0] = 7
	NewIn(a, dtype.F32, 100)
	a.Release(mark)
	if y := NewIn(a, dtype.F32, 10); !y.Overlaps(x) {
		t.Error("released memory is not used again")
	}
	if want := 2 * 448; a.Peak() != want {
		t.Errorf("peak %d, want %d: two tensors of 400 bytes in whole cache lines", a.Peak(), want)
	}
	a.Release(mark)
	big := NewIn(a, dtype.BF16, 3<<20) // more than the first chunk: a second one
	if start(big.Bytes())%64 != 0 {
		t.Error("not aligned")
	}
	if a.Peak() < 6<<20 {
		t.Errorf("peak %d after 6 MiB", a.Peak())
	}
	var zero Arena
	if NewIn(&zero, dtype.I8, 5).Len() != 5 {
		t.Error("the zero Arena does not work")
	}
}

func TestMappingIsTheFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "weights")
	want := []float32{1.5, -2, 3}
	data := make([]byte, 4+12)
	dtype.Quantize(data[4:], dtype.F32, want)
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := Map(name)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	x, err := m.Tensor(dtype.F32, 4, 3)
	if err != nil {
		t.Fatal(err)
	}
	if got := x.Floats(); got[0] != 1.5 || got[1] != -2 || got[2] != 3 {
		t.Errorf("the file holds %v, mapped %v", want, got)
	}
	for _, c := range []struct {
		dt     dtype.Type
		offset int
		shape  []int
		want   string
	}{
		{dtype.F32, 8, []int{3}, "weights at byte 8: F32 [3] needs 12 bytes, the file has 16"},
		{dtype.F32, -4, []int{1}, "at byte -4"},
		{dtype.F32, 99, []int{0}, "at byte 99"},
		{dtype.F32, 0, []int{1 << 40, 1 << 40}, "is no tensor"},
		{dtype.Q8_0, 0, []int{33}, "is no tensor"},
		{dtype.F32, 0, []int{-1}, "is no tensor"},
		{dtype.None, 0, []int{1}, "is no tensor"},
	} {
		if _, err := m.Tensor(c.dt, c.offset, c.shape...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v at %d %v: error %v, want %q", c.dt, c.offset, c.shape, err, c.want)
		}
	}
	f, err := os.Open(name) // where nothing can be mapped, Map reads
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if read, err := readFile(f, len(data)); err != nil || !bytes.Equal(read, m.Bytes()) {
		t.Errorf("read %v, mapped %v, error %v", read, m.Bytes(), err)
	}
	if _, err := readFile(f, 1); err == nil {
		t.Error("a file that ends too early was read")
	}
	if _, err := Map(filepath.Join(t.TempDir(), "absent")); err == nil {
		t.Error("an absent file was mapped")
	}
	if _, err := Map(t.TempDir()); err == nil {
		t.Error("a folder was mapped")
	}
}

func TestBlocksKeepTheirAxis(t *testing.T) {
	w := New(dtype.Q8_0, 3, 64)
	x := make([]float32, w.Len())
	for i := range x {
		x[i] = float32(i % 127)
	}
	w.SetFloats(x)
	for name, f := range map[string]func(){
		"a cut block":         func() { w.Slice(1, 16, 48) },
		"a blocked axis gone": func() { w.T().Index(0) },
		"a last axis of 33":   func() { New(dtype.Q8_0, 33) },
		"the wrong type":      func() { w.F32() },
		"a broadcast to less": func() { New(dtype.F32, 4).Broadcast(3) },
		"another length":      func() { New(dtype.F32, 4).Reshape(5) },
	} {
		func() {
			defer func() {
				if r, _ := recover().(string); !strings.HasPrefix(r, "tensor: ") {
					t.Errorf("%s: panic %q", name, r)
				}
			}()
			f()
			t.Errorf("%s: no panic", name)
		}()
	}
	right := w.Slice(1, 32, 64).Floats()
	if len(right) != 96 || right[0] < 31.7 || right[0] > 32.3 {
		t.Errorf("the right half starts with %v of %d", right[0], len(right))
	}
	if w.T().String() != "Q8_0 [64 3] strides [1 64]" {
		t.Errorf("String: %s", w.T())
	}
}

// Frequencies of a published configuration: Hugging Face's dynamic NTK scaling grows theta with the length, and leaves short sequences alone.
func TestRotaryScaling(t *testing.T) {
	c := RotaryConfig{Dim: 128, Theta: 10000, MaxPosition: 2048, DynamicNTK: 2}
	plain, long := c.Frequencies(2048), c.Frequencies(4096)
	if plain[1] == long[1] || plain[0] != 1 || long[0] != 1 {
		t.Errorf("frequencies %v and %v", plain[:2], long[:2])
	}
	// theta·(2·4096/2048 − 1)^(128/126) = 10000·3^(1.01587…) = 30528.2…
	if got := 1 / (long[32] * long[32]); got < 30527 || got > 30529 {
		t.Errorf("theta for 4096 positions is %.1f, want 30528", got)
	}
	c.Linear = 4
	if got := c.Frequencies(10)[0]; got != 0.25 {
		t.Errorf("linear scaling by 4: first frequency %v", got)
	}
	r := NewRotary(plain, 3, false)
	if r.Len() != 3 || r.Dim != 128 || r.Cos.F32()[0] != 1 || r.Sin.F32()[64] < 0.84147 || r.Sin.F32()[64] > 0.84148 {
		t.Error("table")
	}
}
